/** What parsing of one flow carries along: names, the formats that are left, how deep actions are nested. */

import { parseSigned, parseU64 } from '../fields/numberText.js';
import { type PortNames, quoteName, unquote } from '../fields/portText.js';
import { InputError } from '../util/errors.js';
import { ANY_FORMAT } from './formats.js';

export interface Names {
  readonly ports: PortNames | null;
  readonly tables: PortNames | null;
}

export class ParseContext {
  readonly ports: PortNames | null;
  readonly tables: PortNames | null;
  /** Text that a switch printed, taken as it stands. */
  readonly asPrinted: boolean;
  /** Formats that can still say the flow; narrowed while parsing. */
  formats = ANY_FORMAT;
  depth = 0;

  constructor(names: Names, asPrinted = false) {
    this.asPrinted = asPrinted;
    this.ports = names.ports;
    this.tables = names.tables;
  }
}

/** Runs a step of parsing; an error of it gets the column unless it has one already. */
export function atColumn<T>(offset: number, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof InputError && error.place.column === undefined)
      error.place = { ...error.place, column: offset + 1 };
    throw error;
  }
}

/** Table number 0..255, decimal, or a name; null: neither (lib/ofp-table.c:ofputil_table_from_string). */
export function parseTable(text: string, tables: PortNames | null): number | null {
  if (text.startsWith('-')) return null;
  const number = parseSigned(text, 0, 0xffffffff, 10);
  if (number !== null) return number > 255 ? null : number;
  const name = text.startsWith('"') ? unquote(text) : text;
  return name === null ? null : (tables?.byName.get(name) ?? null);
}

export function formatTable(table: number, tables: PortNames | null): string {
  const name = tables?.byNumber.get(table);
  return name === undefined ? `${table}` : quoteName(name);
}

/** A number of 64 bits that wraps in C is cut to 32 (lib/ofp-parse.c:str_to_u32). */
export const parseU32 = (text: string): number => Number(parseU64Argument(text) & 0xffffffffn);

/** lib/ofp-parse.c:str_to_u64 */
export function parseU64Argument(text: string): bigint {
  if (text === '') throw new InputError('missing required numeric argument');
  const value = parseU64(text);
  if (value === null) throw new InputError(`invalid numeric format ${text}`);
  return value;
}

/** u8, u16: decimal, 0x or octal (lib/ofp-parse.c:str_to_u8, str_to_u16). */
export function parseSmall(text: string, what: string, max: number): number {
  const value = parseSigned(text, 0, max);
  if (value === null) throw new InputError(`invalid ${what} "${text}"`);
  return value;
}
