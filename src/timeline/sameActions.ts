/** Are two lists of actions the same, whatever OpenFlow version they were printed through? */
import type { Action } from '../openflow/actions.js';
import { formatActions } from '../openflow/flowPrint.js';
import type { Match } from '../openflow/match.js';
import { InputError } from '../util/errors.js';

/**
 * A `load` of OpenFlow 1.3 is a `set_field` of 1.5, `mod_dl_src` of 1.0 another one, and a goto_table reads as a resubmit
 * through 1.0 (lib/ofp-actions.c). OpenFlow 1.5 has one form for all of them but the last.
 */
export function sameActions(match: Match, a: readonly Action[], b: readonly Action[]): boolean {
  if (exactKey(a) === exactKey(b)) return true;
  const text = inOneForm(match, a);
  return text !== null && text === inOneForm(match, b);
}

function exactKey(actions: readonly Action[]): string {
  return JSON.stringify(actions, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}

/** Null: there are actions that a dump of OpenFlow 1.5 cannot say. */
function inOneForm(match: Match, actions: readonly Action[]): string | null {
  try {
    return formatActions(actions.map(gotoAsResubmit), match, { of: '1.5' });
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

function gotoAsResubmit(action: Action): Action {
  return action.type === 'gotoTable' ? { type: 'resubmit', port: null, table: action.table, withCt: false } : action;
}
