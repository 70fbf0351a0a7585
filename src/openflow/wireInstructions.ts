/** Instructions of OpenFlow 1.1 and later, or the plain action list of 1.0 (lib/ofp-actions.c:ofpacts_pull_openflow_instructions). */

import type { Action } from './actions.js';
import { verifyActionSet, verifyActions } from './wireActionOrder.js';
import { type ActionContext, type DecodedAction, decodeActions } from './wireActions.js';
import { WireError, type WireReader } from './wireReader.js';

const GOTO_TABLE = 1;
const WRITE_METADATA = 2;
const WRITE_ACTIONS = 3;
const APPLY_ACTIONS = 4;
const CLEAR_ACTIONS = 5;
const METER = 6;
const EXPERIMENTER = 0xffff;

/** Bytes that an instruction must have; those with a list at least so many. */
const BYTES: Readonly<Record<number, number>> = {
  [GOTO_TABLE]: 8,
  [WRITE_METADATA]: 24,
  [WRITE_ACTIONS]: 8,
  [APPLY_ACTIONS]: 8,
  [CLEAR_ACTIONS]: 8,
  [METER]: 8,
};

/** Reads `r` to its end; the list that comes out is in the order in which the switch runs it. */
export function decodeInstructions(r: WireReader, context: ActionContext): readonly Action[] {
  const actions = context.version === 1 ? decodeList(r, context) : instructions(r, context);
  verifyActions(actions, context.version, null);
  return actions as readonly Action[];
}

function decodeList(r: WireReader, context: ActionContext): DecodedAction[] {
  if (r.left % 8 !== 0) throw new WireError('OFPBRC_BAD_LEN');
  return decodeActions(r, context);
}

function instructions(r: WireReader, context: ActionContext): DecodedAction[] {
  if (r.left % 8 !== 0) throw new WireError('OFPBIC_BAD_LEN');
  const found = split(r, context.version);
  const actions: DecodedAction[] = [];
  const meter = found.get(METER);
  if (meter) actions.push({ type: 'meter', meter: meter.u32() });
  const apply = found.get(APPLY_ACTIONS);
  if (apply) {
    apply.skip(4);
    actions.push(...decodeActions(apply, context));
  }
  if (found.has(CLEAR_ACTIONS)) actions.push({ type: 'clearActions' });
  const write = found.get(WRITE_ACTIONS);
  if (write) {
    write.skip(4);
    const set = decodeActions(write, context);
    verifyActionSet(set);
    actions.push({ type: 'writeActions', actions: set as Action[] });
  }
  const metadata = found.get(WRITE_METADATA);
  if (metadata) {
    metadata.skip(4);
    actions.push({ type: 'writeMetadata', value: metadata.u64(), mask: metadata.u64() });
  }
  const next = found.get(GOTO_TABLE);
  if (next) actions.push({ type: 'gotoTable', table: next.u8() });
  return actions;
}

/** The bodies by type; one of each kind at most. */
function split(r: WireReader, version: number): Map<number, WireReader> {
  const found = new Map<number, WireReader>();
  while (r.left >= 8) {
    const type = r.u16();
    const length = r.u16();
    if (length < 8 || length % 8 !== 0 || length - 4 > r.left) throw new WireError('OFPBIC_BAD_LEN');
    if (type === EXPERIMENTER) throw new WireError('OFPBIC_BAD_EXPERIMENTER');
    const bytes = BYTES[type];
    if (bytes === undefined) throw new WireError('OFPBIC_UNKNOWN_INST');
    const open = type === WRITE_ACTIONS || type === APPLY_ACTIONS;
    if (open ? length < bytes : length !== bytes) throw new WireError('OFPBIC_BAD_LEN');
    // OpenFlow 1.5 made the meter an action.
    if (type === METER && version >= 6) throw new WireError('OFPBIC_UNKNOWN_INST');
    if (found.has(type)) throw new WireError('OFPBIC_DUP_INST');
    found.set(type, r.sub(length - 4, 'OFPBAC_BAD_LEN'));
  }
  return found;
}
