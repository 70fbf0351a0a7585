/** The digest of a result: equal for any number of workers, reader, memory budget or splitting of the input. */
import { createHash } from 'node:crypto';
import type { ReplayResult } from './result.js';

/** `sha256:` over the RFC 8785 form of the result restricted to what the inputs decide. */
export function digest(
  result: Pick<ReplayResult, 'summary' | 'steps' | 'windows' | 'culprits' | 'flows' | 'histograms'>,
): string {
  const { summary, steps, windows, culprits, flows } = result;
  const histograms = { modelled: result.histograms?.modelled ?? {} };
  const text = canonicalJson({ summary, steps, windows, culprits, flows, histograms });
  return `sha256:${createHash('sha256').update(text, 'utf8').digest('hex')}`;
}

/**
 * RFC 8785 (JSON Canonicalization Scheme): ECMAScript's own number and string forms (sections 3.2.2.2 and 3.2.2.3),
 * keys sorted by UTF-16 code units (3.2.3), which is what Array.prototype.sort does. Keys whose value is undefined are
 * absent, as in JSON.stringify.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('JSON has no NaN and no infinity');
  return JSON.stringify(value);
}
