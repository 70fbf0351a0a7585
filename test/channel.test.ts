import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Channel, ChannelReader } from '../src/openflow/channel.js';
import type { CapturedFrame } from '../src/openflow/tcpSegment.js';
import { channelToSchedule } from '../src/timeline/fromChannel.js';
import { InputError, UsageError } from '../src/util/errors.js';
import { Prng } from '../src/util/prng.js';
import {
  barrierReply,
  CONTROLLER,
  FakeConnection,
  flowMod14,
  HELLO,
  hexBytes,
  SWITCH,
  tcpFrame,
} from './channelFrames.js';
import { runsOf } from './oracle/runs.js';

function read(frames: readonly CapturedFrame[]): Channel {
  const reader = new ChannelReader();
  for (const frame of frames) reader.push(frame);
  return reader.finish();
}

const hexOf = (channel: Channel): string[] => channel.messages.map(({ bytes }) => Buffer.from(bytes).toString('hex'));

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const frameOf = (frame: number, data: Uint8Array): CapturedFrame => ({
  frame,
  t: BigInt(frame) * 1_000_000n,
  linkType: 1,
  data,
  originalBytes: data.length,
});

test('a message is complete with the frame of its last byte', () => {
  const frames: CapturedFrame[] = [];
  const mod = flowMod14(7, 1);
  new FakeConnection(frames)
    .open()
    .send(CONTROLLER, HELLO)
    .send(CONTROLLER, mod.subarray(0, 30))
    .send(CONTROLLER, join(mod.subarray(30), flowMod14(8, 2)));
  const channel = read(frames);
  assert.deepEqual(
    channel.messages.map(({ frame, t, from }) => [frame, t, from]),
    [
      [3, 3_000_000n, 'controller'],
      [5, 5_000_000n, 'controller'],
      [5, 5_000_000n, 'controller'],
    ],
  );
  assert.deepEqual(channel.errors, []);
});

test('any segmentation, order and repetition of the same bytes yields the same messages', (t) => {
  const stream = join(HELLO, ...Array.from({ length: 12 }, (_, i) => flowMod14(i, i)));
  const whole = hexOf(read(new FakeConnection([]).open().send(CONTROLLER, stream).frames));
  assert.equal(whole.length, 13);
  const isns = fc.constantFrom(1, 0x7fffffff, 0xfffffff0, 0xffffff00);
  const cuts = fc.array(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 20 });
  fc.assert(
    fc.property(isns, cuts, fc.infiniteStream(fc.nat(1000)), (isn, places, noise) => {
      const borders = [...new Set([0, ...places, stream.length])].sort((a, b) => a - b);
      const pieces = borders
        .slice(1)
        .map((end, i) => ({ from: borders[i]!, end, key: i * 10 + (noise.next().value! % 40) }));
      // Some come twice, reaching into what follows.
      const again = pieces
        .filter(() => noise.next().value! % 4 === 0)
        .map((piece) => ({ ...piece, end: Math.min(stream.length, piece.end + 20), key: piece.key + 15 }));
      const sent = [...pieces, ...again].sort((a, b) => a.key - b.key);
      const frames = [
        frameOf(1, tcpFrame(SWITCH, CONTROLLER, 5, new Uint8Array(0), 0x02)),
        frameOf(2, tcpFrame(CONTROLLER, SWITCH, isn, new Uint8Array(0), 0x12)),
      ];
      for (const { from, end } of sent)
        frames.push(
          frameOf(frames.length + 1, tcpFrame(CONTROLLER, SWITCH, isn + 1 + from, stream.subarray(from, end))),
        );
      const channel = read(frames);
      assert.deepEqual(hexOf(channel), whole);
      assert.deepEqual(channel.errors, []);
    }),
    runsOf(t, 200),
  );
});

test('a hole is named with the frame behind it, and the stream goes on where a segment begins with a message', () => {
  const frames: CapturedFrame[] = [];
  const mod = flowMod14(7, 1);
  new FakeConnection(frames)
    .open()
    .send(CONTROLLER, HELLO)
    .send(CONTROLLER, mod.subarray(0, 20))
    .send(CONTROLLER, mod.subarray(20, 40), true)
    .send(CONTROLLER, mod.subarray(40))
    .send(CONTROLLER, flowMod14(8, 2));
  const channel = read(frames);
  assert.deepEqual(channel.errors, [{ connection: 0, from: 'controller', frame: 5, kind: 'gap', bytes: 20 }]);
  assert.deepEqual(
    channel.messages.map(({ frame }) => frame),
    [3, 6],
  );
});

test('the end that listens is the controller or the switch, as the messages tell', () => {
  const client = { ip: [127, 0, 0, 1], port: 50000 } as const;
  const server = { ip: [127, 0, 0, 1], port: 6653 } as const;
  const frames: CapturedFrame[] = [];
  // ovs-ofctl connects to a switch that listens on the port of controllers.
  new FakeConnection(frames, client, server)
    .open()
    .send(client, HELLO)
    .send(server, HELLO)
    .send(client, flowMod14(2, 1))
    .send(server, barrierReply(3));
  const channel = read(frames);
  assert.equal(channel.connections[0]!.controller, '127.0.0.1:50000');
  assert.deepEqual(
    channel.messages.map(({ from }) => from),
    ['controller', 'switch', 'controller', 'switch'],
  );
});

test('the same ports used again are another connection', () => {
  const frames: CapturedFrame[] = [];
  new FakeConnection(frames).open().send(CONTROLLER, HELLO);
  new FakeConnection(frames, SWITCH, CONTROLLER, 900_000).open().send(CONTROLLER, HELLO);
  const channel = read(frames);
  assert.equal(channel.connections.length, 2);
  assert.deepEqual(
    channel.messages.map(({ connection }) => connection),
    [0, 1],
  );
});

test('other traffic on other ports is not mentioned, on an OpenFlow port it is', () => {
  const web = { ip: [198, 51, 100, 7], port: 80 } as const;
  const request = Buffer.from('GET / HTTP/1.1\r\n\r\n');
  const frames: CapturedFrame[] = [];
  new FakeConnection(frames, SWITCH, web).open().send(SWITCH, request);
  new FakeConnection(frames).open().send(SWITCH, request);
  const channel = read(frames);
  assert.equal(channel.connections.length, 1);
  assert.deepEqual(
    channel.errors.map(({ kind, frame }) => [kind, frame]),
    [['not-openflow', 6]],
  );
});

test('VLAN tags, Linux cooked captures and IPv6 lead to the same segment', () => {
  const plain = tcpFrame(SWITCH, CONTROLLER, 1, HELLO);
  const ip = plain.subarray(14);
  const tagged = join(plain.subarray(0, 12), hexBytes('8100 0005 88a8 0006'), plain.subarray(12));
  const sll = join(hexBytes('0000 0001 0006 020000000014 0000 0800'), ip);
  const sll2 = join(hexBytes('0800 0000 00000003 0001 00 06 0200000000140000'), ip);
  const v6 = join(
    hexBytes('60000000 001c 06 40 20010db8000000000000000000000014 20010db800000000000000000000000a'),
    ip.subarray(20),
  );
  for (const [linkType, data] of [
    [1, plain],
    [1, tagged],
    [113, sll],
    [276, sll2],
    [101, ip],
    [229, v6],
    [0, join(hexBytes('02000000'), ip)],
  ] as const) {
    const channel = read([{ frame: 1, t: 1n, linkType, data, originalBytes: data.length }]);
    assert.deepEqual(hexOf(channel), [Buffer.from(HELLO).toString('hex')], `link type ${linkType}`);
  }
});

test('frames that were changed at random neither crash nor keep more bytes than came in', () => {
  const frames: CapturedFrame[] = [];
  const connection = new FakeConnection(frames).open().send(SWITCH, HELLO).send(CONTROLLER, HELLO);
  for (let xid = 0; xid < 20; xid++) connection.send(CONTROLLER, flowMod14(xid, xid)).send(SWITCH, barrierReply(xid));
  const seed = 11;
  const random = new Prng(seed);
  for (let round = 0; round < 300; round++) {
    const reader = new ChannelReader();
    let bytes = 0;
    for (let i = 0; i < 60; i++) {
      const frame = random.pick(frames);
      const data = frame.data.slice();
      for (let n = random.below(4); n > 0; n--) data[random.below(data.length)] = random.below(256);
      const cut = random.below(8) === 0 ? data.subarray(0, random.below(data.length)) : data;
      bytes += cut.length;
      reader.push({ ...frame, frame: i + 1, linkType: random.below(9) === 0 ? random.below(300) : 1, data: cut });
    }
    const channel = reader.finish();
    const kept = channel.messages.reduce((sum, message) => sum + message.bytes.length, 0);
    assert.ok(kept <= bytes, `seed ${seed}, round ${round}`);
    try {
      channelToSchedule(channel, { source: 'changed' });
    } catch (error) {
      assert.ok(error instanceof InputError || error instanceof UsageError, `seed ${seed}, round ${round}: ${error}`);
    }
  }
});

test('a message in segments of one byte, in reverse, is put together', () => {
  const stream = join(HELLO, flowMod14(1, 2));
  const frames = [frameOf(1, tcpFrame(CONTROLLER, SWITCH, 99, new Uint8Array(0), 0x12))];
  for (let at = stream.length - 1; at >= 0; at--)
    frames.push(frameOf(frames.length + 1, tcpFrame(CONTROLLER, SWITCH, 100 + at, stream.subarray(at, at + 1))));
  assert.deepEqual(
    read(frames).messages.map(({ frame }) => frame),
    [frames.length, frames.length],
  );
});

test('a frame cut by the snapshot length, a length below 8, an end and a beginning inside a message are told apart', () => {
  const mod = flowMod14(7, 1);
  const errorsOf = (frames: readonly CapturedFrame[]): string[] =>
    read(frames).errors.map(({ kind, frame, from, bytes }) => `${kind} ${from} ${frame} ${bytes}`);
  const talking = () => new FakeConnection([]).open().send(CONTROLLER, HELLO);

  const cut = talking().send(CONTROLLER, mod).send(CONTROLLER, flowMod14(8, 2)).frames;
  cut[3] = { ...cut[3]!, data: cut[3]!.data.subarray(0, 70) };
  assert.deepEqual(errorsOf(cut), ['captured-short controller 4 40']);
  assert.deepEqual(
    read(cut).messages.map(({ frame }) => frame),
    [3, 5],
  );

  const short = mod.slice();
  short[3] = 7;
  assert.deepEqual(errorsOf(talking().send(CONTROLLER, short).send(CONTROLLER, mod).frames), [
    'bad-length controller 4 7',
  ]);
  assert.deepEqual(errorsOf(talking().send(CONTROLLER, mod.subarray(0, 50)).frames), ['incomplete controller 4 50']);

  const middle = new FakeConnection([]).send(CONTROLLER, mod.subarray(9)).send(CONTROLLER, flowMod14(8, 2)).frames;
  assert.deepEqual(errorsOf(middle), ['no-message-start controller 1 0']);
  assert.equal(read(middle).messages.length, 1);
});

test('bytes that come again fill a hole, whatever frame brought them', () => {
  const frames: CapturedFrame[] = [];
  const mod = flowMod14(7, 1);
  const connection = new FakeConnection(frames).open().send(CONTROLLER, HELLO);
  const seq = 1000 + 7 + 1 + HELLO.length;
  connection.send(CONTROLLER, mod.subarray(0, 20), true).send(CONTROLLER, mod.subarray(20));
  frames.push(frameOf(frames.length + 1, tcpFrame(CONTROLLER, SWITCH, seq, mod.subarray(0, 30))));
  const channel = read(frames);
  assert.deepEqual(channel.errors, []);
  assert.deepEqual(
    channel.messages.map(({ frame }) => frame),
    [3, 5],
  );
});
