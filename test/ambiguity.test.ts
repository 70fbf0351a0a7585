import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LookupResult } from '../src/classify/classifier.js';
import { CompiledClassifier } from '../src/classify/compiled.js';
import { LinearClassifier } from '../src/classify/linear.js';
import { K, KEY_WORDS } from '../src/fields/key.js';
import type { Action } from '../src/openflow/actions.js';
import { MatchBuilder, maskKey } from '../src/openflow/match.js';
import { NO_FLAGS, type Rule } from '../src/openflow/rule.js';
import { FlowTables } from '../src/timeline/flowTables.js';
import type { Timeline } from '../src/timeline/timeline.js';
import { Prng } from '../src/util/prng.js';
import { FlowTableModel, type ModelRule } from './oracle/flowTableModel.js';
import { shapeArbitrary } from './oracle/randomHistory.js';
import { randomKey, randomRule } from './oracle/randomTables.js';
import { runsOf } from './oracle/runs.js';

const dumped = ({ priority, match, actions, cookie }: ModelRule): Rule => ({
  table: 0,
  priority,
  match,
  actions,
  cookie,
  idleTimeout: 0,
  hardTimeout: 0,
  importance: 0,
  flags: NO_FLAGS,
});

function* permutations<T>(list: readonly T[]): IterableIterator<T[]> {
  if (list.length === 0) yield [];
  for (let i = 0; i < list.length; i++)
    for (const rest of permutations(list.toSpliced(i, 1))) yield [list[i]!, ...rest];
}

/** Cookies of the answers that the orders allowed by the masks' priorities give; null: a miss. */
function possibleIn(model: FlowTableModel): (key: Int32Array) => Set<bigint | null> {
  const orders = [...permutations(model.list)]
    .filter((list) => list.every((entry, i) => i === 0 || entry.priority <= list[i - 1]!.priority))
    .map((list) => new FlowTableModel(model.rules, list));
  return (key) => new Set(orders.map((order) => order.lookup(key).rule?.cookie ?? null));
}

/** Cookies of the answers that both classifiers name. */
function namedIn(timeline: Timeline): (key: Int32Array) => Set<bigint | null> {
  const linear = new LinearClassifier(timeline);
  const compiled = new CompiledClassifier(timeline);
  const out = new LookupResult();
  const again = new LookupResult();
  return (key) => {
    linear.lookup(0, key, 0, out);
    compiled.lookup(0, key, 0, again);
    assert.deepEqual(again, out);
    const named = [out.rule, ...out.otherRules].map((rule) => (rule < 0 ? null : timeline.rules[rule]!.rule.cookie));
    assert.equal(out.ambiguous, named.length > 1);
    return new Set(named);
  };
}

test('where the order of masks is not known, every answer that some order gives is named, and one only if all agree', (t) => {
  let flagged = 0;
  let needless = 0;
  fc.assert(
    fc.property(fc.integer(), shapeArbitrary, (seed, shape) => {
      const prng = new Prng(seed);
      let model = new FlowTableModel();
      for (let n = 0; n < 9; n++) model = model.after([{ op: 'add', rule: randomRule(prng, shape) }]);
      fc.pre(model.list.length <= 5);
      const lines = model.rules.toSorted(() => prng.below(3) - 1).map((rule) => ({ rule: dumped(rule) }));
      const tables = new FlowTables();
      tables.installDump(lines);
      const timeline = tables.timeline();
      fc.pre(!timeline.orderKnown);
      const possibleAt = possibleIn(model);
      const namedAt = namedIn(timeline);
      for (let n = 0; n < 8; n++) {
        const key = randomKey(prng);
        const named = namedAt(key);
        const possible = possibleAt(key);
        for (const cookie of possible) assert.ok(named.has(cookie), `${cookie} is possible and not named`);
        if (named.size > 1) flagged++;
        if (named.size > 1 && possible.size === 1) needless++;
      }
    }),
    // Found by a longer run: the case of the next test, by chance.
    { ...runsOf(t, 80), examples: [[-1989760468, { clauses: 7, accepts: 1, priorities: 2, ids: 2 }]] },
  );
  t.diagnostic(`${flagged} packets flagged, ${needless} of them needlessly`);
  assert.ok(flagged > 0);
  assert.ok(needless * 3 < flagged, `${needless} of ${flagged} flags were needless`);
});

test('where an id that leads nowhere may end the visit of a flow, the clauses behind it may be missing', () => {
  const conjunctions = (...list: readonly (readonly [id: number, clause: number])[]): Action[] =>
    list.map(([id, clause]) => ({ type: 'conjunction', id, clause, nClauses: 2 }));
  const rule = (cookie: bigint, priority: number, word: number, value: number, actions: readonly Action[]) => {
    const match = new MatchBuilder().set(word, value, -1).build();
    return { priority, match, actions, cookie };
  };
  const other = rule(2n, 10, K.reg0 + 1, 0, conjunctions([2, 1]));
  const accept = rule(3n, 10, K.conj_id, 1, [{ type: 'output', port: 1 }]);
  // A mask that comes twice, with others between: such a dump does not tell the order.
  const aside = [20, 5].map((priority) => rule(4n, priority, K.reg0 + 2, 9, [{ type: 'output', port: 2 }]));
  for (const [actions, expected] of [
    // With clause 1 of id 2 already there, id 2 is complete first, and clause 1 of id 1 is not entered.
    [conjunctions([1, 2], [2, 2], [1, 1]), [3n, null]],
    // Nothing stands between the clauses of id 1.
    [conjunctions([1, 2], [1, 1], [2, 2]), [3n]],
    // Id 2 cannot be complete where id 1 is not.
    [conjunctions([1, 2], [2, 1], [1, 1]), [3n]],
  ] as const) {
    const flow = rule(1n, 10, K.reg0, 0, actions);
    let model = new FlowTableModel();
    for (const added of [flow, other, accept, ...aside]) model = model.after([{ op: 'add', rule: added }]);
    const tables = new FlowTables();
    tables.installDump([aside[1]!, flow, other, aside[0]!, accept].map((line) => ({ rule: dumped(line) })));
    assert.equal(tables.timeline().orderKnown, false);
    const key = new Int32Array(KEY_WORDS);
    assert.deepEqual(namedIn(tables.timeline())(key), new Set(expected));
    assert.deepEqual(possibleIn(model)(key), new Set(expected));
  }
});

test('a dump in the order of its masks, or sorted by priority, has a known order', () => {
  const prng = new Prng(7);
  const shape = { clauses: 3, accepts: 1, priorities: 3, ids: 2 };
  for (let n = 0; n < 30; n++) {
    let model = new FlowTableModel();
    for (let i = 0; i < 20; i++) model = model.after([{ op: 'add', rule: randomRule(prng, shape) }]);
    const plain = model.list.flatMap(({ mask }) => model.rulesOf(mask)).map((rule) => ({ rule: dumped(rule) }));
    for (const lines of [plain, plain.toSorted((a, b) => a.rule.priority - b.rule.priority)]) {
      const tables = new FlowTables();
      tables.installDump(lines);
      assert.equal(tables.timeline().orderKnown, true);
      const masks = new Set(tables.dump().map((rule) => maskKey(rule.match)));
      assert.deepEqual(
        [...masks],
        model.list.map(({ mask }) => mask),
      );
    }
  }
});

test('rules that do the same are no ambiguity', () => {
  const key = new Int32Array(KEY_WORDS);
  const output = (port: number, priority: number, word: number): Rule => ({
    ...dumped({ priority, match: new MatchBuilder().set(word, 0, -1).build(), actions: [], cookie: 0n }),
    actions: [{ type: 'output', port }],
  });
  for (const [port, ambiguous] of [
    [1, false],
    [2, true],
  ] as const) {
    const tables = new FlowTables();
    const rules = [
      output(3, 1, K.reg0),
      output(1, 5, K.reg0 + 1),
      output(4, 1, K.reg0 + 2),
      output(port, 5, K.reg0 + 3),
    ];
    tables.installDump([...rules, output(5, 0, K.reg0 + 1)].map((rule) => ({ rule })));
    assert.equal(tables.timeline().orderKnown, false);
    const out = new LookupResult();
    new CompiledClassifier(tables.timeline()).lookup(0, key, 0, out);
    assert.equal(out.ambiguous, ambiguous);
    assert.equal(out.otherRules.length, ambiguous ? 1 : 0);
  }
});
