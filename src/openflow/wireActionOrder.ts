/**
 * Which actions may stand where on the wire (lib/ofp-actions.c:ofpacts_verify, ofpacts_verify_nested, action_set_classify).
 * Which match they need is asked in actionCheck.ts.
 */
import type { Action } from './actions.js';
import { WireError } from './wireReader.js';

/** nat() counts as an action of its own while a list is being read. */
export interface AnyAction {
  readonly type: Action['type'] | 'nat';
}

/** Instructions in the order in which OpenFlow 1.1+ runs them. */
const METER = 0;
const APPLY = 1;
const INSTRUCTIONS: Readonly<Record<string, number>> = {
  clearActions: 2,
  writeActions: 3,
  writeMetadata: 4,
  gotoTable: 5,
};

function instructionOf(type: AnyAction['type'], version: number): number {
  if (type === 'meter') return version >= 6 ? APPLY : METER;
  return INSTRUCTIONS[type] ?? APPLY;
}

/**
 * Checks order and nesting of a list. `outer`: what the list stands in. `version`: wire number, 1 is 1.0.
 * Throws WireError.
 */
export function verifyActions(actions: readonly AnyAction[], version: number, outer: 'ct' | 'clone' | null): void {
  let instruction = METER;
  for (const [i, action] of actions.entries()) {
    if (action.type === 'conjunction') {
      // Looked at for nothing else then.
      if (actions.some(({ type }) => type !== 'conjunction' && type !== 'note'))
        throw new WireError('NXBAC_BAD_CONJUNCTION');
      return;
    }
    verifyNesting(action as Action, outer);
    const next = instructionOf(action.type, version);
    const misplaced = instruction === APPLY ? next < instruction : next <= instruction;
    if (i > 0 && misplaced) throw new WireError('OFPBAC_UNSUPPORTED_ORDER');
    if (outer !== null && next !== APPLY)
      throw new WireError(next === METER && version >= 6 ? 'OFPBAC_BAD_TYPE' : 'OFPBIC_UNSUP_INST');
    instruction = next;
  }
}

const CT_FIELDS = new Set(['ct_mark', 'ct_label']);

function verifyNesting(action: AnyAction, outer: 'ct' | 'clone' | null): void {
  if (action.type === 'nat') {
    if (outer !== 'ct') throw new WireError('OFPBAC_BAD_SET_ARGUMENT');
    return;
  }
  const written = writtenField(action as Action);
  if (written !== null && CT_FIELDS.has(written) && outer !== 'ct') throw new WireError('OFPBAC_BAD_SET_ARGUMENT');
  if (outer === 'ct' && (written === null || !CT_FIELDS.has(written))) throw new WireError('OFPBAC_BAD_ARGUMENT');
  if (outer !== null && action.type === 'meter') throw new WireError('OFPBAC_BAD_ARGUMENT');
}

/** lib/ofp-actions.c:ofpact_get_mf_dst. */
function writtenField(action: Action): string | null {
  if (action.type === 'setField') return action.field;
  return action.type === 'move' ? action.dst.field : null;
}

/** What may be in an action set (lib/ofp-actions.c:action_set_classify); all else is OFPBAC_BAD_TYPE there. */
const NOT_IN_ACTION_SET = new Set<AnyAction['type']>([
  'bundle',
  'clearActions',
  'clone',
  'nat',
  'enqueue',
  'exit',
  'unrollXlate',
  'finTimeout',
  'gotoTable',
  'learn',
  'conjunction',
  'meter',
  'multipath',
  'note',
  'outputReg',
  'outputTrunc',
  'popQueue',
  'sample',
  'pop',
  'push',
  'writeActions',
  'writeMetadata',
  'debugRecirc',
  'debugSlow',
  'checkPktLarger',
  'deleteField',
]);

export function verifyActionSet(actions: readonly AnyAction[]): void {
  if (actions.some(({ type }) => NOT_IN_ACTION_SET.has(type))) throw new WireError('OFPBAC_BAD_TYPE');
}
