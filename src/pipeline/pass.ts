/**
 * One pass of a packet through the tables of one bridge: a pure function of (flow key, version, start). Conntrack, MAC table
 * and tables are not touched: they appear as effects (effects.ts), in the order in which the datapath would act.
 *
 * That split is exact, because OVS itself translates a whole pass before anything of it is executed: ct fields are 0 after any
 * ct() of the list, all lookups see one version, and what ct() finds is visible only after recirculation, in a pass of its own.
 * Source of all rules here: ofproto/ofproto-dpif-xlate.c of Open vSwitch 3.1.0; each method names its counterpart.
 */
import { LookupResult } from '../classify/classifier.js';
import { FRAG_ANY, K, KEY_WORDS, PORT, VLAN_CFI } from '../fields/key.js';
import { formatNat } from '../openflow/ctText.js';
import { NEVER } from '../util/units.js';
import { executedActionSet } from './actionSet.js';
import { readSlot, readSlotNumber, type Step, type StepOf, stepsOf, writeSlot } from './compile.js';
import { labelWrite, markWrite } from './ctWrites.js';
import type { Effect, Frozen, LookupRecord, NestedStart, Pass, UnsupportedAction } from './effects.js';
import type { Group, GroupBucket, PassObserver, PipelineEnv, PipelinePort } from './env.js';
import { isGratuitousArp, isIp, isMplsType, isVlanType, PROTO, popVlan, pushVlan, swapTuple } from './flowOps.js';
import { PassPacket } from './passPacket.js';

/** ofproto-dpif-xlate.c:MAX_DEPTH, MAX_RESUBMITS; 64 kB of stack and of actions. */
export const MAX_DEPTH = 64;
export const MAX_RESUBMITS = 64 * 64;
const MAX_STACK_BYTES = 65536;
const MAX_LIVENESS_DEPTH = 128;

const TOO_MANY_LABELS = 'more MPLS labels than Open vSwitch holds';

const TCP_FIN_OR_RST = 0x05;

/** Where a pass begins. */
export interface PassStart {
  readonly table: number;
  /** After recirculation; null: a packet that has just entered the bridge. */
  readonly frozen: Frozen | null;
  readonly depth: number;
  readonly resubmits: number;
  /** Answers to give instead of the classifier's, by position in `lookups`: the other outcome of an ambiguous lookup. */
  readonly forced: ReadonlyMap<number, number> | null;
  /** Through a patch port after the last label was popped: nothing is looked up before the packet is parsed again. */
  readonly wasMpls: boolean;
}

export const ENTRY: PassStart = { table: 0, frozen: null, depth: 0, resubmits: 0, forced: null, wasMpls: false };

/** Runs one pass. `key` is not changed. */
export function runPass(env: PipelineEnv, key: Int32Array, version: number, start: PassStart = ENTRY): Pass {
  return new Translation(env, key, version, start).run();
}

/** A pass runs to its end before the next one begins, and what it hands out are copies. */
const SCRATCH_FLOW = new Int32Array(KEY_WORDS);
const SCRATCH_BASE = new Int32Array(KEY_WORDS);

class Translation {
  private readonly env: PipelineEnv;
  private readonly version: number;
  private readonly start: PassStart;
  private packet: PassPacket;
  private effects: Effect[] = [];
  private readonly lookups: LookupRecord[] = [];
  private from = 0;
  private to: number = NEVER;
  private ambiguous: Pass['ambiguous'] = null;
  private unsupported: UnsupportedAction | null = null;
  private error: string | null = null;
  private readonly found = new LookupResult();

  private table: number;
  private rule = -1;
  private depth: number;
  private resubmits: number;
  private actionSet: Step[] = [];
  private actionSetHasGroup = false;
  private exit = false;
  private freezing = false;
  private frozenSteps: Step[] = [];
  /** The recirculation is for the datapath's hash. */
  private needsHash = false;
  private readonly observer: PassObserver | null;

  constructor(env: PipelineEnv, key: Int32Array, version: number, start: PassStart) {
    this.env = env;
    this.version = version;
    this.start = start;
    this.observer = env.observer ?? null;
    this.packet = new PassPacket(key, SCRATCH_FLOW, SCRATCH_BASE);
    this.packet.flow[K.actset_output] = PORT.UNSET;
    this.table = start.table;
    this.depth = start.depth;
    this.resubmits = start.resubmits;
    const frozen = start.frozen;
    if (frozen !== null) {
      this.packet.conntracked = frozen.conntracked;
      if (!frozen.conntracked) this.packet.clearConntrack();
      for (const item of frozen.stack) this.packet.pushItem(item);
      this.writeActions(frozen.actionSet);
    }
  }

  run(): Pass {
    this.observer?.begin(this.packet.flow, this.table, this.start.frozen !== null);
    const frozen = this.start.frozen?.steps ?? [];
    if (frozen.length > 0) {
      this.runSteps(frozen, true);
    } else if (this.start.wasMpls) {
      this.triggerFreeze();
    } else {
      this.rule = this.lookup(this.table, this.packet.flow[K.in_port]!);
      this.runSteps(this.stepsOfRule(this.rule), true);
    }
    if (this.error === null) this.finishList();
    const pass = this.result();
    this.observer?.end(this.packet.flow, pass);
    return pass;
  }

  private result(): Pass {
    return {
      effects: this.effects,
      lookups: this.lookups,
      from: this.from,
      to: this.to,
      unsupported: this.unsupported,
      error: this.error,
      ambiguous: this.ambiguous,
    };
  }

  /** What follows the last action of a pass or of a clone. */
  private finishList(): void {
    if (!this.freezing) this.runActionSet();
    if (this.freezing) this.finishFreezing();
  }

  // --- tables

  private stepsOfRule(rule: number): readonly Step[] {
    return rule < 0 ? [] : stepsOf(this.env.ruleAt(rule).actions);
  }

  /** ofproto-dpif.c:rule_dpif_lookup_from_table with table-miss "default" and no controller: a miss drops. */
  private lookup(table: number, inPort: number): number {
    const { found } = this;
    const { flow } = this.packet;
    const keptPort = flow[K.in_port]!;
    const keptSrc = flow[K.tp_src]!;
    const keptDst = flow[K.tp_dst]!;
    flow[K.in_port] = inPort;
    if ((flow[K.nw_frag]! & FRAG_ANY) !== 0) {
      // fragment handling "normal": no fragment has ports, not even the first one
      flow[K.tp_src] = 0;
      flow[K.tp_dst] = 0;
    }
    this.env.classifier.lookup(table, flow, this.version, found);
    const position = this.lookups.length;
    const rule = this.start.forced?.get(position) ?? found.rule;
    this.observer?.enter(table, rule, flow);
    flow[K.in_port] = keptPort;
    flow[K.tp_src] = keptSrc;
    flow[K.tp_dst] = keptDst;
    if (found.ambiguous && this.ambiguous === null && !this.start.forced?.has(position))
      this.ambiguous = { lookup: position, otherRules: [...found.otherRules] };
    this.from = Math.max(this.from, found.from);
    this.to = Math.min(this.to, found.to);
    this.lookups.push({ table, rule, conjId: found.conjId });
    return rule;
  }

  /** xlate_table_action and xlate_recursively: a call, whose changes stay. */
  private runTable(inPort: number, table: number, withCt: boolean, isLast: boolean): void {
    if (this.packet.wasMpls) {
      this.triggerFreeze();
      return;
    }
    if (!this.mayDescend()) return;
    if (withCt && (this.packet.flow[K.ct_nw_proto] === 0 || !isIp(this.packet.flow))) return;
    const callerTable = this.table;
    const callerRule = this.rule;
    this.table = table;
    if (withCt) swapTuple(this.packet.flow);
    this.rule = this.lookup(table, inPort);
    if (withCt) swapTuple(this.packet.flow);
    const deepens = table <= callerTable ? 1 : 0;
    this.resubmits++;
    this.depth += deepens;
    this.runSteps(this.stepsOfRule(this.rule), isLast);
    this.depth -= deepens;
    this.observer?.leave();
    this.rule = callerRule;
    this.table = callerTable;
  }

  /** xlate_resubmit_resource_check */
  private mayDescend(): boolean {
    if (this.depth >= MAX_DEPTH) this.error = `over max translation depth ${MAX_DEPTH}`;
    else if (this.resubmits >= MAX_RESUBMITS) this.error = `over ${MAX_RESUBMITS} resubmit actions`;
    else if (this.packet.stackBytes >= MAX_STACK_BYTES) this.error = 'resubmits yielded over 64 kB of stack';
    return this.error === null;
  }

  // --- lists

  /** do_xlate_actions. `isLast`: nothing of the pass follows the list, so a clone at its end needs no copy of the packet. */
  private runSteps(steps: readonly Step[], isLast: boolean): void {
    if (steps.length === 0) this.observer?.actionText('drop');
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      const last = isLast && i === steps.length - 1 && this.actionSet.length === 0;
      if (this.error !== null) return;
      if (this.packet.wasMpls && !this.exit && !needsNoReparse(step)) this.triggerFreeze();
      if (this.exit) {
        if (this.freezing) this.freezeRest(steps, i);
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
          this.output(step.port);
          break;
        case 'outputReg':
          this.outputRegister(readSlot(this.packet.flow, step.src));
          break;
        case 'outputTrunc':
          this.outputTruncated(step.port, step.maxLen);
          break;
        case 'enqueue':
          this.output(step.port);
          break;
        case 'ct':
          this.ct(step);
          break;
        case 'ctClear':
          if (this.packet.conntracked) {
            this.packet.clearConntrack();
            this.emit({ kind: 'ctClear', edit: this.packet.edit });
          }
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
          for (let i = 0; i < Math.max(1, step.ids.length); i++) this.invalidTtl();
          return;
        case 'decMplsTtl':
          if (!isMplsType(this.packet.flow[K.dl_type]!)) return;
          if (this.packet.decrementMplsTtl()) break;
          this.invalidTtl();
          return;
        case 'group':
          if (!this.group(step.group, last)) return;
          break;
        case 'clone':
          this.clone(step, last);
          break;
        case 'controller':
          this.packet.commit();
          this.emit({ kind: 'controller', reason: step.reason, edit: this.packet.edit });
          if (step.pause) {
            // The controller decides how the packet goes on; what it would run is of no interest here.
            this.unsupported ??= { rule: this.rule, what: 'controller(pause)' };
            this.exit = true;
          }
          break;
        case 'learn':
          this.emit({
            kind: 'learn',
            rule: this.rule,
            action: step,
            key: this.packet.flow.slice(),
            edit: this.packet.edit,
          });
          break;
        case 'finTimeout':
          if (
            this.rule >= 0 &&
            this.packet.flow[K.nw_proto] === PROTO.TCP &&
            (this.packet.flow[K.tcp_flags]! & TCP_FIN_OR_RST) !== 0
          )
            this.emit({
              kind: 'finTimeout',
              rule: this.rule,
              idle: step.idle,
              hard: step.hard,
              edit: this.packet.edit,
            });
          break;
        case 'checkPktLarger':
          this.checkLength(step, steps.slice(i + 1));
          return;
        case 'writeActions':
          this.writeActions(step.steps);
          break;
        case 'clearActions':
          this.actionSet = [];
          this.actionSetHasGroup = false;
          this.packet.flow[K.actset_output] = PORT.UNSET;
          break;
        case 'exit':
          this.exit = true;
          break;
        case 'debugRecirc':
          this.triggerFreeze();
          this.freezeRest(steps, i + 1);
          return;
        case 'unroll':
          this.table = step.table;
          this.rule = step.rule;
          break;
        case 'unsupported':
          this.unsupported ??= { rule: this.rule, what: step.what };
          this.exit = true;
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
        this.freezeRest(steps, i);
        return;
      }
    }
  }

  private emit(effect: Effect): void {
    this.effects.push(effect);
  }

  private invalidTtl(): void {
    this.packet.commit();
    this.emit({ kind: 'controller', reason: 'invalid_ttl', edit: this.packet.edit });
  }

  // --- outputs

  /** xlate_output_action */
  private output(port: number): void {
    const inPort = this.packet.flow[K.in_port]!;
    switch (port) {
      case PORT.IN_PORT:
        this.send(inPort);
        break;
      case PORT.TABLE:
        this.runTable(inPort, 0, false, false);
        break;
      case PORT.NORMAL:
        this.normal();
        break;
      case PORT.FLOOD:
        for (const other of this.env.ports.values())
          if (other.ofport !== inPort && !other.noFlood) this.sendTo(other, null);
        break;
      case PORT.ALL:
        for (const other of this.env.ports.values()) if (other.ofport !== inPort) this.sendTo(other, null);
        break;
      case PORT.CONTROLLER:
        this.packet.commit();
        this.emit({ kind: 'controller', reason: 'action', edit: this.packet.edit });
        break;
      case PORT.NONE:
        break;
      default:
        if (port !== inPort) this.send(port);
        else this.observer?.warn('skipping output to input port');
    }
  }

  /** xlate_output_reg_action */
  private outputRegister(port: bigint): void {
    if (port <= 0xffffn) this.output(Number(port));
  }

  /** xlate_output_trunc_action: only to ports that exist and are no patch ports; `in_port` is none. */
  private outputTruncated(port: number, maxLen: number): void {
    if (port === this.packet.flow[K.in_port]) return;
    const target = this.env.ports.get(port);
    if (target === undefined || target.peer !== null) return;
    this.sendTo(target, maxLen);
  }

  private send(port: number): void {
    const target = this.env.ports.get(port);
    if (target !== undefined) this.sendTo(target, null);
    else this.observer?.warn('Nonexistent output port');
  }

  /** compose_output_action__ */
  private sendTo(port: PipelinePort, maxLen: number | null): void {
    if (port.noForward) return;
    const before = this.packet.edit;
    this.packet.commit();
    if (port.peer !== null)
      this.emit({ kind: 'patch', port: port.ofport, edit: this.packet.edit, nested: this.nestedStart() });
    else
      this.emit({
        kind: 'output',
        port: port.ofport,
        edit: this.packet.edit,
        maxLen,
        ...(maxLen === null ? {} : { cutBefore: before }),
      });
  }

  private nestedStart(): NestedStart {
    return {
      key: hasPatchPorts(this.env) ? this.packet.flow.slice() : NO_KEY,
      lookups: this.lookups.length,
      depth: this.depth,
      resubmits: this.resubmits,
      wasMpls: this.packet.wasMpls,
    };
  }

  /** xlate_normal, as far as it needs no MAC table. */
  private normal(): void {
    const { flow } = this.packet;
    const tagged = (flow[K.vlan_tci]! & VLAN_CFI) !== 0;
    // "partial VLAN tag": a second tag comes to light after a pop
    if (isVlanType(flow[K.dl_type]!) && !tagged) return;
    this.packet.commit();
    this.emit({
      kind: 'normal',
      inPort: flow[K.in_port]!,
      vlanTci: flow[K.vlan_tci]!,
      vlanTpid: flow[K.vlan_tpid]!,
      vlanTci1: flow[K.vlan_tci1]!,
      vlanTpid1: flow[K.vlan_tpid1]!,
      gratuitousArp: isGratuitousArp(flow),
      srcHigh: flow[K.dl_src]!,
      srcLow: flow[K.dl_src + 1]! >>> 0,
      dstHigh: flow[K.dl_dst]!,
      dstLow: flow[K.dl_dst + 1]! >>> 0,
      edit: this.packet.edit,
      nested: this.nestedStart(),
    });
  }

  // --- groups

  /** xlate_group_action. False: no such group, the rest of the list is skipped. */
  private group(id: number, isLast: boolean): boolean {
    if (!this.mayDescend()) return true;
    const group = this.env.groups.get(id);
    if (group === undefined) return false;
    if (group.type === 'select') {
      this.select(group, isLast);
    } else if (group.type === 'ff') {
      const bucket = group.buckets.find((each) => this.isLive(each, 0));
      if (bucket !== undefined) this.bucket(group, bucket, isLast);
    } else {
      const final = group.buckets[group.buckets.length - 1];
      for (const bucket of group.buckets) this.bucket(group, bucket, isLast && bucket === final);
    }
    return true;
  }

  /** pick_select_group. With one bucket that can be chosen the hash does not matter. */
  private select(group: Group, isLast: boolean): void {
    if (this.packet.wasMpls || (group.selection === 'dp_hash' && this.packet.flow[K.dp_hash] === 0)) {
      this.triggerFreeze();
      this.needsHash = !this.packet.wasMpls;
      return;
    }
    const live = group.buckets.filter((bucket) => bucket.weight > 0 && this.isLive(bucket, 0));
    if (live.length === 1) {
      this.bucket(group, live[0]!, isLast);
    } else if (live.length > 1) {
      this.unsupported ??= { rule: this.rule, what: 'group of type select (its bucket hangs on a hash)' };
      this.exit = true;
    }
  }

  /** bucket_is_alive: a port that exists is up; there is no controller to watch. */
  private isLive(bucket: GroupBucket, depth: number): boolean {
    if (depth >= MAX_LIVENESS_DEPTH) return false;
    if (bucket.watchPort === null && bucket.watchGroup === null) return true;
    if (bucket.watchPort !== null && this.env.ports.has(bucket.watchPort)) return true;
    const watched = bucket.watchGroup === null ? undefined : this.env.groups.get(bucket.watchGroup);
    return watched?.buckets.some((each) => this.isLive(each, depth + 1)) ?? false;
  }

  /** xlate_group_bucket: its actions are an action set of their own; the key is as before afterwards. */
  private bucket(group: Group, bucket: GroupBucket, isLast: boolean): void {
    const kept = this.packet.copy();
    this.depth++;
    this.observer?.enterList(`bucket ${group.buckets.indexOf(bucket)}`, true);
    this.runSteps(executedActionSet(stepsOf(bucket.actions)), isLast);
    this.observer?.leave();
    this.depth--;
    if (this.freezing) this.finishFreezing();
    this.packet.flow = kept.flow;
    this.packet.wasMpls = kept.wasMpls;
    if (this.unsupported === null) this.exit = false;
    if (this.error === TOO_MANY_LABELS) this.error = null;
  }

  // --- clone, check_pkt_larger, action set

  /** clone_xlate_actions: exit inside ends the outer lists too; a copy of the action set runs at its end. */
  private clone(step: StepOf<'clone'>, isLast: boolean): void {
    const keptSet = this.actionSet;
    if (step.reversible || isLast) {
      const { flow, stack, stackBytes } = this.packet.copy();
      this.runSteps(step.steps, isLast);
      this.finishList();
      Object.assign(this.packet, { flow, stack, stackBytes });
    } else {
      this.packet.commit();
      const kept = this.packet.copy();
      this.emit({ kind: 'clone', effects: this.branch(step.steps), edit: kept.edit });
      this.packet = kept;
    }
    this.actionSet = keptSet;
  }

  /** Runs steps and the action set into a list of effects of its own. */
  private branch(steps: readonly Step[]): Effect[] {
    const outer = this.effects;
    this.effects = [];
    this.runSteps(steps, true);
    this.finishList();
    const effects = this.effects;
    this.effects = outer;
    return effects;
  }

  /** xlate_check_pkt_larger: the rest of the list is translated twice, with the bit set and without. */
  private checkLength(step: StepOf<'checkPktLarger'>, rest: readonly Step[]): void {
    this.packet.commit();
    const kept = this.packet.copy();
    const keptSet = this.actionSet;
    writeSlot(this.packet.flow, step.dst, 1n);
    const larger = this.branch(rest);
    this.packet = kept.copy();
    const exit = this.exit;
    if (this.unsupported === null) this.exit = false;
    // The set was cleared by its execution in the first branch, as in OVS, and is back only after both.
    writeSlot(this.packet.flow, step.dst, 0n);
    const notLarger = this.branch(rest);
    this.packet = kept;
    this.actionSet = keptSet;
    this.exit = exit || this.unsupported !== null;
    this.emit({ kind: 'length', bytes: step.pktLen, larger, notLarger, edit: kept.edit });
  }

  /** xlate_write_actions__ */
  private writeActions(steps: readonly Step[]): void {
    if (!this.actionSetHasGroup) {
      for (const step of steps) {
        if (step.type === 'output') {
          this.packet.flow[K.actset_output] = step.port;
        } else if (step.type === 'group') {
          this.packet.flow[K.actset_output] = PORT.UNSET;
          this.actionSetHasGroup = true;
          break;
        }
      }
    }
    this.actionSet = [...this.actionSet, ...steps];
  }

  /** xlate_action_set */
  private runActionSet(): void {
    if (this.actionSet.length === 0) return;
    const steps = executedActionSet(this.actionSet);
    this.actionSet = [];
    this.observer?.enterList('--. Executing action set:', false);
    this.runSteps(steps, true);
    this.observer?.leave();
  }

  // --- recirculation

  /** compose_conntrack_action */
  private ct(step: StepOf<'ct'>): void {
    const { flow } = this.packet;
    const { action } = step;
    const zone = typeof step.zone === 'number' ? step.zone : readSlotNumber(flow, step.zone) & 0xffff;
    this.packet.commit();
    if (action.nat !== null) this.observer?.actionText(formatNat(action.nat));
    if (action.nat === null || step.exec.length > 0) this.runSteps(step.exec, false);
    if (action.table !== null && this.actionSet.length > 0) {
      // ovs-vswitchd aborts on an assertion: ofproto-dpif-rid.c:recirc_alloc_id__
      this.unsupported ??= { rule: this.rule, what: 'ct(table=) while the action set is not empty' };
      this.exit = true;
      return;
    }
    this.emit({
      kind: 'ct',
      rule: this.rule,
      zone,
      commit: action.commit,
      force: action.force,
      mark: markWrite(flow, step.exec),
      label: labelWrite(flow, step.exec),
      nat: action.nat,
      alg: action.alg,
      table: action.table,
      ...this.packet.recirculationStart(),
      frozen: { stack: [...this.packet.stack], steps: [], actionSet: [], conntracked: true, table: action.table ?? 0 },
      edit: this.packet.edit,
    });
    this.packet.clearConntrack();
    if (action.table !== null) {
      const resumed = `The forked pipeline will be resumed at table ${action.table}.`;
      this.observer?.detail(`A clone of the packet is forked to recirculate. ${resumed}`);
    }
    this.observer?.detail('Sets the packet to an untracked state, and clears all the conntrack fields.');
  }

  /** ctx_trigger_freeze */
  private triggerFreeze(): void {
    this.exit = true;
    this.freezing = true;
  }

  /** freeze_unroll_actions */
  private freezeRest(steps: readonly Step[], first: number): void {
    for (const step of steps.slice(first)) {
      switch (step.type) {
        case 'note':
        case 'conjunction':
          continue;
        case 'gotoTable':
          this.frozenSteps.push({ type: 'resubmit', port: null, table: step.table, withCt: false });
          continue;
        case 'resubmit':
          if (step.table === null || step.table === 255) this.freezePlace();
          break;
        case 'output':
        case 'outputReg':
        case 'outputTrunc':
        case 'group':
        case 'controller':
        case 'decTtl':
        case 'decMplsTtl':
        case 'unsupported':
          this.freezePlace();
          break;
      }
      this.frozenSteps.push(step);
    }
  }

  private freezePlace(): void {
    this.frozenSteps.push({ type: 'unroll', table: this.table, rule: this.rule });
  }

  /** finish_freezing */
  private finishFreezing(): void {
    this.packet.commit();
    const { key, reparse } = this.packet.recirculationStart();
    // Its value is the datapath's own; what counts here is that it is there.
    if (this.needsHash) key[K.dp_hash] = 1;
    this.emit({
      kind: 'recirc',
      key,
      reparse: reparse || this.start.wasMpls,
      frozen: {
        stack: [...this.packet.stack],
        steps: this.frozenSteps,
        actionSet: this.actionSet,
        conntracked: this.packet.conntracked,
        table: 0,
      },
      edit: this.packet.edit,
    });
    this.freezing = false;
    this.needsHash = false;
    this.frozenSteps = [];
  }
}

const NO_KEY = new Int32Array(0);
const bridgesWithPatchPorts = new WeakMap<PipelineEnv, boolean>();

function hasPatchPorts(env: PipelineEnv): boolean {
  let has = bridgesWithPatchPorts.get(env);
  if (has === undefined) {
    has = [...env.ports.values()].some((port) => port.peer !== null);
    bridgesWithPatchPorts.set(env, has);
  }
  return has;
}

/** Steps that may run on a packet whose last label was popped without parsing it anew (recirc_for_mpls). */
function needsNoReparse(step: Step): boolean {
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
