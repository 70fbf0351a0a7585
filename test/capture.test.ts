/** Capture files of every kind and every way of ending, built byte by byte here; merge, ports and direction. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { memoryBytes } from '../src/capture/bytes.js';
import { FRAME, FrameJudge } from '../src/capture/direction.js';
import { gunzipBytes } from '../src/capture/gzip.js';
import { MergedCapture } from '../src/capture/merge.js';
import { captureProblem, openCaptureBytes } from '../src/capture/open.js';
import { parsePortOf } from '../src/capture/portOf.js';
import { mergePorts, parsePorts } from '../src/capture/ports.js';
import type { CaptureSource } from '../src/capture/source.js';
import { KEY_WORDS } from '../src/fields/key.js';
import { extractPacket } from '../src/packet/extract.js';
import { PacketInfo } from '../src/packet/packetInfo.js';
import { InputError } from '../src/util/errors.js';
import { Prng } from '../src/util/prng.js';
import { runsOf } from './oracle/runs.js';

const u16 = (value: number): Buffer => Buffer.from([value & 255, value >>> 8]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);

const HEADER = Buffer.concat([u32(0xa1b23c4d), u16(2), u16(4), u32(0), u32(0), u32(65_535), u32(1)]);

function record(seconds: number, nanos: number, bytes: Buffer, captured = bytes.length): Buffer {
  return Buffer.concat([u32(seconds), u32(nanos), u32(captured), u32(bytes.length), bytes]);
}

const frame = (source: number): Buffer => Buffer.from([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, source, 8, 6, 0, 1]);

function block(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(type), u32(body.length + 12), body, u32(body.length + 12)]);
}

const option = (code: number, value: Buffer): Buffer => Buffer.concat([u16(code), u16(value.length), pad(value)]);
const section = block(0x0a0d0d0a, u32(0x1a2b3c4d), u16(1), u16(0), u32(0xffffffff), u32(0xffffffff));
const interfaceBlock = (name: string, linkType = 1): Buffer =>
  block(1, u16(linkType), u16(0), u32(0), option(2, Buffer.from(name)), option(9, Buffer.from([9])));
const packetBlock = (iface: number, ns: bigint, bytes: Buffer, flags?: number): Buffer =>
  block(
    6,
    u32(iface),
    u32(Number(ns >> 32n)),
    u32(Number(ns & 0xffffffffn)),
    u32(bytes.length),
    u32(bytes.length),
    pad(bytes),
    flags === undefined ? Buffer.alloc(0) : option(2, u32(flags)),
  );

interface Row {
  time: string;
  bytes: number;
}

async function readAll(source: CaptureSource): Promise<Row[]> {
  const rows: Row[] = [];
  for (let batch = await source.next(); batch !== null; batch = await source.next()) {
    for (let i = 0; i < batch.count; i++) {
      rows.push({ time: `${batch.seconds[i]}.${batch.nanos[i]}`, bytes: batch.capturedBytes[i]! });
    }
  }
  await source.close();
  return rows;
}

const TWO = [record(1, 5, frame(1)), record(2, 6, frame(2))];
const PCAP = Buffer.concat([HEADER, ...TWO]);

const ENDS: [string, Buffer, string, number, number][] = [
  ['a whole file', PCAP, 'clean', 88, 2],
  ['no bytes at all', Buffer.alloc(0), 'empty', 0, 0],
  ['a cut file header', PCAP.subarray(0, 20), 'cut', 0, 0],
  ['a header without packets', HEADER, 'clean', 24, 0],
  ['a cut record header', PCAP.subarray(0, 60), 'cut', 56, 1],
  ['cut data', PCAP.subarray(0, 80), 'cut', 56, 1],
  ['an absurd length', Buffer.concat([PCAP, record(3, 0, frame(1), 300_000)]), 'corrupt', 88, 2],
  ['zero bytes at the end', Buffer.concat([PCAP, Buffer.alloc(20)]), 'cut', 104, 3],
  ['version 1.4', Buffer.concat([HEADER.subarray(0, 4), u16(1), HEADER.subarray(6)]), 'refused', 0, 0],
  ['reserved link type bits', Buffer.concat([HEADER.subarray(0, 20), u32(0x300001)]), 'refused', 0, 0],
  ['zstd', Buffer.from('28b52ffd00000000', 'hex'), 'unknown', 0, 0],
  ['text', Buffer.from('cookie=0x0, table=0'), 'unknown', 0, 0],
  ['gzip', gzipSync(PCAP), 'clean', 88, 2],
  ['two gzip members', Buffer.concat([gzipSync(PCAP.subarray(0, 50)), gzipSync(PCAP.subarray(50))]), 'clean', 88, 2],
  ['cut gzip', gzipSync(PCAP).subarray(0, -12), 'cut', 88, 2],
  ['gzip without its last byte', gzipSync(PCAP).subarray(0, -1), 'cut', 88, 2],
  ['gzip with a wrong checksum', flip(gzipSync(PCAP), -8), 'corrupt', 88, 2],
];

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = copy[index]! ^ 0xff;
  return copy;
}

for (const [name, bytes, kind, offset, packets] of ENDS) {
  test(`the end of a capture is told apart: ${name}`, async () => {
    for (const reader of ['native', 'pcap-parser'] as const) {
      const source = await openCaptureBytes('x.pcap', bytes, { reader });
      const rows = await readAll(source);
      // A cut gzip stream may lose what zlib had not given out yet.
      assert.ok(rows.length === packets || (name === 'cut gzip' && rows.length < packets), name);
      assert.equal(source.end?.kind, kind, `${reader}: ${source.end?.why}`);
      if (rows.length === packets) assert.equal(source.end?.byteOffset, offset);
      const severity = kind === 'clean' ? undefined : kind === 'cut' ? 'warning' : 'error';
      assert.equal(captureProblem(source)?.severity, severity);
    }
  });
}

test('an error names packet and byte offset', async () => {
  const source = await openCaptureBytes('x.pcap', PCAP.subarray(0, 80));
  await readAll(source);
  assert.equal(captureProblem(source)?.error.format(), 'x.pcap: packet 2 at byte 56: record data cut: 8 of 16 bytes');
});

test('pcapng: names, nanoseconds, direction flags, sections of their own numbering', async () => {
  const bytes = Buffer.concat([
    section,
    interfaceBlock('tap1'),
    packetBlock(0, 1_700_000_000_123_456_789n, frame(1), 2),
    section,
    interfaceBlock('tap2'),
    packetBlock(0, 1_700_000_001_000_000_001n, frame(2)),
  ]);
  const source = await openCaptureBytes('x.pcapng', bytes);
  const batch = (await source.next())!;
  assert.deepEqual(
    source.interfaces.map((one) => one.name),
    ['tap1', 'tap2'],
  );
  assert.deepEqual([...batch.seconds.subarray(0, 2)], [1_700_000_000, 1_700_000_001]);
  assert.deepEqual([...batch.nanos.subarray(0, 2)], [123_456_789, 1]);
  assert.deepEqual([...batch.iface.subarray(0, 2)], [0, 1]);
  assert.deepEqual([...batch.direction.subarray(0, 2)], [2, 0]);
  assert.equal(await source.next(), null);
  assert.equal(source.end?.kind, 'clean');
});

async function merged(...files: Buffer[]) {
  const capture = new MergedCapture(await Promise.all(files.map((file, i) => openCaptureBytes(`${i}.pcap`, file))));
  const rows: string[] = [];
  for (let batch = await capture.next(); batch !== null; batch = await capture.next()) {
    for (let i = 0; i < batch.count; i++) rows.push(`${batch.source[i]}/${batch.frame[i]}@${batch.tsNs[i]}`);
  }
  return { capture, rows };
}

test('captures are merged by time, equal times in the order of the files', async () => {
  const one = Buffer.concat([HEADER, record(10, 0, frame(1)), record(10, 7, frame(1)), record(11, 0, frame(1))]);
  const other = Buffer.concat([HEADER, record(10, 0, frame(2)), record(10, 5, frame(2)), record(10, 7, frame(2))]);
  const { rows, capture } = await merged(one, other);
  assert.deepEqual(rows, ['0/1@0', '1/1@0', '1/2@5', '0/2@7', '1/3@7', '0/3@1000000000']);
  assert.equal(capture.startUnixNs, 10_000_000_000n);
});

test('stamps that run backwards are clamped to the latest before, and counted', async () => {
  const { rows, capture } = await merged(
    Buffer.concat([
      HEADER,
      record(0, 0, frame(1)),
      record(10, 0, frame(1)),
      record(9, 0, frame(1)),
      record(10, 3, frame(1)),
    ]),
  );
  assert.deepEqual(rows, ['0/1@0', '0/2@0', '0/3@0', '0/4@3']);
  assert.equal(capture.clamped, 1);
});

test('a trace of more than 104 days is an error that names the packet', async () => {
  const long = Buffer.concat([HEADER, record(1, 0, frame(1)), record(1 + 105 * 86_400, 0, frame(1))]);
  await assert.rejects(
    merged(long),
    (error) => error instanceof InputError && error.format().startsWith('0.pcap: packet 2 at byte 56'),
  );
});

const SHOW = `OFPT_FEATURES_REPLY (xid=0x2): dpid:00004a6b0c0d0e0f
n_tables:254, n_buffers:0
 1(tap1): addr:fe:16:3e:00:00:01
     config:     0
 2(patch-tun): addr:aa:bb:cc:dd:ee:ff
 LOCAL(br-int): addr:4a:6b:0c:0d:0e:0f
OFPT_GET_CONFIG_REPLY (xid=0x4): frags=normal miss_send_len=0
`;
const VSCTL = `9d1c1f5e-0000-0000-0000-000000000000
    Manager "ptcp:6640:127.0.0.1"
    Bridge br-int
        fail_mode: secure
        Port tap1
            tag: 7
            Interface tap1
        Port patch-tun
            trunks: [1, 2]
            Interface patch-tun
                type: patch
                options: {peer=patch-int}
        Port "br-int"
            Interface "br-int"
                type: internal
    Bridge other
        Port tap9
            Interface tap9
    ovs_version: "3.1.0"
`;
const INTERFACES = JSON.stringify({
  headings: ['name', 'ofport', 'mac_in_use', 'external_ids', 'ifindex', 'options', 'type'],
  data: [['tap1', 1, 'fe:16:3e:00:00:01', ['map', [['attached-mac', 'FA:16:3E:00:00:01']]], 12, ['map', []], '']],
});
const PORTS = JSON.stringify({
  headings: ['name', 'tag', 'trunks', 'vlan_mode'],
  data: [['tap1', 7, ['set', []], ['set', []]]],
});

test('port lists of all kinds are read and come together by name', () => {
  const { ports, unnumbered } = mergePorts([
    parsePorts(SHOW, 'show'),
    parsePorts(VSCTL, 'vsctl', 'br-int'),
    parsePorts(INTERFACES, 'if'),
    parsePorts(PORTS, 'port'),
  ]);
  assert.deepEqual(ports, [
    { name: 'tap1', ofport: 1, tag: 7, mac: 'fa:16:3e:00:00:01', ifindex: 12 },
    { name: 'patch-tun', ofport: 2, trunks: [1, 2], type: 'patch', peer: 'patch-int' },
    { name: 'br-int', ofport: 65_534, type: 'internal', mac: '4a:6b:0c:0d:0e:0f' },
  ]);
  assert.deepEqual(unnumbered, []);
  assert.deepEqual(mergePorts([parsePorts(VSCTL, 'vsctl')]).unnumbered, ['tap1', 'patch-tun', 'br-int', 'tap9']);
});

test('bad port lists are refused with their place', () => {
  const refused = (text: string) => {
    try {
      parsePorts(text, 'ports');
    } catch (error) {
      return (error as InputError).format();
    }
    return null;
  };
  assert.equal(
    refused('{"ports":[{"name":"a","ofport":70000}]}'),
    'ports: ports[0]: "ofport" is no number from 1 to 65534',
  );
  assert.equal(refused('{"ports":[{"ofport":1}]}'), 'ports: ports[0]: "name" is missing');
  assert.match(refused('{"ports":')!, /^ports: not JSON/);
  assert.equal(refused('hello'), 'ports: no ports found');
});

test('ingress ports are read from numbers and from objects', () => {
  assert.deepEqual([...parsePortOf('3\n{"in_port":5,"id":1}\n"LOCAL"\n', 'p')], [3, 5, 65_534]);
  assert.throws(
    () => parsePortOf('3\n-1\n', 'p'),
    (error: InputError) => error.place.line === 2,
  );
});

test('frames that left the bridge are told from those that entered', async () => {
  const station = (n: number) => `02:00:00:00:00:0${n}`;
  const { ports } = mergePorts([
    parsePorts(
      JSON.stringify({
        ports: [
          { name: 'a', ofport: 1, mac: station(1) },
          { name: 'b', ofport: 2, mac: station(2) },
          { name: 'up', ofport: 3 },
          { name: 'host', ofport: 4, type: 'internal' },
        ],
      }),
      'ports',
    ),
  ]);
  const bytes = Buffer.concat([
    section,
    ...['a', 'b', 'up', 'host', 'nobody'].map((name) => interfaceBlock(name)),
    packetBlock(0, 1n, frame(1)), // in at a
    packetBlock(1, 2n, frame(1)), // out at b
    packetBlock(2, 3n, frame(7)), // in at the uplink: learned
    packetBlock(0, 4n, frame(7)), // out at a
    packetBlock(0, 5n, frame(1), 2), // flagged outbound
    packetBlock(3, 6n, frame(8), 2), // sent by the host: enters
    packetBlock(4, 7n, frame(2)), // unknown interface, known source
    packetBlock(4, 8n, frame(6)), // nothing known
  ]);
  const judged = async (mode: 'auto' | 'in' | 'all') => {
    const capture = new MergedCapture([await openCaptureBytes('x', bytes)]);
    const judge = new FrameJudge(capture.sources, { ports, mode });
    const batch = (await capture.next())!;
    return Array.from({ length: batch.count }, (_, i) => {
      const reason = judge.judge(0, batch.batches[0]!, batch.row[i]!, i);
      return reason === FRAME.ENTERED ? judge.port : -reason;
    });
  };
  assert.deepEqual(await judged('auto'), [
    1,
    -FRAME.LEFT_BY_SOURCE,
    3,
    -FRAME.LEFT_BY_SOURCE,
    -FRAME.LEFT_BY_FLAG,
    4,
    2,
    -FRAME.PORT_UNKNOWN,
  ]);
  assert.deepEqual(await judged('all'), [1, 2, 3, 1, 1, 4, 2, -FRAME.PORT_UNKNOWN]);
  const unmarked = -FRAME.NOT_MARKED_INBOUND;
  assert.deepEqual(await judged('in'), [
    1,
    unmarked,
    unmarked,
    unmarked,
    -FRAME.LEFT_BY_FLAG,
    4,
    2,
    -FRAME.PORT_UNKNOWN,
  ]);
});

test('damaged captures end, in bounded memory, and never as a crash', async (t) => {
  const ng = Buffer.concat([
    section,
    interfaceBlock('a'),
    ...Array.from({ length: 6 }, (_, i) => packetBlock(0, BigInt(i), frame(i))),
  ]);
  const seeds = [
    PCAP,
    ng,
    gzipSync(PCAP),
    gzipSync(ng),
    Buffer.concat([HEADER, ...Array.from({ length: 8 }, (_, i) => record(i, 0, frame(i)))]),
  ];
  const { numRuns, seed } = runsOf(t, 600);
  const random = new Prng(seed);
  const key = new Int32Array(KEY_WORDS);
  const info = new PacketInfo();
  for (let round = 0; round < numRuns; round++) {
    const bytes = Buffer.from(random.pick(seeds));
    for (let i = 1 + random.below(4); i > 0; i--)
      bytes[random.below(bytes.length)] = random.pick([0, 1, 127, 255, random.below(256)]);
    const cut = random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    const reader = random.pick(['native', 'pcap-parser'] as const);
    const source = await openCaptureBytes(`seed ${seed} round ${round}`, cut, { reader });
    let packets = 0;
    for (let batch = await source.next(); batch !== null; batch = await source.next()) {
      for (let i = 0; i < batch.count; i++) {
        const [start, captured] = [batch.dataStart[i]!, batch.capturedBytes[i]!];
        assert.ok(start + captured <= batch.data.length, source.name);
        extractPacket(batch.data, start, captured, batch.originalBytes[i]!, batch.linkType[i]!, key, info);
      }
      packets += batch.count;
    }
    await source.close();
    assert.ok(source.end !== null, source.name);
    assert.equal(source.end.packets, packets, source.name);
  }
});

test('gzip that expands beyond all measure is stopped', async () => {
  const bytes = gunzipBytes(memoryBytes(gzipSync(Buffer.alloc(8 << 20))), { freeBytes: 1 << 20, ratio: 250 });
  const piece = new Uint8Array(1 << 20);
  let total = 0;
  for (let count = await bytes.read(piece, 0); count > 0; count = await bytes.read(piece, 0)) total += count;
  assert.match(bytes.problem!.why, /expand more than 250-fold/);
  assert.ok(total <= 8 << 20);
});
