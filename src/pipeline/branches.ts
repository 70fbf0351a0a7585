/** Lists that run on a copy of the packet, so that what they do to it is gone afterwards: clone and check_pkt_larger. */
import { runActionSet } from './actionSet.js';
import { type Step, type StepOf, writeSlot } from './compile.js';
import type { Effect } from './effects.js';
import { finishFreezing } from './freezing.js';
import type { Translation } from './translation.js';

/** What follows the last action of a pass or of a branch. */
export function finishList(pass: Translation): void {
  if (!pass.freezing) runActionSet(pass);
  if (pass.freezing) finishFreezing(pass);
}

/** clone_xlate_actions: exit inside ends the outer lists too; a copy of the action set runs at its end. */
export function runClone(pass: Translation, step: StepOf<'clone'>, isLast: boolean): void {
  const keptSet = pass.actionSet;
  if (step.reversible || isLast) {
    const { flow, stack, stackBytes } = pass.packet.copy();
    pass.runSteps(step.steps, isLast);
    finishList(pass);
    Object.assign(pass.packet, { flow, stack, stackBytes });
  } else {
    pass.packet.commit();
    const kept = pass.packet.copy();
    pass.emit({ kind: 'clone', effects: branch(pass, step.steps), edit: kept.edit });
    pass.packet = kept;
  }
  pass.actionSet = keptSet;
}

/** xlate_check_pkt_larger: the rest of the list is translated twice, with the bit set and without. */
export function checkLength(pass: Translation, step: StepOf<'checkPktLarger'>, rest: readonly Step[]): void {
  pass.packet.commit();
  const kept = pass.packet.copy();
  const keptSet = pass.actionSet;
  writeSlot(pass.packet.flow, step.dst, 1n);
  const larger = branch(pass, rest);
  pass.packet = kept.copy();
  const { exit } = pass;
  if (pass.unsupported === null) pass.exit = false;
  // The set was cleared by its execution in the first branch, as in OVS, and is back only after both.
  writeSlot(pass.packet.flow, step.dst, 0n);
  const notLarger = branch(pass, rest);
  pass.packet = kept;
  pass.actionSet = keptSet;
  pass.exit = exit || pass.unsupported !== null;
  pass.emit({ kind: 'length', bytes: step.pktLen, larger, notLarger, edit: kept.edit });
}

/** Runs steps and the action set into a list of effects of its own. */
function branch(pass: Translation, steps: readonly Step[]): Effect[] {
  const outer = pass.effects;
  pass.effects = [];
  pass.runSteps(steps, true);
  finishList(pass);
  const { effects } = pass;
  pass.effects = outer;
  return effects;
}
