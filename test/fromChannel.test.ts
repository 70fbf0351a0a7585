import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Channel, ChannelReader } from '../src/openflow/channel.js';
import type { CapturedFrame } from '../src/openflow/tcpSegment.js';
import { channelTimings } from '../src/timeline/channelTimings.js';
import { channelToSchedule, isBodyOfSchedule } from '../src/timeline/fromChannel.js';
import type { Schedule } from '../src/timeline/schedule.js';
import { InputError, UsageError } from '../src/util/errors.js';
import {
  barrierReply,
  bundleAdd14,
  bundleControl14,
  CONTROLLER,
  error14,
  FakeConnection,
  features14,
  flowMod14,
  HELLO,
  hexBytes,
  localPort14,
  message14,
  SWITCH,
} from './channelFrames.js';

const OPEN = 0;
const COMMIT = 4;
const DISCARD = 6;

function channelOf(frames: readonly CapturedFrame[]): Channel {
  const reader = new ChannelReader();
  for (const frame of frames) reader.push(frame);
  return reader.finish();
}

/** Steps as `milliseconds: priorities`, `*` for a bundle. */
function stepsOf(schedule: Schedule): string[] {
  return schedule.steps.map((step) => {
    assert.equal(step.kind, 'tables');
    if (step.kind !== 'tables') return '';
    assert.equal(step.t.earliest, step.t.latest);
    const mods = step.mods.map((mod) => mod.priority).join(' ');
    return `${step.t.earliest / 1_000_000n}: ${mods}${step.bundle ? '*' : ''}`;
  });
}

/** A connection that has said hello in frames 4 and 5. */
function talking(frames: CapturedFrame[] = []): FakeConnection {
  return new FakeConnection(frames).open().send(SWITCH, HELLO).send(CONTROLLER, HELLO);
}

const scheduleOf = (connection: FakeConnection, bridge: string | null = null): Schedule =>
  channelToSchedule(channelOf(connection.frames), { source: 'of.pcap', bridge });

test('a flow-mod is a step at the frame of its last byte, a bundle one at its commit', () => {
  const mod = flowMod14(10, 1);
  const connection = talking()
    .send(CONTROLLER, mod.subarray(0, 16))
    .send(CONTROLLER, mod.subarray(16))
    .send(CONTROLLER, bundleControl14(11, 3, OPEN))
    .send(CONTROLLER, bundleAdd14(3, flowMod14(12, 2)))
    .send(CONTROLLER, bundleAdd14(3, flowMod14(13, 3)))
    .send(CONTROLLER, bundleControl14(14, 3, COMMIT))
    .send(SWITCH, barrierReply(15));
  const schedule = scheduleOf(connection);
  assert.deepEqual(stepsOf(schedule), ['6: 1', '10: 2 3*']);
  assert.deepEqual(schedule.warnings, []);
  assert.equal(schedule.fidelity, 'wire');
  assert.equal(schedule.of, '1.4');
});

test('a plain flow-mod between open and commit acts at once', () => {
  const connection = talking()
    .send(CONTROLLER, bundleControl14(11, 3, OPEN))
    .send(CONTROLLER, bundleAdd14(3, flowMod14(12, 2)))
    .send(CONTROLLER, flowMod14(13, 9))
    .send(CONTROLLER, bundleControl14(14, 3, COMMIT))
    .send(SWITCH, barrierReply(15));
  assert.deepEqual(stepsOf(scheduleOf(connection)), ['7: 9', '8: 2*']);
});

test('what the switch refuses changes nothing and is counted', () => {
  const bad = flowMod14(21, 5);
  const inner = bundleAdd14(3, flowMod14(32, 6));
  const commit = bundleControl14(33, 3, COMMIT);
  const connection = talking()
    .send(CONTROLLER, flowMod14(20, 4))
    .send(CONTROLLER, bad)
    .send(CONTROLLER, bundleControl14(31, 3, OPEN))
    .send(CONTROLLER, inner)
    .send(CONTROLLER, commit)
    .send(SWITCH, error14(5, 1, bad))
    .send(SWITCH, error14(2, 9, inner))
    .send(SWITCH, error14(17, 13, commit));
  const schedule = scheduleOf(connection);
  assert.deepEqual(stepsOf(schedule), ['5: 4']);
  assert.deepEqual(schedule.warnings, [
    '1 flow-mods were refused by the switch (OFPFMFC_TABLE_FULL) and change nothing',
    '1 bundles failed (OFPBFC_MSG_FAILED) and change nothing',
  ]);
});

test('an error of one connection does not undo the same xid of another', () => {
  const frames: CapturedFrame[] = [];
  const first = talking(frames).send(CONTROLLER, flowMod14(20, 1));
  const other = { ip: [192, 0, 2, 21], port: 41001 } as const;
  const second = new FakeConnection(frames, other, CONTROLLER)
    .open()
    .send(CONTROLLER, HELLO)
    .send(CONTROLLER, flowMod14(20, 2));
  second.send(other, HELLO).send(other, error14(5, 1, flowMod14(20, 2)));
  first.send(SWITCH, barrierReply(21));
  assert.deepEqual(stepsOf(channelToSchedule(channelOf(frames), { source: 'of.pcap' })), ['5: 1']);
});

test('of equal xids the one whose bytes came back is meant', () => {
  const connection = talking()
    .send(CONTROLLER, flowMod14(0, 1))
    .send(CONTROLLER, flowMod14(0, 2))
    .send(CONTROLLER, flowMod14(0, 3))
    .send(SWITCH, error14(5, 1, flowMod14(0, 2)));
  assert.deepEqual(stepsOf(scheduleOf(connection)), ['5: 1', '7: 3']);
});

test('a discarded bundle leaves no step, and an add without open begins one', () => {
  const connection = talking()
    .send(CONTROLLER, bundleControl14(11, 3, OPEN))
    .send(CONTROLLER, bundleAdd14(3, flowMod14(12, 2)))
    .send(CONTROLLER, bundleControl14(13, 3, DISCARD))
    .send(CONTROLLER, bundleAdd14(4, flowMod14(14, 7)))
    .send(CONTROLLER, bundleControl14(15, 4, COMMIT))
    .send(SWITCH, barrierReply(16));
  const schedule = scheduleOf(connection);
  assert.deepEqual(stepsOf(schedule), ['9: 7*']);
  assert.deepEqual(schedule.warnings, ['1 bundles were discarded']);
});

test('bytes missing towards the switch are an error with connection and packet', () => {
  const mod = flowMod14(10, 1);
  const connection = talking()
    .send(CONTROLLER, mod.subarray(0, 16))
    .send(CONTROLLER, mod.subarray(16), true)
    .send(CONTROLLER, flowMod14(11, 2));
  assert.throws(
    () => scheduleOf(connection),
    (error) =>
      error instanceof InputError &&
      error.format() ===
        'of.pcap: packet 6 connection 192.0.2.20:41000 > 192.0.2.10:6653: towards the switch 40 bytes are not in the capture before this packet',
  );
});

test('bytes missing from the switch are a warning', () => {
  const connection = talking()
    .send(CONTROLLER, flowMod14(10, 1))
    .send(SWITCH, message14(3, 9), true)
    .send(SWITCH, barrierReply(15));
  const schedule = scheduleOf(connection);
  assert.deepEqual(stepsOf(schedule), ['5: 1']);
  assert.deepEqual(schedule.warnings, [
    'packet 6, connection 192.0.2.20:41000 > 192.0.2.10:6653: from the switch 8 bytes are not in the capture before this packet',
  ]);
});

test('changes that nothing answers are mentioned, because a refusal would not show', () => {
  assert.deepEqual(scheduleOf(talking().send(CONTROLLER, flowMod14(10, 1))).warnings, [
    '1 changes have no answer of the switch behind them: a refusal would not show',
  ]);
});

test('of several bridges one is chosen by name, datapath id or ports', () => {
  const frames: CapturedFrame[] = [];
  const listening = { ip: [127, 0, 0, 1], port: 16653 } as const;
  const client = (port: number) => ({ ip: [127, 0, 0, 1], port }) as const;
  talking(frames)
    .send(SWITCH, features14(2, 0xabcn))
    .send(SWITCH, localPort14(3, 'br-phy'))
    .send(CONTROLLER, flowMod14(4, 1))
    .send(SWITCH, barrierReply(5));
  const a = client(50001);
  new FakeConnection(frames, a, listening)
    .open()
    .send(a, HELLO)
    .send(listening, features14(2, 0x1d1n))
    .send(listening, localPort14(3, 'br-int'));
  // A client of the same listening end that asks for nothing.
  const b = client(50002);
  new FakeConnection(frames, b, listening)
    .open()
    .send(b, HELLO)
    .send(b, flowMod14(4, 2))
    .send(listening, barrierReply(5));
  const channel = channelOf(frames);
  const steps = (bridge: string | null, portNames: string[] = []): string[] =>
    stepsOf(channelToSchedule(channel, { source: 'of.pcap', bridge, portNames }));
  assert.deepEqual(steps('br-phy'), ['7: 1']);
  assert.deepEqual(steps('br-int'), ['17: 2']);
  assert.deepEqual(steps('0x1d1'), ['17: 2']);
  assert.deepEqual(steps('00:00:00:00:00:00:0a:bc'), ['7: 1']);
  assert.deepEqual(steps(null, ['tap1', 'br-int']), ['17: 2']);
  assert.throws(() => steps(null), UsageError);
  assert.throws(() => steps('br-ex'), UsageError);
});

test('a capture that begins inside a bundle cannot say what the commit did', () => {
  const frames: CapturedFrame[] = [];
  // No SYN: the connection was there before.
  new FakeConnection(frames)
    .send(CONTROLLER, bundleAdd14(3, flowMod14(14, 7)))
    .send(CONTROLLER, bundleControl14(15, 3, COMMIT));
  assert.throws(() => channelToSchedule(channelOf(frames), { source: 'of.pcap' }), InputError);
});

test('a message that Open vSwitch cannot decode is left out with its place and the name of the error', () => {
  const bad = flowMod14(10, 1);
  bad[25] = 9; // the command
  const schedule = scheduleOf(talking().send(CONTROLLER, bad).send(SWITCH, barrierReply(11)));
  assert.deepEqual(schedule.steps, []);
  assert.deepEqual(schedule.warnings, [
    'packet 5, connection 192.0.2.20:41000 > 192.0.2.10:6653, xid 0xa: flow_mod left out, Open vSwitch answers OFPFMFC_BAD_COMMAND (no answer in the capture)',
  ]);
});

test('times that run backwards do not: a step has at least the time of the one before', () => {
  const frames: CapturedFrame[] = [];
  talking(frames).send(CONTROLLER, flowMod14(10, 1)).send(CONTROLLER, flowMod14(11, 2)).send(SWITCH, barrierReply(12));
  frames[5] = { ...frames[5]!, t: 1n };
  const schedule = channelToSchedule(channelOf(frames), { source: 'of.pcap' });
  assert.deepEqual(stepsOf(schedule), ['5: 1', '5: 2']);
  assert.deepEqual(schedule.warnings, ['1 steps have an earlier time than the step before them, whose time they take']);
});

test('bodies that a schedule does not need can be left out while reading', () => {
  const frames: CapturedFrame[] = [];
  const bad = flowMod14(11, 2);
  talking(frames)
    .send(CONTROLLER, flowMod14(10, 1))
    .send(CONTROLLER, bad)
    .send(SWITCH, message14(10, 0, new Uint8Array(500)))
    .send(SWITCH, error14(5, 1, bad));
  const reader = new ChannelReader(isBodyOfSchedule);
  for (const frame of frames) reader.push(frame);
  const channel = reader.finish();
  assert.equal(channel.messages.find(({ bytes }) => bytes[1] === 10)?.bytes.length, 24);
  assert.deepEqual(stepsOf(channelToSchedule(channel, { source: 'of.pcap' })), ['5: 1']);
});

test('bundles are timed from opening to commit, and commits and barriers to their replies', () => {
  const frames: CapturedFrame[] = [];
  talking(frames)
    .send(CONTROLLER, bundleControl14(11, 3, OPEN))
    .send(CONTROLLER, bundleAdd14(3, flowMod14(12, 2)))
    .send(CONTROLLER, bundleControl14(13, 3, COMMIT))
    .send(SWITCH, bundleControl14(13, 3, COMMIT + 1))
    .send(CONTROLLER, message14(20, 14))
    .send(SWITCH, barrierReply(99))
    .send(SWITCH, barrierReply(14));
  assert.deepEqual(channelTimings(channelOf(frames)), { commitNs: [2_000_000], replyNs: [1_000_000, 2_000_000] });
});

test('a capture without OpenFlow, or with an encrypted channel, is refused with the reason', () => {
  const reasonOf = (frames: CapturedFrame[]): string => {
    try {
      channelToSchedule(channelOf(frames), { source: 'x.pcap' });
    } catch (error) {
      if (error instanceof InputError) return error.format();
    }
    return 'accepted';
  };
  assert.equal(reasonOf([]), 'x.pcap: no OpenFlow messages in this capture');
  const tls = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc);
  assert.equal(
    reasonOf(new FakeConnection([]).open().send(SWITCH, tls).frames),
    'x.pcap: the OpenFlow channel in this capture is encrypted (TLS)',
  );
});

test('a bundle that is still open at the end has no step and is mentioned', () => {
  const connection = talking()
    .send(CONTROLLER, bundleControl14(11, 3, OPEN))
    .send(CONTROLLER, bundleAdd14(3, flowMod14(12, 2)))
    .send(SWITCH, barrierReply(15));
  const schedule = scheduleOf(connection);
  assert.deepEqual(schedule.steps, []);
  assert.deepEqual(schedule.warnings, ['1 bundles are not committed when the capture ends']);
});

test('a flush of a conntrack zone through OpenFlow is a step of its own', () => {
  const flush = message14(4, 12, hexBytes('00002320 0000001d 000000000000 0005'));
  const schedule = scheduleOf(talking().send(CONTROLLER, flush).send(SWITCH, barrierReply(15)));
  assert.deepEqual(schedule.steps, [
    {
      kind: 'conntrack',
      t: { earliest: 5_000_000n, latest: 5_000_000n },
      filter: { zone: 5 },
      worlds: 'actual',
      note: null,
    },
  ]);
});
