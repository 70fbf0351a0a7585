import type { FlowMod, OfVersion } from '../openflow/rule.js';

/** [earliest, latest] in ns since 1970 as bigint; equal when known. */
export interface TimeBracket {
  readonly earliest: bigint;
  readonly latest: bigint;
}

/** Which conntrack entries a deletion step removes; absent field: any. Tuple fields are those of the original direction. */
export interface ConntrackFilter {
  readonly zone?: number;
  readonly proto?: number;
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly mark?: number;
  readonly markMask?: number;
  readonly dir?: 'orig' | 'reply' | 'any';
}

/** One atomic change. Step i, counted from 1, leads from version i-1 to version i. */
export interface TableStep {
  readonly kind: 'tables';
  readonly t: TimeBracket;
  readonly mods: readonly FlowMod[];
  readonly bundle: boolean;
  readonly batch: number | null;
  readonly note: string | null;
}

export interface ConntrackStep {
  readonly kind: 'conntrack';
  readonly t: TimeBracket;
  /** null: flush. */
  readonly filter: ConntrackFilter | null;
  readonly worlds: 'actual' | 'all';
  readonly note: string | null;
}

export type Step = TableStep | ConntrackStep;

export type Fidelity = 'wire' | 'monitor' | 'log' | 'dumps' | 'model';

/** The restart, as data. A line with several flow-mods and no bundle has been split into as many steps at one time. */
export interface Schedule {
  readonly source: string;
  readonly clock: 'unix' | 'relative';
  readonly fidelity: Fidelity;
  readonly of: OfVersion;
  readonly steps: readonly Step[];
  readonly warnings: readonly string[];
}
