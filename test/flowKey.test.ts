import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IPv4, IPv6 } from 'ip-num';
import { readField, readNumber, writeField } from '../src/fields/access.js';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../src/fields/addressText.js';
import { FIELDS, field, fieldByCode, fieldByCodeName, fieldByName, preferredCode } from '../src/fields/fieldTable.js';
import { K, KEY_WORDS, PORT } from '../src/fields/key.js';
import { formatFlowKey } from '../src/fields/packetText.js';
import { DEFAULT_TLV_MAP, inferTlvMap, mappedField } from '../src/fields/tunMetadata.js';
import { parseRule } from '../src/openflow/flowText.js';
import { matches } from '../src/openflow/match.js';
import { parseTraceFlow } from '../src/openflow/traceFlow.js';
import { Prng } from '../src/util/prng.js';

test('every name, alias and wire code leads to its field', () => {
  assert.equal(FIELDS.length, 183);
  for (const each of FIELDS) {
    assert.equal(fieldByName(each.name), each);
    if (each.alias !== null) assert.equal(fieldByName(each.alias), each);
    for (const code of each.codes) {
      assert.equal(fieldByCodeName(code.name), each);
      assert.equal(fieldByCode(code.oxmClass, code.field, code.experimenter), each);
    }
  }
});

test('the code of a field depends on the version', () => {
  const name = (of: string, version: number): string | undefined => preferredCode(field(of), version)?.name;
  assert.equal(name('eth_src', 1), 'NXM_OF_ETH_SRC');
  assert.equal(name('eth_src', 4), 'OXM_OF_ETH_SRC');
  assert.equal(name('tcp_flags', 3), 'NXM_NX_TCP_FLAGS');
  assert.equal(name('tcp_flags', 4), 'ONFOXM_ET_TCP_FLAGS');
  assert.equal(name('tcp_flags', 6), 'OXM_OF_TCP_FLAGS');
  assert.equal(name('dl_vlan', 4), undefined);
});

test('a field reads back what was written, and touches nothing else', () => {
  const random = new Prng(11);
  for (const each of FIELDS) {
    const mapped = mappedField(each, DEFAULT_TLV_MAP);
    if (mapped === null) continue;
    const key = Int32Array.from({ length: KEY_WORDS }, () => random.u32() | 0);
    const before = key.slice();
    const value =
      mapped.format === 'port32'
        ? 7n
        : BigInt(`0x${random.u32().toString(16)}${random.u32().toString(16)}`) & mapped.valueMask;
    writeField(key, mapped, value);
    assert.equal(readField(key, mapped), value, mapped.name);
    if (mapped.words.length === 1) assert.equal(BigInt(readNumber(key, mapped)), value);
    const touched = new Set(mapped.words);
    key.forEach((word, i) => {
      if (!touched.has(i) && mapped.presentBit < 0) assert.equal(word, before[i], mapped.name);
    });
  }
});

test('a masked write changes only the bits of the mask', () => {
  const key = new Int32Array(KEY_WORDS);
  writeField(key, field('xxreg0'), (1n << 128n) - 1n, 0xff00n);
  assert.equal(readField(key, field('xxreg0')), 0xff00n);
  assert.equal(readField(key, field('reg3')), 0xff00n);
});

test('ports above 0xff00 are told in 32 bits by the newer name', () => {
  const key = new Int32Array(KEY_WORDS);
  writeField(key, field('in_port_oxm'), 0xfffffffen);
  assert.equal(key[K.in_port], PORT.LOCAL);
  assert.equal(readField(key, field('in_port')), 65534n);
});

test('addresses agree with ip-num', () => {
  const random = new Prng(5);
  for (let i = 0; i < 300; i++) {
    const four = BigInt(random.u32());
    assert.equal(formatIpv4(four), new IPv4(four).toString());
    assert.deepEqual(parseIpv4(new IPv4(four).toString()), { value: four, mask: 0xffffffffn });
    let six = 0n;
    // Zero groups often, so that the short form is used.
    for (let group = 0; group < 8; group++)
      six = (six << 16n) | BigInt(random.below(3) === 0 ? 0 : random.below(0x10000));
    assert.deepEqual(parseIpv6(new IPv6(six).toString()), { value: six, mask: (1n << 128n) - 1n });
    assert.equal(new IPv6(formatIpv6(six)).getValue(), six);
  }
  assert.equal(formatIpv6(0n), '::');
  assert.equal(formatIpv6(0xffff_0a00_0001n), '::ffff:10.0.0.1');
  assert.equal(formatIpv6(0x2001_0db8_0000_0001_0000_0000_0000_0001n), '2001:db8:0:1::1');
});

test('a packet given as flow text fits the rules it should', () => {
  const key = parseTraceFlow(
    'in_port=1,tcp,dl_vlan=5,nw_src=10.0.0.7,tp_dst=80,tcp_flags=syn|ack,ct_state=trk|new',
    null,
  );
  const fits = (text: string): boolean => matches(parseRule(`${text} actions=drop`).rule.match, key);
  assert.ok(fits('in_port=1,tcp,nw_src=10.0.0.0/24,tp_dst=0x50/0xfff0'));
  assert.ok(fits('ct_state=+new+trk-est,dl_vlan=5,tcp,tcp_flags=+syn'));
  assert.ok(!fits('udp'));
  assert.ok(!fits('vlan_tci=0/0x1000'));
  assert.equal(
    formatFlowKey(key),
    'ct_state=new|trk,tcp,in_port=1,dl_vlan=5,dl_vlan_pcp=0,vlan_tci1=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,' +
      'nw_src=10.0.0.7,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=0,tp_dst=80,tcp_flags=syn|ack',
  );
});

test('a packet as flow text keeps the rules of ofproto/trace', () => {
  assert.throws(() => parseTraceFlow('nw_src=10.0.0.1,ip', null), /prerequisites not met/);
  assert.throws(() => parseTraceFlow('ip,tcp', null), /set multiple times/);
  assert.throws(() => parseTraceFlow('ip,nw_src=10.0.0.0/8', null), /wildcards not allowed/);
  assert.throws(() => parseTraceFlow('reg0=1,reg0=2', null), /field reg0 set multiple times/);
  assert.equal(parseTraceFlow('ip', null)[K.in_port], PORT.NONE);
});

test('a tunnel option map can be made from the text that uses it', () => {
  const map = inferTlvMap(
    'tun_metadata3=0x1234567890abcdef,tun_metadata0[32..63]=5 actions=set_field:0x7->tun_metadata9',
  );
  assert.deepEqual(
    map.options.map(({ index, length }) => [index, length]),
    [
      [0, 8],
      [3, 8],
      [9, 4],
    ],
  );
});
