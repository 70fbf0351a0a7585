/** What a pass reads beside the packet: tables, ports, groups, configuration of one bridge. */
import type { Classifier } from '../classify/classifier.js';
import type { Action } from '../openflow/actions.js';
import type { Rule } from '../openflow/rule.js';
import type { Step } from './compile.js';
import type { Pass } from './effects.js';

export type VlanMode = 'access' | 'trunk' | 'native-tagged' | 'native-untagged' | 'dot1q-tunnel';

/** other_config:priority-tags of a port: is a tag of VLAN 0 sent? (vswitch.xml) */
export type PriorityTags = 'never' | 'if-nonzero' | 'always';

/** A port of the bridge as the Port table of OVSDB describes it. LOCAL is a port too (trunk, no tag). */
export interface PipelinePort {
  readonly name: string;
  readonly ofport: number;
  /** null: no `tag`. */
  readonly tag: number | null;
  /** null or empty: all VLANs. */
  readonly trunks: readonly number[] | null;
  /** null: access if `tag` is given, else trunk (ofproto-dpif.c:bundle_set). */
  readonly vlanMode: VlanMode | null;
  /** dot1q-tunnel: customer VLANs let in and out; absent or empty: all. */
  readonly cvlans?: readonly number[];
  /** dot1q-tunnel: Ethernet type of the service tag; default 0x88a8. */
  readonly qinqTpid?: number;
  /** Default never. */
  readonly priorityTags?: PriorityTags;
  /** Name of the patch port at the other end; null: an ordinary port. */
  readonly peer: string | null;
  readonly noFlood: boolean;
  /** OFPPC_NO_FWD: nothing is sent here. */
  readonly noForward: boolean;
}

export interface GroupBucket {
  readonly actions: readonly Action[];
  /** select: 0 is never chosen. */
  readonly weight: number;
  readonly watchPort: number | null;
  readonly watchGroup: number | null;
}

export interface Group {
  readonly id: number;
  readonly type: 'all' | 'select' | 'indirect' | 'ff';
  readonly buckets: readonly GroupBucket[];
  /** select: by the datapath's hash of the packet, which needs a recirculation (the default), or by fields at once. */
  readonly selection: 'dp_hash' | 'hash';
}

/** other_config of the bridge, as far as it changes where packets go. */
export interface BridgeConfig {
  /** Seconds, OVS's limits applied (15..3600). */
  readonly macAgingTime: number;
  /** Entries (10..1,000,000). */
  readonly macTableSize: number;
  readonly forwardBpdu: boolean;
}

/** Defaults: lib/mac-learning.h:MAC_ENTRY_DEFAULT_IDLE_TIME and MAC_DEFAULT_MAX. */
export const DEFAULT_BRIDGE_CONFIG: BridgeConfig = { macAgingTime: 300, macTableSize: 8192, forwardBpdu: false };

export interface PipelineEnv {
  readonly bridge: string;
  readonly classifier: Classifier;
  /** Rule by the index that the classifier gives. */
  readonly ruleAt: (index: number) => Rule;
  /** LOCAL included where it exists. */
  readonly ports: ReadonlyMap<number, PipelinePort>;
  readonly groups: ReadonlyMap<number, Group>;
  readonly config: BridgeConfig;
  /** Told of every pass as it runs (`trace`); slow. */
  readonly observer?: PassObserver;
}

/** Keys are those of the moment and are written on afterwards: copy what is kept. */
export interface PassObserver {
  /** A pass begins at `table`; `resumed`: after a recirculation. */
  begin(key: Int32Array, table: number, resumed: boolean): void;
  /** A lookup was answered (-1: table miss); what follows up to `leave` is in its list. */
  enter(table: number, rule: number, key: Int32Array): void;
  /** A list that stands in no table: an action set, a bucket. */
  enterList(what: string, isIndented: boolean): void;
  leave(): void;
  /** About to be executed. */
  action(step: Step): void;
  /** What is shown in place of an action: `drop` for an empty list, nat inside ct(). */
  actionText(text: string): void;
  detail(text: string): void;
  warn(text: string): void;
  /** `key`: the packet as it is at the end. */
  end(key: Int32Array, pass: Pass): void;
}
