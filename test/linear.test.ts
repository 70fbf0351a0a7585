import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LookupResult } from '../src/classify/classifier.js';
import { LinearClassifier } from '../src/classify/linear.js';
import { FlowTables } from '../src/timeline/flowTables.js';
import { Prng } from '../src/util/prng.js';
import { NEVER } from '../src/util/units.js';
import { FlowTableModel } from './oracle/flowTableModel.js';
import { type RandomShape, randomChanges, randomKey, stepOf } from './oracle/randomTables.js';

const shapeArbitrary: fc.Arbitrary<RandomShape> = fc.record({
  clauses: fc.integer({ min: 0, max: 7 }),
  accepts: fc.integer({ min: 0, max: 3 }),
  priorities: fc.integer({ min: 1, max: 3 }),
  ids: fc.integer({ min: 1, max: 4 }),
});

/** A random history of one table: by the product, and every version of it by the model. */
export function randomHistory(prng: Prng, shape: RandomShape, stepCount: number) {
  const tables = new FlowTables();
  const models = [new FlowTableModel()];
  for (let n = 0; n < stepCount; n++) {
    const model = models.at(-1)!;
    const known = prng.below(3) === 0 ? prng.pick(models).rules : model.rules;
    const size = n === 0 ? 25 : prng.below(4) === 0 ? 1 + prng.below(6) : 1;
    const changes = randomChanges(prng, shape, known, size);
    assert.equal(tables.applyStep(stepOf(changes)), null);
    models.push(model.after(changes));
  }
  return { timeline: tables.timeline(), tables, models };
}

test('a linear lookup gives the answer of a plain list of rules at every version, with the longest validity', () => {
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
    { numRuns: 150 },
  );
});

test('the present rules are dumped mask by mask in the order of visits', () => {
  fc.assert(
    fc.property(fc.integer(), shapeArbitrary, (seed, shape) => {
      const { tables, models } = randomHistory(new Prng(seed), shape, 30);
      const model = models.at(-1)!;
      assert.deepEqual(
        tables.dump().map((rule) => rule.cookie),
        model.list.flatMap(({ mask }) => model.rulesOf(mask).map((rule) => rule.cookie)),
      );
    }),
    { numRuns: 50 },
  );
});
