/** Linux cooked captures: frames as they were on the wire, with the destination address that other frames and rules tell. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FrameJudge } from '../src/capture/direction.js';
import { InterfaceFinder } from '../src/capture/interfaces.js';
import { LINK_ETHERNET, LINK_SLL, LINK_SLL2 } from '../src/capture/links.js';
import { MergedCapture } from '../src/capture/merge.js';
import { openCaptureBytes } from '../src/capture/open.js';
import { K, KEY_WORDS } from '../src/fields/key.js';
import { CookedFrames } from '../src/packet/cooked.js';
import { lookForInterfaces, lookForStations } from '../src/packet/lookAhead.js';
import { PacketInfo } from '../src/packet/packetInfo.js';
import { Scan } from '../src/packet/scan.js';
import { placeOf, Stations } from '../src/packet/stations.js';
import { pcapFile } from './pcapFrames.js';

const IN = 0;
const ALL = 1;
const GROUP = 2;
const OTHER = 3;
const OUT = 4;

interface Cooked {
  readonly port: number;
  readonly type: number;
  readonly mac: number;
  readonly from?: string;
  readonly to?: string;
  readonly vlan?: number;
  readonly arp?: 'request' | 'reply';
}

const mac = (last: number): string => `0200000000${last.toString(16).padStart(2, '0')}`;
const address = (text: string): Buffer => Buffer.from(text.split('.').map(Number));

function body({ from = '10.0.0.1', to = '10.0.0.2', vlan, arp, mac: sender }: Cooked): { type: string; bytes: Buffer } {
  let type = '0800';
  let bytes = Buffer.concat([
    Buffer.from('4500001c000000004011 0000'.replace(' ', ''), 'hex'),
    address(from),
    address(to),
  ]);
  bytes = Buffer.concat([bytes, Buffer.from('03e8003500080000', 'hex')]);
  if (arp !== undefined) {
    type = '0806';
    const head = Buffer.from(`000108000604000${arp === 'request' ? 1 : 2}${mac(sender)}`, 'hex');
    const target = Buffer.from(arp === 'request' ? '000000000000' : mac(2), 'hex');
    bytes = Buffer.concat([head, address(from), target, address(to)]);
  }
  if (vlan === undefined) return { type, bytes };
  return {
    type: '8100',
    bytes: Buffer.concat([Buffer.from([vlan >> 8, vlan & 255]), Buffer.from(type, 'hex'), bytes]),
  };
}

function sll2(frame: Cooked): Buffer {
  const { type, bytes } = body(frame);
  const head = Buffer.from(`${type}0000000000000001${'00'}06${mac(frame.mac)}0000`, 'hex');
  head.writeUInt32BE(100 + frame.port, 4);
  head.writeUInt16BE(1, 8);
  head[10] = frame.type;
  return Buffer.concat([head, bytes]);
}

function sll(frame: Cooked): Buffer {
  const { type, bytes } = body(frame);
  return Buffer.concat([Buffer.from(`000${frame.type}00010006${mac(frame.mac)}0000${type}`, 'hex'), bytes]);
}

function ethernet(frame: Cooked, destination: number): Buffer {
  const { type, bytes } = body(frame);
  return Buffer.concat([Buffer.from(mac(destination) + mac(frame.mac) + type, 'hex'), bytes]);
}

function pcap(frames: readonly Buffer[], linkType: number): Buffer {
  const file = pcapFile(frames);
  file.writeUInt32LE(linkType, 20);
  return file;
}

const PORTS = [1, 2, 3, 4].map((ofport) => ({
  name: `p${ofport}`,
  ofport,
  ifindex: 100 + ofport,
  ...(ofport < 4 ? { tag: ofport === 3 ? 20 : 10 } : {}),
}));

/** Destination addresses and lengths of the frames that entered. */
async function destinations(frames: readonly Cooked[], { stations = newStations(), isSeenBefore = false } = {}) {
  const bytes = pcap(frames.map(sll2), LINK_SLL2);
  const cooked = new CookedFrames(stations);
  const open = async () => new MergedCapture([await openCaptureBytes('x.pcap', bytes)]);
  const judge = () => new FrameJudge([{ interfaces: [] } as never], { ports: PORTS });
  if (isSeenBefore) await lookForStations(await open(), judge(), cooked);
  const scan = new Scan(await open(), judge(), {
    usedBits: new Int32Array(KEY_WORDS).fill(-1),
    cooked,
    keepFrames: true,
  });
  const found: string[] = [];
  const [key, info] = [new Int32Array(KEY_WORDS), new PacketInfo()];
  for await (const table of scan.chunks()) {
    for (let row = 0; row < table.count; row++) {
      table.load(row, scan.variants, key, info);
      const [high, low] = [key[K.dl_dst]!, key[K.dl_dst + 1]! >>> 0];
      const text = high.toString(16).padStart(4, '0') + low.toString(16).padStart(8, '0');
      const frame = table.frameOf(row)!;
      assert.equal(frame.linkType, LINK_ETHERNET);
      assert.equal(Buffer.from(frame.bytes.subarray(0, 6)).toString('hex'), text, 'frame and key agree');
      found.push(text);
    }
  }
  return { found, cooked };
}

const newStations = (): Stations =>
  new Stations(new Map(PORTS.flatMap(({ ofport, tag }) => (tag === undefined ? [] : [[ofport, tag]]))));

const ZERO = mac(0).replace('02', '00');

test('a cooked frame is replayed as the Ethernet frame that it was, with that length', async () => {
  const frame = { port: 4, type: IN, mac: 1, vlan: 7 };
  for (const [linkType, bytes] of [
    [LINK_SLL, sll(frame)],
    [LINK_SLL2, sll2(frame)],
  ] as const) {
    const source = await openCaptureBytes('x.pcap', pcap([bytes], linkType));
    const stations = new Stations();
    stations.name(placeOf(2, 0), [0x0a000002, 0, 0, 0], 0x0200_0000_0002);
    const judge = new FrameJudge([source], { ports: [], portOf: [4] });
    const usedBits = new Int32Array(KEY_WORDS).fill(-1);
    const options = { usedBits, cooked: new CookedFrames(stations), keepFrames: true };
    const scan = new Scan(new MergedCapture([source]), judge, options);
    for await (const table of scan.chunks()) {
      const expected = ethernet(frame, 2);
      assert.deepEqual(Buffer.from(table.frameOf(0)!.bytes), expected);
      assert.equal(table.columns.originalBytes[0], expected.length);
    }
    assert.equal(scan.packets, 1);
  }
});

test('frames to all and to groups have their own addresses', async () => {
  const { found, cooked } = await destinations([
    { port: 1, type: ALL, mac: 1 },
    { port: 1, type: GROUP, mac: 1, to: '224.129.2.3' },
    { port: 1, type: IN, mac: 1, to: '255.255.255.255' },
    { port: 1, type: IN, mac: 1, arp: 'request' },
    { port: 1, type: OTHER, mac: 1, arp: 'request' },
    { port: 1, type: OTHER, mac: 1, arp: 'reply' },
  ]);
  const all = 'ffffffffffff';
  assert.deepEqual(found, [all, '01005e010203', all, all, ZERO, mac(2)]);
  assert.equal(cooked.unknown, 1);
});

const there = { port: 1, type: IN, mac: 1, from: '10.0.0.1', to: '10.0.0.2' };
const back = { port: 2, type: IN, mac: 2, from: '10.0.0.2', to: '10.0.0.1' };

test('the destination is the source of frames the other way, once seen; looking ahead, from the first frame on', async () => {
  assert.deepEqual((await destinations([there, back, there])).found, [ZERO, mac(1), mac(2)]);
  assert.deepEqual((await destinations([there, back, there], { isSeenBefore: true })).found, [mac(2), mac(1), mac(2)]);
});

test('an address that moves to another station is followed', async () => {
  const moved = { ...back, mac: 9 };
  const { found } = await destinations([there, back, there, moved, there], { isSeenBefore: true });
  assert.deepEqual(found, [2, 1, 2, 1, 9].map(mac));
});

test('a station that rules name needs no frame, and a forged frame does not replace it', async () => {
  const stations = newStations();
  stations.name(placeOf(2, 0), [0x0a000002, 0, 0, 0], 0x0200_0000_0002);
  const forged = { port: 3, type: IN, mac: 9, from: '10.0.0.2', to: '10.0.0.7' };
  const { found, cooked } = await destinations([there, forged, { ...forged, port: 2 }, there], { stations });
  assert.deepEqual(found, [mac(2), ZERO, ZERO, mac(2)]);
  assert.deepEqual([cooked.told, cooked.routed, cooked.unknown], [2, 0, 2]);
});

test('between networks frames go to the router that answers come from, not to the station behind it', async () => {
  const ask = { ...there, to: '10.9.0.3' };
  const answer = { port: 3, type: IN, mac: 3, from: '10.9.0.3', to: '10.0.0.1' };
  const routed = { ...answer, port: 4, mac: 8, vlan: 10 };
  const { found } = await destinations([ask, answer, routed, { ...routed, port: 1, type: OUT }, ask]);
  assert.deepEqual(found, [ZERO, ZERO, mac(1), mac(8)]);
});

test('the same addresses in two networks: stations of the own one are meant', async () => {
  const double = { ...back, port: 3, mac: 7 };
  assert.deepEqual((await destinations([there, back, double, there], { isSeenBefore: true })).found[3], mac(2));
  // From a trunk both can be meant.
  const trunk = { ...there, port: 4, vlan: 5 };
  assert.equal((await destinations([back, double, trunk])).cooked.unknown, 3);
});

test('what nothing else tells goes to the only router of the network', async () => {
  const far = ['198.51.100.1', '198.51.100.2'].map((from) => ({ port: 1, type: OUT, mac: 8, from, to: '10.0.0.1' }));
  const { found, cooked } = await destinations([...far, { ...there, to: '203.0.113.5' }]);
  assert.deepEqual(found, [mac(8)]);
  assert.deepEqual([cooked.told, cooked.routed, cooked.unknown], [0, 1, 0]);
});

test('an interface is the port whose station sends there; the last one is found if frames of the bridge leave by it', async () => {
  const frames = [
    there,
    back,
    { ...there, port: 4, type: OUT },
    { port: 4, type: IN, mac: 9 },
    { port: 9, type: IN, mac: 8 },
  ];
  const capture = new MergedCapture([await openCaptureBytes('x.pcap', pcap(frames.map(sll2), LINK_SLL2))]);
  const ports = [1, 2, 4].map((ofport) => ({ name: `p${ofport}`, ofport }));
  const stations = [1, 2].map((ofport) => ({ ofport, mac: `02:00:00:00:00:0${ofport}` }));
  const finder = new InterfaceFinder(new FrameJudge(capture.sources, { ports, stations }));
  await lookForInterfaces(capture, finder);
  assert.deepEqual(
    [...finder.found(ports)],
    [
      [101, 1],
      [102, 2],
      [104, 4],
    ],
  );
});
