/**
 * The packet while a pass runs over it: the key as the actions have left it, the packet as the datapath has it so far, the
 * stack. What single actions do to fields is here; the order of things is in pass.ts.
 */
import { CS_TRK, K, KEY_WORDS, VLAN_CFI } from '../fields/key.js';
import { commitEdits } from './commit.js';
import { readSlot, type Slot, type StepOf, writeSlot } from './compile.js';
import type { Edit, EditOp, StackItem } from './effects.js';
import {
  clearConntrack,
  fixVlanTpid,
  holds,
  isIp,
  isMplsType,
  isVlanType,
  MAX_MPLS,
  mplsCount,
  popMpls,
  pushMpls,
  vlanCount,
} from './flowOps.js';

export class PassPacket {
  flow: Int32Array;
  /** "base_flow": what is committed. */
  base: Int32Array;
  edit: Edit = null;
  stack: StackItem[] = [];
  stackBytes = 0;
  /** The last label was popped: what lies below it is not in the key. */
  wasMpls = false;
  /** The ct fields are those of a ct(). */
  conntracked: boolean;

  /** `flow` and `base`: room for two keys, overwritten. */
  constructor(key: Int32Array, flow = new Int32Array(KEY_WORDS), base = new Int32Array(KEY_WORDS)) {
    flow.set(key);
    base.set(key);
    this.flow = flow;
    this.base = base;
    this.conntracked = (key[K.ct_state]! & CS_TRK) !== 0;
  }

  copy(): PassPacket {
    const copy = new PassPacket(this.flow);
    copy.base.set(this.base);
    copy.edit = this.edit;
    copy.stack = [...this.stack];
    copy.stackBytes = this.stackBytes;
    copy.wasMpls = this.wasMpls;
    copy.conntracked = this.conntracked;
    return copy;
  }

  /** ofproto-dpif-xlate.c:xlate_commit_actions */
  commit(): void {
    const ops: EditOp[] = [];
    commitEdits(this.flow, this.base, ops);
    if (ops.length > 0) this.edit = this.edit === null ? ops : [...this.edit, ...ops];
  }

  write(step: StepOf<'write'>): void {
    const { flow } = this;
    if (!holds(flow, step.prerequisite)) return;
    if (step.onlyTagged && (flow[K.vlan_tci]! & VLAN_CFI) === 0) return;
    for (const { word, value, mask } of step.writes) flow[word] = (flow[word]! & ~mask) | value;
    fixVlanTpid(flow);
  }

  /** meta-flow.c:mf_subfield_copy */
  move(src: Slot, dst: Slot): void {
    const { flow } = this;
    if (!holds(flow, dst.field.prerequisite) || !holds(flow, src.field.prerequisite)) return;
    if (src.word >= 0 && dst.word >= 0 && !dst.addsTag) {
      const value = (flow[src.word]! >>> src.shift) & src.mask;
      flow[dst.word] = (flow[dst.word]! & ~(dst.mask << dst.shift)) | ((value & dst.mask) << dst.shift);
    } else {
      writeSlot(flow, dst, readSlot(flow, src));
    }
    fixVlanTpid(flow);
  }

  push(src: Slot): void {
    this.pushItem({ value: readSlot(this.flow, src), bytes: Math.ceil(src.nBits / 8) });
  }

  pushItem(item: StackItem): void {
    this.stack.push(item);
    this.stackBytes += item.bytes + 1;
  }

  /** nx-match.c:nxm_execute_stack_pop: no prerequisite is asked; an empty stack changes nothing. */
  pop(dst: Slot): void {
    const item = this.stack.pop();
    if (item === undefined) return;
    this.stackBytes -= item.bytes + 1;
    writeSlot(this.flow, dst, item.value & ((1n << BigInt(dst.nBits)) - 1n));
    fixVlanTpid(this.flow);
  }

  /** compose_dec_ttl. False: it was 0 or 1 and stays so. */
  decrementTtl(): boolean {
    const { flow } = this;
    if (!isIp(flow)) return true;
    if (flow[K.nw_ttl]! <= 1) return false;
    flow[K.nw_ttl]!--;
    return true;
  }

  /** compose_dec_mpls_ttl_action. False: it was 0 or 1. */
  decrementMplsTtl(): boolean {
    const { flow } = this;
    if ((flow[K.mpls_lse]! & 0xff) <= 1) return false;
    flow[K.mpls_lse]!--;
    return true;
  }

  /** compose_mpls_push_action. False: the key has no place for another label. */
  pushMpls(ethertype: number): boolean {
    const count = mplsCount(this.flow);
    if (count >= MAX_MPLS) return false;
    if (count === 0) this.commit();
    pushMpls(this.flow, count, ethertype, true);
    return true;
  }

  /** compose_mpls_pop_action. False: more labels than the key shows. */
  popMpls(ethertype: number): boolean {
    const count = mplsCount(this.flow);
    if (!popMpls(this.flow, count, ethertype)) return count < MAX_MPLS;
    if (!isMplsType(ethertype)) this.wasMpls = true;
    return true;
  }

  clearConntrack(): void {
    this.conntracked = false;
    clearConntrack(this.flow);
  }

  /**
   * The key of a recirculated packet: metadata as here, headers as the datapath has them. They have to be parsed anew if tags or
   * labels came or went so that the key does not show what a parser would see (one tag, nothing below MPLS).
   */
  recirculationStart(): { key: Int32Array; reparse: boolean } {
    const key = this.flow.slice();
    key.set(this.base.subarray(K.dl_src, K.PACKET_END), K.dl_src);
    const hidden = isVlanType(this.base[K.dl_type]!) || vlanCount(this.base) > 1;
    const reparse = this.edit?.some((op) => op.op.endsWith('Mpls') || (op.op !== 'set' && hidden)) ?? false;
    return { key, reparse };
  }
}
