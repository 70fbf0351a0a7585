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

/** A verdict while its packet runs. */
export class VerdictBuilder {
  readonly outputs: Output[] = [];
  readonly ct: CtSeen[] = [];
  readonly lookups: Lookup[] = [];
  readonly passes: PassRecord[] = [];
  controller = 0;
  unsupported: Verdict['unsupported'] = null;
  error: string | null = null;
  held = false;
  ctDropped = false;
  ambiguous = false;

  finish(): Verdict {
    const { outputs, ct, lookups, controller, unsupported, error, passes } = this;
    return { outcome: this.outcome(), outputs, ct, lookups, controller, unsupported, error, passes };
  }

  private outcome(): Outcome {
    if (this.unsupported !== null) return 'unsupported';
    if (this.ambiguous) return 'ambiguous';
    if (this.outputs.length > 0) return 'delivered';
    if (this.ctDropped) return 'ctDropped';
    if (this.held) return 'held';
    return this.controller > 0 ? 'controller' : 'dropped';
  }
}
