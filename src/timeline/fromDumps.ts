/**
 * A schedule out of dumps alone. `duration=` and the time of a dump tell when each rule was last added; earlier writes are
 * lost and a modify keeps the duration, so times are brackets and causes are candidates. Without times of dumps the changes
 * are put in an order by an assumed way of installing them (installModel.ts).
 */
import { secondsToNs } from '../util/decimal.js';
import { type DumpChange, type DumpEntry, dumpChanges, entryKey, sameRule } from './dumpChanges.js';
import type { Schedule, TableStep, TimeBracket } from './schedule.js';
import { narrow } from './scheduleTimes.js';

export interface TimedDump {
  readonly rules: readonly DumpEntry[];
  /** When it was taken, ns since 1970. */
  readonly at: bigint;
}

const MS = 1_000_000n;
const SECOND = 1_000_000_000n;
/**
 * A rule of a bundle is created when its message arrives, not at the commit (ofproto.c:handle_bundle_add,
 * ofproto_flow_mod_init): in recorded restarts up to 14 ms earlier with bundles of 100 flow-mods, 50 ms with 500. So rules
 * whose creation times follow each other closely may all have come into force together, some time after the last of them.
 */
const CLUSTER_GAP = 20n * MS;
const COMMIT_DELAY = 50n * MS;

interface Dated extends DumpChange {
  readonly t: TimeBracket;
}

/**
 * Steps between dumps, each a flow-mod of its own: what has a time in its order, then what has none (modifies, deletions),
 * which acts at the earliest after what stands before it.
 * @param before rules at version 0; `at` null when not known
 */
export function scheduleFromDumps(
  before: { readonly rules: readonly DumpEntry[]; readonly at: bigint | null },
  after: readonly TimedDump[],
): Schedule {
  const steps: TableStep[] = [];
  let last = before;
  for (const dump of after) {
    const from = last.at ?? timeOfEarlier(last.rules, dump);
    for (const { mod, t } of inOrder(last.rules, dump, from)) {
      steps.push({ kind: 'tables', t, mods: [mod], bundle: false, batch: null, note: null });
    }
    last = dump;
  }
  return { source: 'dumps', clock: 'unix', fidelity: 'dumps', of: '1.3', steps: narrow(steps), warnings: [] };
}

function inOrder(before: readonly DumpEntry[], dump: TimedDump, from: bigint | null): Dated[] {
  const resolution = resolutionOf(dump.rules);
  const created = (entry: DumpEntry) => {
    const age = ageOf(entry);
    return age === null ? null : dump.at - age;
  };
  const wasAdded = (old: DumpEntry, now: DumpEntry): boolean | null => {
    const t = created(now);
    if (t !== null && from !== null) return t > from + resolution;
    const [oldAge, age] = [ageOf(old), ageOf(now)];
    return oldAge !== null && age !== null && age < oldAge ? true : null;
  };
  const changes = dumpChanges(before, dump.rules, wasAdded);
  const dated: { change: DumpChange; t: bigint }[] = [];
  const undated: DumpChange[] = [];
  for (const change of changes) {
    const t = change.kind === 'added' ? created(change.entry) : null;
    if (t === null) undated.push(change);
    else dated.push({ change, t });
  }
  dated.sort((a, b) => (a.t < b.t ? -1 : a.t > b.t ? 1 : 0));
  const result: Dated[] = [];
  const ends = clusterEnds(dated.map(({ t }) => t));
  for (const [i, { change, t }] of dated.entries()) {
    const earliest = clamp(t - resolution, from ?? t - resolution, dump.at);
    result.push({ ...change, t: { earliest, latest: clamp(ends[i]! + resolution + COMMIT_DELAY, earliest, dump.at) } });
  }
  const start = from ?? result[0]?.t.earliest ?? dump.at;
  for (const change of undated) {
    const t = modifiedAt(change, dump.at) ?? { earliest: start, latest: dump.at };
    result.push({
      ...change,
      t: { earliest: clamp(t.earliest, start, dump.at), latest: clamp(t.latest, start, dump.at) },
    });
  }
  return sortedByEarliest(result, dated.length);
}

/** The dated changes are in order; of the others, those with a narrower bracket than the whole interval go to their place. */
function sortedByEarliest(changes: readonly Dated[], dated: number): Dated[] {
  const placed = changes.slice(0, dated);
  const rest: Dated[] = [];
  for (const change of changes.slice(dated)) (change.hardAge === null ? rest : placed).push(change);
  placed.sort((a, b) => (a.t.earliest < b.t.earliest ? -1 : a.t.earliest > b.t.earliest ? 1 : 0));
  return [...placed, ...rest];
}

/** hard_age (OpenFlow 1.0 only) counts whole seconds since a modify. */
function modifiedAt(change: DumpChange, dumpedAt: bigint): TimeBracket | null {
  if (change.hardAge === null) return null;
  const latest = dumpedAt - BigInt(change.hardAge) * SECOND;
  return { earliest: latest - SECOND, latest };
}

/**
 * When the earlier dump was taken, if it does not say: rules that are the same in both have aged by the time between the
 * dumps, unless they were added again; then they look younger. Null if there are none.
 */
function timeOfEarlier(before: readonly DumpEntry[], dump: TimedDump): bigint | null {
  const olds = new Map(before.map((entry) => [entryKey(entry), entry]));
  let between: bigint | null = null;
  for (const entry of dump.rules) {
    const old = olds.get(entryKey(entry));
    if (old === undefined || !sameRule(old.rule, entry.rule)) continue;
    const [oldAge, age] = [ageOf(old), ageOf(entry)];
    if (oldAge === null || age === null || age < oldAge) continue;
    if (between === null || age - oldAge > between) between = age - oldAge;
  }
  return between === null ? null : dump.at - between;
}

function clusterEnds(times: readonly bigint[]): bigint[] {
  const ends = [...times];
  for (let i = times.length - 2; i >= 0; i--) if (times[i + 1]! - times[i]! <= CLUSTER_GAP) ends[i] = ends[i + 1]!;
  return ends;
}

/** `ovs-ofctl` prints milliseconds, `ovs-appctl bridge/dump-flows` whole seconds. */
function resolutionOf(rules: readonly DumpEntry[]): bigint {
  return rules.some(({ stats }) => stats.duration?.includes('.')) ? MS : SECOND;
}

function ageOf({ stats }: DumpEntry): bigint | null {
  return stats.duration === null ? null : secondsToNs(stats.duration.replace(/s$/, ''));
}

function clamp(t: bigint, from: bigint, to: bigint): bigint {
  return t > to ? to : t < from ? from : t;
}
