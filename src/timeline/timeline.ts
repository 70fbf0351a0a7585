import type { Match } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';
import type { Step } from './schedule.js';

/** Who did something to a rule: step number (from 1) and flow-mod number in it (from 1). */
export interface ChangeBy {
  readonly step: number;
  readonly mod: number;
}

/** A rule with its lifetime: it exists in versions [from, to). A modify ends one lifetime and starts another. */
export interface TimelineRule {
  readonly index: number;
  readonly rule: Rule;
  readonly from: number;
  /** NEVER while it exists. */
  to: number;
  readonly addedBy: ChangeBy | null;
  removedBy: ChangeBy | null;
  /** The rule was replaced by this one (identical match and priority), not deleted. */
  replacedBy: number | null;
  /** Index into `TableTimeline.masks`. */
  readonly mask: number;
}

/** Order in which OVS visits a table's masks in versions [from, next epoch's from): indices into `masks`. */
export interface OrderEpoch {
  readonly from: number;
  readonly order: Int32Array;
}

export interface TableTimeline {
  readonly table: number;
  /** One representative match per distinct mask (its words and masks count, not its values). */
  readonly masks: readonly Match[];
  /** Ascending by `from`, first one at 0. */
  readonly epochs: readonly OrderEpoch[];
  /** Indices of this table's rules, in order of creation. */
  readonly rules: readonly number[];
}

/** All versions of all tables. */
export interface Timeline {
  /** Number of the last version = number of steps. */
  readonly lastVersion: number;
  readonly rules: readonly TimelineRule[];
  readonly tables: ReadonlyMap<number, TableTimeline>;
  readonly steps: readonly Step[];
  /** False: the dump's line order is not the mask order; ties and several complete ids are ambiguous. */
  readonly orderKnown: boolean;
  readonly warnings: readonly string[];
}
