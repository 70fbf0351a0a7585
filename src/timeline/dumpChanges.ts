/** The difference of two dumps as flow-mods: what must at least have happened in between. */
import { PORT } from '../fields/key.js';
import { matchKey } from '../openflow/match.js';
import { type FlowMod, type FlowModOp, NO_FLAGS, type Rule, type RuleStats } from '../openflow/rule.js';
import { sameActions } from './sameActions.js';

export interface DumpEntry {
  readonly rule: Rule;
  readonly stats: RuleStats;
}

export interface DumpChange {
  readonly kind: 'added' | 'modified' | 'deleted';
  readonly mod: FlowMod;
  /** As in the later dump; of a deleted rule as in the earlier one. */
  readonly entry: DumpEntry;
  /** Seconds since a modify, where the dump says so. */
  readonly hardAge: number | null;
}

/**
 * Changes that lead from one dump to the other: additions and modifies in the order of the later dump, then deletions in
 * that of the earlier one. A rule that was added again with nothing changed makes no difference and is left out.
 * @param wasAdded was the rule added again between the dumps (a modify keeps the duration)? null: not known, then a
 *   changed cookie or time-out says yes, because a modify of OpenFlow 1.1 and later keeps them too
 */
export function dumpChanges(
  before: readonly DumpEntry[],
  after: readonly DumpEntry[],
  wasAdded: (old: DumpEntry, now: DumpEntry) => boolean | null,
): DumpChange[] {
  const old = new Map(before.map((entry) => [entryKey(entry), entry]));
  const changes: DumpChange[] = [];
  for (const entry of after) {
    const key = entryKey(entry);
    const earlier = old.get(key);
    old.delete(key);
    if (earlier === undefined) changes.push(change('added', entry, flowMod('add', entry.rule)));
    else if (!sameRule(earlier.rule, entry.rule)) changes.push(difference(earlier, entry, wasAdded(earlier, entry)));
  }
  for (const entry of old.values()) changes.push(change('deleted', entry, flowMod('delete_strict', entry.rule)));
  return changes;
}

/** Identity of a rule: table, priority, match. */
export function entryKey({ rule }: Pick<DumpEntry, 'rule'>): string {
  return `${rule.table}/${rule.priority}/${matchKey(rule.match)}`;
}

function difference(old: DumpEntry, now: DumpEntry, added: boolean | null): DumpChange {
  const [a, b] = [old.rule, now.rule];
  const sameTimeouts = a.idleTimeout === b.idleTimeout && a.hardTimeout === b.hardTimeout;
  const isModify = added === null ? a.cookie === b.cookie && sameTimeouts : !added;
  if (!isModify || !sameTimeouts) return change('added', now, flowMod('add', b));
  const mod = flowMod('modify_strict', b);
  // Only OpenFlow 1.0 changes a cookie by modify (FLOW_MOD of 1.1 and later has no such meaning).
  const setsCookie: FlowMod =
    a.cookie === b.cookie ? mod : { ...mod, of: '1.0', newCookie: b.cookie, modifyCookie: true };
  return { kind: 'modified', entry: now, mod: setsCookie, hardAge: now.stats.hardAge };
}

function change(kind: 'added' | 'deleted', entry: DumpEntry, mod: FlowMod): DumpChange {
  return { kind, mod, entry, hardAge: null };
}

/** Flags and importance are not compared: which of them a dump shows depends on its OpenFlow version. */
export function sameRule(a: Rule, b: Rule): boolean {
  return (
    a.cookie === b.cookie &&
    a.idleTimeout === b.idleTimeout &&
    a.hardTimeout === b.hardTimeout &&
    sameActions(a.match, a.actions, b.actions)
  );
}

function flowMod(op: FlowModOp, rule: Rule): FlowMod {
  const deletes = op === 'delete_strict';
  return {
    op,
    table: rule.table,
    priority: rule.priority,
    match: rule.match,
    actions: deletes ? [] : rule.actions,
    // All ones: sets no cookie.
    newCookie: op === 'add' ? rule.cookie : 0xffff_ffff_ffff_ffffn,
    modifyCookie: false,
    cookie: 0n,
    cookieMask: 0n,
    idleTimeout: op === 'add' ? rule.idleTimeout : 0,
    hardTimeout: op === 'add' ? rule.hardTimeout : 0,
    importance: op === 'add' ? rule.importance : 0,
    // A dump's reset_counts is an artefact of OpenFlow 1.0 and 1.1, and would reset what the rule's replacement keeps.
    flags: op === 'add' ? { ...rule.flags, resetCounts: false, checkOverlap: false } : NO_FLAGS,
    outPort: PORT.NONE,
    outGroup: 0xffffffff,
    // Importance exists from OpenFlow 1.4 on.
    of: rule.importance !== 0 ? '1.4' : '1.3',
  };
}
