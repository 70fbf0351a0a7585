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
    const mentions = level.map((entry) => mentionsOf(table, entry.rule, level.length));
    const totals = totalsOf(mentions);
    const fruitless = new Set<number>();
    for (const [id, total] of totals) {
      if (!coversSome(total, total.bits)) continue;
      const found = secondLookup(table, cells, version, id);
      for (const rule of found) answers.add(rule);
      if (found.length === 0) fruitless.add(id);
    }
    if (isDecided(mentions, totals, fruitless)) return answers;
    const next = new Best(best);
    for (const entry of level) {
      entry.rule = headAt(rules, entry.chain, version, priority);
      if (entry.rule < 0) continue;
      entry.priority = rules[entry.rule]!.rule.priority;
      if (table.clauses(entry.rule) !== null) continue;
      // An equal of a rule that was the best before is too late in every order.
      if (entry.priority > best.priority) next.offer(entry.rule, entry.priority);
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

/** One action of a level's clause flow: conjunction(id, clause/n). */
interface Mention {
  readonly id: number;
  /** The clause as a bit. */
  readonly bit: bigint;
  readonly n: number;
}

/** What a level's flows say about one id, taken together. */
interface Total {
  bits: bigint;
  /** The first mention that a lookup meets fixes how many clauses are needed; each may be the first. */
  readonly sizes: Set<number>;
}

/** The mentions that count in a level of so many flows. */
function mentionsOf(table: TableCells, rule: number, flowCount: number): Mention[] {
  const { ids, clause, n, minN } = table.clauses(rule)!;
  if (flowCount < minN) return [];
  return ids
    .map((id, i) => ({ id, bit: 1n << BigInt(clause[i]! - 1), n: n[i]! }))
    .filter((mention) => mention.n <= flowCount);
}

function totalsOf(flows: readonly (readonly Mention[])[]): Map<number, Total> {
  const totals = new Map<number, Total>();
  for (const { id, bit, n } of flows.flat()) {
    const total = totals.get(id) ?? { bits: 0n, sizes: new Set() };
    total.bits |= bit;
    total.sizes.add(n);
    totals.set(id, total);
  }
  return totals;
}

/** All ones shifted by n modulo 64 in OVS: of 64 clauses none is needed. */
const covers = (bits: bigint, n: number): boolean => (((1n << BigInt(n & 63)) - 1n) & ~bits) === 0n;
const coversSome = ({ sizes }: Total, bits: bigint): boolean => [...sizes].some((n) => covers(bits, n));

/**
 * Whether an id that leads somewhere is complete in every order of the flows. Completion ends the visit of a flow: where a
 * `fruitless` id (its second lookup finds nothing) is complete, the mentions behind it are not entered, and the search goes on
 * without them. So only those mentions count that no fruitless id can keep out.
 */
function isDecided(
  flows: readonly (readonly Mention[])[],
  totals: ReadonlyMap<number, Total>,
  fruitless: ReadonlySet<number>,
): boolean {
  const entered = new Map<number, bigint>();
  for (const flow of flows)
    for (const { id, bit } of flow.slice(0, certainPart(flow, flows, totals, fruitless)))
      if (!fruitless.has(id)) entered.set(id, (entered.get(id) ?? 0n) | bit);
  return [...entered].some(([id, bits]) => [...totals.get(id)!.sizes].every((n) => covers(bits, n)));
}

/** How many of a flow's mentions are entered whatever was visited before: up to the first that can complete a fruitless id. */
function certainPart(
  flow: readonly Mention[],
  flows: readonly (readonly Mention[])[],
  totals: ReadonlyMap<number, Total>,
  fruitless: ReadonlySet<number>,
): number {
  const have = new Map<number, bigint>();
  for (let i = 0; i < flow.length; i++) {
    const { id, bit } = flow[i]!;
    if (!fruitless.has(id)) continue;
    let bits = have.get(id);
    if (bits === undefined) {
      bits = 0n;
      for (const other of flows)
        if (other !== flow) for (const mention of other) if (mention.id === id) bits |= mention.bit;
    }
    bits |= bit;
    have.set(id, bits);
    if (coversSome(totals.get(id)!, bits)) return i;
  }
  return flow.length;
}
