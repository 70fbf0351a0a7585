/**
 * Recirculation of the whole packet: where the datapath has to parse or hash it first, the pass ends and what is left of its
 * lists is frozen, to be run by a pass of its own.
 */
import { K } from '../fields/key.js';
import type { Step } from './compile.js';
import type { Translation } from './translation.js';

/** ctx_trigger_freeze */
export function triggerFreeze(pass: Translation): void {
  pass.exit = true;
  pass.freezing = true;
}

/** freeze_unroll_actions: the rest of a list, from its step `first` on. */
export function freezeRest(pass: Translation, steps: readonly Step[], first: number): void {
  for (const step of steps.slice(first)) {
    switch (step.type) {
      case 'note':
      case 'conjunction':
        continue;
      case 'gotoTable':
        pass.frozenSteps.push({ type: 'resubmit', port: null, table: step.table, withCt: false });
        continue;
      case 'resubmit':
        if (step.table === null || step.table === 255) freezePlace(pass);
        break;
      case 'output':
      case 'outputReg':
      case 'outputTrunc':
      case 'group':
      case 'controller':
      case 'decTtl':
      case 'decMplsTtl':
      case 'unsupported':
        freezePlace(pass);
        break;
    }
    pass.frozenSteps.push(step);
  }
}

function freezePlace(pass: Translation): void {
  pass.frozenSteps.push({ type: 'unroll', table: pass.table, rule: pass.rule });
}

/** finish_freezing */
export function finishFreezing(pass: Translation): void {
  const { packet } = pass;
  packet.commit();
  const { key, reparse } = packet.recirculationStart();
  // Its value is the datapath's own; what counts here is that it is there.
  if (pass.needsHash) key[K.dp_hash] = 1;
  pass.emit({
    kind: 'recirc',
    key,
    reparse: reparse || pass.start.wasMpls,
    frozen: {
      stack: [...packet.stack],
      steps: pass.frozenSteps,
      actionSet: pass.actionSet,
      conntracked: packet.conntracked,
      table: 0,
    },
    edit: packet.edit,
  });
  pass.freezing = false;
  pass.needsHash = false;
  pass.frozenSteps = [];
}

/** Steps that may run on a packet whose last label was popped without parsing it anew (recirc_for_mpls). */
export function needsNoReparse(step: Step): boolean {
  switch (step.type) {
    case 'output':
    case 'outputTrunc':
    case 'outputReg':
    case 'enqueue':
    case 'setQueue':
    case 'group':
      return true;
    case 'write':
      return step.belowMpls;
    default:
      return false;
  }
}
