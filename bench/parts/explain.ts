import { Digest, timed } from '../../src/api/benchMeter.js';
import { CompiledClassifier } from '../../src/classify/compiled.js';
import type { Figure } from './figure.js';
import { headersFor } from './headers.js';
import type { CompileInput } from './restartTables.js';
import { parseRestart, readTexts, timelineOf } from './restartTables.js';

const LOOKUPS = 5000;

/** Lookups told in full (rule, conjunction, clause flows, validity) per CPU second. */
export function measureExplain(input: CompileInput): Figure[] {
  const timeline = timelineOf(parseRestart(readTexts(input)));
  const classifier = new CompiledClassifier(timeline);
  const { tables, keys } = headersFor(timeline, LOOKUPS, 1);
  let checksum = '';
  let best = 0;
  for (let pass = 0; pass <= input.passes; pass++) {
    const digest = new Digest();
    const { ns } = timed(() => {
      for (let i = 0; i < LOOKUPS; i++) {
        const { rule, clauses } = classifier.explain(tables[i]!, keys[i]!, i % (timeline.lastVersion + 1));
        digest.add(rule);
        for (const clause of clauses) digest.add(clause);
      }
    });
    checksum = digest.toString();
    best = Math.max(best, (LOOKUPS / ns) * 1e9);
  }
  return [{ unit: 'explanations/cpu-s', value: best, checksum, note: 'one table each; best pass' }];
}
