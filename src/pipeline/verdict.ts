/** What became of one packet, whole: all passes, in time order. */
import type { Pass } from './effects.js';

/** What becomes of a packet. */
export type Outcome =
  | 'delivered'
  | 'dropped'
  | 'held'
  | 'ctDropped'
  | 'controller'
  | 'unsupported'
  | 'unparsed'
  | 'ambiguous';

export interface Output {
  readonly bridge: string;
  readonly port: number;
  /** null: the packet was given as a flow, without bytes. */
  readonly frame: Uint8Array | null;
  /** The frame is not the one that came in. */
  readonly changed: boolean;
}

/** The ct fields that a pass after ct(table=) starts with. */
export interface CtSeen {
  readonly state: number;
  readonly zone: number;
  readonly mark: number;
  readonly label: bigint;
}

export interface Lookup {
  readonly bridge: string;
  readonly table: number;
  /** Index of the rule in its bridge; -1: table miss. */
  readonly rule: number;
  readonly conjId: number | null;
}

/** One pass as it was run, for `trace`. `nested`: in another bridge, from a patch port, before the outer pass went on. */
export interface PassRecord {
  readonly bridge: string;
  readonly key: Int32Array;
  readonly pass: Pass;
  readonly nested: boolean;
  readonly ct: CtSeen | null;
}

export interface Verdict {
  readonly outcome: Outcome;
  /** Every bridge's, in the order of output. */
  readonly outputs: readonly Output[];
  /** One for each pass after a ct(table=), in order. */
  readonly ct: readonly CtSeen[];
  /** In the order of `ofproto/trace`: pass by pass, those of a patch port's bridge where the packet went there. */
  readonly lookups: readonly Lookup[];
  readonly controller: number;
  readonly unsupported: { readonly bridge: string; readonly rule: number; readonly what: string } | null;
  /** Limit of OVS that emptied a pass. */
  readonly error: string | null;
  readonly passes: readonly PassRecord[];
}
