/** The action set: how it is written, and the list that it becomes when it is executed. */
import { K, PORT } from '../fields/key.js';
import type { Step } from './compile.js';
import type { Translation } from './translation.js';

/** xlate_write_actions__ */
export function writeActions(pass: Translation, steps: readonly Step[]): void {
  if (!pass.actionSetHasGroup) {
    for (const step of steps) {
      if (step.type === 'output') {
        pass.packet.flow[K.actset_output] = step.port;
      } else if (step.type === 'group') {
        pass.packet.flow[K.actset_output] = PORT.UNSET;
        pass.actionSetHasGroup = true;
        break;
      }
    }
  }
  pass.actionSet = [...pass.actionSet, ...steps];
}

export function clearActions(pass: Translation): void {
  pass.actionSet = [];
  pass.actionSetHasGroup = false;
  pass.packet.flow[K.actset_output] = PORT.UNSET;
}

/** xlate_action_set */
export function runActionSet(pass: Translation): void {
  if (pass.actionSet.length === 0) return;
  const steps = executedActionSet(pass.actionSet);
  pass.actionSet = [];
  pass.observer?.enterList('--. Executing action set:', false);
  pass.runSteps(steps, true);
  pass.observer?.leave();
}

/** One of each, the last one given, in this order, before everything else (ofp-actions.c:ACTION_SET_ORDER). */
const FIRST = ['stripVlan', 'popMpls', 'pushMpls', 'pushVlan', 'decTtl', 'decMplsTtl'] as const;

/** Exactly one of these is executed, the one latest in this list; of two of a kind the later (ACTION_SET_FINAL_PRIORITY). */
const FINAL = ['ct', 'ctClear', 'resubmit', 'output', 'group'] as const;

/**
 * The list that an action set becomes (ofp-actions.c:ofpacts_execute_action_set). Without a final action nothing is executed at
 * all. Unsupported actions go first, so that they are named.
 */
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
