/** A packet as the datapath has it while it executes what a pass has yielded. */
import { CtAttach } from '../conntrack/action.js';
import type { Edit, EditOp } from './effects.js';
import { forgetsConnection } from './packetCt.js';
import { rewriteFrame } from './rewrite.js';

export interface PacketState {
  frame: Uint8Array | null;
  originalBytes: number;
  /** Edits of this pass that `frame` has already. */
  applied: number;
  changed: boolean;
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
  state.changed = true;
  if (state.frame === null) return;
  const frame = rewriteFrame(state.frame, ops);
  state.originalBytes += frame.length - state.frame.length;
  state.frame = frame;
}
