/**
 * Priorities for monitor text, which has none: from the dumps before and after, and from what the text has done so far.
 * A rule whose priority all that leaves open is said so, never guessed in silence.
 */

import { K } from '../fields/key.js';
import type { Action } from '../openflow/actions.js';
import { DEFAULT_PRIORITY } from '../openflow/flowText.js';
import { type Match, maskOfWord, matchKey } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';
import { sameActions } from './sameActions.js';

export interface Sighting {
  readonly table: number;
  readonly match: Match;
  readonly cookie: bigint;
  readonly actions: readonly Action[];
}

export interface PriorityAnswer {
  readonly priority: number;
  /** More than one: open, `priority` is the likeliest. None: no dump has the rule. Else known. */
  readonly candidates: readonly number[];
}

interface Known {
  readonly priority: number;
  readonly cookie: bigint;
  readonly actions: readonly Action[];
}

export class PriorityBook {
  /** Rules of all dumps by table and match. */
  private readonly known = new Map<string, Known[]>();
  /** Priorities of the accept rules (those on an exact conj_id) by cookie, table and id. */
  private readonly accepts = new Map<string, Set<number>>();
  /** Rules that exist now, by table and match, then priority. */
  private readonly live = new Map<string, Map<number, Known>>();

  /** `dumps`: rules before the first change, then any later ones. */
  constructor(before: readonly Rule[] | null, later: readonly (readonly Rule[])[]) {
    for (const rule of before ?? []) {
      this.note(rule);
      this.apply('ADDED', rule, rule.priority);
    }
    for (const rules of later) for (const rule of rules) this.note(rule);
  }

  /**
   * Priority of the rule in an event. In this order: the only one that any dump has for table and match; the only one among
   * those with the same cookie and actions; for a change of an existing rule, the only one that exists; for a clause rule
   * (its list of ids may still be growing), that of the accept rules of its ids.
   */
  find(event: 'ADDED' | 'MODIFIED' | 'DELETED', seen: Sighting): PriorityAnswer {
    const key = ruleKey(seen);
    const dumped = this.known.get(key) ?? [];
    const all = distinct(dumped);
    if (all.length === 1) return { priority: all[0]!, candidates: all };
    const isSame = (rule: Known) => rule.cookie === seen.cookie && sameActions(seen.match, rule.actions, seen.actions);
    const same = distinct(dumped.filter(isSame));
    if (same.length === 1) return { priority: same[0]!, candidates: same };
    const open = same.length > 0 ? same : all;
    if (event !== 'ADDED') {
      const living = [...(this.live.get(key)?.values() ?? [])].filter((rule) => rule.cookie === seen.cookie);
      const exact = distinct(event === 'DELETED' ? living.filter(isSame) : living);
      if (exact.length === 1) return { priority: exact[0]!, candidates: exact };
    }
    const clause = this.acceptPriorities(seen).filter((priority) => open.includes(priority));
    if (clause.length === 1) return { priority: clause[0]!, candidates: clause };
    return { priority: open[0] ?? DEFAULT_PRIORITY, candidates: open };
  }

  /** Takes note of what the event did. */
  apply(event: 'ADDED' | 'MODIFIED' | 'DELETED', seen: Sighting, priority: number): void {
    const key = ruleKey(seen);
    let rules = this.live.get(key);
    if (rules === undefined) {
      rules = new Map();
      this.live.set(key, rules);
    }
    if (event === 'DELETED') rules.delete(priority);
    else rules.set(priority, { priority, cookie: seen.cookie, actions: seen.actions });
  }

  private note(rule: Rule): void {
    const key = ruleKey(rule);
    const entry = { priority: rule.priority, cookie: rule.cookie, actions: rule.actions };
    const entries = this.known.get(key);
    if (entries === undefined) this.known.set(key, [entry]);
    else entries.push(entry);
    const id = conjId(rule.match);
    if (id === null) return;
    const acceptKey = `${rule.cookie}/${rule.table}/${id}`;
    this.accepts.set(acceptKey, (this.accepts.get(acceptKey) ?? new Set()).add(rule.priority));
  }

  private acceptPriorities(seen: Sighting): number[] {
    const found = new Set<number>();
    for (const action of seen.actions) {
      if (action.type !== 'conjunction') continue;
      for (const priority of this.accepts.get(`${seen.cookie}/${seen.table}/${action.id}`) ?? []) found.add(priority);
    }
    return [...found];
  }
}

function ruleKey(rule: { readonly table: number; readonly match: Match }): string {
  return `${rule.table}/${matchKey(rule.match)}`;
}

function conjId(match: Match): number | null {
  const full = maskOfWord(match, K.conj_id) === -1;
  return full ? match.values[match.words.indexOf(K.conj_id)]! >>> 0 : null;
}

function distinct(rules: readonly Known[]): number[] {
  return [...new Set(rules.map(({ priority }) => priority))];
}
