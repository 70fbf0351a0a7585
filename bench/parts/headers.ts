/** Headers that rules of a timeline are about: each is made to fit a random rule, the rest of it from other rules. */
import { K, KEY_WORDS } from '../../src/fields/key.js';
import type { Timeline } from '../../src/timeline/timeline.js';
import { Prng } from '../../src/util/prng.js';

export interface RuleHeaders {
  readonly tables: Int32Array;
  readonly keys: Int32Array[];
}

export function headersFor(timeline: Timeline, count: number, seed: number): RuleHeaders {
  const prng = new Prng(seed);
  const tables = new Int32Array(count);
  const keys: Int32Array[] = [];
  for (let i = 0; i < count; i++) {
    const key = new Int32Array(KEY_WORDS);
    const target = prng.pick(timeline.rules).rule;
    const others = timeline.tables.get(target.table)!.rules;
    for (let n = 0; n < 3; n++) {
      const { match } = n === 2 ? target : timeline.rules[prng.pick(others)]!.rule;
      for (const [w, word] of match.words.entries())
        if (word !== K.conj_id) key[word] = (key[word]! & ~match.masks[w]!) | match.values[w]!;
    }
    tables[i] = target.table;
    keys.push(key);
  }
  return { tables, keys };
}
