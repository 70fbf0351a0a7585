/** The ways a run can fail, told apart by class and a stable `code`. */
import { getSystemErrorMap } from 'node:util';

/** Where in an input something is wrong. Text has line and column (from 1), captures packet (from 1) and byte offset. */
export interface Place {
  file?: string;
  line?: number;
  column?: number;
  packet?: number;
  byteOffset?: number;
  connection?: string;
  xid?: number;
}

/** Bad input: exit code 2, one line that names file and place, a second one (`hint`) with what to do. */
export class InputError extends Error {
  readonly code = 'INPUT';
  place: Place;
  hint: string | undefined;
  constructor(message: string, place: Place = {}, hint?: string) {
    super(message);
    this.name = 'InputError';
    this.place = place;
    this.hint = hint;
  }
  /** `FILE:LINE:COLUMN: what is wrong`, captures `FILE: packet N at byte OFFSET: what`. */
  format(): string {
    return `${formatPlace(this.place)}${this.message}`;
  }
}

/** Wrong use of a command or of the library: exit code 2. */
export class UsageError extends Error {
  readonly code = 'USAGE';
  hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.name = 'UsageError';
    this.hint = hint;
  }
}

/** Something that Open vSwitch does and this engine does not: named, never skipped in silence. */
export class UnsupportedError extends Error {
  readonly code = 'UNSUPPORTED';
  readonly what: string;
  constructor(what: string) {
    super(`not supported: ${what}`);
    this.name = 'UnsupportedError';
    this.what = what;
  }
}

/** A broken promise of our own: exit code 70. */
export class DefectError extends Error {
  readonly code = 'DEFECT';
  constructor(message: string) {
    super(message);
    this.name = 'DefectError';
  }
}

/** What the system said, in its own words: `no such file or directory`. */
export function systemReason(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? message;
}

function formatPlace(place: Place): string {
  let text = place.file ?? '';
  if (place.line !== undefined) {
    text += `${text ? ':' : 'line '}${place.line}`;
    if (place.column !== undefined) text += `:${place.column}`;
  }
  const parts: string[] = [];
  if (place.packet !== undefined) parts.push(`packet ${place.packet}`);
  if (place.byteOffset !== undefined) parts.push(`${place.packet === undefined ? '' : 'at '}byte ${place.byteOffset}`);
  if (place.connection !== undefined) parts.push(`connection ${place.connection}`);
  if (place.xid !== undefined) parts.push(`xid 0x${place.xid.toString(16)}`);
  if (parts.length > 0) text += `${text ? ': ' : ''}${parts.join(' ')}`;
  return text === '' ? '' : `${text}: `;
}
