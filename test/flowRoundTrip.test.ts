import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIpv4Masked, formatIpv6Masked, formatMacMasked } from '../src/fields/addressText.js';
import { K } from '../src/fields/key.js';
import { parseDumpLine } from '../src/openflow/dumpText.js';
import { formatRule } from '../src/openflow/flowPrint.js';
import { parseRule } from '../src/openflow/flowText.js';
import { OF_VERSIONS } from '../src/openflow/formats.js';
import { type Match, matchKey } from '../src/openflow/match.js';
import { InputError } from '../src/util/errors.js';
import { runsOf } from './oracle/runs.js';

const bits = (width: number): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: (1n << BigInt(width)) - 1n });
const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** `name=value` or `name=value/mask`, mask 0 included. */
const masked = (name: string, width: number): fc.Arbitrary<string> =>
  fc
    .tuple(bits(width), fc.option(bits(width)))
    .map(([value, mask]) => `${name}=${hex(value)}${mask === null ? '' : `/${hex(mask)}`}`);

const address = (name: string, width: number, format: (value: bigint, mask: bigint) => string): fc.Arbitrary<string> =>
  fc.tuple(bits(width), bits(width)).map(([value, mask]) => `${name}=${format(value, mask)}`);

const pieces = fc.oneof(
  masked('reg0', 32),
  masked('reg7', 32),
  masked('xreg2', 64),
  masked('xxreg3', 128),
  masked('metadata', 64),
  masked('tun_id', 64),
  masked('ct_mark', 32),
  masked('ct_label', 128),
  masked('pkt_mark', 32),
  masked('vlan_tci', 16).filter((text) => !/0x[0-9a-f]{1,3}$/.test(text)),
  masked('tun_metadata0', 32),
  masked('tun_gbp_id', 16),
  address('nw_src', 32, formatIpv4Masked),
  address('nw_dst', 32, formatIpv4Masked),
  address('ipv6_src', 128, formatIpv6Masked),
  address('dl_dst', 48, formatMacMasked),
  address('arp_sha', 48, formatMacMasked),
  masked('tp_dst', 16),
  masked('tp_src', 16),
  fc.constantFrom(
    'ct_state=+trk-inv',
    'ct_state=+new+est',
    'ct_state=0x21',
    'tcp_flags=+syn-ack',
    'nw_frag=later',
    'nw_ttl=5',
  ),
  fc.nat(65535).map((port) => `in_port=${port % 0xff00}`),
  fc.nat(4094).map((vid) => `dl_vlan=${vid}`),
  fc.nat(255).map((tos) => `nw_tos=${tos}`),
);

const protocol = fc.constantFrom(
  'ip',
  'tcp',
  'udp',
  'icmp',
  'ipv6',
  'tcp6',
  'icmp6',
  'arp',
  'mpls',
  'sctp',
  'dl_type=0x894f',
  'eth',
);

const action: fc.Arbitrary<string> = fc.letrec<{ action: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    fc.nat(65000).map((port) => `output:${port}`),
    fc.tuple(bits(32), bits(32)).map(([value, mask]) => `set_field:${hex(value & mask)}/${hex(mask)}->reg3`),
    bits(16).map((value) => `load:${hex(value)}->NXM_NX_REG1[4..19]`),
    bits(48).map((mac) => `mod_dl_src:${formatMacMasked(mac, (1n << 48n) - 1n)}`),
    fc.nat(254).map((table) => `resubmit(,${table})`),
    fc.constantFrom(
      'NORMAL',
      'IN_PORT',
      'move:NXM_NX_REG0[0..7]->NXM_NX_REG1[8..15]',
      'set_tunnel:0x55',
      'note:01.02.03',
      'exit',
      'push:NXM_NX_REG0[]',
    ),
    fc.constantFrom(
      'learn(table=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
      'mod_vlan_vid:5',
      'dec_ttl',
      'controller:99',
    ),
  ),
  action: fc.oneof(
    { weight: 4, arbitrary: tie('leaf') },
    { weight: 1, arbitrary: fc.array(tie('action'), { maxLength: 3 }).map((list) => `clone(${list.join(',')})`) },
  ),
})).action;

const flow = fc
  .tuple(fc.nat(65535), protocol, fc.array(pieces, { maxLength: 5 }), fc.array(action, { maxLength: 4 }))
  .map(
    ([priority, word, fields, actions]) =>
      `priority=${priority},${[word, ...fields].join(',')} actions=${actions.join(',') || 'drop'}`,
  );

/** Text does not show that a match names the Ethernet packet type and nothing else of the packet. */
const identity = (match: Match): string => matchKey(match).replace(`${K.packet_type}:ffffffff=0,`, '');

/** Null: refused, which is a fine answer to random text. */
function accepted<T>(step: () => T): T | null {
  try {
    return step();
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

test('what is printed reads back as the same rule and prints the same, in every version', (t) => {
  let read = 0;
  fc.assert(
    fc.property(flow, fc.constantFrom(...OF_VERSIONS), (text, of): void => {
      const first = accepted(() => parseRule(text, { of }).rule);
      if (first === null) return;
      const printed = accepted(() => formatRule(first, { of }));
      if (printed === null) return;
      read++;
      const again = parseDumpLine(printed, { of }).rule;
      assert.equal(formatRule(again, { of }), printed, text);
      assert.equal(identity(again.match), identity(first.match), text);
      // As held, too: another version shows no difference between the two.
      for (const other of OF_VERSIONS) {
        const shown = accepted((): string => formatRule({ ...again, flags: first.flags }, { of: other }));
        assert.equal(
          shown,
          accepted((): string => formatRule(first, { of: other })),
          `${text} in ${other}`,
        );
      }
    }),
    runsOf(t, 600),
  );
  assert.ok(read > 150, `only ${read} of 600 random flows were read`);
});

test('no text whatever makes the parser fail in another way than by an error with a column', (t) => {
  const words = fc.array(
    fc.oneof(
      fc.constantFrom(
        'actions=',
        'ct(',
        'learn(',
        'exec(',
        'nat(src=',
        ')',
        ',',
        ' ',
        '->',
        '[',
        ']',
        '..',
        '=',
        ':',
        '/',
        '"',
        'reg0',
        'NXM_NX_REG0[',
        'load:',
        'set_field:',
        'tcp',
        '0x',
        '-1',
        '10.0.0.1',
        '::',
        'output',
        'clone(',
      ),
      fc.string({ maxLength: 4 }),
    ),
    { maxLength: 24 },
  );
  fc.assert(
    fc.property(words, (list) => {
      const text = list.join('');
      try {
        parseRule(text);
      } catch (error) {
        assert.ok(error instanceof InputError, `${JSON.stringify(text)}: ${error}`);
        const { column } = error.place;
        assert.ok(column === undefined || (column >= 1 && column <= text.length + 1), `${text}: column ${column}`);
      }
    }),
    runsOf(t, 3000),
  );
});
