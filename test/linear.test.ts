import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LookupResult } from '../src/classify/classifier.js';
import { LinearClassifier } from '../src/classify/linear.js';
import { Prng } from '../src/util/prng.js';
import { NEVER } from '../src/util/units.js';
import { randomHistory, shapeArbitrary } from './oracle/randomHistory.js';
import { randomKey } from './oracle/randomTables.js';
import { runsOf } from './oracle/runs.js';

test('a linear lookup gives the answer of a plain list of rules at every version, with the longest validity', (t) => {
  fc.assert(
    fc.property(fc.integer(), shapeArbitrary, (seed, shape) => {
      const prng = new Prng(seed);
      const { timeline, models } = randomHistory(prng, shape, 25);
      const linear = new LinearClassifier(timeline);
      const out = new LookupResult();
      for (let n = 0; n < 6; n++) {
        const key = randomKey(prng);
        const answers = models.map((model) => model.lookup(key));
        const same = (a: number, b: number): boolean =>
          answers[a]!.rule === answers[b]!.rule && answers[a]!.conjId === answers[b]!.conjId;
        for (let version = 0; version < models.length; version++) {
          linear.lookup(0, key, version, out);
          const expected = answers[version]!;
          const got = out.rule < 0 ? null : timeline.rules[out.rule]!.rule;
          assert.equal(got?.cookie, expected.rule?.cookie);
          assert.deepEqual(got?.actions, expected.rule?.actions);
          assert.equal(out.conjId, expected.conjId);
          assert.equal(out.ambiguous, false);
          let from = version;
          while (from > 0 && same(from - 1, version)) from--;
          let to = version + 1;
          while (to < models.length && same(to, version)) to++;
          assert.deepEqual([out.from, out.to], [from, to === models.length ? NEVER : to]);
        }
      }
    }),
    runsOf(t, 80),
  );
});

test('the present rules are dumped mask by mask in the order of visits', (t) => {
  fc.assert(
    fc.property(fc.integer(), shapeArbitrary, (seed, shape) => {
      const { tables, models } = randomHistory(new Prng(seed), shape, 30);
      const model = models.at(-1)!;
      assert.deepEqual(
        tables.dump().map((rule) => rule.cookie),
        model.list.flatMap(({ mask }) => model.rulesOf(mask).map((rule) => rule.cookie)),
      );
    }),
    runsOf(t, 40),
  );
});
