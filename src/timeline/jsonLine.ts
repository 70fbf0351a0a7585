/** Typed access to the fields of one NDJSON line; every error names line and column, unknown keys their near miss. */
import { secondsToNs } from '../util/decimal.js';
import { InputError, type Place } from '../util/errors.js';
import { type JsonMember, type JsonNode, parseJsonPlaces } from '../util/jsonPlaces.js';
import { nearMiss } from '../util/text.js';

export class JsonLine {
  readonly place: Place;
  /** What is to be said about the line though it was read. */
  readonly warnings: string[] = [];
  private readonly node: JsonNode;

  private constructor(node: JsonNode, place: Place) {
    this.node = node;
    this.place = place;
  }

  static parse(text: string, place: Place): JsonLine {
    try {
      return new JsonLine(parseJsonPlaces(text), place);
    } catch (error) {
      if (error instanceof InputError) error.place = { ...place, ...error.place };
      throw error;
    }
  }

  root(): Fields {
    return this.object(this.node);
  }

  object(node: JsonNode): Fields {
    if (node.kind !== 'object')
      throw new InputError('an object is expected here', { ...this.place, column: node.at + 1 });
    return new Fields(node.members, node.at, this.place);
  }
}

/** The members of one object. Getters return null where the key is absent. */
export class Fields {
  private readonly members: ReadonlyMap<string, JsonMember>;
  private readonly at: number;
  private readonly place: Place;

  constructor(members: ReadonlyMap<string, JsonMember>, at: number, place: Place) {
    this.members = members;
    this.at = at;
    this.place = place;
  }

  has(key: string): boolean {
    return this.members.has(key);
  }

  keys(): string[] {
    return [...this.members.keys()];
  }

  /** Refuses other keys than these; `known` are the words among which the near miss is sought. */
  only(allowed: readonly string[], known: readonly string[] = allowed): void {
    for (const [key, { keyAt }] of this.members) {
      if (allowed.includes(key)) continue;
      const near = nearMiss(key, known);
      const hint = near === null || near === key ? `keys here are ${allowed.join(', ')}` : `did you mean "${near}"?`;
      throw new InputError(`unknown key "${key}"`, { ...this.place, column: keyAt + 1 }, hint);
    }
  }

  /** Column (from 1) at which the value of `key` begins. */
  column(key: string): number {
    return (this.members.get(key)?.value.at ?? this.at) + 1;
  }

  error(key: string, what: string, hint?: string): InputError {
    return new InputError(what, { ...this.place, column: this.column(key) }, hint);
  }

  keyError(key: string, what: string): InputError {
    return new InputError(what, { ...this.place, column: (this.members.get(key)?.keyAt ?? this.at) + 1 });
  }

  missing(key: string): InputError {
    return new InputError(`"${key}" is missing`, { ...this.place, column: this.at + 1 });
  }

  string(key: string): string | null {
    const node = this.members.get(key)?.value;
    if (node === undefined) return null;
    if (node.kind !== 'string') throw this.error(key, `"${key}" is a string`);
    return node.text;
  }

  boolean(key: string): boolean | null {
    const node = this.members.get(key)?.value;
    if (node === undefined) return null;
    if (node.kind !== 'boolean') throw this.error(key, `"${key}" is true or false`);
    return node.value;
  }

  integer(key: string, min: number, max: number): number | null {
    const node = this.members.get(key)?.value;
    if (node === undefined) return null;
    const value = node.kind === 'number' ? Number(node.text) : Number.NaN;
    if (!Number.isInteger(value) || value < min || value > max)
      throw this.error(key, `"${key}" is an integer from ${min} to ${max}`);
    return value;
  }

  oneOf<T extends string>(key: string, words: readonly T[]): T | null {
    const text = this.string(key);
    if (text === null) return null;
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    const near = nearMiss(text, words);
    throw this.error(
      key,
      `"${key}" is one of ${words.join(', ')}, not "${text}"`,
      near === null ? undefined : `did you mean "${near}"?`,
    );
  }

  need<T extends string>(key: string, words: readonly T[]): T {
    const word = this.oneOf(key, words);
    if (word === null) throw this.missing(key);
    return word;
  }

  isArray(key: string): boolean {
    return this.members.get(key)?.value.kind === 'array';
  }

  array(key: string): readonly JsonNode[] | null {
    const node = this.members.get(key)?.value;
    if (node === undefined) return null;
    if (node.kind !== 'array') throw this.error(key, `"${key}" is a list`);
    return node.items;
  }

  node(key: string): JsonNode | null {
    return this.members.get(key)?.value ?? null;
  }

  object(key: string): Fields | null {
    const node = this.members.get(key)?.value;
    if (node === undefined) return null;
    if (node.kind !== 'object') throw this.error(key, `"${key}" is an object`);
    return new Fields(node.members, node.at, this.place);
  }

  /** Seconds, as a decimal string or a number, in ns. */
  seconds(key: string): bigint | null {
    const node = this.members.get(key)?.value;
    return node === undefined ? null : this.secondsOf(node);
  }

  secondsOf(node: JsonNode): bigint {
    const ns = node.kind === 'string' || node.kind === 'number' ? secondsToNs(node.text) : null;
    if (ns === null)
      throw new InputError('a time is decimal seconds, "1619606112.250000000"', { ...this.place, column: node.at + 1 });
    return ns;
  }
}
