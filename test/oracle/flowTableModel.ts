/**
 * One flow table as a plain list of rules and a plain list of masks, written line by line from the measured rules of OVS
 * (CONJ_SEMANTICS sections 1 and 8 of the reference data). No versions, no classifier, no speed: each change copies all.
 */
import { K } from '../../src/fields/key.js';
import type { Action } from '../../src/openflow/actions.js';
import { type Match, maskKey, matches, matchKey } from '../../src/openflow/match.js';

export interface ModelRule {
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
  /** Tells rules apart in comparisons. */
  readonly cookie: bigint;
}

export type ModelChange =
  | { readonly op: 'add'; readonly rule: ModelRule }
  | { readonly op: 'modify_strict'; readonly rule: ModelRule }
  | { readonly op: 'delete_strict'; readonly rule: ModelRule };

export interface ModelAnswer {
  readonly rule: ModelRule | null;
  readonly conjId: number | null;
}

type Conjunction = Extract<Action, { type: 'conjunction' }>;
const conjunctionsOf = (rule: ModelRule): Conjunction[] => rule.actions.filter((a) => a.type === 'conjunction');
const sameMatch = (a: ModelRule, b: ModelRule): boolean =>
  a.priority === b.priority && matchKey(a.match) === matchKey(b.match);

export class FlowTableModel {
  rules: readonly ModelRule[];
  /** Masks in the order of visits. */
  list: readonly { readonly mask: string; readonly priority: number }[];

  constructor(rules: readonly ModelRule[] = [], list: FlowTableModel['list'] = []) {
    this.rules = rules;
    this.list = list;
  }

  /** The table after one atomic change: inserts, one sort, then removals, one sort. */
  after(changes: readonly ModelChange[]): FlowTableModel {
    const next = new FlowTableModel(this.rules, this.list);
    const leaving: ModelRule[] = [];
    let all = [...this.rules];
    for (const { op, rule } of changes) {
      const old = next.rules.find((other) => sameMatch(other, rule));
      if (op !== 'add' && old === undefined) continue;
      if (old !== undefined) {
        next.rules = next.rules.filter((other) => other !== old);
        leaving.push(old);
      }
      if (op === 'delete_strict') continue;
      const fresh = op === 'add' ? rule : { ...old!, actions: rule.actions };
      next.rules = [...next.rules, fresh];
      all = [...all, fresh];
      next.raise(maskKey(fresh.match), fresh.priority);
    }
    next.sort();
    for (const rule of leaving) {
      all = all.filter((other) => other !== rule);
      next.lower(maskKey(rule.match), all);
    }
    next.sort();
    return next;
  }

  private raise(mask: string, priority: number): void {
    const at = this.list.findIndex((entry) => entry.mask === mask);
    if (at < 0) this.list = [...this.list, { mask, priority }];
    else if (priority > this.list[at]!.priority) this.list = this.list.with(at, { mask, priority });
  }

  private lower(mask: string, left: readonly ModelRule[]): void {
    const at = this.list.findIndex((entry) => entry.mask === mask);
    const priorities = left.filter((rule) => maskKey(rule.match) === mask).map((rule) => rule.priority);
    if (priorities.length > 0) this.list = this.list.with(at, { mask, priority: Math.max(...priorities) });
    else this.list = this.list.with(at, this.list.at(-1)!).slice(0, -1);
  }

  private sort(): void {
    this.list = this.list.toSorted((a, b) => b.priority - a.priority);
  }

  /** In the order of insertion; a replacement is a new insertion. */
  rulesOf(mask: string): ModelRule[] {
    return this.rules.filter((rule) => maskKey(rule.match) === mask);
  }

  lookup(key: Int32Array): ModelAnswer {
    return this.lookupWith(key, 0, true);
  }

  private chain(mask: string, key: Int32Array): ModelRule[] {
    return this.rules
      .filter((rule) => maskKey(rule.match) === mask && matches(rule.match, key))
      .sort((a, b) => b.priority - a.priority);
  }

  private lookupWith(header: Int32Array, conjId: number, conjunctive: boolean): ModelAnswer {
    const key = header.slice();
    key[K.conj_id] = conjId;
    let best: ModelRule | null = null;
    const priorityOf = (rule: ModelRule | null): number => (rule === null ? -1 : rule.priority);
    const soft: (ModelRule[] | null)[] = [];
    for (const { mask, priority } of this.list) {
      if (priority <= priorityOf(best)) break;
      const chain = this.chain(mask, key);
      const head = chain[0];
      if (head === undefined || head.priority <= priorityOf(best)) continue;
      if (conjunctionsOf(head).length === 0) best = head;
      else if (conjunctive) soft.push(chain);
    }
    for (;;) {
      let i = 0;
      while (i < soft.length) {
        const entry = soft[i]!;
        if (entry === null || entry[0]!.priority <= priorityOf(best)) {
          soft[i] = soft.at(-1)!;
          soft.pop();
        } else i++;
      }
      if (soft.length === 0) return { rule: best, conjId: null };
      const level = Math.max(...soft.map((entry) => entry![0]!.priority));
      const count = soft.filter((entry) => entry![0]!.priority === level).length;
      const need = new Map<number, Set<number>>();
      for (const entry of soft) {
        const rule = entry![0]!;
        if (rule.priority !== level) continue;
        const id = completed(rule, count, need);
        if (id === null) continue;
        const found = this.lookupWith(header, id, false).rule;
        if (found !== null) return { rule: found, conjId: id };
      }
      for (let j = 0; j < soft.length; j++) {
        const entry = soft[j]!;
        if (entry === null || entry[0]!.priority !== level) continue;
        const rest = entry.slice(1);
        const next = rest[0];
        if (next === undefined) soft[j] = null;
        else if (conjunctionsOf(next).length > 0) soft[j] = rest;
        else {
          soft[j] = null;
          if (next.priority > priorityOf(best)) best = next;
        }
      }
    }
  }
}

/** complete(r) of section 8; `need` holds the clauses that each id still lacks. */
function completed(rule: ModelRule, count: number, need: Map<number, Set<number>>): number | null {
  const actions = conjunctionsOf(rule);
  if (count < Math.min(...actions.map((action) => action.nClauses))) return null;
  for (const { id, clause, nClauses } of actions) {
    if (nClauses > count) continue;
    let lacking = need.get(id);
    if (lacking === undefined) {
      lacking = new Set(Array.from({ length: nClauses % 64 }, (_, i) => i + 1));
      need.set(id, lacking);
    }
    lacking.delete(clause);
    if (lacking.size === 0) return id;
  }
  return null;
}
