import { Digest, memoryInUse, timed } from '../../src/api/benchMeter.js';
import { LookupResult } from '../../src/classify/classifier.js';
import { CompiledClassifier } from '../../src/classify/compiled.js';
import { Prng } from '../../src/util/prng.js';
import type { Figure } from './figure.js';
import { headersFor } from './headers.js';
import type { CompileInput } from './restartTables.js';
import { parseRestart, readTexts, timelineOf } from './restartTables.js';

const LOOKUPS = 20_000;

/** Rules of all versions per CPU second, stage by stage; the classifier is lazy, so its first answers are a stage of their own. */
export function measureCompile(input: CompileInput): Figure[] {
  const texts = readTexts(input);
  const best = { parse: 0, versions: 0, classifier: 0, first: 0, warm: 0 };
  let checksum = '';
  let bytes = 0;
  let rules = 0;
  for (let pass = 0; pass <= input.passes; pass++) {
    const parsed = timed(() => parseRestart(texts));
    const timeline = timed(() => timelineOf(parsed.result));
    rules = timeline.result.rules.length;
    const before = memoryInUse();
    const classifier = timed(() => new CompiledClassifier(timeline.result));
    const { tables, keys } = headersFor(timeline.result, LOOKUPS, 1);
    const { lastVersion } = timeline.result;
    const prng = new Prng(2);
    const versions = Int32Array.from({ length: LOOKUPS }, () => prng.below(lastVersion + 1));
    const out = new LookupResult();
    const digest = new Digest();
    const ask = (): void => {
      for (let i = 0; i < LOOKUPS; i++) {
        classifier.result.lookup(tables[i]!, keys[i]!, versions[i]!, out);
        digest.add(out.rule);
        digest.add(out.to);
      }
    };
    const first = timed(ask);
    bytes = memoryInUse() - before;
    checksum = digest.toString();
    const warm = timed(ask);
    best.parse = Math.max(best.parse, (rules / parsed.ns) * 1e9);
    best.versions = Math.max(best.versions, (rules / timeline.ns) * 1e9);
    best.classifier = Math.max(best.classifier, (rules / classifier.ns) * 1e9);
    best.first = Math.max(best.first, (LOOKUPS / first.ns) * 1e9);
    best.warm = Math.max(best.warm, (LOOKUPS / warm.ns) * 1e9);
  }
  const note = `${rules} rules of all versions; best pass`;
  return [
    { unit: 'classifier rules/cpu-s', value: best.classifier, checksum, note },
    { unit: 'flow text rules/cpu-s', value: best.parse, checksum },
    { unit: 'versions rules/cpu-s', value: best.versions, checksum },
    { unit: 'first lookups/cpu-s', value: best.first, checksum },
    { unit: 'known lookups/cpu-s', value: best.warm, checksum },
    { unit: 'B/rule', value: Math.max(0, bytes) / rules, checksum },
  ];
}
