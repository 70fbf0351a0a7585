/** A run's windows.json.gz (the reference replay's report) held against ours, field by field. */
import type { ReplayResult } from '../../src/index.js';
import { readShared } from './shared.js';

type Values = Record<string, unknown>;

export interface Comparison {
  /** `window 17 cause step`, `flow tcp … exposed`: the fields that differ, and both values. */
  readonly differing: Map<string, string>;
  readonly windows: number;
  readonly flows: number;
}

/** Rule texts of the reference are not canonical: its cookies, order of words and tables of ct() are put aside. */
export function normaliseRule(text: string): string {
  return text
    .replaceAll(/cookie=0x[0-9a-f]+,? ?/g, '')
    .replaceAll('reset_counts ', '')
    .replaceAll(', ', ',')
    .replaceAll(/\btable=0,/g, '')
    .replaceAll(/ct\(((?:[^()]|\([^()]*\))*)\)/g, (_, inside: string) => `ct(${normaliseCt(inside)})`)
    .trim();
}

function normaliseCt(inside: string): string {
  const parts = inside.split(/,(?![^[(]*[\])])/);
  return parts
    .filter((part) => !part.startsWith('table='))
    .sort()
    .join();
}

export function compareWithReference(run: string, ours: ReplayResult): Comparison {
  const reference = JSON.parse(readShared(`neutron/${run}/windows.json.gz`).toString('utf8')) as ReplayResult;
  const differing = new Map<string, string>();
  const compare = <T>(name: string, reference: readonly T[], ours: readonly T[], keyOf: (each: T) => string) => {
    const theirs = new Map(reference.map((each) => [keyOf(each), plain(each)]));
    const mine = new Map(ours.map((each) => [keyOf(each), plain(each)]));
    for (const key of new Set([...theirs.keys(), ...mine.keys()])) {
      differences([name, key], theirs.get(key), mine.get(key), differing);
    }
  };
  compare('window', reference.windows, ours.windows, ({ id }) => `${id}`);
  compare('flow', reference.flows, ours.flows, ({ flow }) => {
    return `${flow.proto} ${flow.src}:${flow.sport} ${flow.dst}:${flow.dport} (${flow.connection})`;
  });
  compare('culprit', reference.culprits, ours.culprits, ({ step }) => `${step}`);
  differences(['summary'], plain(reference.summary), plain(ours.summary), differing);
  return { differing, windows: reference.windows.length, flows: reference.flows.length };
}

/** The value with rule texts normalised and what only one of the two gives left out. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') {
    if (value.includes('actions=')) return normaliseRule(value);
    return value.replace(/^(cookie=0x[0-9a-f]+)\/-1$/, '$1');
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !ASIDE.has(key))
      .map(([key, each]) => [key, plain(each)]),
  );
}

/** Only the reference lists the versions; the mask of a cookie is part of the text in ours. */
const ASIDE = new Set(['exposedVersions', 'cookieMask']);

function differences(path: readonly string[], theirs: unknown, mine: unknown, found: Map<string, string>): void {
  if (isValues(theirs) && isValues(mine)) {
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
      differences([...path, key], theirs[key], mine[key], found);
    }
  } else if (JSON.stringify(theirs ?? null) !== JSON.stringify(mine ?? null)) {
    found.set(path.join(' '), `${JSON.stringify(theirs ?? null)}, ours ${JSON.stringify(mine ?? null)}`);
  }
}

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
