/** Actions as the pipeline runs them: field writes are turned into word writes of the key once per rule. */
import type { Action } from '../openflow/actions.js';

/** Bits of `mask` in key word `word` become those of `value`. */
export interface WordWrite {
  readonly word: number;
  readonly value: number;
  readonly mask: number;
}

/** What a packet must be for a field to exist in it (meta-flow.h:enum mf_prereqs); `l4`: IP, and not a later fragment. */
export type Prerequisite =
  | 'none'
  | 'ethernet'
  | 'arp'
  | 'vlan'
  | 'ipv4'
  | 'ipv6'
  | 'ip'
  | 'nsh'
  | 'ctValid'
  | 'mpls'
  | 'tcp'
  | 'udp'
  | 'sctp'
  | 'icmpv4'
  | 'icmpv6'
  | 'nd'
  | 'ndSolicit'
  | 'ndAdvert'
  | 'l4';

export interface WriteStep {
  readonly type: 'write';
  readonly writes: readonly WordWrite[];
  readonly prerequisite: Prerequisite;
  readonly field: string;
}

/** Every set_* action is a `write`; the others are kept as they are. */
export type Step = WriteStep | Exclude<Action, { type: 'setField' }>;
