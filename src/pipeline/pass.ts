/**
 * One pass of a packet through the tables of one bridge: a pure function of (flow key, version, start). Conntrack, MAC table
 * and tables are not touched: they appear as effects (effects.ts), in the order in which the datapath would act.
 *
 * That split is exact, because OVS itself translates a whole pass before anything of it is executed: ct fields are 0 after any
 * ct() of the list, all lookups see one version, and what ct() finds is visible only after recirculation, in a pass of its own.
 * Source of all rules here and in the files of single actions: ofproto/ofproto-dpif-xlate.c of Open vSwitch 3.1.0; each
 * function names its counterpart.
 */
import { K } from '../fields/key.js';
import { clearActions, writeActions } from './actionSet.js';
import { checkLength, finishList, runClone } from './branches.js';
import { readSlot, type Step, type StepOf, stepsOf } from './compile.js';
import { trackConnection } from './ctAction.js';
import type { Pass } from './effects.js';
import type { PipelineEnv } from './env.js';
import { isIp, isMplsType, PROTO, popVlan, pushVlan, swapTuple } from './flowOps.js';
import { freezeRest, needsNoReparse, triggerFreeze } from './freezing.js';
import { runGroup } from './groupAction.js';
import { output, outputRegister, outputTruncated, sendToController } from './outputAction.js';
import { ENTRY, type PassStart, TOO_MANY_LABELS, Translation } from './translation.js';

const TCP_FIN_OR_RST = 0x05;

/** Runs one pass. `key` is not changed. */
export function runPass(env: PipelineEnv, key: Int32Array, version: number, start: PassStart = ENTRY): Pass {
  return new TableWalk(env, key, version, start).run();
}

class TableWalk extends Translation {
  run(): Pass {
    const { start, packet } = this;
    const { frozen } = start;
    if (frozen !== null) {
      packet.conntracked = frozen.conntracked;
      if (!frozen.conntracked) packet.clearConntrack();
      for (const item of frozen.stack) packet.pushItem(item);
      writeActions(this, frozen.actionSet);
    }
    this.observer?.begin(packet.flow, this.table, frozen !== null);
    if (frozen !== null && frozen.steps.length > 0) this.runSteps(frozen.steps, true);
    else if (start.wasMpls) triggerFreeze(this);
    else {
      this.rule = this.lookups.lookup(this.table, packet.flow, packet.flow[K.in_port]!);
      this.runSteps(this.stepsOfRule(), true);
    }
    if (this.error === null) finishList(this);
    const { from, to, ambiguous, records } = this.lookups;
    const { effects, unsupported, error } = this;
    const pass: Pass = { effects, lookups: records, from, to, unsupported, error, ambiguous };
    this.observer?.end(this.packet.flow, pass);
    return pass;
  }

  /** xlate_table_action and xlate_recursively: a call, whose changes stay. */
  runTable(inPort: number, table: number, withCt: boolean, isLast: boolean): void {
    const { flow } = this.packet;
    if (this.packet.wasMpls) {
      triggerFreeze(this);
      return;
    }
    if (!this.mayDescend()) return;
    if (withCt && (flow[K.ct_nw_proto] === 0 || !isIp(flow))) return;
    const callerTable = this.table;
    const callerRule = this.rule;
    this.table = table;
    if (withCt) swapTuple(flow);
    this.rule = this.lookups.lookup(table, flow, inPort);
    if (withCt) swapTuple(flow);
    const deepens = table <= callerTable ? 1 : 0;
    this.resubmits++;
    this.depth += deepens;
    this.runSteps(this.stepsOfRule(), isLast);
    this.depth -= deepens;
    this.observer?.leave();
    this.rule = callerRule;
    this.table = callerTable;
  }

  private stepsOfRule(): readonly Step[] {
    return this.rule < 0 ? [] : stepsOf(this.env.ruleAt(this.rule).actions);
  }

  /** do_xlate_actions */
  runSteps(steps: readonly Step[], isLast: boolean): void {
    if (steps.length === 0) this.observer?.actionText('drop');
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      const last = isLast && i === steps.length - 1 && this.actionSet.length === 0;
      if (this.error !== null) return;
      if (this.packet.wasMpls && !this.exit && !needsNoReparse(step)) triggerFreeze(this);
      if (this.exit) {
        if (this.freezing) freezeRest(this, steps, i);
        return;
      }
      this.observer?.action(step);
      switch (step.type) {
        case 'write':
          this.packet.write(step);
          break;
        case 'resubmit':
          this.runTable(
            step.port ?? this.packet.flow[K.in_port]!,
            step.table === null || step.table === 255 ? this.table : step.table,
            step.withCt,
            last,
          );
          continue;
        case 'gotoTable':
          this.runTable(this.packet.flow[K.in_port]!, step.table, false, last);
          continue;
        case 'output':
        case 'enqueue':
          output(this, step.port);
          break;
        case 'outputReg':
          outputRegister(this, readSlot(this.packet.flow, step.src));
          break;
        case 'outputTrunc':
          outputTruncated(this, step.port, step.maxLen);
          break;
        case 'controller':
          sendToController(this, step.reason);
          // The controller decides how the packet goes on; what it would run is of no interest here.
          if (step.pause) this.stopUnsupported('controller(pause)');
          break;
        case 'ct':
          trackConnection(this, step);
          break;
        case 'ctClear':
          this.clearConntrack();
          break;
        case 'move':
          this.packet.move(step.src, step.dst);
          break;
        case 'push':
          this.packet.push(step.src);
          break;
        case 'pop':
          this.packet.pop(step.dst);
          break;
        case 'stripVlan':
          popVlan(this.packet.flow);
          break;
        case 'pushVlan':
          pushVlan(this.packet.flow, step.ethertype);
          break;
        case 'pushMpls':
          if (!this.packet.pushMpls(step.ethertype)) this.error = TOO_MANY_LABELS;
          break;
        case 'popMpls':
          if (!this.packet.popMpls(step.ethertype)) this.error = TOO_MANY_LABELS;
          break;
        case 'decTtl':
          if (this.packet.decrementTtl()) break;
          // Without arguments it is controller 0 (ofp-actions.c:parse_noargs_dec_ttl).
          for (let i = 0; i < Math.max(1, step.ids.length); i++) sendToController(this, 'invalid_ttl');
          return;
        case 'decMplsTtl':
          if (!isMplsType(this.packet.flow[K.dl_type]!)) return;
          if (this.packet.decrementMplsTtl()) break;
          sendToController(this, 'invalid_ttl');
          return;
        case 'group':
          if (!runGroup(this, step.group, last)) return;
          break;
        case 'clone':
          runClone(this, step, last);
          break;
        case 'checkPktLarger':
          checkLength(this, step, steps.slice(i + 1));
          return;
        case 'learn':
          this.learn(step);
          break;
        case 'finTimeout':
          this.finTimeout(step);
          break;
        case 'writeActions':
          writeActions(this, step.steps);
          break;
        case 'clearActions':
          clearActions(this);
          break;
        case 'exit':
          this.exit = true;
          break;
        case 'debugRecirc':
          triggerFreeze(this);
          freezeRest(this, steps, i + 1);
          return;
        case 'unroll':
          this.table = step.table;
          this.rule = step.rule;
          break;
        case 'unsupported':
          this.stopUnsupported(step.what);
          break;
        // Nothing to do for where the packet goes: queues, samples, notes; meters are named and not modelled.
        case 'conjunction':
        case 'note':
        case 'setQueue':
        case 'popQueue':
        case 'sample':
        case 'meter':
        case 'debugSlow':
          break;
      }
      if (this.error === null && this.freezing && this.frozenSteps.length === 0) {
        freezeRest(this, steps, i);
        return;
      }
    }
  }

  /** compose_ct_clear_action */
  private clearConntrack(): void {
    if (!this.packet.conntracked) return;
    this.packet.clearConntrack();
    this.emit({ kind: 'ctClear', edit: this.packet.edit });
  }

  /** xlate_learn_action: the flow-mod is made later, from the key as it is now. */
  private learn(action: StepOf<'learn'>): void {
    const { flow, edit } = this.packet;
    this.emit({ kind: 'learn', rule: this.rule, action, key: flow.slice(), edit });
  }

  /** xlate_fin_timeout */
  private finTimeout({ idle, hard }: StepOf<'finTimeout'>): void {
    const { flow, edit } = this.packet;
    if (this.rule < 0 || flow[K.nw_proto] !== PROTO.TCP || (flow[K.tcp_flags]! & TCP_FIN_OR_RST) === 0) return;
    this.emit({ kind: 'finTimeout', rule: this.rule, idle, hard, edit });
  }
}
