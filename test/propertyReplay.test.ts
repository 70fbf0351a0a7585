import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Tracker } from '../src/conntrack/tracker.js';
import { Prng } from '../src/util/prng.js';
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
