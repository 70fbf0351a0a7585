/**
 * The present rules of one table as OVS keeps them (lib/classifier.c): one subtable per mask, in each the chains of rules
 * with identical match, and the order of the masks. Rules on their way out (`leaving`) still hold their mask's place.
 */
import type { Match } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';
import { MaskOrder } from './maskOrder.js';
import type { ChangeBy } from './timeline.js';

export interface LiveRule {
  /** Replaced only by fin_timeout, which shortens time-outs. */
  rule: Rule;
  readonly subtable: Subtable;
  /** Hash of the match's values: its bucket in the subtable. */
  readonly hash: number;
  /** Milliseconds of the virtual clock. */
  createdMs: number;
  modifiedMs: number;
  usedMs: number;
  readonly addedBy: ChangeBy | null;
  /** Deleted or replaced, but not yet taken out of the subtable. */
  leaving: boolean;
  removedBy: ChangeBy | null;
  replacedBy: LiveRule | null;
  /** Index in the timeline; -1 while its step is not finished. */
  index: number;
  cookieBefore: LiveRule | null;
  cookieAfter: LiveRule | null;
}

/** Where a rule lies in its table. */
export interface Place {
  readonly subtable: Subtable;
  /** Hash of the match's values: its bucket in the subtable. */
  readonly hash: number;
}

/** All rules with one mask. It is kept when it is empty, so that a mask has one number for good. */
export class Subtable {
  readonly mask: Match;
  /** Index into TableTimeline.masks. */
  readonly id: number;
  /** In the order of insertion; a replacement is a new insertion. */
  readonly rules = new Set<LiveRule>();
  readonly buckets = new Map<number, LiveRule[]>();
  /** How many rules have each priority, leaving ones included. */
  readonly priorities = new Map<number, number>();
  maxPriority = -1;

  constructor(mask: Match, id: number) {
    this.mask = mask;
    this.id = id;
  }

  /** Is every bit of `mask` matched by this subtable's rules? (minimask_has_extra() is the opposite.) */
  covers(match: Match): boolean {
    const { words, masks } = this.mask;
    let at = 0;
    for (let i = 0; i < match.words.length; i++) {
      while (at < words.length && words[at]! < match.words[i]!) at++;
      if (words[at] !== match.words[i] || (masks[at]! & match.masks[i]!) !== match.masks[i]!) return false;
    }
    return true;
  }
}

export class LiveTable {
  readonly table: number;
  readonly order = new MaskOrder<Subtable>();
  private readonly subtables = new Map<number, Subtable[]>();
  private readonly newMask: (mask: Match) => number;
  private located: { readonly match: Match; readonly subtable: Subtable | null; readonly hash: number } | null = null;
  /** Between defer() and publish() changes of the order wait. */
  private deferred = false;
  /** MaskOrder.revision that the timeline knows. */
  recordedRevision = -1;

  /** `newMask` numbers a mask that this table sees for the first time. */
  constructor(table: number, newMask: (mask: Match) => number) {
    this.table = table;
    this.newMask = newMask;
  }

  defer(): void {
    this.deferred = true;
  }

  publish(): void {
    this.deferred = false;
    this.order.publish();
  }

  /** Where rules with this match lie: the subtable, made when there is none, and the hash of the values. */
  place(match: Match): Place {
    let { subtable, hash } = this.locate(match);
    if (subtable === null) {
      subtable = new Subtable(match, this.newMask(match));
      const key = maskHash(match);
      const list = this.subtables.get(key);
      if (list === undefined) this.subtables.set(key, [subtable]);
      else list.push(subtable);
      this.located = { match, subtable, hash };
    }
    return { subtable, hash };
  }

  /** Most matches are looked for twice, to find the old rule and to put in the new one. */
  private locate(match: Match): { readonly subtable: Subtable | null; readonly hash: number } {
    if (this.located?.match === match) return this.located;
    const last = this.located?.subtable ?? null;
    // Rules read from one text share the arrays of their mask.
    const isLast = last !== null && last.mask.words === match.words && last.mask.masks === match.masks;
    const subtable = isLast ? last : this.findSubtable(match);
    this.located = { match, subtable, hash: hashArray(match.values, 0) };
    return this.located;
  }

  private findSubtable(match: Match): Subtable | null {
    for (const subtable of this.subtables.get(maskHash(match)) ?? [])
      if (isSameMask(subtable.mask, match)) return subtable;
    return null;
  }

  /** classifier_insert() */
  insert(live: LiveRule): void {
    const { subtable, hash } = live;
    const { priority } = live.rule;
    const bucket = subtable.buckets.get(hash);
    if (bucket === undefined) subtable.buckets.set(hash, [live]);
    else bucket.push(live);
    const isFirst = subtable.rules.size === 0;
    subtable.rules.add(live);
    subtable.priorities.set(priority, (subtable.priorities.get(priority) ?? 0) + 1);
    if (isFirst) {
      subtable.maxPriority = priority;
      this.order.insert(subtable, priority);
    } else if (priority > subtable.maxPriority) {
      subtable.maxPriority = priority;
      this.order.changePriority(subtable, priority);
    }
    if (!this.deferred) this.order.publish();
  }

  /** classifier_remove() */
  remove(live: LiveRule): void {
    const { subtable, hash } = live;
    const { priority } = live.rule;
    const bucket = subtable.buckets.get(hash)!;
    if (bucket.length === 1) subtable.buckets.delete(hash);
    else bucket.splice(bucket.indexOf(live), 1);
    subtable.rules.delete(live);
    const left = subtable.priorities.get(priority)! - 1;
    if (left > 0) subtable.priorities.set(priority, left);
    else subtable.priorities.delete(priority);
    if (subtable.rules.size === 0) {
      subtable.maxPriority = -1;
      this.order.remove(subtable);
    } else if (left === 0 && priority === subtable.maxPriority) {
      subtable.maxPriority = Math.max(...subtable.priorities.keys());
      this.order.changePriority(subtable, subtable.maxPriority);
    }
    if (!this.deferred) this.order.publish();
  }

  /** classifier_find_rule_exactly(): identical match and priority, not leaving. Published or not makes no difference. */
  findExactly(match: Match, priority: number): LiveRule | null {
    const { subtable, hash } = this.locate(match);
    const bucket = subtable?.buckets.get(hash);
    if (bucket !== undefined)
      for (const live of bucket)
        if (!live.leaving && live.rule.priority === priority && sameArray(live.rule.match.values, match.values))
          return live;
    return null;
  }

  /** CLS_FOR_EACH_TARGET: rules at least as specific as `match`, in the order of the published masks. */
  *findLoosely(match: Match): IterableIterator<LiveRule> {
    for (const subtable of this.order) {
      if (!subtable.covers(match)) continue;
      if (isSameMask(subtable.mask, match)) {
        for (const live of subtable.buckets.get(this.locate(match).hash) ?? [])
          if (!live.leaving && sameArray(live.rule.match.values, match.values)) yield live;
      } else {
        for (const live of subtable.rules) if (!live.leaving && isLooseMatch(live.rule.match, match)) yield live;
      }
    }
  }

  /** classifier_rule_overlaps(): may a rule of this priority and `match` meet a common packet? Published masks only. */
  overlaps(match: Match, priority: number): boolean {
    for (const [subtable, maxPriority] of this.order.withPriorities()) {
      if (maxPriority < priority) break;
      for (const live of subtable.rules)
        if (live.rule.priority === priority && !live.leaving && agree(live.rule.match, match)) return true;
    }
    return false;
  }

  /** Rules in the order of a dump. */
  *[Symbol.iterator](): IterableIterator<LiveRule> {
    for (const subtable of this.order) for (const live of subtable.rules) if (!live.leaving) yield live;
  }
}

const maskHash = (match: Match): number => hashArray(match.masks, hashArray(match.words, 0));

/** cls_rule_is_loose_match(): the rule names at least the bits of `criteria`, with the same values. */
export function isLooseMatch(rule: Match, criteria: Match): boolean {
  let at = 0;
  for (let i = 0; i < criteria.words.length; i++) {
    const word = criteria.words[i]!;
    const mask = criteria.masks[i]!;
    while (at < rule.words.length && rule.words[at]! < word) at++;
    if (rule.words[at] !== word || (rule.masks[at]! & mask) !== mask) return false;
    if ((rule.values[at]! & mask) !== criteria.values[i]!) return false;
  }
  return true;
}

function isSameMask(a: Match, b: Match): boolean {
  return sameArray(a.words, b.words) && sameArray(a.masks, b.masks);
}

/** Do both agree on the bits that both name? */
function agree(a: Match, b: Match): boolean {
  let at = 0;
  for (let i = 0; i < b.words.length; i++) {
    while (at < a.words.length && a.words[at]! < b.words[i]!) at++;
    if (a.words[at] !== b.words[i]) continue;
    if (((a.values[at]! ^ b.values[i]!) & a.masks[at]! & b.masks[i]!) !== 0) return false;
  }
  return true;
}

function sameArray(a: Int32Array, b: Int32Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function hashArray(array: Int32Array, seed: number): number {
  let h = seed ^ array.length;
  for (let i = 0; i < array.length; i++) {
    h = Math.imul(h ^ array[i]!, 0x9e3779b1);
    h ^= h >>> 15;
  }
  return h;
}
