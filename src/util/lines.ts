/** Text by lines, with numbers for error messages. */
import { InputError } from './errors.js';

/** Longer lines are refused before anything is made of them: input is not trusted. */
export const LINE_MAX = 1 << 20;

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without line end (LF or CRLF). */
  readonly text: string;
  /** False for a last line without line end: the file may have been cut inside it. */
  readonly ended: boolean;
}

/** The lines of a text, empty ones included; InputError for a line of more than 1 MiB. */
export function* linesOf(text: string, file: string): Generator<Line> {
  let number = 0;
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    const to = end < 0 ? text.length : end;
    number++;
    if (to - from > LINE_MAX) {
      throw new InputError(`line longer than ${LINE_MAX} characters`, { file, line: number, column: LINE_MAX + 1 });
    }
    yield { number, text: text.slice(from, text[to - 1] === '\r' ? Math.max(from, to - 1) : to), ended: end >= 0 };
    from = to + 1;
  }
}
