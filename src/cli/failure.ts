/** Failures as one line with the place, a second line with what to do; a stack trace only with DEBUG=dropwindow. */
import { InputError, systemReason, UnsupportedError, UsageError } from '../util/errors.js';
import { stripControls } from '../util/text.js';

interface SystemError extends Error {
  errno: number;
  code: string;
  path?: string;
}

export function exitCodeOf(error: unknown): number {
  return isOurs(error) || isSystemError(error) ? 2 : 70;
}

export function reportFailure(error: unknown): void {
  process.stderr.write(`${describe(error)}\n`);
  if (debugging() && error instanceof Error) process.stderr.write(`${error.stack}\n`);
}

/** Something that the user should know and that changes nothing about the exit code. */
export function warn(text: string): void {
  process.stderr.write(`${lines(`warning: ${text}`, undefined)}\n`);
}

function describe(error: unknown): string {
  if (error instanceof InputError) return lines(error.format(), error.hint);
  if (error instanceof UsageError) return lines(error.message, error.hint);
  if (error instanceof UnsupportedError) return lines(error.message, undefined);
  if (isSystemError(error)) {
    const what = systemReason(error);
    return lines(error.path === undefined ? what : `${error.path}: ${what}`, undefined);
  }
  const what = error instanceof Error ? error.message : String(error);
  return lines(`defect: ${what}`, 'this is a fault of dropwindow; DEBUG=dropwindow shows where, please report it');
}

/** What came from an input may hold anything: no line breaks and no control characters reach the terminal. */
function lines(what: string, hint: string | undefined): string {
  return `dropwindow: ${stripControls(what)}${hint === undefined ? '' : `\n${stripControls(hint)}`}`;
}

function isOurs(error: unknown): boolean {
  return error instanceof InputError || error instanceof UsageError || error instanceof UnsupportedError;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' && 'code' in error;
}

function debugging(): boolean {
  return (process.env['DEBUG'] ?? '').split(',').includes('dropwindow');
}
