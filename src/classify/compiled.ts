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
import { CandidateSet } from './pieces.js';
import { TableMachine } from './tableMachine.js';

export class CompiledClassifier implements Classifier {
  private readonly tables: (CompiledTable | undefined)[] = [];

  /** `timeline` must be finished: what is added to it later is not seen. */
  constructor(timeline: Timeline) {
    const clauses = new RuleClauses(timeline);
    for (const table of timeline.tables.keys())
      this.tables[table] = new CompiledTable(new TableCells(timeline, clauses, table));
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

const NO_PIECE = -1;
const INITIAL_PIECES = 256;

class CompiledTable {
  private readonly table: TableCells;
  private readonly evaluator: Evaluator;
  private readonly machine: TableMachine;
  /** By final state of the machine. */
  private candidates: (CandidateSet | undefined)[] = [];
  private firstPiece = new Int32Array(INITIAL_PIECES).fill(NO_PIECE);
  /** Pieces found so far; those of a state are a linked list, the last one used in front. */
  private count = 0;
  private from = new Int32Array(INITIAL_PIECES);
  private to = new Int32Array(INITIAL_PIECES);
  private rule = new Int32Array(INITIAL_PIECES);
  private next = new Int32Array(INITIAL_PIECES);
  private conjId: (number | null)[] = [];
  private others: (readonly number[])[] = [];

  constructor(table: TableCells) {
    this.table = table;
    this.table.update();
    this.evaluator = new Evaluator(this.table);
    this.machine = new TableMachine(this.table.cells, () => this.forget());
  }

  /** Called per packet, allocates nothing for known headers and versions. */
  lookup(key: Int32Array, version: number, out: LookupResult): void {
    const state = this.machine.run(key);
    let piece = state < this.firstPiece.length ? this.firstPiece[state]! : NO_PIECE;
    if (piece === NO_PIECE || version < this.from[piece]! || version >= this.to[piece]!)
      piece = this.findPiece(state, version);
    out.rule = this.rule[piece]!;
    out.from = this.from[piece]!;
    out.to = this.to[piece]!;
    out.conjId = this.conjId[piece]!;
    const others = this.others[piece]!;
    out.ambiguous = others.length > 0;
    out.otherRules.length = 0;
    for (let i = 0; i < others.length; i++) out.otherRules.push(others[i]!);
  }

  explain(key: Int32Array, version: number): LookupExplanation {
    const candidates = this.candidatesOf(this.machine.run(key));
    const { from, to, rule, conjId } = candidates.pieceAt(version);
    return { rule, conjId, clauses: candidates.clausesAt(version), from, to };
  }

  /** Looks through the state's further pieces, finds the one out that is missing, and puts it in front. */
  private findPiece(state: number, version: number): number {
    this.makeRoom(state);
    const first = this.firstPiece[state]!;
    for (let before = first; before !== NO_PIECE; before = this.next[before]!) {
      const piece = this.next[before]!;
      if (piece === NO_PIECE || version < this.from[piece]! || version >= this.to[piece]!) continue;
      this.next[before] = this.next[piece]!;
      this.next[piece] = first;
      this.firstPiece[state] = piece;
      return piece;
    }
    const found = this.candidatesOf(state).pieceAt(version);
    const piece = this.count++;
    this.from[piece] = found.from;
    this.to[piece] = found.to;
    this.rule[piece] = found.rule;
    this.conjId[piece] = found.conjId;
    this.others[piece] = found.others;
    this.next[piece] = first;
    this.firstPiece[state] = piece;
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

  private makeRoom(state: number): void {
    while (state >= this.firstPiece.length) this.firstPiece = grown(this.firstPiece, NO_PIECE);
    if (this.count < this.from.length) return;
    this.from = grown(this.from, 0);
    this.to = grown(this.to, 0);
    this.rule = grown(this.rule, 0);
    this.next = grown(this.next, 0);
  }

  private forget(): void {
    this.candidates = [];
    this.firstPiece.fill(NO_PIECE);
    this.count = 0;
  }
}

function grown(array: Int32Array<ArrayBuffer>, fill: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2).fill(fill);
  larger.set(array);
  return larger;
}
