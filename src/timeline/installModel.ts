/** How an agent may have installed a change of which only the outcome is known: `--install batch=100,gap=20ms,order=dump`. */
import { UsageError } from '../util/errors.js';
import { nearMiss } from '../util/text.js';
import { parseDuration } from '../util/time.js';
import { type DumpChange, type DumpEntry, dumpChanges } from './dumpChanges.js';
import type { Schedule, TableStep } from './schedule.js';

export type InstallOrder = 'dump' | 'delete-last' | 'add-last' | 'bundle';

export interface InstallModel {
  /** Flow-mods per bundle. */
  readonly batch: number;
  /** ns from one batch to the next. */
  readonly gap: bigint;
  /**
   * dump: table by table, in each the additions in the order of the later dump, then the deletions; delete-last: all
   * additions first; add-last: all deletions first; bundle: everything as one bundle.
   */
  readonly order: InstallOrder;
}

export const DEFAULT_INSTALL: InstallModel = { batch: 100, gap: 20_000_000n, order: 'dump' };

const ORDERS: readonly InstallOrder[] = ['dump', 'delete-last', 'add-last', 'bundle'];
const KEYS = ['batch', 'gap', 'order'];

/** Reads the value of `--install`; what it does not name keeps its default. UsageError. */
export function parseInstall(text: string): InstallModel {
  let model = DEFAULT_INSTALL;
  for (const part of text.split(',')) {
    const [key, value] = part.trim().split(/=(.*)/s) as [string, string | undefined];
    if (value === undefined || !KEYS.includes(key)) {
      const near = nearMiss(key, KEYS);
      throw new UsageError(
        `unknown part of --install: "${part}"`,
        near === null || near === key ? '--install batch=100,gap=20ms,order=dump' : `did you mean "${near}="?`,
      );
    }
    if (key === 'batch') model = { ...model, batch: readBatch(value) };
    else if (key === 'gap') model = { ...model, gap: parseDuration(value) };
    else model = { ...model, order: readOrder(value) };
  }
  return model;
}

/** A schedule with times relative to the start of the trace; its first batch acts at 0. */
export function scheduleByModel(
  before: readonly DumpEntry[],
  after: readonly (readonly DumpEntry[])[],
  model: InstallModel,
): Schedule {
  const steps: TableStep[] = [];
  let last = before;
  let batches = 0;
  for (const rules of after) {
    const mods = ordered(
      dumpChanges(last, rules, () => true),
      model.order,
    ).map(({ mod }) => mod);
    const size = model.order === 'bundle' ? Math.max(1, mods.length) : model.batch;
    for (let from = 0; from < mods.length; from += size) {
      const part = mods.slice(from, from + size);
      const t = BigInt(batches++) * model.gap;
      const bundle = size > 1;
      steps.push({ kind: 'tables', t: { earliest: t, latest: t }, mods: part, bundle, batch: batches, note: null });
    }
    last = rules;
  }
  return { source: 'dumps', clock: 'relative', fidelity: 'model', of: '1.3', steps, warnings: [] };
}

function ordered(changes: readonly DumpChange[], order: InstallOrder): DumpChange[] {
  const adds = changes.filter(({ kind }) => kind !== 'deleted');
  const deletes = changes.filter(({ kind }) => kind === 'deleted');
  if (order === 'add-last') return [...deletes, ...adds];
  const all = [...adds, ...deletes];
  // The sort is stable: within a table additions stay before deletions.
  return order === 'dump' ? all.sort((a, b) => a.mod.table - b.mod.table) : all;
}

function readBatch(text: string): number {
  const batch = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (batch < 1) throw new UsageError(`not a number of flow-mods: "${text}"`, '--install batch=100');
  return batch;
}

function readOrder(text: string): InstallOrder {
  const order = ORDERS.find((candidate) => candidate === text);
  if (order !== undefined) return order;
  const near = nearMiss(text, ORDERS);
  throw new UsageError(
    `unknown order: "${text}"`,
    near === null ? `orders are ${ORDERS.join(', ')}` : `did you mean "${near}"?`,
  );
}
