import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LookupResult } from '../src/classify/classifier.js';
import { CompiledClassifier } from '../src/classify/compiled.js';
import { LinearClassifier } from '../src/classify/linear.js';
import { MACHINE_LIMITS, type MachineLimits } from '../src/classify/tableMachine.js';
import { Prng } from '../src/util/prng.js';
import { randomHistory, shapeArbitrary } from './oracle/randomHistory.js';
import { randomKey } from './oracle/randomTables.js';
import { runsOf } from './oracle/runs.js';

const TINY: MachineLimits = { transitions: 12, states: 10, leaps: 3, leapWords: 12 };
const WITHOUT_LEAPS: MachineLimits = { ...MACHINE_LIMITS, leapWords: 1 };

test('the compiled classifier gives answer, validity and explanation of the linear one, with little memory and without leaps too', (t) => {
  fc.assert(
    fc.property(fc.integer(), shapeArbitrary, (seed, shape) => {
      const prng = new Prng(seed);
      const { timeline } = randomHistory(prng, shape, 40);
      const linear = new LinearClassifier(timeline);
      const compiled = new CompiledClassifier(timeline);
      const others = [TINY, WITHOUT_LEAPS].map((limits) => new CompiledClassifier(timeline, limits));
      const expected = new LookupResult();
      const got = new LookupResult();
      for (let n = 0; n < 60; n++) {
        const key = randomKey(prng);
        const version = prng.below(timeline.lastVersion + 1);
        linear.lookup(0, key, version, expected);
        compiled.lookup(0, key, version, got);
        assert.deepEqual(got, expected);
        for (const other of others) {
          other.lookup(0, key, version, got);
          assert.deepEqual(got, expected);
        }
        if (n % 10 === 0) assert.deepEqual(compiled.explain(0, key, version), linear.explain(0, key, version));
      }
    }),
    runsOf(t, 60),
  );
});
