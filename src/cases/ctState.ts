/** ct_state as case files and `ofproto/trace --ct-next` write it: names joined by `|`. */
import { InputError } from '../util/errors.js';

const NAMES = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'];

export function ctStateNames(state: number): string {
  return NAMES.filter((_, bit) => (state & (1 << bit)) !== 0).join('|');
}

/** `trk|est`, also with commas or spaces; numbers too. */
export function parseCtState(text: string): number {
  if (/^(0x[0-9a-f]+|\d+)$/i.test(text)) return Number(text);
  let state = 0;
  for (const name of text.split(/[|,\s]+/)) {
    if (name === '') continue;
    const bit = NAMES.indexOf(name);
    if (bit < 0) throw new InputError(`unknown ct_state flag ${name}`, {}, `known: ${NAMES.join(', ')}`);
    state |= 1 << bit;
  }
  return state;
}
