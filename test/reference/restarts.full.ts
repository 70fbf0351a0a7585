/** Recorded restarts of the Neutron agent: the dump before and the changes lead to the dump after, line by line in its order. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { LookupResult } from '../../src/classify/classifier.js';
import { CompiledClassifier } from '../../src/classify/compiled.js';
import { LinearClassifier } from '../../src/classify/linear.js';
import { K, KEY_WORDS } from '../../src/fields/key.js';
import { parseDump } from '../../src/openflow/dumpText.js';
import { formatRule } from '../../src/openflow/flowPrint.js';
import type { Rule } from '../../src/openflow/rule.js';
import { FlowTables } from '../../src/timeline/flowTables.js';
import { readSchedule } from '../../src/timeline/scheduleNdjson.js';
import type { Timeline } from '../../src/timeline/timeline.js';
import { Prng } from '../../src/util/prng.js';
import { readShared, sharedPath, skipWithoutShared } from './shared.js';

const RUNS = [
  'small-collide',
  'medium-collide',
  'medium-same',
  'medium-die',
  'medium-fixed',
  'medium-perport',
  'churn-small',
  'churn-medium',
  'churn-die',
];
const LOOKUPS = 400;

const readText = (run: string, name: string): string => {
  const file = `neutron/${run}/${name}`;
  return readShared(existsSync(sharedPath(file)) ? file : `${file}.gz`).toString('utf8');
};

for (const run of RUNS) {
  test(`the changes of ${run} lead from its first dump to its last one, in the same order`, {
    skip: skipWithoutShared,
  }, (t) => {
    const tables = new FlowTables();
    tables.installDump(parseDump(readText(run, 'before.dump'), { of: '1.3' }).rules);
    const timeline = tables.timeline();
    assert.equal(timeline.orderKnown, true);
    const { steps } = readSchedule(readText(run, 'schedule.ndjson'), { file: 'schedule' });
    for (const step of steps) assert.equal(tables.applyStep(step), null);
    const after = parseDump(readText(run, 'after.dump'), { of: '1.3' }).rules;
    assert.deepEqual(
      tables.dump().map(lineOf),
      after.map(({ rule }) => lineOf(rule)),
    );
    const epochs = [...timeline.tables.values()].map((table) => table.epochs.length);
    const differing = compare(timeline);
    t.diagnostic(
      `${steps.length} versions, ${timeline.rules.length} rules, ${epochs.reduce((a, b) => a + b)} orders of masks; ` +
        `${LOOKUPS} lookups, ${differing.length} of them differ from the linear ones`,
    );
    assert.deepEqual(differing, []);
  });
}

/** The schedule's text does not say which flow-mods came through OpenFlow 1.0, which resets counters. */
const lineOf = (rule: Rule): string => formatRule({ ...rule, flags: { ...rule.flags, resetCounts: false } });

/** Headers made of the values that rules name, at random versions: compiled against linear. */
function compare(timeline: Timeline): string[] {
  const prng = new Prng(1934917);
  const linear = new LinearClassifier(timeline);
  const compiled = new CompiledClassifier(timeline);
  const key = new Int32Array(KEY_WORDS);
  const expected = new LookupResult();
  const got = new LookupResult();
  const differing: string[] = [];
  for (let n = 0; n < LOOKUPS; n++) {
    const { rule } = prng.pick(timeline.rules);
    key.fill(0);
    for (let other = 0; other < 3; other++) {
      const pick = other === 2 ? rule : timeline.rules[prng.pick(timeline.tables.get(rule.table)!.rules)]!.rule;
      const { words, values, masks } = pick.match;
      for (let i = 0; i < words.length; i++) key[words[i]!] = (key[words[i]!]! & ~masks[i]!) | values[i]!;
    }
    key[K.conj_id] = 0;
    const version = prng.below(timeline.lastVersion + 1);
    linear.lookup(rule.table, key, version, expected);
    compiled.lookup(rule.table, key, version, got);
    if (JSON.stringify(expected) !== JSON.stringify(got))
      differing.push(`lookup ${n} in table ${rule.table} at ${version}`);
  }
  return differing;
}
