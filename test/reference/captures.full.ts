/** Every capture of the reference set, packet by packet: times, lengths, headers as tshark saw them, keys as OVS made them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { LINK_ETHERNET } from '../../src/capture/links.js';
import { openCapture, openCaptureBytes } from '../../src/capture/open.js';
import type { CaptureSource } from '../../src/capture/source.js';
import { K, KEY_WORDS } from '../../src/fields/key.js';
import { verifyChecksums } from '../../src/packet/checksums.js';
import { PacketTable } from '../../src/packet/columns.js';
import { extractPacket, VLAN_LIMIT } from '../../src/packet/extract.js';
import { Groups } from '../../src/packet/groups.js';
import { headerLoader } from '../../src/packet/headers.js';
import { PacketInfo } from '../../src/packet/packetInfo.js';
import { VariantTable } from '../../src/packet/variants.js';
import { ip4, ip6, mac, parsePcapText } from './parsePcapText.js';
import { readJsonLines, readShared, sharedPath, skipWithoutShared } from './shared.js';

interface Indexed {
  file: string;
  stored: string;
  gzip?: boolean;
  end: { kind: string; offset: number; packets_before: number };
}

interface Expected {
  n: number;
  off: number;
  ts: string | null;
  cap: number;
  len: number;
  lt: number;
  if?: number;
  path: string;
  bad?: number;
  eth?: { src: string; dst: string; type?: number };
  vlan?: { vid: number; pcp: number }[];
  ip?: {
    v: number;
    src: string;
    dst: string;
    proto: number;
    ttl: number;
    tos?: number;
    tc?: number;
    len?: number;
    hl?: number;
    id?: number;
  };
  frag?: { off: number; mf: number; id: number };
  tcp?: { sp: number; dp: number; flags: number; seq: number; ack: number; win: number; hl: number; len?: number };
  udp?: { sp: number; dp: number };
  sctp?: { sp: number; dp: number };
  icmp?: { type: number; code: number; id?: number };
  icmp6?: { type: number; code: number };
  arp?: { op: number; spa: string; tpa: string };
}

const index = skipWithoutShared ? [] : readJsonLines<Indexed>('captures/index.jsonl');

/** Where the set itself says that its readers are not to be followed (captures/README.md, "How to compare"). */
const NOT_READ = new Set(['ng-bad-block-length.pcapng']);
const FUZZED = /^(fuzz-|caplen-above-len|made-concatenated|made-version-2\.0|version-1\.4)/;

interface Row {
  n: number;
  off: number;
  ts: string | null;
  cap: number;
  len: number;
  lt: number;
  key: Int32Array;
  parsed: boolean;
  info: PacketInfo;
}

/** `maxTags`: VLAN tags that are read, two as in the expected flows of `ovs-ofctl`. */
async function readAll(source: CaptureSource, look?: (row: Row) => void, maxTags = 2): Promise<Row[]> {
  const rows: Row[] = [];
  for (let batch = await source.next(); batch !== null; batch = await source.next()) {
    for (let i = 0; i < batch.count; i++) {
      const key = new Int32Array(KEY_WORDS);
      const info = new PacketInfo();
      const [start, cap, len, lt] = [
        batch.dataStart[i]!,
        batch.capturedBytes[i]!,
        batch.originalBytes[i]!,
        batch.linkType[i]!,
      ];
      const parsed = extractPacket(batch.data, start, cap, len, lt, key, info, maxTags);
      const ts =
        batch.nanos[i]! < 0 ? null : String(BigInt(batch.seconds[i]!) * 1_000_000_000n + BigInt(batch.nanos[i]!));
      const row = { n: rows.length + 1, off: batch.fileOffset[i]!, ts, cap, len, lt, key, parsed, info };
      rows.push(row);
      look?.(row);
    }
  }
  await source.close();
  return rows;
}

const totals = { packets: 0, flows: 0, padded: 0, headers: 0 };

for (const entry of index) {
  test(`${entry.file} reads as tshark, libpcap and OVS read it`, async () => {
    const expected = NOT_READ.has(entry.file) || entry.file.startsWith('other-') ? [] : readExpected(entry.file);
    const source =
      entry.stored === entry.file
        ? await openCapture(sharedPath(`captures/files/${entry.stored}`))
        : await openCaptureBytes(entry.file, readShared(`captures/files/${entry.stored}`));
    const rows = await readAll(source);
    const wanted = entry.end;
    if (entry.file === 'made-gzip-bad-crc.pcap.gz') {
      // The index tells of the records; that the checksum is wrong must not be lost.
      assert.deepEqual(source.end, {
        kind: 'corrupt',
        why: 'the gzip checksum is wrong',
        byteOffset: wanted.offset,
        packets: 30,
      });
    } else {
      assert.equal(source.end?.kind, wanted.kind, source.end?.why);
      assert.equal(source.end?.byteOffset, wanted.offset, source.end?.why);
    }
    assert.equal(source.end?.packets, wanted.packets_before);
    assert.equal(rows.length, wanted.packets_before);
    assert.equal(rows.length, expected.length);
    rows.forEach((row, i) => {
      const e = expected[i]!;
      assert.deepEqual([row.n, row.off, row.ts, row.cap, row.len, row.lt], [e.n, e.off, e.ts, e.cap, e.len, e.lt]);
      if (row.parsed && e.bad !== 1 && !FUZZED.test(entry.file)) compareHeaders(row, e);
    });
    totals.packets += rows.length;
    compareFlows(entry.file, rows);
  });
}

test('the comparison covered the whole set', { skip: skipWithoutShared }, () => {
  console.log(
    `${totals.packets} packets, ${totals.flows} keys, ${totals.padded} padded keys, ${totals.headers} header comparisons`,
  );
  assert.equal(index.length, 107);
  assert.equal(totals.packets, 27_723);
});

function readExpected(file: string): Expected[] {
  try {
    return readJsonLines<Expected>(`captures/expected/${file}.jsonl.gz`);
  } catch {
    return [];
  }
}

function compareFlows(file: string, rows: Row[]): void {
  let lines: { n: number; flow: string; flow_padded?: string }[];
  try {
    lines = readJsonLines(`captures/expected_ovs/${file}.jsonl.gz`);
  } catch {
    return;
  }
  for (const line of lines) {
    const row = rows[line.n - 1]!;
    assert.equal(parsePcapText(row.key), line.flow_padded ?? line.flow, `packet ${line.n}`);
    totals.flows++;
    if (line.flow_padded !== undefined) {
      totals.padded++;
      const key = new Int32Array(KEY_WORDS);
      extractPacket(row.info.data, row.info.start, row.cap, row.cap, row.lt, key, new PacketInfo());
      // The data are gone with their batch in files of several batches; those have no cut packets.
      if (rows.length < 16_384) assert.equal(parsePcapText(key), line.flow, `packet ${line.n}, cut`);
    }
  }
}

function compareHeaders(row: Row, e: Expected): void {
  const { key, info } = row;
  if (e.eth && row.lt === LINK_ETHERNET) {
    assert.equal(mac(key, K.dl_src), e.eth.src, `packet ${e.n}`);
    assert.equal(mac(key, K.dl_dst), e.eth.dst, `packet ${e.n}`);
  }
  const network = key[K.dl_type];
  if (e.ip === undefined || (network !== 0x0800 && network !== 0x86dd) || info.l4Offset < 0) return;
  const v6 = network === 0x86dd;
  const got = {
    v: v6 ? 6 : 4,
    src: v6 ? ip6(key, K.ipv6_src) : ip4(key[K.nw_src]!),
    dst: v6 ? ip6(key, K.ipv6_dst) : ip4(key[K.nw_dst]!),
    ttl: key[K.nw_ttl],
    tos: key[K.nw_tos],
  };
  // With a source route option tshark names the final destination, not the header's.
  const dst = !v6 && e.ip.hl !== 20 ? got.dst : e.ip.dst;
  assert.deepEqual(got, { v: e.ip.v, src: e.ip.src, dst, ttl: e.ip.ttl, tos: e.ip.tos ?? e.ip.tc }, `packet ${e.n}`);
  totals.headers++;
  if (e.frag && (e.frag.off > 0 || e.frag.mf)) {
    assert.deepEqual(
      [info.fragmentOffset, info.moreFragments, info.fragmentId],
      [e.frag.off * 8, Boolean(e.frag.mf), e.frag.id],
      `packet ${e.n}`,
    );
  }
  if (e.frag?.off) return;
  // A header that the snaplen cuts has ports only in tshark's eyes.
  if (e.tcp?.win !== undefined && !info.l4Malformed && key[K.nw_proto] === 6) {
    assert.deepEqual(
      [key[K.tp_src], key[K.tp_dst], key[K.tcp_flags], info.tcpSeq, info.tcpAck, info.tcpWindow],
      [e.tcp.sp, e.tcp.dp, e.tcp.flags, e.tcp.seq, e.tcp.ack, e.tcp.win],
      `packet ${e.n}`,
    );
    if (e.tcp.len !== undefined) assert.equal(info.payloadBytes, e.tcp.len, `packet ${e.n}`);
  }
  const ports = e.udp ?? e.sctp;
  if (ports && !info.l4Malformed)
    assert.deepEqual([key[K.tp_src], key[K.tp_dst]], [ports.sp, ports.dp], `packet ${e.n}`);
  const icmp = e.icmp ?? e.icmp6;
  if (icmp && !info.l4Malformed)
    assert.deepEqual([key[K.tp_src], key[K.tp_dst]], [icmp.type, icmp.code], `packet ${e.n}`);
  if (e.icmp?.id !== undefined && (icmp?.type === 0 || icmp?.type === 8))
    assert.equal(info.icmpId, e.icmp.id, `packet ${e.n}`);
}

for (const entry of index.filter((one) => !one.file.startsWith('other-'))) {
  test(`${entry.file}: pcap-parser agrees wherever it can be used`, async (t) => {
    const path = sharedPath(`captures/files/${entry.stored}`);
    const native = await openCapture(path);
    const other = await openCapture(path, { reader: 'pcap-parser' });
    const [rows, others] = [await readAll(native), await readAll(other)];
    if (other.end?.kind === 'refused') return t.skip(other.end.why);
    const plain = (row: Row) => [row.n, row.off, row.ts, row.cap, row.len, row.lt, row.parsed, row.key.join()];
    assert.deepEqual(others.map(plain), rows.map(plain));
    assert.deepEqual(other.end, native.end);
  });
}

test('checksums: as many wrong ones as tshark finds, none in SCTP', { skip: skipWithoutShared }, async () => {
  // The inputs of make_large.py: captures/README.md counts 48 bad ones in a round.
  const round = [
    'pcap-le-us-mixed.pcap',
    'big-many-protocols.pcap.gz',
    'big-lan-mix.pcapng.gz',
    'big-p2p-mix.pcap.gz',
    'tcp-synscan.pcap.gz',
  ];
  const wrongIn = async (files: string[]): Promise<number> => {
    let wrong = 0;
    for (const file of files) {
      const rows = await readAll(await openCapture(sharedPath(`captures/files/${file}`)), (row) => {
        verifyChecksums(row.info, row.key);
        if (!row.info.l3ChecksumOk) wrong++;
        if (!row.info.l4ChecksumOk) wrong++;
      });
      assert.notEqual(rows.length, 0);
    }
    return wrong;
  };
  assert.equal(await wrongIn(round), 48);
  assert.equal(await wrongIn(['sctp.pcap']), 0);
});

test('the short way of extraction gives what the long way gives', { skip: skipWithoutShared }, async () => {
  const [shortKey, shortInfo] = [new Int32Array(KEY_WORDS), new PacketInfo()];
  shortInfo.ownsKey = true;
  let compared = 0;
  for (const { stored } of index) {
    const source = await openCapture(sharedPath(`captures/files/${stored}`));
    for (let batch = await source.next(); batch !== null; batch = await source.next()) {
      for (let i = 0; i < batch.count; i++) {
        const [key, info] = [new Int32Array(KEY_WORDS), new PacketInfo()];
        const start = batch.dataStart[i]!;
        const lengths = [batch.capturedBytes[i]!, batch.originalBytes[i]!, batch.linkType[i]!] as const;
        // One byte less than captured and one more of original length: not enough for the short way at the edges.
        for (const cut of [0, 1, 13, 40]) {
          const captured = Math.max(0, lengths[0] - cut);
          extractPacket(batch.data, start, captured, lengths[1], lengths[2], shortKey, shortInfo);
          extractPacket(batch.data, start, captured, lengths[1], lengths[2], key, info);
          assert.deepEqual(shortKey, key);
          assert.deepEqual({ ...shortInfo, ownsKey: false, isKeyShort: false }, { ...info, isKeyShort: false });
          compared++;
        }
      }
    }
    await source.close();
  }
  console.log(`${compared} extractions compared`);
});

test('the packet table gives every packet back', { skip: skipWithoutShared }, async () => {
  const usedBits = new Int32Array(KEY_WORDS).fill(-1);
  const groups = new Groups();
  const variants = new VariantTable(usedBits, groups);
  const loaded = new Int32Array(KEY_WORDS);
  const back = new PacketInfo();
  // Where the bytes lie is another place; the settings are the caller's.
  const numbers = ({ data: _, start: __, capturedBytes: ___, acceptZeroLength: ____, ...rest }: PacketInfo) => rest;
  let plain = 0;
  let packets = 0;
  for (const { stored } of index) {
    const look = ({ key, info, lt, parsed, n }: Row): void => {
      if (!parsed) return;
      const table = new PacketTable(1);
      table.add(key, info, lt, false);
      const group = groups.numberOf(key, info);
      table.columns.group[0] = group;
      table.columns.direction[0] = groups.direction;
      table.columns.variant[0] = variants.intern(key, groups.mode, -1);
      table.load(0, headerLoader(variants.parts), loaded, back);
      assert.deepEqual(loaded, key, `${stored} packet ${n}`);
      assert.deepEqual(numbers(back), numbers(info), `${stored} packet ${n}`);
      packets++;
      if (table.columns.keptAt[0] === -1) plain++;
    };
    await readAll(await openCapture(sharedPath(`captures/files/${stored}`)), look, VLAN_LIMIT);
  }
  console.log(`${packets} packets, ${plain} plain, ${groups.count} groups, ${variants.count} variants`);
});
