import assert from 'node:assert/strict';
import { test } from 'node:test';
import { K } from '../src/fields/key.js';
import { decodeMessage, type WireMessage } from '../src/openflow/wire.js';
import { Prng } from '../src/util/prng.js';
import { bundleAdd14, flowMod14, hexBytes } from './channelFrames.js';

const decode = (hex: string): WireMessage => decodeMessage(hexBytes(hex));

/** A flow-mod ADD of OpenFlow 1.3 with these match entries and instructions. */
function flowMod13(oxm: string, instructions: string, overrides: Record<number, number> = {}): WireMessage {
  const entries = hexBytes(oxm);
  const padded = (entries.length + 4 + 7) & ~7;
  const rest = hexBytes(instructions);
  const bytes = new Uint8Array(48 + padded + rest.length);
  const view = new DataView(bytes.buffer);
  bytes.set([4, 14], 0);
  view.setUint16(2, bytes.length);
  view.setUint32(4, 0x77);
  view.setBigUint64(8, 0x42n);
  view.setUint16(30, 100);
  bytes.fill(0xff, 32, 44);
  view.setUint16(48, 1);
  view.setUint16(50, 4 + entries.length);
  bytes.set(entries, 52);
  bytes.set(rest, 48 + padded);
  for (const [at, value] of Object.entries(overrides)) bytes[Number(at)] = value;
  return decodeMessage(bytes);
}

const IPV4 = '80000a02 0800';
const OUTPUT_1 = '0004 0018 00000000 0000 0010 00000001 0000 000000000000';

function modOf(message: WireMessage) {
  assert.equal(message.error, null);
  assert.equal(message.body.kind, 'flowMod');
  if (message.body.kind !== 'flowMod') throw new Error('unreachable');
  return message.body.mod;
}

test('a flow-mod of OpenFlow 1.3 is read with match, actions, cookie and priority', () => {
  const mod = modOf(flowMod13(`${IPV4} 80001708 0a0a0000 ffff0000`, OUTPUT_1));
  assert.deepEqual([mod.op, mod.table, mod.priority, mod.newCookie, mod.of], ['add', 0, 100, 0x42n, '1.3']);
  const at = mod.match.words.indexOf(K.nw_src);
  assert.deepEqual([mod.match.values[at], mod.match.masks[at]], [0x0a0a0000, 0xffff0000 | 0]);
  assert.deepEqual(mod.actions, [{ type: 'output', port: 1 }]);
});

test('a mask of ones is the exact value', () => {
  const masked = modOf(flowMod13(`${IPV4} 80001708 0a0a0001 ffffffff`, OUTPUT_1));
  const exact = modOf(flowMod13(`${IPV4} 80001604 0a0a0001`, OUTPUT_1));
  assert.deepEqual(masked.match, exact.match);
});

test('faults of a match have the names that Open vSwitch gives them', () => {
  for (const [oxm, error] of [
    [`${IPV4} 80001708 0a0a0001 ffff0000`, 'OFPBMC_BAD_WILDCARDS'],
    ['80001604 0a0a0001', 'OFPBMC_BAD_PREREQ'],
    [`80001604 0a0a0001 ${IPV4}`, 'OFPBMC_BAD_PREREQ'],
    [`${IPV4} ${IPV4}`, 'OFPBMC_DUP_FIELD'],
    ['8000c801 00', 'OFPBMC_BAD_FIELD'],
    ['12340201 00', 'OFPBMC_BAD_FIELD'],
    ['80000a28 0800', 'OFPBMC_BAD_LEN'],
    ['0001d308 00000100 00000100', 'OFPBMC_BAD_VALUE'],
    ['80000b04 0800 f000', 'OFPBMC_BAD_WILDCARDS'],
    ['80000b04 0800 ff00', 'OFPBMC_BAD_MASK'],
    // A tunnel option that nobody mapped (TLV 40).
    ['0001a004 00000001', 'NXFMFC_INVALID_TLV_FIELD'],
  ] as const)
    assert.equal(flowMod13(oxm, OUTPUT_1).error, error, oxm);
});

test('faults of instructions, actions and the message itself have their names', () => {
  const apply = (action: string): string => {
    const length = hexBytes(action).length + 8;
    return `0004 ${length.toString(16).padStart(4, '0')} 00000000 ${action}`;
  };
  for (const [instructions, error] of [
    ['0063 0008 00000000', 'OFPBIC_UNKNOWN_INST'],
    [`${OUTPUT_1} ${OUTPUT_1}`, 'OFPBIC_DUP_INST'],
    ['0001 0008 00000000', 'OFPBIC_BAD_TABLE_ID'],
    [apply('0000 0010 ffffffff 0000000000000000'), 'OFPBAC_BAD_OUT_PORT'],
    [apply('0000 0010 0001ff00 0000000000000000'), 'OFPBAC_BAD_OUT_PORT'],
    [apply('0063 0008 00000000'), 'OFPBAC_BAD_TYPE'],
    [apply('0000 0000 00000000'), 'OFPBAC_BAD_LEN'],
    [apply('ffff 0010 12345678 0001 000000000000'), 'OFPBAC_BAD_VENDOR'],
    [apply('ffff 0010 00002320 03e7 000000000000'), 'OFPBAC_BAD_VENDOR_TYPE'],
    [apply('ffff 0010 00002320 000e fff8 1b 010203'), 'OFPBAC_BAD_ARGUMENT'],
    [apply('ffff 0010 00002320 0022 00 01 00000005'), 'NXBAC_BAD_CONJUNCTION'],
    [apply('0019 0010 80000a02 0800 000000000000'), 'OFPBAC_BAD_SET_ARGUMENT'],
    // set_field:tcp_dst without tcp
    [apply('0019 0010 80001c02 0050 000000000000'), 'OFPBAC_MATCH_INCONSISTENT'],
    // ct() without ip
    [apply('ffff 0018 00002320 0023 0001 00000000 0005 ff 000000 0000'), 'OFPBAC_MATCH_INCONSISTENT'],
    // set_field:ct_mark outside of ct()
    [apply('0019 0010 0001d604 00000001 00000000'), 'OFPBAC_BAD_SET_ARGUMENT'],
  ] as const)
    assert.equal(flowMod13('', instructions).error, error, instructions);
  assert.equal(flowMod13('', OUTPUT_1, { 25: 9 }).error, 'OFPFMFC_BAD_COMMAND');
  assert.equal(flowMod13('', OUTPUT_1, { 24: 255 }).error, 'OFPFMFC_BAD_TABLE_ID');
  assert.equal(flowMod13('', OUTPUT_1, { 45: 0x80 }).error, 'OFPFMFC_BAD_FLAGS');
  assert.equal(flowMod13('', OUTPUT_1, { 49: 0 }).error, 'OFPBMC_BAD_LEN');
  assert.equal(decode('040e002800000001 0000').error, 'OFPBRC_BAD_LEN');
  assert.equal(decode('044d000800001001').error, 'OFPBRC_BAD_TYPE');
});

test("OpenFlow 1.0 has no instructions, but Nicira's write_metadata is an action there", () => {
  const action = 'ffff 0020 00002320 0016 000000000000 00000000000000aa 00000000000000ff';
  const head = '010e0068 00000001 003fffff';
  const mod = modOf(
    decode(`${head} ${'00'.repeat(36)} ${'00'.repeat(8)} 0000 0000 0000 8000 ffffffff ffff 0000 ${action}`),
  );
  assert.deepEqual(mod.actions, [{ type: 'writeMetadata', value: 0xaan, mask: 0xffn }]);
});

test('ct() holds its nested actions, nat() among them', () => {
  const inner =
    'ffff 0018 00002320 0024 0000 0001 0001 0a000001 00000000 ffff 0018 00002320 0007 001f 0001d604 0000000000000001';
  const ct = `ffff 0048 00002320 0023 0001 00000000 0005 0a 000000 0000 ${inner}`;
  const mod = modOf(flowMod13(IPV4, `0004 0050 00000000 ${ct}`));
  assert.deepEqual(mod.actions, [
    {
      type: 'ct',
      commit: true,
      force: false,
      zone: 5,
      table: 10,
      alg: 0,
      nat: {
        kind: 'src',
        persistent: false,
        selection: null,
        family: 4,
        addrMin: 0x0a000001n,
        addrMax: 0n,
        portMin: 0,
        portMax: 0,
      },
      exec: [{ type: 'setField', field: 'ct_mark', value: 1n, mask: 0xffffffffn, load: true }],
    },
  ]);
});

test('the commands of OpenFlow 1.0 hold a table only where that was agreed', () => {
  const wildcards = `003fffff${'00'.repeat(36)}`;
  const hex = `010e0048 00000005 ${wildcards} 0000000000000007 0503 0000 0000 8000 ffffffff ffff 0000`;
  const withTable = modOf(decodeMessage(hexBytes(hex)));
  assert.deepEqual([withTable.op, withTable.table, withTable.modifyCookie], ['delete', 5, true]);
  assert.equal(decodeMessage(hexBytes(hex), { tableIds: false }).error, 'OFPFMFC_BAD_COMMAND');
  const plain = modOf(decodeMessage(hexBytes(hex.replace('0503', '0003')), { tableIds: false }));
  assert.deepEqual([plain.op, plain.table], ['delete', 255]);
});

test('a bundle holds a message with the same xid and version', () => {
  const good = decodeMessage(bundleAdd14(9, flowMod14(4, 1)));
  assert.equal(good.body.kind === 'bundleAdd' && good.body.inner.what, 'flow_mod');
  const other = bundleAdd14(9, flowMod14(4, 1));
  other[7] = 5;
  assert.equal(decodeMessage(other).error, 'OFPBFC_MSG_BAD_XID');
  const version = bundleAdd14(9, flowMod14(4, 1));
  version[16] = 4;
  assert.equal(decodeMessage(version).error, 'OFPBFC_BAD_VERSION');
});

test('errors are named by type and code of their version, vendor errors too', () => {
  const nameOf = (hex: string): string | null => {
    const { body } = decode(hex);
    return body.kind === 'error' ? body.name : 'no error message';
  };
  assert.equal(nameOf('0101000c 00000001 0003 0001'), 'OFPFMFC_OVERLAP');
  assert.equal(nameOf('0401000c 00000001 0005 0003'), 'OFPFMFC_OVERLAP');
  assert.equal(nameOf('04010010 00000001 ffff 090d 4f4e4600'.replace('090d', '0909')), 'OFPBFC_MSG_FAILED');
  assert.equal(nameOf('01010014 00000001 b0c2 0000 00002320 0001 0104'), 'OFPBMC_BAD_PREREQ');
  assert.equal(nameOf('0401000c 00000001 0005 0063'), null);
});

test('bytes that were changed at random are refused or read, never more than that', () => {
  const seeds = [
    flowMod14(1, 2),
    bundleAdd14(3, flowMod14(4, 5)),
    hexBytes('0401000c 00000001 0005 0003'),
    hexBytes('05130018 00000000 0010 0000 00000000 0018 0001 00 00 0000'),
  ];
  const seed = 7;
  const random = new Prng(seed);
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.pick(seeds).slice();
    for (let i = random.below(6); i >= 0; i--) bytes[random.below(bytes.length)] = random.below(256);
    const cut = random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
    if (decodeMessage(cut).error !== null) refused++;
  }
  assert.ok(refused > 5_000, `seed ${seed}: ${refused} refused`);
});
