/**
 * A match: the set of matched bits over the flow key with their values, prerequisites expanded (lib/match.h, "minimatch").
 * Sparse: `words` are indices of the key (fields/key.ts), ascending; `masks` never 0; `values` have no bit outside the mask.
 * So two matches are the same match exactly if all three arrays are equal, whatever text they came from.
 */
export interface Match {
  readonly words: Int32Array;
  readonly values: Int32Array;
  readonly masks: Int32Array;
}

/** Collects bits in any order; later bits override earlier ones at the same place. */
export class MatchBuilder {
  private readonly values = new Map<number, number>();
  private readonly masks = new Map<number, number>();

  /** Sets the bits of `mask` in key word `word`. Value bits outside the mask are dropped. */
  set(word: number, value: number, mask: number): this {
    const oldMask = this.masks.get(word) ?? 0;
    const oldValue = this.values.get(word) ?? 0;
    this.masks.set(word, oldMask | mask);
    this.values.set(word, (oldValue & ~mask) | (value & mask));
    return this;
  }

  /** Forgets the bits of `mask`. */
  clear(word: number, mask: number): this {
    const left = (this.masks.get(word) ?? 0) & ~mask;
    this.masks.set(word, left);
    this.values.set(word, (this.values.get(word) ?? 0) & left);
    return this;
  }

  mask(word: number): number {
    return this.masks.get(word) ?? 0;
  }

  value(word: number): number {
    return this.values.get(word) ?? 0;
  }

  build(): Match {
    const words = [...this.masks.keys()].filter((word) => this.masks.get(word) !== 0).sort((a, b) => a - b);
    return {
      words: Int32Array.from(words),
      values: Int32Array.from(words, (word) => this.values.get(word) as number),
      masks: Int32Array.from(words, (word) => this.masks.get(word) as number),
    };
  }

  static from(match: Match): MatchBuilder {
    const builder = new MatchBuilder();
    for (let i = 0; i < match.words.length; i++) builder.set(match.words[i]!, match.values[i]!, match.masks[i]!);
    return builder;
  }
}

export const MATCH_ALL: Match = new MatchBuilder().build();

/** Identity of the mask: rules with equal mask keys live in one subtable. */
export function maskKey(match: Match): string {
  let key = '';
  for (let i = 0; i < match.words.length; i++) key += `${match.words[i]}:${(match.masks[i]! >>> 0).toString(16)},`;
  return key;
}

/** Identity of the match (mask and values), without table and priority. */
export function matchKey(match: Match): string {
  let key = '';
  for (let i = 0; i < match.words.length; i++)
    key += `${match.words[i]}:${(match.masks[i]! >>> 0).toString(16)}=${(match.values[i]! >>> 0).toString(16)},`;
  return key;
}

/** Does the match fit this key? */
export function matches(match: Match, key: Int32Array): boolean {
  const { words, values, masks } = match;
  for (let i = 0; i < words.length; i++) if ((key[words[i]!]! & masks[i]!) !== values[i]!) return false;
  return true;
}

/** The bits of one key word that a match names (0 if none). */
export function maskOfWord(match: Match, word: number): number {
  const at = match.words.indexOf(word);
  return at < 0 ? 0 : match.masks[at]!;
}
