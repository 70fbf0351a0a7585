/**
 * The classifier that replays use: all versions compiled once, answers exactly those of the linear one.
 *
 * Two phases. The table's machine takes the header to a state that stands for its candidates over all versions
 * (tableMachine.ts); then the exact rule of OVS (evaluate.ts) is asked once per stretch of versions, and the pieces that came
 * out are remembered with the state. A known header at a known version costs the walk and a look through its few pieces.
 */
import type { Timeline } from '../timeline/timeline.js';
import { NEVER } from '../util/units.js';
import { TableCells } from './cells.js';
import type { Classifier, LookupExplanation, LookupResult } from './classifier.js';
import { RuleClauses } from './clauses.js';
import { Evaluator } from './evaluate.js';
import { CandidateSet, type Piece } from './pieces.js';
import { MACHINE_LIMITS, type MachineLimits, TableMachine } from './tableMachine.js';

export class CompiledClassifier implements Classifier {
  private readonly tables: (CompiledTable | undefined)[] = [];

  /** `timeline` must be finished: what is added to it later is not seen. `limits` bound the memory of each table. */
  constructor(timeline: Timeline, limits: MachineLimits = MACHINE_LIMITS) {
    const clauses = new RuleClauses(timeline);
    for (const table of timeline.tables.keys())
      this.tables[table] = new CompiledTable(new TableCells(timeline, clauses, table), limits);
  }

  lookup(table: number, key: Int32Array, version: number, out: LookupResult): void {
    const compiled = this.tables[table];
    if (compiled !== undefined) {
      compiled.lookup(key, version, out);
      return;
    }
    out.rule = -1;
    out.from = 0;
    out.to = NEVER;
    out.conjId = null;
    out.ambiguous = false;
    out.otherRules.length = 0;
  }

  explain(table: number, key: Int32Array, version: number): LookupExplanation {
    return this.tables[table]?.explain(key, version) ?? { rule: -1, conjId: null, clauses: [], from: 0, to: NEVER };
  }
}

/** Layout of a remembered piece: eight numbers, half a cache line. */
const FROM = 0;
const TO = 1;
const RULE = 2;
/** Next piece of the same state, or NO_PIECE. */
const NEXT = 3;
const CONJ_ID = 4;
/** Bits of IS_CONJUNCTION and IS_AMBIGUOUS. */
const KIND = 5;
const STRIDE = 8;
const IS_CONJUNCTION = 1;
const IS_AMBIGUOUS = 2;

/** Pieces are named by the place where they begin; there is none at 0, so that empty tables need no filling. */
const NO_PIECE = 0;
const INITIAL_PIECES = 256;

class CompiledTable {
  private readonly table: TableCells;
  private readonly evaluator: Evaluator;
  private readonly machine: TableMachine;
  /** By final state of the machine. */
  private candidates: (CandidateSet | undefined)[] = [];
  private firstPiece = new Int32Array(INITIAL_PIECES);
  /** Pieces found so far; those of a state are a linked list, the last one used in front. */
  private pieces = new Int32Array(INITIAL_PIECES * STRIDE);
  private end = STRIDE;
  /** By piece, for ambiguous ones. */
  private others = new Map<number, readonly number[]>();

  constructor(table: TableCells, limits: MachineLimits) {
    this.table = table;
    this.table.update();
    this.evaluator = new Evaluator(this.table);
    this.machine = new TableMachine(this.table.cells, limits, () => this.forget());
  }

  /** Called per packet, allocates nothing for known headers and versions. */
  lookup(key: Int32Array, version: number, out: LookupResult): void {
    const state = this.machine.run(key);
    let piece = state < this.firstPiece.length ? this.firstPiece[state]! : NO_PIECE;
    if (piece === NO_PIECE || version < this.pieces[piece]! || version >= this.pieces[piece + TO]!)
      piece = this.findPiece(state, version);
    const { pieces } = this;
    const kind = pieces[piece + KIND]!;
    out.rule = pieces[piece + RULE]!;
    out.from = pieces[piece + FROM]!;
    out.to = pieces[piece + TO]!;
    out.conjId = (kind & IS_CONJUNCTION) !== 0 ? pieces[piece + CONJ_ID]! >>> 0 : null;
    if (out.otherRules.length > 0) out.otherRules.length = 0;
    out.ambiguous = (kind & IS_AMBIGUOUS) !== 0;
    if (out.ambiguous) out.otherRules.push(...this.others.get(piece)!);
  }

  explain(key: Int32Array, version: number): LookupExplanation {
    const candidates = this.candidatesOf(this.machine.run(key));
    const { from, to, rule, conjId } = candidates.pieceAt(version);
    return { rule, conjId, clauses: candidates.clausesAt(version), from, to };
  }

  /** Looks through the state's further pieces, finds the one out that is missing, and puts it in front. */
  private findPiece(state: number, version: number): number {
    while (state >= this.firstPiece.length) this.firstPiece = doubled(this.firstPiece);
    const first = this.firstPiece[state]!;
    const { pieces } = this;
    for (let before = first; before !== NO_PIECE; before = pieces[before + NEXT]!) {
      const piece = pieces[before + NEXT]!;
      if (piece === NO_PIECE || version < pieces[piece + FROM]! || version >= pieces[piece + TO]!) continue;
      pieces[before + NEXT] = pieces[piece + NEXT]!;
      pieces[piece + NEXT] = first;
      this.firstPiece[state] = piece;
      return piece;
    }
    const found = this.remember(this.candidatesOf(state).pieceAt(version), first);
    this.firstPiece[state] = found;
    return found;
  }

  private remember({ from, to, rule, conjId, others }: Piece, next: number): number {
    const piece = this.end;
    this.end += STRIDE;
    if (this.end > this.pieces.length) this.pieces = doubled(this.pieces);
    const { pieces } = this;
    pieces[piece + FROM] = from;
    pieces[piece + TO] = to;
    pieces[piece + RULE] = rule;
    pieces[piece + NEXT] = next;
    pieces[piece + CONJ_ID] = conjId ?? 0;
    pieces[piece + KIND] = (conjId === null ? 0 : IS_CONJUNCTION) | (others.length > 0 ? IS_AMBIGUOUS : 0);
    if (others.length > 0) this.others.set(piece, others);
    return piece;
  }

  private candidatesOf(state: number): CandidateSet {
    let candidates = this.candidates[state];
    if (candidates === undefined) {
      const cells = this.machine.cellsOf(state).map((number) => this.table.cells[number]!);
      candidates = new CandidateSet(this.table, this.evaluator, cells);
      while (this.candidates.length <= state) this.candidates.push(undefined);
      this.candidates[state] = candidates;
    }
    return candidates;
  }

  private forget(): void {
    this.candidates = [];
    this.firstPiece.fill(NO_PIECE);
    this.others.clear();
    this.end = STRIDE;
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
