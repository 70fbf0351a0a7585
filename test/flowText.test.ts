import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { PortNames } from '../src/fields/portText.js';
import { makeTlvMap } from '../src/fields/tunMetadata.js';
import { parseDump } from '../src/openflow/dumpText.js';
import { formatFlowMod, formatRule } from '../src/openflow/flowPrint.js';
import { parseFlowMod, parseRule } from '../src/openflow/flowText.js';
import { OF_VERSIONS } from '../src/openflow/formats.js';
import { matchKey } from '../src/openflow/match.js';
import type { OfVersion } from '../src/openflow/rule.js';
import { InputError } from '../src/util/errors.js';

const names: [string, number][] = [
  ['tap1', 1],
  ['patch-tun', 3],
  ['5weird', 5],
  ['drop', 9],
];
const ports: PortNames = { byName: new Map(names), byNumber: new Map(names.map(([name, port]) => [port, name])) };

const canonical = (text: string, of: OfVersion = '1.3'): string =>
  formatRule(parseRule(text, { of, ports }).rule, { of });

function refusal(text: string, of: OfVersion = '1.3'): InputError {
  try {
    parseRule(text, { of, ports });
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

// Made with `ovs-ofctl -O VERSION parse-flow FLOW` of Open vSwitch 3.1.0 (Debian 12); null: refused.
type GoldenRow = { flow: string } & Record<OfVersion, string | null>;
const golden = readFileSync(new URL('../../test/golden/flow-mods.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as GoldenRow);

for (const of of OF_VERSIONS)
  test(`flows read and print as ovs-ofctl does over OpenFlow ${of}`, () => {
    for (const row of golden) {
      let printed: string | null;
      try {
        printed = formatFlowMod(parseFlowMod('add', row.flow, { of }).mod);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
        printed = null;
      }
      assert.equal(printed, row[of], `${of}: ${row.flow}`);
    }
  });

test('one match has one identity, whatever text it came from', () => {
  const same = [
    'tcp,tp_dst=0x50',
    'ip,nw_proto=6,tcp_dst=80',
    'dl_type=0x0800,nw_proto=6,tp_dst=80/0xffff',
    'tp_dst[0..15]=80,tcp',
  ].map((text) => matchKey(parseRule(`${text} actions=drop`).rule.match));
  assert.equal(new Set(same).size, 1);
  const vlan = ['dl_vlan=7', 'vlan_vid=0x1007', 'vlan_tci=0x1007/0x1fff'].map((text) =>
    matchKey(parseRule(`${text} actions=drop`).rule.match),
  );
  assert.equal(new Set(vlan).size, 1);
});

test('a field without its prerequisite is dropped with a warning', () => {
  const { rule, warnings } = parseRule('nw_src=10.0.0.1 actions=1');
  assert.equal(formatRule(rule), 'actions=output:1');
  assert.match(warnings.join(), /normalization changed the match: 'nw_src=10\.0\.0\.1' became ''/);
  assert.deepEqual(parseRule('ip,nw_src=10.0.0.1 actions=1').warnings, []);
});

test('numbers may be octal, and bits of bit-sized fields that do not fit are cut', () => {
  assert.equal(canonical('reg0=012 actions=drop'), 'reg0=0xa actions=drop');
  assert.equal(canonical('ip,nw_tos=5 actions=drop'), 'ip,nw_tos=4 actions=drop');
  assert.equal(canonical('dl_vlan=4097 actions=drop'), 'dl_vlan=1 actions=drop');
  assert.equal(canonical('ip,nw_src=10.0.0.256 actions=drop'), 'ip,nw_src=10.0.0.0 actions=drop');
});

test('an error names the column and the near miss', () => {
  const field = refusal('priority=5,ip,nw_scr=10.0.0.1 actions=drop');
  assert.equal(field.place.column, 15);
  assert.equal(field.hint, "did you mean 'nw_src'?");
  const action = refusal('ip actions=clone(resubmitt(,4)),output:1');
  assert.equal(action.place.column, 18);
  assert.equal(action.hint, "did you mean 'resubmit'?");
  const nested = refusal('ip actions=ct(commit,exec(set_field:1->ct_mrak))');
  assert.equal(nested.place.column, 27);
  assert.equal(nested.hint, "did you mean 'ct_mark'?");
  assert.match(refusal('IP actions=drop').hint ?? '', /case-sensitive; did you mean 'ip'/);
});

test('what no format of the version can say is refused', () => {
  assert.match(refusal('reg0=5 actions=drop', '1.1').message, /OpenFlow 1\.1/);
  assert.match(refusal('no_packet_counts actions=drop', '1.2').message, /OpenFlow 1\.2/);
  assert.match(refusal('tun_ttl=5 actions=drop').message, /has a way to say tun_ttl/);
});

test('what only the switch refuses is refused by its name', () => {
  assert.match(refusal('table=254 actions=drop').message, /OFPBRC_EPERM/);
  assert.match(refusal('ipv6,ipv6_label=0x123456 actions=drop').message, /OFPBMC_BAD_VALUE/);
  assert.match(refusal('nsh_si=5 actions=drop').message, /OFPBMC_BAD_PREREQ/);
  assert.match(refusal('actions=set_field:0x1f/0xf0->reg0', '1.5').message, /OFPBMC_BAD_WILDCARDS/);
  assert.throws(() => parseRule('actions=group:5', { groups: new Set([1]) }), /OFPBAC_BAD_OUT_GROUP/);
});

test('a rule entered in one version prints in every other as a dump there would', () => {
  const { rule } = parseRule('dl_vlan=4 actions=set_field:4097->vlan_vid,write_actions(output:1)', { of: '1.3' });
  assert.equal(formatRule(rule, { of: '1.0' }), 'dl_vlan=4 actions=mod_vlan_vid:1');
  assert.equal(formatRule(rule, { of: '1.1' }), 'dl_vlan=4 actions=set_vlan_vid:1,write_actions(output:1)');
  assert.equal(formatRule(rule, { of: '1.5' }), 'dl_vlan=4 actions=set_field:4097->vlan_vid,write_actions(output:1)');
  const meta = parseRule('actions=write_metadata:1,goto_table:2').rule;
  assert.throws(() => formatRule(meta, { of: '1.0' }), InputError);
});

test('rules added over 1.0 or 1.1 count anew, which later versions show', () => {
  assert.equal(formatRule(parseRule('actions=1', { of: '1.0' }).rule), 'reset_counts actions=output:1');
  assert.equal(
    formatRule(parseRule('importance=4 actions=1', { of: '1.4' }).rule, { of: '1.4' }),
    'importance=4, actions=output:1',
  );
});

test('modify and delete carry what their version can say', () => {
  const loose = parseFlowMod('modify', 'cookie=0x5,ip,actions=drop', { of: '1.0' }).mod;
  assert.deepEqual([loose.table, loose.newCookie, loose.modifyCookie], [255, 5n, true]);
  const later = parseFlowMod('modify', 'cookie=0x5,ip,actions=drop', { of: '1.5' }).mod;
  assert.deepEqual([later.table, later.modifyCookie, later.newCookie === 5n], [0, false, false]);
  const all = parseFlowMod('delete', 'cookie=0x5/-1,out_port=LOCAL', { of: '1.3' }).mod;
  assert.deepEqual([all.table, all.cookie, all.outPort], [255, 5n, 65534]);
  assert.throws(() => parseFlowMod('delete', 'priority=5', {}), /unknown keyword priority/);
  assert.throws(() => parseFlowMod('delete', 'cookie=5', {}), /cannot set cookie/);
  assert.throws(() => parseFlowMod('add', 'cookie=5/1,actions=drop', {}), /cannot use a cookie mask/);
});

test('names are quoted unless plain, and may look like keywords', () => {
  const text = 'in_port="patch-tun" actions=output:tap1,output:drop,resubmit("5weird",7)';
  const { rule } = parseRule(text, { ports });
  assert.equal(formatRule(rule), 'in_port=3 actions=output:1,output:9,resubmit(5,7)');
  assert.equal(formatRule(rule, { ports }), text);
});

test('tunnel options need a mapping, and are as wide as it says', () => {
  const tlvMap = makeTlvMap([{ optionClass: 1, type: 2, length: 4, index: 9 }]);
  const { rule } = parseRule('tun_metadata9=0x5/0xff actions=set_field:7->tun_metadata9', { tlvMap });
  assert.equal(formatRule(rule, { tlvMap }), 'tun_metadata9=0x5/0xff actions=set_field:0x7->tun_metadata9');
  assert.throws(() => parseRule('tun_metadata3=1 actions=drop', { tlvMap }), /no tunnel option mapped/);
});

test('a dump keeps line order, statistics and flags; headers may repeat', () => {
  const text = [
    'OFPST_FLOW reply (OF1.3) (xid=0x2): flags=[more]',
    ' cookie=0x5, duration=9682.923s, table=5, n_packets=7, n_bytes=90, idle_timeout=100, send_flow_rem reset_counts priority=7,tcp,in_port=5,tp_dst=80 actions=resubmit(5,7),output:1',
    ' cookie=0x0, duration=5s, table=0, n_packets=0, n_bytes=0, reset_counts actions=NORMAL',
    'OFPST_FLOW reply (OF1.3) (xid=0x2):',
    ' cookie=0x1, duration=0.590s, table=0, n_packets=1, n_bytes=42, priority=0 actions=ct(commit,zone=5,exec(load:0x1->NXM_NX_CT_MARK[]))',
  ];
  const dump = parseDump(text.join('\n'));
  // The last one is no flow of its own: ct needs ip, as a dump never lacks it; it is read as printed.
  assert.deepEqual(
    dump.rules.map(({ rule, line }) => [rule.table, rule.priority, line]),
    [
      [5, 7, 2],
      [0, 32768, 3],
      [0, 0, 5],
    ],
  );
  assert.equal(dump.rules[0]!.stats.nPackets, 7n);
  assert.equal(dump.rules[0]!.stats.duration, '9682.923s');
  assert.equal(` ${formatRule(dump.rules[0]!.rule, { stats: dump.rules[0]!.stats })}`, text[1]);
  assert.equal(` ${formatRule(dump.rules[1]!.rule, { stats: dump.rules[1]!.stats })}`, text[2]);
  assert.equal(` ${formatRule(dump.rules[2]!.rule, { stats: dump.rules[2]!.stats })}`, text[4]);
  assert.deepEqual([dump.of, dump.header, dump.form], ['1.3', true, 'ofctl']);
});

test('a dump that ends in the middle says so', () => {
  const dump = parseDump('OFPST_FLOW reply (OF1.5) (xid=0x2): flags=[more]\n priority=0 actions=drop\n');
  assert.match(dump.warnings.join(), /cut off/);
});

test('bridge/dump-flows shows the rules of the switch itself', () => {
  const dump = parseDump(
    [
      'duration=5s, n_packets=2, n_bytes=84, priority=180000,arp,actions=NORMAL',
      'table_id=254, duration=600s, n_packets=0, n_bytes=0, priority=2,recirc_id=0,actions=drop',
      'table_id=254, duration=600s, n_packets=0, n_bytes=0, ,reg0=0x1,actions=controller(reason=)',
    ].join('\n'),
  );
  assert.equal(dump.form, 'appctl');
  assert.deepEqual(
    dump.rules.map(({ rule }) => [rule.table, rule.priority]),
    [
      [0, 180000],
      [254, 2],
      [254, 32768],
    ],
  );
});

test('a hand-written file may have comments, and a bad line is named', () => {
  const dump = parseDump('# rules\n\ntable=1,ip,actions=1 # out\n', { file: 'rules' });
  assert.equal(dump.rules.length, 1);
  assert.throws(
    () => parseDump('ip,actions=1\n\n  ip,nw_srcc=1.2.3.4,actions=1\n', { file: 'rules' }),
    (error: unknown) => error instanceof InputError && error.format().startsWith('rules:3:6: unknown keyword nw_srcc'),
  );
});

test('deeply nested and very long input ends in an error, not in a crash', () => {
  assert.match(refusal(`actions=${'clone('.repeat(5000)}`).message, /nested too deeply/);
  assert.match(refusal(`reg0=${'1'.repeat(10000)} actions=drop`).message, /too large/);
  assert.match(refusal('reg0[').message, /must specify an action/);
  assert.match(refusal('reg0[=5,actions=drop').message, /syntax error/);
});
