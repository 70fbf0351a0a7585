import type { Action } from './actions.js';
import type { Match } from './match.js';

export type OfVersion = '1.0' | '1.1' | '1.2' | '1.3' | '1.4' | '1.5';

/** Flags of a flow entry, by the words that ovs-ofctl prints. */
export interface RuleFlags {
  readonly sendFlowRem: boolean;
  readonly checkOverlap: boolean;
  readonly resetCounts: boolean;
  readonly noPacketCounts: boolean;
  readonly noByteCounts: boolean;
}

export const NO_FLAGS: RuleFlags = {
  sendFlowRem: false,
  checkOverlap: false,
  resetCounts: false,
  noPacketCounts: false,
  noByteCounts: false,
};

/** One OpenFlow flow entry. "Flow" alone never means a rule in code. */
export interface Rule {
  /** 0..254 */
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
  readonly cookie: bigint;
  /** Seconds, 0 = none. */
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly importance: number;
  readonly flags: RuleFlags;
}

/** What a dump says beside the rule itself; ages in seconds, decimals as text. */
export interface RuleStats {
  readonly duration: string | null;
  readonly nPackets: bigint | null;
  readonly nBytes: bigint | null;
  readonly idleAge: number | null;
  readonly hardAge: number | null;
}

export type FlowModOp = 'add' | 'modify' | 'modify_strict' | 'delete' | 'delete_strict';

/** One OpenFlow change message. */
export interface FlowMod {
  readonly op: FlowModOp;
  /** 255: all tables (delete, and modify of OpenFlow 1.0); an add then goes to table 0. */
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
  /** Cookie to set (add; modify of OpenFlow 1.0); all ones: keep the old one on replacement. */
  readonly newCookie: bigint;
  /** modify: set the cookie as well (OpenFlow 1.0 semantics). */
  readonly modifyCookie: boolean;
  /** Selects rules of modify and delete: rule.cookie & cookieMask == cookie & cookieMask. Mask 0: all. */
  readonly cookie: bigint;
  readonly cookieMask: bigint;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly importance: number;
  readonly flags: RuleFlags;
  /** delete: only rules with an output to this port (PORT.NONE: any) or group (0xffffffff: any). */
  readonly outPort: number;
  readonly outGroup: number;
  /** Version it was sent with: decides what a modify without a match does. */
  readonly of: OfVersion;
}

export type { PortNames } from '../fields/portText.js';
