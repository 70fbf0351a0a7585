/**
 * The restart seen from the trace: step times in trace nanoseconds, which version each world has at a time, and by which
 * world packets are judged (ARCHITECTURE.md, "Words" and "Windows").
 */
import { compileFilter, type EntryTest } from '../conntrack/deletion.js';
import type { Timeline } from '../timeline/timeline.js';
import { NEVER } from '../util/units.js';

/** One assumption replayed. */
export const ACTUAL = 0;
export const BEFORE = 1;
export const AFTER = 2;
export type World = typeof ACTUAL | typeof BEFORE | typeof AFTER;
export const WORLDS: readonly World[] = [ACTUAL, BEFORE, AFTER];

export interface ConntrackDeletion {
  readonly step: number;
  /** Trace ns. */
  readonly tNs: number;
  /** null: flush. */
  readonly test: EntryTest | null;
  readonly worlds: 'actual' | 'all';
}

/** How far the new agent got: numbers for the first line of the report. */
export interface Unfinished {
  readonly tableSteps: number;
  /** Cookies of added rules, if version 0 lacks them all; else 0. */
  readonly cookies: number;
  /** Rules of version 0 still there at the end, in the tables that got new ones, and of how many. */
  readonly oldRules: number;
  readonly of: number;
  readonly newRules: number;
  /** True: `auto` judges by `before`. */
  readonly before: boolean;
}

export interface Restart {
  readonly timeline: Timeline;
  /** stepNs[i]: trace time of step i (index 0 unused); ascending. */
  readonly stepNs: Float64Array;
  readonly lastVersion: number;
  /** Step numbers of the first and last step that changes tables; 0: none. */
  readonly firstTableStep: number;
  readonly lastTableStep: number;
  readonly deletions: readonly ConntrackDeletion[];
  readonly unfinished: Unfinished;
  /** True: every difference from version 0 is a window (A := B). */
  readonly judgeBefore: boolean;
}

export type Judge = 'auto' | 'both' | 'before';

export function planRestart(timeline: Timeline, toTraceNs: (unixNs: bigint) => number, judge: Judge): Restart {
  const steps = timeline.steps;
  const stepNs = new Float64Array(steps.length + 1);
  stepNs[0] = Number.NEGATIVE_INFINITY;
  const deletions: ConntrackDeletion[] = [];
  let firstTableStep = 0;
  let lastTableStep = 0;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    stepNs[i + 1] = toTraceNs(step.t.earliest);
    if (step.kind === 'conntrack') {
      const test = step.filter === null ? null : compileFilter(step.filter);
      deletions.push({ step: i + 1, tNs: stepNs[i + 1]!, test, worlds: step.worlds });
    } else {
      if (firstTableStep === 0) firstTableStep = i + 1;
      lastTableStep = i + 1;
    }
  }
  const unfinished = measureUnfinished(timeline);
  const judgeBefore = judge === 'before' || (judge === 'auto' && unfinished.before);
  const lastVersion = steps.length;
  return { timeline, stepNs, lastVersion, firstTableStep, lastTableStep, deletions, unfinished, judgeBefore };
}

/** Version of `actual` as time goes on: packets come in time order, so one cursor walks along. */
export class VersionCursor {
  private readonly restart: Restart;
  private version = 0;

  constructor(restart: Restart) {
    this.restart = restart;
  }

  /** A step at time t acts before a packet at time t. */
  moveTo(tNs: number): number {
    const { stepNs, lastVersion } = this.restart;
    while (this.version < lastVersion && stepNs[this.version + 1]! <= tNs) this.version++;
    return this.version;
  }
}

/** Version of a world when `actual` is at version `v`: `after` has the last version from the first table step on. */
export function versionOf(restart: Restart, world: World, v: number): number {
  if (world === ACTUAL) return v;
  if (world === BEFORE) return 0;
  return restart.firstTableStep !== 0 && v >= restart.firstTableStep ? restart.lastVersion : 0;
}

/** After the last table step only the new policy is right (B := A). */
export function tablesDone(restart: Restart, v: number): boolean {
  return restart.lastTableStep !== 0 && v >= restart.lastTableStep;
}

/** The world that a packet at version `v` is judged by. */
export function rightWorld(restart: Restart, v: number): World {
  return !restart.judgeBefore && tablesDone(restart, v) ? AFTER : BEFORE;
}

/** An agent marks its rules with one cookie or a few; ordinary changes by a busy controller carry many. */
const COOKIES_MAX = 16;
/** Share of old rules left that tells a restart that died from one that is through (recorded: 0 in complete runs, 44 % and more in died ones). */
const OLD_SHARE_MAX = 0.05;

function measureUnfinished(timeline: Timeline): Unfinished {
  const tableSteps = timeline.steps.filter((step) => step.kind === 'tables').length;
  const cookiesBefore = new Set<bigint>();
  const cookiesAdded = new Set<bigint>();
  const tables = new Set<number>();
  let newRules = 0;
  for (const { rule, from, to } of timeline.rules) {
    if (from === 0) {
      cookiesBefore.add(rule.cookie);
      continue;
    }
    cookiesAdded.add(rule.cookie);
    tables.add(rule.table);
    if (to === NEVER) newRules++;
  }
  let oldRules = 0;
  let of = 0;
  for (const { rule, from, to } of timeline.rules) {
    if (from !== 0 || !tables.has(rule.table)) continue;
    of++;
    if (to === NEVER) oldRules++;
  }
  const allNew = cookiesAdded.size > 0 && [...cookiesAdded].every((cookie) => !cookiesBefore.has(cookie));
  const cookies = allNew ? cookiesAdded.size : 0;
  const before = tableSteps > 1 && allNew && cookies <= COOKIES_MAX && oldRules > OLD_SHARE_MAX * of;
  return { tableSteps, cookies, oldRules, of, newRules, before };
}
