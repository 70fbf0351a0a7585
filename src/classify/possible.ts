/**
 * The answers that some order of the masks would give, where the order is not known. Ordinary rules of equal priority and the
 * choice among complete ids hang on it; never fewer answers than there are, rarely more.
 */
import { type Cell, type Chain, chainOf, headAt, type TableCells } from './cells.js';

interface Soft {
  readonly chain: Chain;
  rule: number;
  priority: number;
}

const ANY_PRIORITY = 0x10000;

/** Rule indices, -1 for a miss among them. */
export function possibleAnswers(table: TableCells, cells: readonly Cell[], version: number): Set<number> {
  const { rules } = table.timeline;
  const answers = new Set<number>();
  let best = new Best();
  let soft: Soft[] = [];
  for (const cell of cells) {
    const chain = chainOf(cell, 0);
    const rule = headAt(rules, chain, version, ANY_PRIORITY);
    if (rule < 0) continue;
    const { priority } = rules[rule]!.rule;
    if (table.clauses(rule) === null) best.offer(rule, priority);
    else soft.push({ chain, rule, priority });
  }
  for (;;) {
    soft = soft.filter((entry) => entry.rule >= 0 && entry.priority > best.priority);
    if (soft.length === 0) break;
    const priority = Math.max(...soft.map((entry) => entry.priority));
    const level = soft.filter((entry) => entry.priority === priority);
    const { ids, surely } = completeIds(table, level);
    let isCertain = false;
    for (const id of ids) {
      const found = secondLookup(table, cells, version, id);
      for (const rule of found) answers.add(rule);
      // The level is decided in every order if each id that may come first leads somewhere and one is complete in any case.
      isCertain ||= found.length > 0 && surely.has(id);
    }
    if (isCertain) return answers;
    const next = new Best(best);
    for (const entry of level) {
      entry.rule = headAt(rules, entry.chain, version, priority);
      if (entry.rule < 0) continue;
      entry.priority = rules[entry.rule]!.rule.priority;
      if (table.clauses(entry.rule) !== null) continue;
      next.offer(entry.rule, entry.priority);
      entry.rule = -1;
    }
    best = next;
  }
  for (const rule of best.rules) answers.add(rule);
  if (best.rules.length === 0) answers.add(-1);
  return answers;
}

/** Ordinary rules of the highest priority; each is the first in some order. */
class Best {
  priority = -1;
  rules: number[] = [];

  constructor(from?: Best) {
    if (from !== undefined) {
      this.priority = from.priority;
      this.rules = from.rules;
    }
  }

  offer(rule: number, priority: number): void {
    if (priority > this.priority) {
      this.priority = priority;
      this.rules = [rule];
    } else if (priority === this.priority && !this.rules.includes(rule)) this.rules = [...this.rules, rule];
  }
}

function secondLookup(table: TableCells, cells: readonly Cell[], version: number, conjId: number): number[] {
  const { rules } = table.timeline;
  const best = new Best();
  for (const cell of cells) {
    const rule = headAt(rules, chainOf(cell, conjId), version, ANY_PRIORITY);
    if (rule >= 0 && table.clauses(rule) === null) best.offer(rule, rules[rule]!.rule.priority);
  }
  return best.rules;
}

/** Ids that are complete in some order of the level's flows (`ids`), and those that are in every order (`surely`). */
function completeIds(table: TableCells, level: readonly Soft[]): { ids: Set<number>; surely: Set<number> } {
  const have = new Map<number, { bits: bigint; sizes: Set<number> }>();
  for (const { rule } of level) {
    const { ids, clause, n, minN } = table.clauses(rule)!;
    if (level.length < minN) continue;
    for (let i = 0; i < ids.length; i++) {
      if (n[i]! > level.length) continue;
      const entry = have.get(ids[i]!) ?? { bits: 0n, sizes: new Set() };
      entry.bits |= 1n << BigInt(clause[i]! - 1);
      entry.sizes.add(n[i]!);
      have.set(ids[i]!, entry);
    }
  }
  const ids = new Set<number>();
  const surely = new Set<number>();
  for (const [id, { bits, sizes }] of have) {
    const covered = [...sizes].map((n) => ((1n << BigInt(n & 63)) - 1n) & ~bits).filter((missing) => missing === 0n);
    if (covered.length > 0) ids.add(id);
    if (covered.length === sizes.size) surely.add(id);
  }
  return { ids, surely };
}
