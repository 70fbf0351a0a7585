/**
 * The tables of one bridge while flow-mods arrive: what is there now, with everything that decides later answers (order of
 * masks, of cookies, ages), and the timeline of what was there when. Semantics: ofproto/ofproto.c of OVS 3.1.0.
 * Every change is finished, clean-up of the classifier included, before the next one begins.
 */
import type { FlowMod, Rule, RuleStats } from '../openflow/rule.js';
import {
  ALL_ONES,
  ALL_TABLES,
  type Change,
  insertNew,
  type LiveTables,
  readError,
  revert,
  start,
  startDelete,
} from './applyMod.js';
import { TimelineBuilder } from './builder.js';
import { CookieIndex } from './cookieIndex.js';
import { dumpOrder } from './dumpOrder.js';
import { type LiveRule, LiveTable } from './liveTable.js';
import type { Step } from './schedule.js';
import type { Timeline } from './timeline.js';

export interface FlowTablesOptions {
  /** Groups and meters that exist on the bridge; without: every one is accepted. */
  readonly groups?: ReadonlySet<number>;
  readonly meters?: ReadonlySet<number>;
}

/** A line of a dump; without statistics line order stands for age. */
export interface DumpLine {
  readonly rule: Rule;
  readonly stats?: RuleStats | null;
}

export interface InstallDumpOptions {
  /** `dump-flows BRIDGE cookie=X/-1` of the same moment, by cookie: the order in which a delete by cookie X removes. */
  readonly cookieDumps?: ReadonlyMap<bigint, readonly Rule[]>;
  /** Moment of the dump on the virtual clock of time-outs, in milliseconds. */
  readonly nowMs?: number;
}

export class FlowTables {
  private readonly builder = new TimelineBuilder();
  private readonly tables = new Map<number, LiveTable>();
  private readonly byIndex: LiveRule[] = [];
  private readonly live: LiveTables;
  /** Cookies whose list came from the ages in a dump, which do not always tell its order. */
  private readonly guessedCookies = new Set<bigint>();

  constructor(options: FlowTablesOptions = {}) {
    const { tables, builder } = this;
    this.live = {
      cookies: new CookieIndex(),
      groups: options.groups ?? null,
      meters: options.meters ?? null,
      table(number) {
        let table = tables.get(number);
        if (table === undefined) {
          table = new LiveTable(number, (match) => builder.addMask(number, match));
          tables.set(number, table);
        }
        return table;
      },
      existing(number) {
        if (number === ALL_TABLES) return [...tables.values()].sort((a, b) => a.table - b.table);
        const table = tables.get(number);
        return table === undefined ? [] : [table];
      },
    };
  }

  /** Number of the present version: the number of changes so far. */
  get version(): number {
    return this.builder.timeline.lastVersion;
  }

  /** Alive: it grows with every change (see TimelineBuilder). */
  timeline(): Timeline {
    return this.builder.timeline;
  }

  /**
   * Puts the rules of a dump in, in line order, in the present version. Whether that order is the order of masks is seen by
   * dumpOrder(); if not, the timeline's `orderKnown` is false.
   */
  installDump(lines: readonly DumpLine[], options: InstallDumpOptions = {}): void {
    const nowMs = options.nowMs ?? 0;
    if (dumpOrder(lines.map((line) => line.rule)) === 'unknown') this.builder.orderIsUnknown();
    const installed: LiveRule[] = [];
    for (const { rule, stats } of lines) {
      if (this.live.table(rule.table).findExactly(rule.match, rule.priority) !== null) {
        this.builder.warn(`a rule of table ${rule.table} stands twice in the dump, with priority ${rule.priority}`);
        continue;
      }
      const live = insertNew(this.live, rule, null, nowMs - secondsToMs(stats?.duration));
      live.modifiedMs = stats?.hardAge == null ? live.createdMs : nowMs - stats.hardAge * 1000;
      live.usedMs = stats?.idleAge == null ? live.createdMs : nowMs - stats.idleAge * 1000;
      this.record(live);
      installed.push(live);
    }
    this.orderCookies(installed, options.cookieDumps);
    this.recordOrders(ALL_TABLES);
  }

  /** Adds the first flows of a fresh bridge one by one, in the present version. Returns the first error. */
  install(mods: readonly FlowMod[], nowMs = 0): string | null {
    for (const mod of mods) {
      const error = this.applyAtomic([mod], false, nowMs);
      if (error !== null) return error;
    }
    return null;
  }

  /**
   * One step: leads to the next version, whether it succeeds or not. Several flow-mods outside a bundle take effect one
   * after the other up to the first error, in this one version. Returns the error's OpenFlow name.
   */
  applyStep(step: Step, nowMs = 0): string | null {
    const version = this.builder.nextVersion(step);
    if (step.kind === 'conntrack') return null;
    const error = step.bundle ? this.applyAtomic(step.mods, true, nowMs) : this.install(step.mods, nowMs);
    if (error !== null) this.builder.warn(`step ${version}: the switch would answer ${error}; it changes nothing`);
    return error;
  }

  /** Flow-mods without a schedule: a bundle is one version, else each flow-mod is one; stops at the first error. */
  applyMods(mods: readonly FlowMod[], bundle: boolean, nowMs = 0): string | null {
    for (const group of bundle ? [mods] : mods.map((mod) => [mod])) {
      this.builder.nextVersion(null);
      const error = this.applyAtomic(group, bundle, nowMs);
      if (error !== null) return error;
    }
    return null;
  }

  /**
   * Takes out the rules whose time is over at `nowMs`: strictly later than start + time-out (ofproto-dpif.c:rule_expire()).
   * All of one moment leave together. Returns how many; when there are any, a new version begins.
   */
  expire(nowMs: number): number {
    const isOver = ({ rule, modifiedMs, usedMs }: LiveRule): boolean =>
      (rule.hardTimeout > 0 && nowMs > modifiedMs + rule.hardTimeout * 1000) ||
      (rule.idleTimeout > 0 && nowMs > usedMs + rule.idleTimeout * 1000);
    const over = this.live.existing(ALL_TABLES).flatMap((table) => [...table].filter(isOver));
    if (over.length === 0) return 0;
    over.sort((a, b) => a.index - b.index);
    this.builder.nextVersion(null);
    this.finish([startDelete(this.live, over, null)]);
    this.recordOrders(ALL_TABLES);
    return over.length;
  }

  /** A packet has used the rule (index in the timeline): its idle time starts anew. */
  touch(index: number, nowMs: number): void {
    const live = this.byIndex[index];
    if (live !== undefined && nowMs > live.usedMs) live.usedMs = nowMs;
  }

  /** fin_timeout: time-outs longer than these, or none, become these; 0 changes nothing (ofproto.c:reduce_timeout()). */
  reduceTimeouts(index: number, idle: number, hard: number): void {
    const live = this.byIndex[index];
    if (live === undefined) return;
    const reduce = (present: number, most: number): number =>
      most !== 0 && (present === 0 || present > most) ? most : present;
    const { rule } = live;
    live.rule = {
      ...rule,
      idleTimeout: reduce(rule.idleTimeout, idle),
      hardTimeout: reduce(rule.hardTimeout, hard),
    };
  }

  /** Adds to the timeline's warnings. */
  warn(text: string): void {
    this.builder.warn(text);
  }

  /** The present rules in the order of `ovs-ofctl dump-flows`. */
  dump(): Rule[] {
    return this.live.existing(ALL_TABLES).flatMap((table) => [...table].map((live) => live.rule));
  }

  /** ofproto.c:do_bundle_commit() for a bundle, handle_flow_mod() for a single flow-mod. */
  private applyAtomic(mods: readonly FlowMod[], bundle: boolean, nowMs: number): string | null {
    for (const mod of mods) {
      const error = readError(mod);
      if (error !== null) return error;
    }
    const changes: Change[] = [];
    let failed: string | null = null;
    for (let i = 0; i < mods.length && failed === null; i++) {
      const mod = mods[i]!;
      if (bundle) for (const table of this.tablesOf(mod)) table.defer();
      const by = this.version === 0 ? null : { step: this.version, mod: i + 1 };
      const started = start(this.live, mod, by, nowMs);
      if ('error' in started) failed = started.error;
      else changes.push(started.change);
    }
    this.publish();
    if (failed === null) {
      this.finish(changes);
      for (let i = 0; i < mods.length; i++) this.warnOfGuess(mods[i]!, changes[i]!);
    } else {
      for (const change of changes.reverse()) {
        this.deferAll(change);
        revert(this.live, change);
      }
      this.publish();
    }
    for (const mod of mods) this.recordOrders(mod.table);
    return failed;
  }

  /** The change is in force: write it down, then take the old rules out, with one sort at the end. */
  private finish(changes: readonly Change[]): void {
    for (const { fresh } of changes) for (const live of fresh) if (!live.leaving) this.record(live);
    for (const change of changes) {
      this.deferAll(change);
      for (const live of change.old) {
        if (live.index >= 0) {
          const { by, heir } = fate(live);
          this.builder.endRule(live.index, by, heir === null ? null : heir.index);
        }
        this.live.table(live.rule.table).remove(live);
      }
    }
    this.publish();
  }

  /** The order of such a delete decides the order of the masks that stay, if it empties several of them. */
  private warnOfGuess(mod: FlowMod, change: Change): void {
    if (mod.cookieMask !== ALL_ONES || !this.guessedCookies.has(mod.cookie)) return;
    const emptied = new Map<number, Set<number>>();
    for (const { rule, subtable } of change.old) {
      if (subtable.rules.size > 0) continue;
      const masks = emptied.get(rule.table) ?? new Set();
      emptied.set(rule.table, masks.add(subtable.id));
    }
    for (const [table, masks] of emptied) {
      if (masks.size < 2 || this.live.table(table).order.length < 2) continue;
      const cookie = `0x${mod.cookie.toString(16)}`;
      this.builder.warn(
        `step ${this.version}: the delete of cookie ${cookie} empties ${masks.size} masks of table ${table}; in which order, ` +
          `only a dump of that cookie would tell, and ties of equal priority in that table hang on it`,
      );
    }
  }

  private record(live: LiveRule): void {
    live.index = this.builder.addRule(live.rule, live.subtable.id, live.addedBy);
    this.byIndex[live.index] = live;
  }

  private recordOrders(number: number): void {
    for (const table of this.live.existing(number)) {
      if (table.recordedRevision === table.order.revision) continue;
      table.recordedRevision = table.order.revision;
      this.builder.setOrder(
        table.table,
        Int32Array.from(table.order, (subtable) => subtable.id),
      );
    }
  }

  /** ofproto_table_classifier_defer() */
  private tablesOf(mod: FlowMod): LiveTable[] {
    return mod.table === ALL_TABLES ? this.live.existing(ALL_TABLES) : [this.live.table(mod.table)];
  }

  private deferAll({ old, fresh }: Change): void {
    for (const list of [old, fresh]) for (const live of list) this.live.table(live.rule.table).defer();
  }

  private publish(): void {
    for (const table of this.tables.values()) table.publish();
  }

  /** Without a dump of its own a cookie's list is taken by age, the oldest as leader. */
  private orderCookies(installed: readonly LiveRule[], dumps: ReadonlyMap<bigint, readonly Rule[]> | undefined): void {
    const byCookie = new Map<bigint, LiveRule[]>();
    for (const live of [...installed].sort((a, b) => a.createdMs - b.createdMs)) {
      const list = byCookie.get(live.rule.cookie);
      if (list === undefined) byCookie.set(live.rule.cookie, [live]);
      else list.push(live);
    }
    for (const [cookie, [leader, ...younger]] of byCookie) {
      const byAge = [leader!, ...younger.reverse()];
      if (!dumps?.has(cookie)) this.guessedCookies.add(cookie);
      const shown = (dumps?.get(cookie) ?? [])
        .map((rule) => this.live.table(rule.table).findExactly(rule.match, rule.priority))
        .filter((live) => live !== null && live.rule.cookie === cookie) as LiveRule[];
      this.live.cookies.reorder(cookie, [...new Set([...shown, ...byAge])]);
    }
  }
}

/** Who made an old rule's place empty at last, and which rule of the same match stands there after the step. */
function fate(live: LiveRule): { by: LiveRule['removedBy']; heir: LiveRule | null } {
  let last = live;
  while (last.replacedBy?.leaving) last = last.replacedBy;
  return { by: last.removedBy, heir: last.replacedBy };
}

function secondsToMs(duration: string | null | undefined): number {
  return duration == null ? 0 : Math.round(Number.parseFloat(duration) * 1000);
}

export interface BuildOptions extends FlowTablesOptions, InstallDumpOptions {}

/** All versions of the tables: those of a dump, changed by the steps of a schedule. */
export function buildTimeline(
  before: readonly DumpLine[],
  steps: readonly Step[],
  options: BuildOptions = {},
): Timeline {
  const tables = new FlowTables(options);
  tables.installDump(before, options);
  for (const step of steps) tables.applyStep(step);
  const timeline = tables.timeline();
  const timed = timeline.rules.filter(({ rule }) => rule.idleTimeout > 0 || rule.hardTimeout > 0).length;
  if (timed > 0) tables.warn(`${timed} rules have time-outs: they stay until a step removes them`);
  return timeline;
}
