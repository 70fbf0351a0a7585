/** ct() in a pass: nothing is looked up yet, it becomes an effect with all that the tracker and the fork will need. */
import { K } from '../fields/key.js';
import { formatNat } from '../openflow/ctText.js';
import { readSlotNumber, type Step, type StepOf } from './compile.js';
import type { LabelWrite, MarkWrite } from './effects.js';
import type { Translation } from './translation.js';

/** compose_conntrack_action */
export function trackConnection(pass: Translation, step: StepOf<'ct'>): void {
  const { packet } = pass;
  const { flow } = packet;
  const { action } = step;
  const zone = typeof step.zone === 'number' ? step.zone : readSlotNumber(flow, step.zone) & 0xffff;
  packet.commit();
  if (action.nat !== null) pass.observer?.actionText(formatNat(action.nat));
  if (action.nat === null || step.exec.length > 0) pass.runSteps(step.exec, false);
  if (action.table !== null && pass.actionSet.length > 0) {
    // ovs-vswitchd aborts on an assertion: ofproto-dpif-rid.c:recirc_alloc_id__
    pass.stopUnsupported('ct(table=) while the action set is not empty');
    return;
  }
  pass.emit({
    kind: 'ct',
    rule: pass.rule,
    zone,
    commit: action.commit,
    force: action.force,
    mark: markWrite(flow, step.exec),
    label: labelWrite(flow, step.exec),
    nat: action.nat,
    alg: action.alg,
    table: action.table,
    ...packet.recirculationStart(),
    frozen: { stack: [...packet.stack], steps: [], actionSet: [], conntracked: true, table: action.table ?? 0 },
    edit: packet.edit,
  });
  packet.clearConntrack();
  if (action.table !== null) {
    const resumed = `The forked pipeline will be resumed at table ${action.table}.`;
    pass.observer?.detail(`A clone of the packet is forked to recirculate. ${resumed}`);
  }
  pass.observer?.detail('Sets the packet to an untracked state, and clears all the conntrack fields.');
}

/** What exec writes into ct_mark: the bits that its steps name, as the key has them then. */
function markWrite(flow: Int32Array, exec: readonly Step[]): MarkWrite | null {
  const mask = execMask(exec, K.ct_mark, 1)[0]!;
  return mask === 0 ? null : { value: flow[K.ct_mark]! & mask, mask };
}

function labelWrite(flow: Int32Array, exec: readonly Step[]): LabelWrite | null {
  const mask = execMask(exec, K.ct_label, 4);
  if (mask.every((word) => word === 0)) return null;
  return { value: mask.map((word, i) => flow[K.ct_label + i]! & word), mask };
}

/** Bits that exec writes into words [first, first + count) of the key. */
function execMask(exec: readonly Step[], first: number, count: number): Int32Array {
  const mask = new Int32Array(count);
  for (const step of exec) {
    if (step.type === 'write') {
      for (const write of step.writes)
        if (write.word >= first && write.word < first + count) mask[write.word - first]! |= write.mask;
    } else if (step.type === 'move' && step.dst.field.words[0] === first) {
      const bits = ((1n << BigInt(step.dst.nBits)) - 1n) << BigInt(step.dst.ofs);
      for (let i = 0; i < count; i++) mask[i]! |= Number((bits >> BigInt(32 * (count - 1 - i))) & 0xffffffffn) | 0;
    }
  }
  return mask;
}
