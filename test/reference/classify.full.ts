/** Many random tables, histories and headers: compiled against linear, and both against the plain model. No reference data. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LookupResult } from '../../src/classify/classifier.js';
import { CompiledClassifier } from '../../src/classify/compiled.js';
import { LinearClassifier } from '../../src/classify/linear.js';
import { MACHINE_LIMITS } from '../../src/classify/tableMachine.js';
import { Prng } from '../../src/util/prng.js';
import { randomHistory } from '../oracle/randomHistory.js';
import { randomKey } from '../oracle/randomTables.js';

const LOOKUPS = Number(process.env['CLASSIFY_LOOKUPS'] ?? 1_000_000);
const SEED = Number(process.env['CLASSIFY_SEED'] ?? 1934917);
const KEYS_PER_WORLD = 40;
const LOOKUPS_PER_WORLD = 4000;
/** Of so many lookups one is also asked of the linear classifier, and of the model. */
const LINEAR_SHARE = 20;
const MODEL_SHARE = 100;

test(`${LOOKUPS} random lookups: compiled, linear and model agree (seed ${SEED})`, (t) => {
  const prng = new Prng(SEED);
  const expected = new LookupResult();
  const got = new LookupResult();
  let linearCount = 0;
  let modelCount = 0;
  let conjunctions = 0;
  for (let done = 0; done < LOOKUPS; done += LOOKUPS_PER_WORLD) {
    const shape = {
      clauses: prng.pick([0, 3, 6, 8]),
      accepts: 1 + prng.below(2),
      priorities: 1 + prng.below(3),
      ids: 1 + prng.below(4),
    };
    const { timeline, models } = randomHistory(prng, shape, 30);
    const linear = new LinearClassifier(timeline);
    const compiled = new CompiledClassifier(timeline, { ...MACHINE_LIMITS, leapWords: prng.pick([1, 3, 12]) });
    const keys = Array.from({ length: KEYS_PER_WORLD }, () => randomKey(prng));
    /** Answer per header and version, as first given: it must not depend on what was asked before. */
    const first = new Map<number, string>();
    for (let n = 0; n < LOOKUPS_PER_WORLD; n++) {
      const keyNumber = prng.below(KEYS_PER_WORLD);
      const version = prng.below(models.length);
      compiled.lookup(0, keys[keyNumber]!, version, got);
      assert.ok(got.from <= version && version < got.to);
      if (got.conjId !== null) conjunctions++;
      const place = keyNumber * models.length + version;
      const text = `${got.rule} ${got.from} ${got.to} ${got.conjId}`;
      assert.equal(first.get(place) ?? text, text);
      first.set(place, text);
      if (n % LINEAR_SHARE === 0) {
        linear.lookup(0, keys[keyNumber]!, version, expected);
        assert.deepEqual(got, expected);
        linearCount++;
      }
      if (n % MODEL_SHARE === 0) {
        const answer = models[version]!.lookup(keys[keyNumber]!);
        const rule = got.rule < 0 ? null : timeline.rules[got.rule]!.rule;
        assert.equal(rule?.cookie, answer.rule?.cookie);
        assert.deepEqual(rule?.actions, answer.rule?.actions);
        assert.equal(got.conjId, answer.conjId);
        modelCount++;
      }
    }
  }
  t.diagnostic(`${linearCount} against linear, ${modelCount} against the model; ${conjunctions} by conjunctions`);
});
