/** Parts of fields in actions: `NXM_NX_REG0[0..15]`, `reg0[3]`, `eth_src` (lib/nx-match.c:mf_parse_subfield__). */
import { type Field, field, fieldByCodeName, fieldByName, fieldNames, subFieldName } from '../fields/fieldTable.js';
import { scanNumber } from '../fields/numberText.js';
import { InputError } from '../util/errors.js';
import { nearMiss } from '../util/text.js';
import type { SubField } from './actions.js';

export const subFieldOf = (sub: SubField): Field => field(sub.field);

/** The whole text is one sub-field. */
export function parseSubField(text: string): SubField {
  const { sub, end } = scanSubField(text, 0);
  if (end !== text.length) throw new InputError('unexpected input following field syntax');
  return sub;
}

/** A sub-field at `from`; it ends behind `]` or where `[` or `-` could have begun it. */
export function scanSubField(text: string, from: number): { sub: SubField; end: number } {
  let at = from;
  while (at < text.length && text[at] !== '[' && text[at] !== '-') at++;
  const name = text.slice(from, at);
  const found = fieldByCodeName(name.endsWith('_W') ? name.slice(0, -2) : name) ?? fieldByName(name);
  if (found === undefined) throw unknownField(`${text.slice(from)}: unknown field \`${name}'`, name);
  let start = 0;
  let last = found.nBits - 1;
  let end = at;
  if (text[at] === '[') {
    const bits = scanBits(text, at);
    if (bits === null)
      throw new InputError(`${text.slice(from)}: syntax error expecting [] or [<bit>] or [<start>..<end>]`);
    start = bits.start ?? 0;
    last = bits.last ?? found.nBits - 1;
    end = bits.end;
  }
  checkBits(text.slice(from), found, start, last);
  return { sub: { field: found.name, ofs: start, nBits: last - start + 1 }, end };
}

/** `did you mean` for a field name. */
export function unknownField(message: string, name: string): InputError {
  const near = nearMiss(name, fieldNames());
  return new InputError(message, {}, near === null ? undefined : `did you mean '${near}'?`);
}

/** `[]`, `[a]`, `[a..b]` at `from`. */
function scanBits(text: string, from: number): { start: number | null; last: number | null; end: number } | null {
  if (text[from + 1] === ']') return { start: null, last: null, end: from + 2 };
  const first = scanNumber(text, from + 1, 10);
  if (first === null) return null;
  const start = Number(BigInt.asIntN(32, first.value));
  if (text[first.end] === ']') return { start, last: start, end: first.end + 1 };
  if (!text.startsWith('..', first.end)) return null;
  const second = scanNumber(text, first.end + 2, 10);
  if (second === null || text[second.end] !== ']') return null;
  return { start, last: Number(BigInt.asIntN(32, second.value)), end: second.end + 1 };
}

function checkBits(text: string, of: Field, start: number, last: number): void {
  if (start > last) throw new InputError(`${text}: starting bit ${start} is after ending bit ${last}`);
  const width = `because field is only ${of.nBits} bits wide`;
  if (start >= of.nBits || start < 0) throw new InputError(`${text}: starting bit ${start} is not valid ${width}`);
  if (last >= of.nBits) throw new InputError(`${text}: ending bit ${last} is not valid ${width}`);
}

/** With the oldest wire name of the field, the whole field as `[]`. */
export function formatSubField(sub: SubField): string {
  const of = subFieldOf(sub);
  return `${subFieldName(of)}${formatBits(sub, of)}`;
}

function formatBits(sub: SubField, of: Field): string {
  if (sub.ofs === 0 && sub.nBits === of.nBits) return '[]';
  return sub.nBits === 1 ? `[${sub.ofs}]` : `[${sub.ofs}..${sub.ofs + sub.nBits - 1}]`;
}

/** Ones at the place of the sub-field. */
export const subFieldMask = (sub: SubField): bigint => ((1n << BigInt(sub.nBits)) - 1n) << BigInt(sub.ofs);
