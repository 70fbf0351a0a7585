/**
 * The exact rule by which OVS 3.1.0 chooses (lib/classifier.c:classifier_lookup__() and find_conjunctive_match()): the cells
 * that fit a header, in the order of their masks, at one version.
 */
import { type Cell, type Chain, chainOf, headAt, type TableCells } from './cells.js';
import type { Clauses } from './clauses.js';

const NOTHING = -1;
const ANY_PRIORITY = 0x10000;

export class Evaluator {
  private readonly table: TableCells;
  /** The clause flows that are still of interest ("soft" in OVS): chain, its present rule (or NOTHING), that rule's priority. */
  private readonly softChain: Chain[] = [];
  private readonly softRule: number[] = [];
  private readonly softPriority: number[] = [];
  private softCount = 0;
  /** Per id (dense number): the level that has met it, and which clauses it lacks there, as 64 bits. */
  private readonly metIn: number[] = [];
  private readonly lacksLow: number[] = [];
  private readonly lacksHigh: number[] = [];
  private level = 0;
  /** The answer: a rule or -1, and the conjunction id that led to it. */
  rule = NOTHING;
  conjId: number | null = null;

  constructor(table: TableCells) {
    this.table = table;
  }

  /** `ordered`: the fitting cells, first visited first. Fills `rule` and `conjId`, and on demand `clauses` by clause. */
  evaluate(ordered: readonly Cell[], version: number, clauses: number[] | null = null): void {
    const { table, softChain, softRule, softPriority } = this;
    const { rules } = table.timeline;
    this.conjId = null;
    this.softCount = 0;
    let best = NOTHING;
    let bestPriority = -1;
    for (let i = 0; i < ordered.length; i++) {
      const chain = chainOf(ordered[i]!, 0);
      const rule = headAt(rules, chain, version, ANY_PRIORITY);
      if (rule < 0) continue;
      const { priority } = rules[rule]!.rule;
      if (priority <= bestPriority) continue;
      if (table.clauses(rule) === null) {
        best = rule;
        bestPriority = priority;
      } else {
        softChain[this.softCount] = chain;
        softRule[this.softCount] = rule;
        softPriority[this.softCount++] = priority;
      }
    }
    for (;;) {
      const priority = this.dropUpTo(bestPriority);
      if (priority < 0) {
        this.rule = best;
        return;
      }
      if (this.completeLevel(ordered, version, priority, clauses)) return;
      for (let i = 0; i < this.softCount; i++) {
        if (softPriority[i] !== priority) continue;
        const rule = headAt(rules, softChain[i]!, version, priority);
        softRule[i] = rule;
        if (rule < 0) continue;
        softPriority[i] = rules[rule]!.rule.priority;
        if (table.clauses(rule) !== null) continue;
        if (softPriority[i]! > bestPriority) {
          best = rule;
          bestPriority = softPriority[i]!;
        }
        softRule[i] = NOTHING;
      }
    }
  }

  /**
   * Drops soft flows that are empty or not above `priority`; each is overwritten by the last one, so the order of the others
   * may change. Returns the highest priority that is left, -1 if none.
   */
  private dropUpTo(priority: number): number {
    const { softChain, softRule, softPriority } = this;
    let highest = -1;
    for (let i = 0; i < this.softCount; ) {
      if (softRule[i]! >= 0 && softPriority[i]! > priority) {
        if (softPriority[i]! > highest) highest = softPriority[i]!;
        i++;
        continue;
      }
      const last = --this.softCount;
      softChain[i] = softChain[last]!;
      softRule[i] = softRule[last]!;
      softPriority[i] = softPriority[last]!;
    }
    return highest;
  }

  /** Visits the flows of one level in order; the first complete id for which the second lookup finds a rule decides. */
  private completeLevel(
    ordered: readonly Cell[],
    version: number,
    priority: number,
    clauses: number[] | null,
  ): boolean {
    const { table, softRule, softPriority } = this;
    let flowCount = 0;
    for (let i = 0; i < this.softCount; i++) if (softPriority[i] === priority) flowCount++;
    this.level++;
    while (this.metIn.length < table.ruleClauses.idCount) {
      this.metIn.push(0);
      this.lacksLow.push(0);
      this.lacksHigh.push(0);
    }
    for (let i = 0; i < this.softCount; i++) {
      if (softPriority[i] !== priority) continue;
      const flow = table.clauses(softRule[i]!)!;
      const at = this.firstComplete(flow, flowCount);
      if (at < 0) continue;
      const id = flow.ids[at]!;
      const rule = this.bestOrdinary(ordered, version, id);
      if (rule < 0) continue;
      this.rule = rule;
      this.conjId = id;
      if (clauses !== null) this.clauseFlows(i, priority, id, clauses);
      return true;
    }
    return false;
  }

  /** Takes in one flow; the place in its list of the first id that is complete with it, or -1. */
  private firstComplete({ idNumbers, clause, n, minN }: Clauses, flowCount: number): number {
    const { metIn, lacksLow, lacksHigh, level } = this;
    if (flowCount < minN) return -1;
    for (let i = 0; i < idNumbers.length; i++) {
      const needed = n[i]!;
      if (needed > flowCount) continue;
      const id = idNumbers[i]!;
      if (metIn[id] !== level) {
        metIn[id] = level;
        // All ones shifted by n modulo 64 in OVS: of 64 clauses none is needed.
        lacksLow[id] = needed === 64 ? 0 : needed >= 32 ? -1 : (1 << needed) - 1;
        lacksHigh[id] = needed === 64 || needed <= 32 ? 0 : (1 << (needed - 32)) - 1;
      }
      const bit = clause[i]! - 1;
      if (bit < 32) lacksLow[id]! &= ~(1 << bit);
      else lacksHigh[id]! &= ~(1 << (bit - 32));
      if (lacksLow[id] === 0 && lacksHigh[id] === 0) return i;
    }
    return -1;
  }

  /** The second lookup: clause flows do not count, but each still hides the rules of identical match below it. */
  private bestOrdinary(ordered: readonly Cell[], version: number, conjId: number): number {
    const { rules } = this.table.timeline;
    let best = NOTHING;
    let bestPriority = -1;
    for (let i = 0; i < ordered.length; i++) {
      const rule = headAt(rules, chainOf(ordered[i]!, conjId), version, ANY_PRIORITY);
      if (rule < 0) continue;
      const { priority } = rules[rule]!.rule;
      if (priority <= bestPriority || this.table.clauses(rule) !== null) continue;
      best = rule;
      bestPriority = priority;
    }
    return best;
  }

  /** The flows of the level up to soft flow `last` that brought a clause of the id first, by clause. */
  private clauseFlows(last: number, priority: number, id: number, out: number[]): void {
    const byClause = new Map<number, number>();
    for (let i = 0; i <= last; i++) {
      if (this.softPriority[i] !== priority) continue;
      const { ids, clause } = this.table.clauses(this.softRule[i]!)!;
      for (let j = 0; j < ids.length; j++)
        if (ids[j] === id && !byClause.has(clause[j]!)) byClause.set(clause[j]!, this.softRule[i]!);
    }
    out.push(...[...byClause].sort(([a], [b]) => a - b).map(([, rule]) => rule));
  }
}
