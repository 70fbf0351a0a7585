/** Turns an action set into the list that is executed (ofp-actions.c:ofpacts_execute_action_set). */
import type { Step } from './compile.js';

/** One of each, the last one given, in this order, before everything else (ofp-actions.c:ACTION_SET_ORDER). */
const FIRST = ['stripVlan', 'popMpls', 'pushMpls', 'pushVlan', 'decTtl', 'decMplsTtl'] as const;

/** Exactly one of these is executed, the one latest in this list; of two of a kind the later (ACTION_SET_FINAL_PRIORITY). */
const FINAL = ['ct', 'ctClear', 'resubmit', 'output', 'group'] as const;

/** Without a final action nothing is executed at all. Unsupported actions go first, so that they are named. */
export function executedActionSet(set: readonly Step[]): readonly Step[] {
  const first: (Step | undefined)[] = FIRST.map(() => undefined);
  const settings: Step[] = [];
  let final: Step | null = null;
  let finalClass = -1;
  for (const step of set) {
    const slot = (FIRST as readonly string[]).indexOf(step.type);
    if (slot >= 0) {
      first[slot] = step;
      continue;
    }
    const rank = (FINAL as readonly string[]).indexOf(step.type);
    if (rank < 0) {
      settings.push(step);
    } else if (rank >= finalClass) {
      final = step;
      finalClass = rank;
    }
  }
  if (final === null) return [];
  return [...first.filter((step) => step !== undefined), ...settings, final];
}
