/** Values of options: parsers for commander, which reports what they throw with the option's name. */
import { InvalidArgumentError } from 'commander';
import { UsageError } from '../util/errors.js';
import { parseSize } from '../util/size.js';
import { nearMiss } from '../util/text.js';

/** An option that may be repeated, one value each. */
export const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** A whole number from `min` on; parseInt would take `4x`. */
export function countFrom(min: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min)) throw new InvalidArgumentError(`It takes a whole number from ${min} on.`);
    return value;
  };
}

export function size(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    if (error instanceof UsageError) throw new InvalidArgumentError(`${error.hint ?? ''}.`);
    throw error;
  }
}

/** Words of a known list, separated by commas. */
export function wordsOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((word) => {
      if ((known as readonly string[]).includes(word)) return word as T;
      const near = nearMiss(word, known);
      throw new InvalidArgumentError(near === null ? `Known words: ${known.join(', ')}.` : `Did you mean ${near}?`);
    });
}
