/**
 * JSON that remembers where each value stands: RFC 8259 text to nodes with offsets, numbers as they are written.
 * `JSON.parse` loses both, and an error in the third flow-mod of a line should name its column; a time with nine
 * decimals does not fit a double. Objects with a key twice are refused.
 */
import { InputError } from './errors.js';

export type JsonNode =
  | { readonly kind: 'object'; readonly at: number; readonly members: ReadonlyMap<string, JsonMember> }
  | { readonly kind: 'array'; readonly at: number; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly at: number; readonly text: string }
  /** `text` is the number as written. */
  | { readonly kind: 'number'; readonly at: number; readonly text: string }
  | { readonly kind: 'boolean'; readonly at: number; readonly value: boolean }
  | { readonly kind: 'null'; readonly at: number };

export interface JsonMember {
  readonly keyAt: number;
  readonly value: JsonNode;
}

const DEPTH_MAX = 32;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const PLAIN = /[^"\\\p{Cc}]*/uy;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** Parses one JSON text. Errors are InputErrors with column = offset + 1; the caller adds file and line. */
export function parseJsonPlaces(text: string): JsonNode {
  const reader = new Reader(text);
  reader.space();
  const node = reader.value(0);
  reader.space();
  if (reader.at < text.length) throw reader.error('text after the end of the JSON value');
  return node;
}

class Reader {
  at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  error(what: string, at = this.at): InputError {
    return new InputError(what, { column: at + 1 });
  }

  space(): void {
    const { text } = this;
    while (this.at < text.length && ' \t\r\n'.includes(text[this.at]!)) this.at++;
  }

  value(depth: number): JsonNode {
    if (depth > DEPTH_MAX) throw this.error(`JSON nested deeper than ${DEPTH_MAX}`);
    const at = this.at;
    const first = this.text[at];
    if (first === '{') return this.object(depth);
    if (first === '[') return this.array(depth);
    if (first === '"') return { kind: 'string', at, text: this.string() };
    if (this.word('true')) return { kind: 'boolean', at, value: true };
    if (this.word('false')) return { kind: 'boolean', at, value: false };
    if (this.word('null')) return { kind: 'null', at };
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(this.text)?.[0];
    if (number === undefined) {
      throw this.error(first === undefined ? 'JSON ends too early' : `not JSON: unexpected ${JSON.stringify(first)}`);
    }
    this.at += number.length;
    return { kind: 'number', at, text: number };
  }

  private word(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  private object(depth: number): JsonNode {
    const at = this.at++;
    const members = new Map<string, JsonMember>();
    this.space();
    if (this.take('}')) return { kind: 'object', at, members };
    for (;;) {
      this.space();
      const keyAt = this.at;
      if (this.text[keyAt] !== '"') throw this.error('not JSON: a key in double quotes is expected');
      const key = this.string();
      if (members.has(key)) throw this.error(`key "${key}" twice in one object`, keyAt);
      this.space();
      if (!this.take(':')) throw this.error('not JSON: ":" is expected after a key');
      this.space();
      members.set(key, { keyAt, value: this.value(depth + 1) });
      this.space();
      if (this.take('}')) return { kind: 'object', at, members };
      if (!this.take(',')) throw this.error('not JSON: "," or "}" is expected');
    }
  }

  private array(depth: number): JsonNode {
    const at = this.at++;
    const items: JsonNode[] = [];
    this.space();
    if (this.take(']')) return { kind: 'array', at, items };
    for (;;) {
      this.space();
      items.push(this.value(depth + 1));
      this.space();
      if (this.take(']')) return { kind: 'array', at, items };
      if (!this.take(',')) throw this.error('not JSON: "," or "]" is expected');
    }
  }

  private take(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  private string(): string {
    const { text } = this;
    const start = this.at++;
    let result = '';
    for (;;) {
      PLAIN.lastIndex = this.at;
      const plain = PLAIN.exec(text)![0];
      result += plain;
      this.at += plain.length;
      const next = text[this.at++];
      if (next === '"') return result;
      if (next !== '\\') throw this.error('string without end, or with a control character', start);
      result += this.escape();
    }
  }

  private escape(): string {
    const letter = this.text[this.at++] ?? '';
    if (letter === 'u') {
      const hex = this.text.slice(this.at, this.at + 4);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.error('\\u needs four hex digits');
      this.at += 4;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const char = ESCAPES[letter];
    if (char === undefined) throw this.error(`unknown escape \\${letter}`, this.at - 2);
    return char;
  }
}
