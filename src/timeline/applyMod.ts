/**
 * What one flow-mod does to the tables, as ofproto/ofproto.c does it: start() makes the change for the next version,
 * then either finish() takes the old rules out or revert() undoes it.
 */

import { PORT } from '../fields/key.js';
import type { Action } from '../openflow/actions.js';
import { MATCH_ALL } from '../openflow/match.js';
import type { FlowMod, Rule, RuleFlags } from '../openflow/rule.js';
import type { CookieIndex } from './cookieIndex.js';
import { isLooseMatch, type LiveRule, type LiveTable } from './liveTable.js';
import type { ChangeBy } from './timeline.js';

/** A cookie, or a cookie mask. */
export const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const ANY_GROUP = 0xffff_ffff;
/** Tables 0 to 254; the last one is OVS's own, hidden and read-only (ofproto-dpif.h:TBL_INTERNAL). */
const TABLE_COUNT = 255;
const INTERNAL_TABLE = 254;
export const ALL_TABLES = 255;

/** The live state that flow-mods work on. */
export interface LiveTables {
  readonly cookies: CookieIndex;
  /** Groups and meters that exist; null: any. */
  readonly groups: ReadonlySet<number> | null;
  readonly meters: ReadonlySet<number> | null;
  /** The table, made when there is none. */
  table(table: number): LiveTable;
  /** Tables with that number (255: all that exist), upwards. */
  existing(table: number): LiveTable[];
}

/** What start() did. `old` rules leave for the `fresh` ones: all of them for one each (add, modify), or for nothing (delete). */
export interface Change {
  readonly old: LiveRule[];
  readonly fresh: LiveRule[];
}

/** An OpenFlow error by its name in OVS (OFPFMFC_OVERLAP ...), or what was changed. */
export type Started = { readonly error: string } | { readonly change: Change };

/** Errors that the switch finds while it reads the message: a bundle with such a message is not even begun. */
export function readError(mod: FlowMod): string | null {
  const isDelete = mod.op === 'delete' || mod.op === 'delete_strict';
  if (mod.table > ALL_TABLES) return 'OFPBRC_BAD_TABLE_ID';
  if (!isDelete && mod.table === INTERNAL_TABLE) return 'OFPBRC_EPERM';
  // ofp-actions.c:ofpact_check__(): only forwards, and only to tables that exist.
  for (const action of flattened(mod.actions))
    if (
      action.type === 'gotoTable' &&
      ((mod.table !== ALL_TABLES && action.table <= mod.table) || action.table >= TABLE_COUNT)
    )
      return 'OFPBIC_BAD_TABLE_ID';
  return null;
}

/** ofproto_flow_mod_start(): the tables are as after the change, but for `old` rules, which still hold their masks. */
export function start(tables: LiveTables, mod: FlowMod, by: ChangeBy | null, nowMs: number): Started {
  switch (mod.op) {
    case 'add':
      return startAdd(tables, mod, by, nowMs);
    case 'modify':
    case 'modify_strict':
      return startModify(tables, mod, by, nowMs);
    case 'delete':
    case 'delete_strict':
      // Rules that OVS keeps in its own table match everything or a register; only the first can be hit by mistake.
      if (mod.table === INTERNAL_TABLE && mod.op === 'delete' && mod.match.words.length === MATCH_ALL.words.length)
        return { error: 'OFPBRC_EPERM' };
      return { change: startDelete(tables, select(tables, mod, mod.outPort, mod.outGroup), by) };
  }
}

/** delete_flows_start__() */
export function startDelete(tables: LiveTables, old: LiveRule[], by: ChangeBy | null): Change {
  for (const live of old) {
    live.leaving = true;
    live.removedBy = by;
    tables.cookies.remove(live);
  }
  return { old, fresh: [] };
}

/** ofproto_flow_mod_revert(): no rule has changed, but masks that came with the change leave again. */
export function revert(tables: LiveTables, change: Change): void {
  for (let i = 0; i < change.old.length; i++) {
    const old = change.old[i]!;
    tables.cookies.insert(old);
    old.leaving = false;
    old.removedBy = null;
    old.replacedBy = null;
    const fresh = change.fresh[i];
    if (fresh !== undefined) undoInsert(tables, fresh);
  }
  if (change.old.length === 0) for (const fresh of change.fresh) undoInsert(tables, fresh);
}

function undoInsert(tables: LiveTables, fresh: LiveRule): void {
  tables.table(fresh.rule.table).remove(fresh);
  tables.cookies.remove(fresh);
}

/** add_flow_start() */
function startAdd(tables: LiveTables, mod: FlowMod, by: ChangeBy | null, nowMs: number): Started {
  const error = actionError(tables, mod.actions);
  if (error !== null) return { error };
  const number = mod.table === ALL_TABLES ? 0 : mod.table;
  const table = tables.table(number);
  const old = table.findExactly(mod.match, mod.priority);
  if (old === null) {
    if (mod.flags.checkOverlap && table.overlaps(mod.match, mod.priority)) return { error: 'OFPFMFC_OVERLAP' };
    return { change: { old: [], fresh: [insertNew(tables, ruleOf(mod, number), by, nowMs)] } };
  }
  const rule = ruleOf(mod, number);
  const kept = mod.newCookie === ALL_ONES ? { ...rule, cookie: old.rule.cookie } : rule;
  return { change: { old: [old], fresh: [replace(tables, old, kept, by, nowMs, nowMs)] } };
}

/** modify_flows_start__(): the rule's own values stay, but for the actions and, in OpenFlow 1.0, the cookie. */
function startModify(tables: LiveTables, mod: FlowMod, by: ChangeBy | null, nowMs: number): Started {
  const old = select(tables, mod, PORT.NONE, ANY_GROUP);
  if (old.length === 0) return mayAdd(mod) ? startAdd(tables, mod, by, nowMs) : { change: { old, fresh: [] } };
  const error = actionError(tables, mod.actions);
  if (error !== null) return { error };
  const setsCookie = mod.of === '1.0' && mod.newCookie !== ALL_ONES && (mod.modifyCookie || mod.cookieMask === 0n);
  const fresh = old.map((live) => {
    const rule = { ...live.rule, actions: mod.actions, cookie: setsCookie ? mod.newCookie : live.rule.cookie };
    return replace(tables, live, rule, by, live.createdMs, nowMs);
  });
  return { change: { old, fresh } };
}

/** ofp-flow.c:ofputil_decode_flow_mod(): only 1.0 and 1.1 carry the cookie that a modify without a match adds with. */
const mayAdd = (mod: FlowMod): boolean =>
  (mod.of === '1.0' || mod.of === '1.1') && mod.cookieMask === 0n && mod.newCookie !== ALL_ONES;

/** collect_rules_loose() and collect_rules_strict(), in the order in which OVS takes the rules. */
function select(tables: LiveTables, mod: FlowMod, outPort: number, outGroup: number): LiveRule[] {
  const isStrict = mod.op === 'modify_strict' || mod.op === 'delete_strict';
  const isDelete = mod.op === 'delete' || mod.op === 'delete_strict';
  const number = mod.table === ALL_TABLES && !isDelete && mod.of !== '1.0' ? 0 : mod.table;
  const found: LiveRule[] = [];
  if (mod.cookieMask === ALL_ONES) {
    for (const live of tables.cookies.list(mod.cookie)) {
      const { rule } = live;
      if (number !== ALL_TABLES && rule.table !== number) continue;
      if (!isLooseMatch(rule.match, mod.match)) continue;
      if (isStrict && (rule.priority !== mod.priority || !isLooseMatch(mod.match, rule.match))) continue;
      found.push(live);
    }
  } else {
    for (const table of tables.existing(number)) {
      if (isStrict) {
        const live = table.findExactly(mod.match, mod.priority);
        if (live !== null) found.push(live);
      } else for (const live of table.findLoosely(mod.match)) found.push(live);
    }
  }
  return found.filter(
    ({ rule }) =>
      ((rule.cookie ^ mod.cookie) & mod.cookieMask) === 0n &&
      (outPort === PORT.NONE || outputsTo(rule.actions, outPort)) &&
      (outGroup === ANY_GROUP || flattened(rule.actions).some((a) => a.type === 'group' && a.group === outGroup)),
  );
}

/** replace_rule_start(). The last use stays with the match; `createdMs` is the old one for a modify. */
function replace(
  tables: LiveTables,
  old: LiveRule,
  rule: Rule,
  by: ChangeBy | null,
  createdMs: number,
  nowMs: number,
): LiveRule {
  old.leaving = true;
  old.removedBy = by;
  tables.cookies.remove(old);
  const live = insertNew(tables, rule, by, nowMs);
  live.createdMs = createdMs;
  live.usedMs = old.usedMs;
  old.replacedBy = live;
  return live;
}

/** A rule into its table and the list of its cookie. */
export function insertNew(tables: LiveTables, rule: Rule, addedBy: ChangeBy | null, nowMs: number): LiveRule {
  const table = tables.table(rule.table);
  const { subtable, hash } = table.place(rule.match);
  const live: LiveRule = {
    rule,
    subtable,
    hash,
    createdMs: nowMs,
    modifiedMs: nowMs,
    usedMs: nowMs,
    addedBy,
    leaving: false,
    removedBy: null,
    replacedBy: null,
    index: -1,
    cookieBefore: null,
    cookieAfter: null,
  };
  tables.cookies.insert(live);
  table.insert(live);
  return live;
}

/** The rule that an add makes. What a version cannot say is lost on its way (ofp-flow.c:ofputil_encode_flow_mod()). */
function ruleOf(mod: FlowMod, table: number): Rule {
  return {
    table,
    priority: mod.priority,
    match: mod.match,
    actions: mod.actions,
    cookie: mod.newCookie,
    idleTimeout: mod.idleTimeout,
    hardTimeout: mod.hardTimeout,
    importance: mod.of === '1.4' || mod.of === '1.5' ? mod.importance : 0,
    flags: flagsOf(mod),
  };
}

/** ofp-flow.c:ofputil_decode_flow_mod_flags(): 1.0 and 1.1 always reset the counters; 1.3 brought the last two flags. */
function flagsOf(mod: FlowMod): RuleFlags {
  const isOld = mod.of === '1.0' || mod.of === '1.1';
  if (!isOld && mod.of !== '1.2') return mod.flags;
  return {
    ...mod.flags,
    resetCounts: isOld || mod.flags.resetCounts,
    noPacketCounts: false,
    noByteCounts: false,
  };
}

/** ofproto_check_ofpacts(): groups and meters must exist at the moment of the change. */
function actionError(tables: LiveTables, actions: readonly Action[]): string | null {
  for (const action of flattened(actions)) {
    if (action.type === 'meter' && tables.meters !== null && !tables.meters.has(action.meter))
      return 'OFPMMFC_INVALID_METER';
    if (action.type === 'group' && tables.groups !== null && !tables.groups.has(action.group))
      return 'OFPBAC_BAD_OUT_GROUP';
  }
  return null;
}

/** ofp-actions.c:ofpact_outputs_to_port() */
function outputsTo(actions: readonly Action[], port: number): boolean {
  return flattened(actions).some(
    (action) =>
      ((action.type === 'output' || action.type === 'enqueue') && action.port === port) ||
      (action.type === 'controller' && port === PORT.CONTROLLER),
  );
}

/** ofp-actions.c:ofpact_next_flattened(): nested lists count too. */
function flattened(actions: readonly Action[]): readonly Action[] {
  if (!actions.some((action) => nestedIn(action) !== null)) return actions;
  return actions.flatMap((action) => [action, ...flattened(nestedIn(action) ?? [])]);
}

function nestedIn(action: Action): readonly Action[] | null {
  if (action.type === 'clone' || action.type === 'writeActions') return action.actions;
  return action.type === 'ct' ? action.exec : null;
}
