import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Case } from '../src/cases/caseFormat.js';
import { Tracker } from '../src/conntrack/tracker.js';
import { Prng } from '../src/util/prng.js';
import { ethernet, fragments, ipv4, mac, udp } from './oracle/frames.js';
import { labelOf } from './oracle/randomTraffic.js';
import { randomWorld } from './oracle/randomWorld.js';
import { replayInOrder } from './oracle/replayInOrder.js';
import { replayTransposed } from './oracle/replayTransposed.js';
import { runsOf } from './oracle/runs.js';
import { worldInput } from './oracle/worldInput.js';

test('a replay group by group gives what three switches give packet by packet in time order', (t) => {
  let packets = 0;
  let windows = 0;
  const choices = fc.record({
    seed: fc.integer(),
    profile: fc.constantFrom('ovs-userspace' as const, 'linux' as const),
    judgeBefore: fc.boolean(),
    deletionsEverywhere: fc.boolean(),
    size: fc.record({ packets: fc.integer({ min: 40, max: 80 }), conversations: fc.integer({ min: 2, max: 8 }) }),
  });
  fc.assert(
    fc.property(choices, ({ seed, profile, judgeBefore, deletionsEverywhere, size }) => {
      const input = worldInput(randomWorld(new Prng(seed), size), deletionsEverywhere);
      const tracker = new Tracker(profile, { verifyChecksums: false });
      const expected = replayInOrder(input, { judgeBefore, tracker });
      for (const reuse of [true, false])
        assert.deepEqual(replayTransposed(input, { judgeBefore, tracker, reuse }), expected);
      packets += expected.packets.length;
      windows += expected.windows.length;
    }),
    runsOf(t, 20),
  );
  t.diagnostic(`${packets} packets in three worlds, ${windows} windows`);
  assert.ok(windows > 0, 'no window came up: nothing was tested');
});

/** Three fragments from port 1, after a step that puts `flow` in the place of a ct() and output:2. */
function fragmentsWorld(flow: string): Case {
  const [src, dst] = [ipv4('10.0.0.1'), ipv4('10.0.0.2')];
  const pieces = fragments(src, dst, udp(src, dst, 1000, 80, 100), { proto: 17, id: 7 }, 40);
  const label = JSON.stringify(labelOf('udp', '10.0.0.1:1000', '10.0.0.2:80'));
  return {
    id: 'fragments',
    ports: [1, 2].map((ofport) => ({ name: `p${ofport}`, ofport })),
    flows: ['ip,actions=ct(table=1,zone=5)', 'table=1,actions=output:2'],
    steps: [
      { t: 1, mods: [{ op: 'add', flow }] },
      ...pieces.map((piece, i) => {
        const frame = ethernet(mac('02:00:00:00:00:02'), mac('02:00:00:00:00:01'), null, 0x0800, piece);
        return { t: 2 + i, packet: { in_port: 1, hex: frame.toString('hex') }, note: label };
      }),
    ],
  };
}

test('a fragment that waits at a ct() in one world only is not lost when the worlds have the same entries', () => {
  const input = worldInput(fragmentsWorld('ip,actions=output:2'), false);
  const options = { judgeBefore: true, tracker: new Tracker('linux') };
  const expected = replayInOrder(input, options);
  assert.deepEqual(
    expected.packets.map(({ outcomes }) => outcomes[1]),
    ['held', 'held', 'delivered'],
  );
  assert.deepEqual(replayTransposed(input, { ...options, reuse: true }), expected);
});

test('one fragment flooded is not like the packet put together from all of them', () => {
  const input = worldInput(fragmentsWorld('ip,actions=NORMAL'), false);
  for (const [profile, kinds] of [
    ['linux', [null, null, 'misdelivery']],
    // OVS puts together to track only, and sends the fragments on.
    ['ovs-userspace', [null, null, null]],
  ] as const) {
    const options = { judgeBefore: true, tracker: new Tracker(profile) };
    const expected = replayInOrder(input, options);
    assert.deepEqual(
      expected.packets.map(({ kind }) => kind),
      kinds,
    );
    assert.deepEqual(replayTransposed(input, { ...options, reuse: true }), expected);
  }
});
