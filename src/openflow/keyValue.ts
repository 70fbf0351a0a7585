/**
 * The tokenizer of all flow text: `key`, `key=value`, `key:value`, `key(value)`, split by commas and white space,
 * parentheses nest, `key(x)->y` belongs together (lib/ofp-parse.c:ofputil_parse_key_value). One pass, no copies
 * but the tokens.
 */

const COMMA = 44;
const OPEN = 40;
const CLOSE = 41;
const COLON = 58;
const EQUALS = 61;

const isSpace = (code: number): boolean => code === 32 || code === 9 || code === 13 || code === 10;
const isSeparator = (code: number): boolean => code === COMMA || isSpace(code);

export class KeyValueReader {
  key = '';
  /** '' when there is none. */
  value = '';
  /** Offsets in the whole input (`base` added). */
  keyAt = 0;
  valueAt = 0;
  private readonly text: string;
  private readonly base: number;
  private at = 0;

  /** `base`: offset of `text` in the whole input, for error columns. */
  constructor(text: string, base: number) {
    this.text = text;
    this.base = base;
  }

  /** Moves to the next pair; false at the end. */
  next(): boolean {
    const { text } = this;
    while (this.at < text.length && isSeparator(text.charCodeAt(this.at))) this.at++;
    if (this.at >= text.length) return false;
    const start = this.at;
    let end = start;
    let delimiter = 0;
    for (; end < text.length; end++) {
      delimiter = text.charCodeAt(end);
      if (delimiter === COLON || delimiter === EQUALS || delimiter === OPEN || isSeparator(delimiter)) break;
    }
    if (end === text.length) delimiter = 0;
    this.key = text.slice(start, end);
    this.keyAt = this.base + start;
    this.at = Math.min(end + 1, text.length);
    this.valueAt = this.base + this.at;
    if (delimiter === OPEN) {
      let stop = this.valueEnd(this.at, true);
      if (text.startsWith(')->', stop)) stop = this.valueEnd(stop, false);
      this.take(stop);
    } else if (delimiter === COLON || delimiter === EQUALS) {
      this.take(this.valueEnd(this.at, false));
    } else {
      this.value = '';
    }
    return true;
  }

  private take(end: number): void {
    this.value = this.text.slice(this.at, end);
    this.at = Math.min(end + 1, this.text.length);
  }

  /** Where a value ends: at `)` (inside parentheses), or at a comma or space; nested parentheses are skipped. */
  private valueEnd(from: number, inParentheses: boolean): number {
    const { text } = this;
    let at = from;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (inParentheses ? code === CLOSE : isSeparator(code)) return at;
      if (code === OPEN) at = this.skipParentheses(at);
      else at++;
    }
    return at;
  }

  private skipParentheses(from: number): number {
    let level = 0;
    for (let at = from; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at);
      if (code === OPEN) level++;
      else if (code === CLOSE && --level === 0) return at + 1;
    }
    return this.text.length;
  }
}
