import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FlowTables } from '../../src/timeline/flowTables.js';
import type { Prng } from '../../src/util/prng.js';
import { FlowTableModel } from './flowTableModel.js';
import { type RandomShape, randomChanges, stepOf } from './randomTables.js';

export const shapeArbitrary: fc.Arbitrary<RandomShape> = fc.record({
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
    const size = n === 0 ? 40 : prng.below(4) === 0 ? 1 + prng.below(6) : 1;
    const changes = randomChanges(prng, shape, known, size);
    assert.equal(tables.applyStep(stepOf(changes)), null);
    models.push(model.after(changes));
  }
  return { timeline: tables.timeline(), tables, models };
}
