import { KEY_WORDS } from '../fields/key.js';
import type { Timeline } from '../timeline/timeline.js';

/** Bits of each key word that the match of any rule of any version names (in one table, or in all). */
export function usedBits(timeline: Timeline, table?: number): Int32Array {
  const bits = new Int32Array(KEY_WORDS);
  for (const [number, { masks }] of timeline.tables) {
    if (table !== undefined && number !== table) continue;
    for (const { words, masks: values } of masks) for (let i = 0; i < words.length; i++) bits[words[i]!]! |= values[i]!;
  }
  return bits;
}
