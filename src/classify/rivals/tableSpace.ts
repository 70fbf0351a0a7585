/**
 * Tuple space search over OpenFlow tables of all versions, as Open vSwitch looks up (lib/classifier.c): one hash table per
 * mask, all of them asked, then the exact rule for priorities and conjunctions over what fits. Which cells fit is found anew
 * for every header; what OVS makes of a set of cells at a version is remembered with the set, so that the search is what is
 * measured.
 */
import type { Timeline } from '../../timeline/timeline.js';
import { NEVER } from '../../util/units.js';
import { type Cell, TableCells } from '../cells.js';
import type { Classifier, LookupExplanation, LookupResult } from '../classifier.js';
import { RuleClauses } from '../clauses.js';
import { Evaluator } from '../evaluate.js';
import { CandidateSet, type Piece } from '../pieces.js';

export class TableSpace implements Classifier {
  private readonly tables: (SpaceTable | undefined)[] = [];

  /** `timeline` must be finished: what is added to it later is not seen. */
  constructor(timeline: Timeline) {
    const clauses = new RuleClauses(timeline);
    for (const table of timeline.tables.keys())
      this.tables[table] = new SpaceTable(new TableCells(timeline, clauses, table));
  }

  lookup(table: number, key: Int32Array, version: number, out: LookupResult): void {
    const piece = this.tables[table]?.pieceOf(key, version);
    out.rule = piece?.rule ?? -1;
    out.from = piece?.from ?? 0;
    out.to = piece?.to ?? NEVER;
    out.conjId = piece?.conjId ?? null;
    if (out.otherRules.length > 0) out.otherRules.length = 0;
    if (piece !== undefined && piece.others.length > 0) out.otherRules.push(...piece.others);
    out.ambiguous = out.otherRules.length > 0;
  }

  explain(table: number, key: Int32Array, version: number): LookupExplanation {
    const space = this.tables[table];
    return space?.explain(key, version) ?? { rule: -1, conjId: null, clauses: [], from: 0, to: NEVER };
  }
}

/** The cells of one mask, in chains by hash. */
interface Subtable {
  readonly words: Int32Array;
  readonly masks: Int32Array;
  readonly heads: Int32Array;
  readonly slotMask: number;
}

/** What is known about a set of cells. */
interface Known {
  readonly numbers: Int32Array;
  readonly candidates: CandidateSet;
  readonly pieces: Piece[];
}

class SpaceTable {
  private readonly table: TableCells;
  private readonly evaluator: Evaluator;
  private readonly subtables: Subtable[] = [];
  /** By cell: the next one of its chain, -1 none. */
  private readonly next: Int32Array;
  private readonly fitting: Int32Array;
  private readonly known = new Map<number, Known[]>();

  constructor(table: TableCells) {
    this.table = table;
    table.update();
    this.evaluator = new Evaluator(table);
    const byMask: Cell[][] = [];
    for (const cell of table.cells) {
      byMask[cell.mask] ??= [];
      byMask[cell.mask]!.push(cell);
    }
    this.next = new Int32Array(table.cells.length).fill(-1);
    for (const cells of byMask) if (cells !== undefined) this.subtables.push(this.subtableOf(cells));
    this.fitting = new Int32Array(this.subtables.length);
  }

  pieceOf(key: Int32Array, version: number): Piece {
    const { pieces, candidates } = this.knownFor(key);
    for (let i = 0; i < pieces.length; i++)
      if (version >= pieces[i]!.from && version < pieces[i]!.to) return pieces[i]!;
    const piece = candidates.pieceAt(version);
    pieces.push(piece);
    return piece;
  }

  explain(key: Int32Array, version: number): LookupExplanation {
    const { candidates } = this.knownFor(key);
    const { from, to, rule, conjId } = candidates.pieceAt(version);
    return { rule, conjId, clauses: candidates.clausesAt(version), from, to };
  }

  private knownFor(key: Int32Array): Known {
    const count = this.search(key);
    const { fitting } = this;
    let hash = count;
    for (let i = 0; i < count; i++) hash = (Math.imul(hash, 31) + fitting[i]!) | 0;
    let list = this.known.get(hash);
    if (list === undefined) {
      list = [];
      this.known.set(hash, list);
    }
    for (let i = 0; i < list.length; i++) if (sameNumbers(list[i]!.numbers, fitting, count)) return list[i]!;
    const numbers = fitting.slice(0, count);
    const cells = Array.from(numbers, (number) => this.table.cells[number]!);
    const made = { numbers, candidates: new CandidateSet(this.table, this.evaluator, cells), pieces: [] };
    list.push(made);
    return made;
  }

  /** Fills `fitting` with the numbers of the cells that fit, at most one per mask; returns how many. */
  private search(key: Int32Array): number {
    const { subtables, next, fitting } = this;
    const { cells } = this.table;
    let count = 0;
    for (let s = 0; s < subtables.length; s++) {
      const { words, masks, heads, slotMask } = subtables[s]!;
      let hash = 0;
      for (let i = 0; i < words.length; i++) hash = mix(hash, key[words[i]!]! & masks[i]!);
      for (let cell = heads[finish(hash) & slotMask]!; cell >= 0; cell = next[cell]!) {
        const { values } = cells[cell]!;
        let i = 0;
        while (i < words.length && (key[words[i]!]! & masks[i]!) === values[i]) i++;
        if (i < words.length) continue;
        fitting[count++] = cell;
        break;
      }
    }
    return count;
  }

  private subtableOf(cells: readonly Cell[]): Subtable {
    let slots = 4;
    while (slots < cells.length) slots *= 2;
    const heads = new Int32Array(slots).fill(-1);
    for (const { number, values } of cells) {
      let hash = 0;
      for (let i = 0; i < values.length; i++) hash = mix(hash, values[i]!);
      const slot = finish(hash) & (slots - 1);
      this.next[number] = heads[slot]!;
      heads[slot] = number;
    }
    return { words: cells[0]!.words, masks: cells[0]!.masks, heads, slotMask: slots - 1 };
  }
}

function mix(hash: number, value: number): number {
  const h = Math.imul(hash ^ value, 0x9e3779b1);
  return (h << 13) | (h >>> 19);
}

function finish(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}

function sameNumbers(numbers: Int32Array, fitting: Int32Array, count: number): boolean {
  if (numbers.length !== count) return false;
  for (let i = 0; i < count; i++) if (numbers[i] !== fitting[i]) return false;
  return true;
}
