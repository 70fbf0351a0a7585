/**
 * Nine restarts, each replayed once from its text schedule and then held against all that is known of it: what a real switch
 * did with every packet, a reference replay's report, what arrived in the recording, and a checker of our own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSchedule } from '../../src/timeline/scheduleNdjson.js';
import { tuplesOf } from './checker/tuples.js';
import { checkWindows } from './checker/windows.js';
import { EXPLAINED, RECEIVED_OTHERWISE } from './explained.js';
import { differencesFromGold } from './gold.js';
import { compareWithReceived } from './received.js';
import { isRecorded, optionsOf, type Replayed, RUNS, replayWhole } from './recorded.js';
import { compareWithReference } from './secondOpinion.js';
import { readShared, skipWithoutShared } from './shared.js';

for (const run of RUNS) {
  test(run, { skip: skipWithoutShared }, async (t) => {
    const replayed = await replayWhole(optionsOf(run));

    await t.test('packets, ct views, deletions and entries are those of the real switch', (t) => {
      const { counts, problems } = differencesFromGold(run, replayed);
      t.diagnostic(`${counts}, ${problems.length} differ`);
      assert.deepEqual(problems.slice(0, 10), []);
    });

    await t.test('windows, flows and culprits are those of the reference replay, or explained', (t) => {
      const { differing, windows, flows } = compareWithReference(run, replayed.result);
      const explained = EXPLAINED[run] ?? [];
      t.diagnostic(`${windows} windows, ${flows} flows; fields that differ: ${differing.size}`);
      const unexplained = new Map(differing);
      for (const { fields, reason } of explained) {
        const found = [...differing.keys()].filter((field) => fields.test(field));
        assert.notEqual(found.length, 0, `explained, but equal: ${fields}`);
        for (const field of found) unexplained.delete(field);
        t.diagnostic(`${found.length} fields (${fields.source}): ${reason}`);
      }
      assert.deepEqual([...unexplained].slice(0, 20), []);
    });

    if (isRecorded(run)) {
      await t.test('flows with loss, leaks and dead flows are those of the recording, or explained', (t) => {
        const { counts, exceptions } = compareWithReceived(run, replayed);
        t.diagnostic(`${counts}; ${exceptions.size} exceptions`);
        for (const [name, reason] of exceptions) t.diagnostic(`${name}: ${reason}`);
        assert.deepEqual([...exceptions.keys()].sort(), [...(RECEIVED_OTHERWISE[run] ?? [])].sort());
        assert.deepEqual(
          [...exceptions].filter(([, reason]) => reason === null),
          [],
        );
      });
    }

    await t.test('a second program finds the same windows in the verdict lines', (t) => {
      const check = checked(run, replayed);
      t.diagnostic(`${check.judged} packets judged, ${check.windows} windows, ${check.flooded} alike by a flood`);
      assert.deepEqual(check.problems.slice(0, 10), []);
    });
  });
}

function checked(run: string, { result, lines }: Replayed) {
  const { steps } = readSchedule(readShared(`neutron/${run}/schedule.ndjson.gz`).toString('utf8'));
  const lastTableStep = steps.findLastIndex(({ kind }) => kind === 'tables') + 1;
  const tuples = tuplesOf(readShared(`neutron/${run}/sent.pcap.gz`));
  const { judge, flooded } = result.summary;
  return checkWindows(lines, tuples, result.windows, { judge, lastTableStep, flooded });
}
