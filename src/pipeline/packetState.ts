/** A packet as the datapath has it while it executes what a pass has yielded. */
import { CtAttach } from '../conntrack/action.js';
import { K } from '../fields/key.js';
import type { Edit, EditOp } from './effects.js';
import { mplsCount, popMpls, popVlan, pushMpls, pushVlan } from './flowOps.js';
import { forgetsConnection } from './packetCt.js';
import { rewriteFrame } from './rewrite.js';

export interface PacketState {
  frame: Uint8Array | null;
  originalBytes: number;
  /** Edits of this pass that `frame` has already. */
  applied: number;
  changed: boolean;
  /** A packet without bytes: its fields as they were sent and as they are now. Read-only. */
  sent: Int32Array;
  fields: Int32Array;
  attach: CtAttach;
}

export function copyState(state: PacketState): PacketState {
  const attach = new CtAttach();
  attach.copyFrom(state.attach);
  return { ...state, attach };
}

/** Brings the frame to where `edit` says. */
export function advance(state: PacketState, edit: Edit): void {
  if (edit === null || edit.length <= state.applied) return;
  const ops = edit.slice(state.applied);
  state.applied = edit.length;
  if (ops.some(forgetsConnection)) state.attach.rewritten();
  change(state, ops);
}

export function change(state: PacketState, ops: readonly EditOp[]): void {
  if (ops.length === 0) return;
  if (state.frame === null) {
    const fields = state.fields.slice();
    for (const op of ops) apply(op, fields);
    state.fields = fields;
    // Fields that were set back are as they were sent: the frame would be the same.
    state.changed = !samePacket(fields, state.sent);
    return;
  }
  state.changed = true;
  const frame = rewriteFrame(state.frame, ops);
  state.originalBytes += frame.length - state.frame.length;
  state.frame = frame;
}

function apply(op: EditOp, fields: Int32Array): void {
  switch (op.op) {
    case 'set':
    case 'setAddress':
      fields[op.word] = op.value;
      break;
    case 'popVlan':
      popVlan(fields);
      break;
    case 'pushVlan':
      pushVlan(fields, op.tpid);
      fields[K.vlan_tci] = op.tci;
      break;
    case 'pushMpls':
      pushMpls(fields, mplsCount(fields), op.ethertype, false);
      fields[K.mpls_lse] = op.lse;
      break;
    case 'popMpls':
      popMpls(fields, mplsCount(fields), op.ethertype);
      break;
    case 'setMpls':
      fields[K.mpls_lse] = op.lse;
      break;
  }
}

function samePacket(a: Int32Array, b: Int32Array): boolean {
  for (let word: number = K.dl_src; word < K.PACKET_END; word++) if (a[word] !== b[word]) return false;
  return true;
}
