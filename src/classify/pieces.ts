/** From the cells that fit a header to the answer at a version and the versions over which it holds, at both ends exactly. */
import type { OrderEpoch } from '../timeline/timeline.js';
import { NEVER } from '../util/units.js';
import { ABSENT, type Cell, type Chain, chainOf, type TableCells } from './cells.js';
import { type Answer, evaluate } from './evaluate.js';
import { possibleAnswers } from './possible.js';

export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly rule: number;
  readonly conjId: number | null;
  /** Other answers that another order of masks would give; only where the order is not known. */
  readonly others: readonly number[];
}

/** The cells of one header, over all versions. */
export class CandidateSet {
  private readonly table: TableCells;
  private readonly cells: readonly Cell[];
  /** Ascending, first one 0: between two of them neither rules nor the order of their masks change. */
  private readonly bounds: readonly number[];
  private readonly known: (Known | undefined)[] = [];

  constructor(table: TableCells, cells: readonly Cell[]) {
    this.table = table;
    this.cells = cells;
    this.bounds = boundsOf(table, cells);
  }

  /** The answer at `version`, with the longest stretch of versions over which it is the same. */
  pieceAt(version: number): Piece {
    const { bounds } = this;
    const at = indexAt(bounds, version);
    const answer = this.answerOf(at);
    let first = at;
    while (first > 0 && isSame(this.answerOf(first - 1), answer)) first--;
    let end = at + 1;
    while (end < bounds.length && isSame(this.answerOf(end), answer)) end++;
    return { from: bounds[first]!, to: end < bounds.length ? bounds[end]! : NEVER, ...answer };
  }

  explain(version: number): Answer {
    const answer: Answer = { rule: -1, conjId: null, clauses: [] };
    evaluate(this.table, this.orderedAt(version), version, answer, true);
    return answer;
  }

  private answerOf(at: number): Known {
    let known = this.known[at];
    if (known === undefined) {
      const version = this.bounds[at]!;
      evaluate(this.table, this.orderedAt(version), version, scratch, false);
      const { rule, conjId } = scratch;
      const others = this.table.timeline.orderKnown
        ? NO_RULES
        : [...possibleAnswers(this.table, this.cells, version)].filter((other) => other !== rule).sort((a, b) => a - b);
      known = { rule, conjId, others };
      this.known[at] = known;
    }
    return known;
  }

  private orderedAt(version: number): readonly Cell[] {
    const rank = this.table.rankIn(epochAt(this.table, version));
    return [...this.cells].sort((a, b) => rank[a.mask]! - rank[b.mask]!);
  }
}

interface Known {
  readonly rule: number;
  readonly conjId: number | null;
  readonly others: readonly number[];
}

const NO_RULES: readonly number[] = [];
const scratch: Answer = { rule: -1, conjId: null, clauses: [] };

function isSame(a: Known, b: Known): boolean {
  return (
    a.rule === b.rule &&
    a.conjId === b.conjId &&
    a.others.length === b.others.length &&
    a.others.every((rule, i) => rule === b.others[i])
  );
}

function boundsOf(table: TableCells, cells: readonly Cell[]): number[] {
  const { rules } = table.timeline;
  const bounds = new Set([0]);
  const ids = new Set<number>();
  const take = (chain: Chain): void => {
    for (const slot of chain)
      for (const index of slot.rules) {
        const { from, to } = rules[index]!;
        bounds.add(from);
        if (to !== NEVER) bounds.add(to);
        for (const id of table.clauses(index)?.ids ?? NO_RULES) ids.add(id);
      }
  };
  for (const cell of cells) take(chainOf(cell, 0));
  for (const id of ids) if (id !== 0) for (const cell of cells) if (cell.byId !== null) take(chainOf(cell, id));
  for (const version of orderChanges(table, cells)) bounds.add(version);
  return [...bounds].sort((a, b) => a - b);
}

/** Versions at which two of the cells' masks that stay change places. */
function* orderChanges(table: TableCells, cells: readonly Cell[]): IterableIterator<number> {
  const { epochs } = table.timeline.tables.get(table.table)!;
  const mine = [...new Set(cells.map((cell) => cell.mask))];
  if (mine.length < 2) return;
  for (let epoch = 1; epoch < epochs.length; epoch++) {
    const old = table.rankIn(epochs[epoch - 1]!);
    const rank = table.rankIn(epochs[epoch]!);
    const staying = mine.filter((mask) => old[mask] !== ABSENT && rank[mask] !== ABSENT);
    staying.sort((a, b) => old[a]! - old[b]!);
    if (staying.some((mask, i) => i > 0 && rank[mask]! < rank[staying[i - 1]!]!)) yield epochs[epoch]!.from;
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

function indexAt(bounds: readonly number[], version: number): number {
  let low = 0;
  let high = bounds.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (bounds[middle]! <= version) low = middle;
    else high = middle;
  }
  return low;
}
