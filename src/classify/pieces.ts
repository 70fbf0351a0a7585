/** From the cells that fit a header to the answer at a version and the versions over which it holds, at both ends exactly. */
import type { OrderEpoch } from '../timeline/timeline.js';
import { NEVER } from '../util/units.js';
import { ABSENT, type Cell, type Chain, chainOf, type TableCells } from './cells.js';
import type { Evaluator } from './evaluate.js';
import { possibleAnswers } from './possible.js';

export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly rule: number;
  readonly conjId: number | null;
  /** Answers with other actions that another order of masks would give; only where the order is not known. */
  readonly others: readonly number[];
}

const NO_RULES: readonly number[] = [];
const NOT_ASKED = -2;

/** The cells of one header, over all versions. */
export class CandidateSet {
  private readonly table: TableCells;
  private readonly evaluator: Evaluator;
  /** In the order of their masks at the time of `sortedFor`. */
  private readonly cells: Cell[];
  private sortedFor: OrderEpoch | null = null;
  /** Ascending, first one 0: between two of them neither rules nor the order of their masks change. */
  private readonly bounds: Int32Array;
  /** What is known about the stretch from each bound on. */
  private readonly rule: Int32Array;
  private readonly conjId: (number | null)[];
  private readonly others: (readonly number[])[] = [];

  constructor(table: TableCells, evaluator: Evaluator, cells: Cell[]) {
    this.table = table;
    this.evaluator = evaluator;
    this.cells = cells;
    this.bounds = boundsOf(table, cells);
    this.rule = new Int32Array(this.bounds.length).fill(NOT_ASKED);
    this.conjId = new Array<number | null>(this.bounds.length).fill(null);
  }

  /** The answer at `version`, with the longest stretch of versions over which it is the same. */
  pieceAt(version: number): Piece {
    const { bounds } = this;
    const at = lastUpTo(bounds, version);
    this.ask(at);
    let first = at;
    while (first > 0 && this.isSame(first - 1, at)) first--;
    let end = at + 1;
    while (end < bounds.length && this.isSame(end, at)) end++;
    return {
      from: bounds[first]!,
      to: end < bounds.length ? bounds[end]! : NEVER,
      rule: this.rule[at]!,
      conjId: this.conjId[at]!,
      others: this.others[at] ?? NO_RULES,
    };
  }

  /** Rule indices of the clause flows that completed the answer's id, by clause; none for an ordinary match. */
  clausesAt(version: number): number[] {
    const clauses: number[] = [];
    this.sortAt(version);
    this.evaluator.evaluate(this.cells, version, clauses);
    return clauses;
  }

  private ask(at: number): void {
    if (this.rule[at] !== NOT_ASKED) return;
    const version = this.bounds[at]!;
    this.sortAt(version);
    this.evaluator.evaluate(this.cells, version);
    const { rule, conjId } = this.evaluator;
    this.rule[at] = rule;
    this.conjId[at] = conjId;
    if (this.table.timeline.orderKnown) return;
    const possible = [...possibleAnswers(this.table, this.cells, version)];
    const actions = this.actionsOf(rule);
    this.others[at] = possible.filter((other) => this.actionsOf(other) !== actions).sort((a, b) => a - b);
  }

  /** As text; a miss does what a rule without actions does. */
  private actionsOf(rule: number): string {
    const actions = rule < 0 ? [] : this.table.timeline.rules[rule]!.rule.actions;
    return JSON.stringify(actions, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
  }

  private isSame(a: number, b: number): boolean {
    this.ask(a);
    if (this.rule[a] !== this.rule[b] || this.conjId[a] !== this.conjId[b]) return false;
    const others = this.others[a] ?? NO_RULES;
    const same = this.others[b] ?? NO_RULES;
    return others.length === same.length && others.every((rule, i) => rule === same[i]);
  }

  /** Insertion sort: from one epoch to the next almost nothing moves. */
  private sortAt(version: number): void {
    const epoch = epochAt(this.table, version);
    if (epoch === this.sortedFor) return;
    this.sortedFor = epoch;
    const rank = this.table.rankIn(epoch);
    const { cells } = this;
    for (let i = 1; i < cells.length; i++) {
      const cell = cells[i]!;
      let place = i;
      for (; place > 0 && rank[cells[place - 1]!.mask]! > rank[cell.mask]!; place--) cells[place] = cells[place - 1]!;
      cells[place] = cell;
    }
  }
}

/** Where rules of these cells come or go that a header can meet, or where their masks change places. */
function boundsOf(table: TableCells, cells: readonly Cell[]): Int32Array {
  const bounds = [0];
  const ids: number[] = [];
  for (let i = 0; i < cells.length; i++) addLifetimes(table, chainOf(cells[i]!, 0), bounds, ids);
  const distinct = new Set(ids);
  distinct.delete(0);
  for (const { byId } of cells) {
    if (byId === null) continue;
    for (const id of distinct) {
      const chain = byId.get(id);
      if (chain !== undefined) addLifetimes(table, chain, bounds, ids);
    }
  }
  addOrderChanges(table, cells, bounds);
  const sorted = new Int32Array(bounds).sort();
  let count = 1;
  for (let i = 1; i < sorted.length; i++) if (sorted[i] !== sorted[i - 1]) sorted[count++] = sorted[i]!;
  return sorted.slice(0, count);
}

/** Beginnings and ends of a chain's rules, and the ids that its clause flows name. */
function addLifetimes(table: TableCells, chain: Chain, bounds: number[], ids: number[]): void {
  const { rules } = table.timeline;
  for (let i = 0; i < chain.length; i++) {
    const slot = chain[i]!.rules;
    for (let j = 0; j < slot.length; j++) {
      const { from, to } = rules[slot[j]!]!;
      bounds.push(from);
      if (to !== NEVER) bounds.push(to);
      const clauses = table.clauses(slot[j]!);
      if (clauses !== null) for (let k = 0; k < clauses.ids.length; k++) ids.push(clauses.ids[k]!);
    }
  }
}

/** Versions at which two of the cells' masks that stay change places. */
function addOrderChanges(table: TableCells, cells: readonly Cell[], out: number[]): void {
  const swapping = table.swappingEpochs();
  if (swapping.length === 0) return;
  const { epochs } = table.timeline.tables.get(table.table)!;
  const mine = [...new Set(cells.map((cell) => cell.mask))];
  for (const i of swapping) {
    const old = table.rankIn(epochs[i - 1]!);
    const rank = table.rankIn(epochs[i]!);
    const staying = mine.filter((mask) => old[mask] !== ABSENT && rank[mask] !== ABSENT);
    staying.sort((a, b) => old[a]! - old[b]!);
    if (staying.some((mask, at) => at > 0 && rank[mask]! < rank[staying[at - 1]!]!)) out.push(epochs[i]!.from);
  }
}

function epochAt(table: TableCells, version: number): OrderEpoch {
  const { epochs } = table.timeline.tables.get(table.table)!;
  let low = 0;
  let high = epochs.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (epochs[middle]!.from <= version) low = middle;
    else high = middle;
  }
  return epochs[low]!;
}

function lastUpTo(bounds: Int32Array, version: number): number {
  let low = 0;
  let high = bounds.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (bounds[middle]! <= version) low = middle;
    else high = middle;
  }
  return low;
}
