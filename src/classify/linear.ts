import type { Timeline } from '../timeline/timeline.js';
import { NEVER } from '../util/units.js';
import { type Cell, TableCells } from './cells.js';
import type { Classifier, LookupExplanation, LookupResult } from './classifier.js';
import { RuleClauses } from './clauses.js';
import { Evaluator } from './evaluate.js';
import { CandidateSet } from './pieces.js';

/**
 * Looks at every rule of the table. Slow and obvious about which rules fit; also right on a timeline that still grows, where
 * `to` means "as far as is known".
 */
export class LinearClassifier implements Classifier {
  private readonly timeline: Timeline;
  private readonly ruleClauses: RuleClauses;
  private readonly tables = new Map<number, { cells: TableCells; evaluator: Evaluator }>();

  constructor(timeline: Timeline) {
    this.timeline = timeline;
    this.ruleClauses = new RuleClauses(timeline);
  }

  lookup(table: number, key: Int32Array, version: number, out: LookupResult): void {
    const piece = this.candidates(table, key)?.pieceAt(version);
    out.rule = piece?.rule ?? -1;
    out.from = piece?.from ?? 0;
    out.to = piece?.to ?? NEVER;
    out.conjId = piece?.conjId ?? null;
    out.otherRules.length = 0;
    if (piece !== undefined) out.otherRules.push(...piece.others);
    out.ambiguous = out.otherRules.length > 0;
  }

  explain(table: number, key: Int32Array, version: number): LookupExplanation {
    const candidates = this.candidates(table, key);
    if (candidates === null) return { rule: -1, conjId: null, clauses: [], from: 0, to: NEVER };
    const { from, to, rule, conjId } = candidates.pieceAt(version);
    return { rule, conjId, clauses: candidates.clausesAt(version), from, to };
  }

  private candidates(number: number, key: Int32Array): CandidateSet | null {
    let table = this.tables.get(number);
    if (table === undefined) {
      const cells = new TableCells(this.timeline, this.ruleClauses, number);
      table = { cells, evaluator: new Evaluator(cells) };
      this.tables.set(number, table);
    }
    const { cells, evaluator } = table;
    if (cells.update() === null) return null;
    const fitting = cells.cells.filter((cell) => fits(cell, key));
    return new CandidateSet(cells, evaluator, fitting);
  }
}

function fits({ words, masks, values }: Cell, key: Int32Array): boolean {
  for (let i = 0; i < words.length; i++) if ((key[words[i]!]! & masks[i]!) !== values[i]!) return false;
  return true;
}
