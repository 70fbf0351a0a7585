/**
 * Two runs of one packet held against each other: where their ways part, and what the flow-mods did to the lookup that
 * decided (ARCHITECTURE.md, "Cause").
 */
import type { LookupExplanation } from '../classify/classifier.js';
import type { Action } from '../openflow/actions.js';
import { matchKey } from '../openflow/match.js';
import type { LookupRecord } from '../pipeline/effects.js';
import type { Timeline, TimelineRule } from '../timeline/timeline.js';

/** The last lookup that both runs made and that went apart: rule of the one, rule of the other (-1: table miss). */
export interface Deciding {
  /** Position in the lookups of both runs. */
  readonly at: number;
  readonly table: number;
  readonly rule: number;
  readonly instead: number;
}

/**
 * Among the tables that both visit in the same order, the last lookup whose actions differ, cookies aside. Last, because
 * an agent's rules often write an id into a register first, which alone is harmless.
 */
export function deciding(
  timeline: Timeline,
  mine: readonly LookupRecord[],
  other: readonly LookupRecord[],
): Deciding | null {
  let found: Deciding | null = null;
  const count = Math.min(mine.length, other.length);
  for (let i = 0; i < count; i++) {
    const a = mine[i]!;
    const b = other[i]!;
    if (a.table !== b.table) break;
    if (!sameActions(timeline, a.rule, b.rule)) found = { at: i, table: a.table, rule: a.rule, instead: b.rule };
  }
  return found;
}

function sameActions(timeline: Timeline, a: number, b: number): boolean {
  if (a === b) return true;
  if (a < 0 || b < 0) return false;
  return actionKey(timeline.rules[a]!) === actionKey(timeline.rules[b]!);
}

/** Same match, priority and actions: cookies and counters aside, the same rule. */
export function sameRuleText(timeline: Timeline, a: number, b: number): boolean {
  if (a === b) return true;
  if (a < 0 || b < 0) return false;
  const x = timeline.rules[a]!;
  const y = timeline.rules[b]!;
  return (
    x.rule.table === y.rule.table &&
    x.rule.priority === y.rule.priority &&
    matchKey(x.rule.match) === matchKey(y.rule.match) &&
    actionKey(x) === actionKey(y)
  );
}

const keys = new WeakMap<TimelineRule, string>();

function actionKey(rule: TimelineRule): string {
  let key = keys.get(rule);
  if (key === undefined) {
    key = JSON.stringify(rule.rule.actions, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
    keys.set(rule, key);
  }
  return key;
}

export type EffectName = 'id-reused' | 'clause-lost' | 'rule-lost' | 'added-above' | 'order';

export type EffectDetail =
  | {
      readonly table: number;
      readonly id: number;
      /** `k/n` */
      readonly clause: string;
      readonly how: 'replaced' | 'deleted';
      readonly piece: number;
      /** How many clause flows of the old answer were lost in this step. */
      readonly all: number;
    }
  | { readonly table: number; readonly id: number; readonly old: readonly number[]; readonly new: readonly number[] }
  | { readonly table: number; readonly how: 'replaced' | 'deleted'; readonly piece: number }
  | { readonly table: number; readonly piece: number; readonly conjunction: boolean }
  | { readonly table: number };

export interface EffectFound {
  readonly effect: EffectName;
  readonly detail: EffectDetail;
  /** The flow-mod (number in its step, from 1) that changed the first changed piece. */
  readonly mod: number | null;
}

/**
 * What step `step` (from version step-1 to step) did to the lookup in `table`: the answers right before and right after it.
 * Pieces of an answer: its rule and, for a conjunction, the clause flows that the packet met.
 */
export function effectOf(
  timeline: Timeline,
  table: number,
  step: number,
  before: LookupExplanation,
  after: LookupExplanation,
): EffectFound {
  const rules = timeline.rules;
  const piecesAfter = piecesOf(timeline, table, step, after);
  const added = firstAdded(timeline, table, after, step);

  if (after.conjId !== null) {
    const old = piecesAfter.filter((piece) => rules[piece]!.from === 0);
    const fresh = piecesAfter.filter((piece) => rules[piece]!.from > 0);
    if (old.length > 0 && fresh.length > 0) {
      return { effect: 'id-reused', detail: { table, id: after.conjId, old, new: fresh }, mod: added.mod };
    }
  }

  if (before.conjId !== null) {
    const id = before.conjId;
    const pieces = piecesOf(timeline, table, step - 1, before);
    const lost = pieces.filter((piece) => piece !== before.rule && clauseIsLost(timeline, piece, id, step));
    const first = lost[0];
    if (first !== undefined) {
      const rule = rules[first]!;
      const how = rule.replacedBy === null ? 'deleted' : 'replaced';
      const detail = {
        table,
        id,
        clause: clauseText(rule.rule.actions, id),
        how,
        piece: first,
        all: lost.length,
      } as const;
      return { effect: 'clause-lost', detail, mod: rule.removedBy?.mod ?? null };
    }
  }

  if (before.rule >= 0 && ruleIsLost(timeline, before.rule, step)) {
    const rule = rules[before.rule]!;
    const how = rule.replacedBy === null ? 'deleted' : 'replaced';
    return { effect: 'rule-lost', detail: { table, how, piece: before.rule }, mod: rule.removedBy?.mod ?? null };
  }

  if (added.piece !== null) {
    const detail = { table, piece: added.piece, conjunction: after.conjId !== null };
    return { effect: 'added-above', detail, mod: added.mod };
  }
  return { effect: 'order', detail: { table }, mod: null };
}

/** Clause flows in the order in which the lookup met them (that of the masks), then the rule. */
function piecesOf(timeline: Timeline, table: number, version: number, answer: LookupExplanation): number[] {
  const epochs = timeline.tables.get(table)?.epochs ?? [];
  const order = epochs.findLast(({ from }) => from <= version)?.order ?? new Int32Array(0);
  const place = (piece: number): number => order.indexOf(timeline.rules[piece]!.mask);
  const clauses = [...answer.clauses].sort((a, b) => place(a) - place(b));
  return answer.rule >= 0 ? [...clauses, answer.rule] : clauses;
}

/** The first piece of an answer that this step added. */
export function firstAdded(
  timeline: Timeline,
  table: number,
  answer: LookupExplanation,
  step: number,
): { piece: number | null; mod: number | null } {
  const { rules } = timeline;
  const piece = piecesOf(timeline, table, step, answer).find((each) => rules[each]!.addedBy?.step === step);
  return piece === undefined ? { piece: null, mod: null } : { piece, mod: rules[piece]!.addedBy!.mod };
}

/** The clause flow is gone at version `step`, or what replaced it there no longer names the id. */
function clauseIsLost(timeline: Timeline, piece: number, id: number, step: number): boolean {
  const successor = successorAt(timeline, piece, step);
  return (
    successor === null || !successor.rule.actions.some((action) => action.type === 'conjunction' && action.id === id)
  );
}

/** The rule is gone at version `step`, or has other actions. */
function ruleIsLost(timeline: Timeline, index: number, step: number): boolean {
  const successor = successorAt(timeline, index, step);
  return successor === null || !sameActions(timeline, index, successor.index);
}

/** The rule itself or what replaced it, as of version `v`; null: deleted. */
function successorAt(timeline: Timeline, index: number, v: number): TimelineRule | null {
  let rule = timeline.rules[index]!;
  while (rule.to <= v) {
    if (rule.replacedBy === null) return null;
    rule = timeline.rules[rule.replacedBy]!;
  }
  return rule;
}

function clauseText(actions: readonly Action[], id: number): string {
  for (const action of actions) {
    if (action.type === 'conjunction' && action.id === id) return `${action.clause}/${action.nClauses}`;
  }
  return '';
}
