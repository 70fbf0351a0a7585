/** Order of instructions and nesting of actions (lib/ofp-actions.c:ofpacts_verify, ofpacts_verify_nested). */
import { InputError } from '../util/errors.js';
import type { Action } from './actions.js';
import type { OfVersion } from './rule.js';

/** What an action stands in: nothing, or the action that nests it. */
export type Outer = 'none' | 'write_actions' | 'ct' | 'clone';

/** Instructions in the order in which OpenFlow 1.1+ runs them. */
const INSTRUCTIONS = [
  'meter',
  'apply_actions',
  'clear_actions',
  'write_actions',
  'write_metadata',
  'goto_table',
] as const;

const METER = 0;
const APPLY = 1;

/** Index into INSTRUCTIONS; plain actions belong to apply_actions, and so does meter from OpenFlow 1.5 on. */
function instructionOf(action: Action, version: OfVersion): number {
  switch (action.type) {
    case 'meter':
      return version === '1.5' ? APPLY : METER;
    case 'clearActions':
      return 2;
    case 'writeActions':
      return 3;
    case 'writeMetadata':
      return 4;
    case 'gotoTable':
      return 5;
    default:
      return APPLY;
  }
}

/** Throws InputError when the list breaks a rule of order or nesting. */
export function verifyActions(
  actions: readonly Action[],
  version: OfVersion,
  outer: Outer,
  instructions: boolean,
): void {
  if (actions.some((action) => action.type === 'conjunction')) {
    verifyConjunctions(actions, version, outer);
    return;
  }
  let last = METER;
  actions.forEach((action, i) => {
    verifyNesting(action, outer);
    const next = instructionOf(action, version);
    if (i > 0 && (last === APPLY ? next < last : next <= last)) throw orderError(last, next);
    if (!instructions && next > APPLY) throw new InputError(`${INSTRUCTIONS[next]} instruction not allowed here`);
    last = next;
  });
}

function orderError(last: number, next: number): InputError {
  const why = 'for OpenFlow 1.1+ compatibility';
  if (next === last) return new InputError(`duplicate ${INSTRUCTIONS[last]} instruction not allowed, ${why}`);
  return new InputError(
    `invalid instruction ordering: ${INSTRUCTIONS[next]} must appear before ${INSTRUCTIONS[last]}, ${why}`,
  );
}

/** Nothing but notes beside conjunctions; what stands before the first one is checked as ever. */
function verifyConjunctions(actions: readonly Action[], version: OfVersion, outer: Outer): void {
  const first = actions.findIndex((action) => action.type === 'conjunction');
  verifyActions(actions.slice(0, first), version, outer, true);
  const other = actions.find((action) => action.type !== 'conjunction' && action.type !== 'note');
  if (other !== undefined)
    throw new InputError(
      `"conjunction" actions may be used along with "note" but not any other kind of action (such as the "${other.type}" action used here)`,
    );
}

function verifyNesting(action: Action, outer: Outer): void {
  const field = action.type === 'setField' ? action.field : action.type === 'move' ? action.dst.field : null;
  const ofConntrack = field === 'ct_mark' || field === 'ct_label';
  if (ofConntrack && outer !== 'ct') throw new InputError('cannot set CT fields outside of ct action');
  if (outer === 'ct') {
    if (field === null) throw new InputError(`ct action doesn't support nested action ${action.type}`);
    if (!ofConntrack) throw new InputError(`ct action doesn't support nested modification of ${field}`);
  }
  if (outer !== 'none' && action.type === 'meter')
    throw new InputError(`${outer} action doesn't support nested action meter`);
}
