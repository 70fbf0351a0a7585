/**
 * The one interface of all classifiers: (table, header, version) -> rule and the validity of that answer.
 * The linear one (linear.ts) is the oracle of the others.
 */

/** Filled by a lookup; reused, never allocated per packet. */
export class LookupResult {
  /** Index into Timeline.rules; -1: no rule matches (table miss). */
  rule = -1;
  /** The answer is the same for every version in [from, to). */
  from = 0;
  to = 0;
  /** Conjunction id that led to the rule; null: an ordinary match. */
  conjId: number | null = null;
  /** The answer hangs on an unknown order of masks; `otherRules` are the other possible answers that have other actions. */
  ambiguous = false;
  readonly otherRules: number[] = [];
}

/** A lookup told in full, for causes and `trace`: slow. */
export interface LookupExplanation {
  readonly rule: number;
  readonly conjId: number | null;
  /** Clause flows of the winning id that the packet met (rule indices), in the order of the clauses; empty for an ordinary match. */
  readonly clauses: readonly number[];
  readonly from: number;
  readonly to: number;
}

export interface Classifier {
  /** `key`: Int32Array(KEY_WORDS); conj_id must be 0 in it. Unknown tables are empty tables. */
  lookup(table: number, key: Int32Array, version: number, out: LookupResult): void;
  explain(table: number, key: Int32Array, version: number): LookupExplanation;
}
