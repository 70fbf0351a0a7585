/** The recorded and churning restarts of ../shared/neutron: how to replay them, and what is known of them. */
import { existsSync } from 'node:fs';
import { type FinalConntrack, type ReplayOptions, type ReplayResult, replay } from '../../src/index.js';
import { readJsonLines, readShared, sharedPath } from './shared.js';

/** Recorded from a real agent: they have a capture of the OpenFlow channel, and what was received. */
export const RECORDED = [
  'small-collide',
  'medium-collide',
  'medium-same',
  'medium-die',
  'medium-fixed',
  'medium-perport',
] as const;
export const RUNS = [...RECORDED, 'churn-small', 'churn-medium', 'churn-die'] as const;
export const isRecorded = (run: string): boolean => (RECORDED as readonly string[]).includes(run);

/** Path of a run's file, packed or not. */
export function fileOf(run: string, name: string): string {
  const path = sharedPath(`neutron/${run}/${name}`);
  return existsSync(path) ? path : `${path}.gz`;
}

/** The replay of a run from its text schedule. */
export function optionsOf(run: string): ReplayOptions {
  return {
    captures: [fileOf(run, 'sent.pcap.gz')],
    before: fileOf(run, 'before.dump'),
    changes: [fileOf(run, 'schedule.ndjson.gz')],
    ports: [fileOf(run, 'bridge.json')],
    portOf: fileOf(run, 'sent.ports.jsonl.gz'),
    conntrack: 'ovs-userspace',
  };
}

/** What `--verdicts` says of a packet. */
export interface VerdictLine {
  readonly n: number;
  readonly t: string;
  readonly in: number;
  readonly outcome: string;
  readonly out: readonly number[];
  readonly frames?: readonly (readonly [port: number, hex: string])[];
  readonly ct: readonly { readonly zone: number; readonly state: string; readonly mark: number }[];
  readonly version: number;
  readonly before?: { readonly outcome: string; readonly out: readonly number[] };
  readonly after?: { readonly outcome: string; readonly out: readonly number[] };
  readonly kind?: string;
  readonly window?: number;
}

export interface Replayed {
  readonly result: ReplayResult;
  readonly lines: readonly VerdictLine[];
  readonly conntrack: FinalConntrack;
}

/** A replay with verdict lines and the entries at its end. */
export async function replayWhole(options: ReplayOptions): Promise<Replayed> {
  let text = '';
  const { result, conntrack } = await replay({
    ...options,
    entries: true,
    onVerdicts: (piece) => {
      text += piece;
    },
  });
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith('{"n"'))
    .map((line) => JSON.parse(line) as VerdictLine);
  return { result, lines, conntrack: conntrack! };
}

/** What the real switch did, event by event (../shared/neutron/README.md, "Exact gold"). */
export type GoldEvent =
  | { readonly n: number; readonly out: readonly (readonly [number, string])[]; readonly ct: VerdictLine['ct'] }
  | { readonly step: number; readonly t: number }
  | { readonly conntrack: object; readonly t: number; readonly deleted: number };

export const goldOf = (run: string): GoldEvent[] => readJsonLines<GoldEvent>(`neutron/${run}/gold.jsonl.gz`);

/** Lines of the switch's own dump of its entries, sorted. */
export const goldEntries = (run: string): string[] => linesOf(`neutron/${run}/gold_conntrack.txt`).sort();

export const linesOf = (name: string): string[] =>
  readShared(name)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');

/** Windows that say the same thing for two sources of one restart, with times within `toleranceNs`: the fields that differ. */
export function windowsDiffer(mine: ReplayResult, other: ReplayResult, toleranceNs = 0): string[] {
  const differing: string[] = [];
  const theirs = new Map(other.windows.map((window) => [window.id, window]));
  for (const window of mine.windows) {
    const twin = theirs.get(window.id);
    theirs.delete(window.id);
    if (twin === undefined) differing.push(`window ${window.id} is only in the first`);
    else differences(`window ${window.id}`, window, twin, toleranceNs, differing);
  }
  for (const id of theirs.keys()) differing.push(`window ${id} is only in the second`);
  return differing;
}

/** Times of a trace are texts, durations integers beyond a million. */
function differences(path: string, a: unknown, b: unknown, toleranceNs: number, found: string[]): void {
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) {
    const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
    for (const key of new Set([...Object.keys(x), ...Object.keys(y)]))
      differences(`${path}.${key}`, x[key], y[key], toleranceNs, found);
    return;
  }
  if (a === b || (typeof a === typeof b && isNear(a, b, toleranceNs))) return;
  found.push(`${path}: ${a} / ${b}`);
}

const TIME = /^\d+\.\d{9}$/;

function isNear(a: unknown, b: unknown, toleranceNs: number): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.min(a, b) > 1e6 && Math.abs(a - b) <= 2 * toleranceNs;
  if (typeof a !== 'string' || typeof b !== 'string' || !TIME.test(a) || !TIME.test(b)) return false;
  const apart = Number(BigInt(a.replace('.', '')) - BigInt(b.replace('.', '')));
  return Math.abs(apart) <= toleranceNs;
}
