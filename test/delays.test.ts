/** What the modelled histograms of delays are made from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForwardingTimes } from '../src/api/forwardingTimes.js';
import { FRAME } from '../src/capture/direction.js';
import { allocateBatch, type RecordBatch } from '../src/capture/source.js';
import { type PacketColumns, PacketTable } from '../src/packet/columns.js';
import { NO_RESULT, type PacketResult } from '../src/replay/packetResult.js';
import { ServiceMeter } from '../src/replay/serviceMeter.js';
import { TcpDelays } from '../src/replay/tcpDelays.js';

const passed: PacketResult = { ...NO_RESULT, ports: [2], outcome: 'delivered' };
const lost: PacketResult = { ...NO_RESULT, outcome: 'dropped' };
const SYN = 0x02;
const ACK = 0x10;

interface Segment {
  readonly t: number;
  readonly flags: number;
  readonly seq: number;
  readonly bytes?: number;
  readonly isLost?: boolean;
  readonly group?: number;
  readonly direction?: number;
}

function delaysOf(segments: readonly Segment[]): [string, number][] {
  const found: [string, number][] = [];
  const delays = new TcpDelays({ record: (name, ns) => found.push([name, ns]) });
  const { columns } = new PacketTable(segments.length);
  segments.forEach(({ t, flags, seq, bytes = 0, group = 0, direction = 0 }, row) => {
    columns.tsNs[row] = t;
    columns.tcpFlags[row] = flags;
    columns.tcpSeq[row] = seq;
    columns.payloadBytes[row] = bytes;
    columns.group[row] = group;
    columns.direction[row] = direction;
  });
  segments.forEach(({ isLost }, row) => {
    delays.take(isLost === true ? lost : passed, columns as PacketColumns, row);
  });
  return found;
}

test('set-up takes from the first SYN to the first delivered one of the same attempt, and nothing where that is the first', () => {
  const found = delaysOf([
    { t: 0, flags: SYN, seq: 7, isLost: true },
    { t: 1e9, flags: SYN, seq: 7, isLost: true },
    { t: 3e9, flags: SYN, seq: 7 },
    { t: 7e9, flags: SYN, seq: 7 },
    { t: 9e9, flags: SYN, seq: 8 },
    { t: 9e9, flags: SYN | ACK, seq: 5, direction: 1 },
    { t: 9.5e9, flags: SYN, seq: 1, group: 64, isLost: true },
  ]);
  assert.deepEqual(found, [
    ['setupDelayNs', 3e9],
    ['setupDelayNs', 0],
  ]);
});

test('a lost segment is made good by the first delivered one with bytes of its range, also across the wrap of sequence numbers', () => {
  const found = delaysOf([
    { t: 0, flags: ACK, seq: 0xffffff00, bytes: 0x80, isLost: true },
    { t: 1, flags: ACK, seq: 0xffffff80, bytes: 0x100, isLost: true },
    { t: 2, flags: ACK, seq: 0x80, bytes: 10 },
    { t: 3, flags: ACK, seq: 0xffffff00, bytes: 0x80, isLost: true },
    { t: 4, flags: ACK, seq: 0xffffff00, bytes: 0x80, direction: 1 },
    { t: 10, flags: ACK, seq: 0xffffff00, bytes: 0x80 },
    { t: 12, flags: ACK, seq: 0x10, bytes: 0x20 },
    { t: 13, flags: ACK, seq: 0x10, bytes: 0x20 },
  ]);
  assert.deepEqual(found, [
    ['retransmitDelayNs', 10],
    ['retransmitDelayNs', 11],
  ]);
});

test('a FIN is a byte of the stream, a bare acknowledgement is none', () => {
  assert.deepEqual(
    delaysOf([
      { t: 0, flags: ACK | 1, seq: 5, isLost: true },
      { t: 1, flags: ACK, seq: 6, isLost: true },
      { t: 4, flags: ACK | 1, seq: 5 },
      { t: 5, flags: ACK, seq: 6 },
    ]),
    [['retransmitDelayNs', 4]],
  );
});

/** Ethernet frames of IPv4, one row each. */
function framesOf(...frames: { ttl: number; id: number; vlan?: number; pad?: number }[]): RecordBatch {
  const batch = allocateBatch(frames.length);
  batch.data = new Uint8Array(200 * frames.length);
  frames.forEach(({ ttl, id, vlan, pad = 0 }, row) => {
    const tag = vlan === undefined ? [] : [0x81, 0, vlan >> 8, vlan & 0xff];
    const ip = [0x45, 0, 0, 24, 0, id, 0, 0, ttl, 17, 9, ttl, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3, 4];
    const frame = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...tag, 8, 0, ...ip, ...new Array(pad).fill(0)];
    batch.data.set(frame, row * 200);
    batch.dataStart[row] = row * 200;
    batch.capturedBytes[row] = frame.length;
    batch.linkType[row] = 1;
  });
  batch.count = frames.length;
  return batch;
}

test('a frame that left is found among those that entered, whatever its tag, TTL and padding', () => {
  const found: number[] = [];
  const times = new ForwardingTimes({ record: (_, ns) => found.push(ns) });
  const batch = framesOf(
    { ttl: 64, id: 1 },
    { ttl: 63, id: 1, vlan: 5 },
    { ttl: 64, id: 2, pad: 22 },
    { ttl: 64, id: 2 },
    { ttl: 64, id: 3 },
  );
  const leaves = (t: number, row: number) => times.onOther(FRAME.LEFT_BY_FLAG, 2, t, 0, batch, row);
  times.onEntered(0, batch, 0);
  // The capture is not known to be two-sided before this.
  leaves(10, 1);
  times.onEntered(100, batch, 0);
  times.onEntered(110, batch, 2);
  leaves(130, 1);
  leaves(150, 3);
  leaves(160, 1);
  leaves(170, 4);
  times.onOther(FRAME.NOT_MARKED_INBOUND, 2, 180, 0, batch, 3);
  times.onEntered(3e9, batch, 4);
  leaves(3e9 + 1, 0);
  leaves(3e9 + 2, 4);
  assert.deepEqual(found, [30, 40, 60, 2]);
});

test('service time is the mean of whole batches', () => {
  const means: number[] = [];
  const meter = new ServiceMeter({ recordMean: (ns) => means.push(ns) }, 0);
  meter.begin();
  for (let i = 0; i < 130; i++) meter.packet();
  meter.begin();
  for (let i = 0; i < 63; i++) meter.packet();
  assert.equal(means.length, 2);
  assert.ok(means.every((ns) => ns >= 0 && ns < 1e6));
});
