/** What only bench/ measures, by name. */
import { measureCompile } from './compile.js';
import { measureConntrack } from './conntrack.js';
import { measureExplain } from './explain.js';
import type { Figure } from './figure.js';

const PARTS: Readonly<Record<string, (input: never) => Figure[]>> = {
  compile: measureCompile,
  conntrack: measureConntrack,
  explain: measureExplain,
};

export function measurePart(part: string, input: object): Figure[] {
  return PARTS[part]!(input as never);
}
