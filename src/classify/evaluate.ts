/**
 * The exact rule by which OVS chooses (lib/classifier.c:classifier_lookup__() and find_conjunctive_match(); told and
 * measured in CONJ_SEMANTICS sections 2 to 5 and 8): the cells that fit a header, in the order of their masks, at one version.
 */
import { type Cell, type Chain, type Clauses, chainOf, headAt, type TableCells } from './cells.js';

export interface Answer {
  /** -1: no rule matches. */
  rule: number;
  conjId: number | null;
  /** Clause flows that completed the id, by clause; only when asked for. */
  clauses: number[];
}

interface Soft {
  readonly chain: Chain;
  rule: number;
  priority: number;
}

const NOTHING = -1;
const ANY_PRIORITY = 0x10000;

/** `ordered`: the fitting cells, first visited first. */
export function evaluate(
  table: TableCells,
  ordered: readonly Cell[],
  version: number,
  out: Answer,
  explain: boolean,
): void {
  const { rules } = table.timeline;
  out.conjId = null;
  out.clauses = [];
  let best = NOTHING;
  let bestPriority = -1;
  const soft: Soft[] = [];
  for (const cell of ordered) {
    const chain = chainOf(cell, 0);
    const rule = headAt(rules, chain, version, ANY_PRIORITY);
    if (rule < 0) continue;
    const { priority } = rules[rule]!.rule;
    if (priority <= bestPriority) continue;
    if (table.clauses(rule) !== null) soft.push({ chain, rule, priority });
    else {
      best = rule;
      bestPriority = priority;
    }
  }
  for (;;) {
    // What goes is overwritten by the last entry, so the order of the others may change.
    for (let i = 0; i < soft.length; ) {
      if (soft[i]!.rule < 0 || soft[i]!.priority <= bestPriority) {
        const last = soft.pop()!;
        if (i < soft.length) soft[i] = last;
      } else i++;
    }
    if (soft.length === 0) {
      out.rule = best;
      return;
    }
    const priority = soft.reduce((highest, entry) => Math.max(highest, entry.priority), -1);
    const level = soft.filter((entry) => entry.priority === priority);
    const found = new Matches(level.length);
    for (let i = 0; i < level.length; i++) {
      const id = found.complete(table.clauses(level[i]!.rule)!);
      if (id === null) continue;
      const rule = bestOrdinary(table, ordered, version, id);
      if (rule < 0) continue;
      out.rule = rule;
      out.conjId = id;
      if (explain) out.clauses = clauseFlows(table, level.slice(0, i + 1), id);
      return;
    }
    for (const entry of level) {
      entry.rule = headAt(rules, entry.chain, version, priority);
      if (entry.rule < 0) continue;
      entry.priority = rules[entry.rule]!.rule.priority;
      if (table.clauses(entry.rule) !== null) continue;
      if (entry.priority > bestPriority) {
        best = entry.rule;
        bestPriority = entry.priority;
      }
      entry.rule = NOTHING;
    }
  }
}

/** The second lookup: clause flows do not count, but each still hides the rules of identical match below it. */
function bestOrdinary(table: TableCells, ordered: readonly Cell[], version: number, conjId: number): number {
  const { rules } = table.timeline;
  let best = NOTHING;
  let bestPriority = -1;
  for (const cell of ordered) {
    const rule = headAt(rules, chainOf(cell, conjId), version, ANY_PRIORITY);
    if (rule < 0 || rules[rule]!.rule.priority <= bestPriority || table.clauses(rule) !== null) continue;
    best = rule;
    bestPriority = rules[rule]!.rule.priority;
  }
  return best;
}

/** Which clauses of which ids the flows of one level have brought so far. */
class Matches {
  private readonly flowCount: number;
  /** Per id: clauses that are still needed, as bits. */
  private readonly missing = new Map<number, bigint>();

  constructor(flowCount: number) {
    this.flowCount = flowCount;
  }

  /** Takes in one flow; the first id that is complete with it, or null. */
  complete({ ids, clause, n, minN }: Clauses): number | null {
    if (this.flowCount < minN) return null;
    for (let i = 0; i < ids.length; i++) {
      if (n[i]! > this.flowCount) continue;
      // 1 << n with n taken modulo 64: of 64 clauses none is needed.
      const needed = this.missing.get(ids[i]!) ?? (1n << BigInt(n[i]! & 63)) - 1n;
      const missing = needed & ~(1n << BigInt(clause[i]! - 1));
      this.missing.set(ids[i]!, missing);
      if (missing === 0n) return ids[i]!;
    }
    return null;
  }
}

/** The first flow of each clause of the id, by clause. */
function clauseFlows(table: TableCells, flows: readonly Soft[], id: number): number[] {
  const byClause = new Map<number, number>();
  for (const { rule } of flows) {
    const { ids, clause, n } = table.clauses(rule)!;
    for (let i = 0; i < ids.length; i++)
      if (ids[i] === id && n[i]! >= clause[i]! && !byClause.has(clause[i]!)) byClause.set(clause[i]!, rule);
  }
  return [...byClause].sort(([a], [b]) => a - b).map(([, rule]) => rule);
}
