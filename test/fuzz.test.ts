import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCorpus } from './fuzz/corpus.js';
import { fuzz } from './fuzz/run.js';
import { TARGETS } from './fuzz/targets.js';

const SEED = 20260101;
const COUNT = 150;

const corpus = readCorpus(false);

for (const target of TARGETS) {
  test(`damaged ${target.name} are read, read in part or refused in words, each in less than a second`, async (t) => {
    const { fates, slowestMs } = await fuzz(target, corpus.get(target.name)!, SEED, 0, COUNT);
    assert.equal(fates.whole + fates.partly + fates.refused, COUNT);
    assert.ok(fates.refused < COUNT, 'something is taken');
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(fates)}, slowest ${Math.round(slowestMs)} ms`);
  });
}
