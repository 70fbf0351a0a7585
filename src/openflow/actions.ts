/**
 * Actions and instructions as Open vSwitch holds them after decoding ("ofpacts", include/openvswitch/ofp-actions.h).
 * One list per rule, in execution order; instructions are elements of it (meter, clear_actions, write_actions,
 * write_metadata, goto_table), as in OVS.
 *
 * Field names are canonical OVS names (fields/fieldTable.ts). Wide values are bigint: this is cold data, the pipeline
 * compiles it into word operations.
 */

/** `nBits` bits of a field from bit `ofs` (0 = least significant), e.g. NXM_NX_REG0[0..15]. */
export interface SubField {
  readonly field: string;
  readonly ofs: number;
  readonly nBits: number;
}

export interface NatSpec {
  /** Neither: plain `nat` (only translate packets of connections that have a mapping). */
  readonly kind: 'src' | 'dst' | null;
  readonly persistent: boolean;
  readonly selection: 'hash' | 'random' | null;
  /** Address range as text-free numbers: IPv4 32 bits, IPv6 128 bits; null: `src=0.0.0.0` or none. */
  readonly family: 4 | 6 | null;
  readonly addrMin: bigint;
  readonly addrMax: bigint;
  readonly portMin: number;
  readonly portMax: number;
}

export type LearnSpec =
  | { readonly kind: 'match'; readonly dst: SubField; readonly src: SubField | bigint }
  | { readonly kind: 'load'; readonly dst: SubField; readonly src: SubField | bigint }
  | { readonly kind: 'output'; readonly src: SubField };

export type Action =
  /**
   * Port in the 16-bit space, reserved ports of fields/key.ts:PORT included. `maxLen`: only to PORT.CONTROLLER, bytes to
   * send (`controller`, `controller:128` are this, not type 'controller', as in OVS); absent: 65535.
   */
  | { readonly type: 'output'; readonly port: number; readonly maxLen?: number }
  | { readonly type: 'outputReg'; readonly src: SubField; readonly maxLen: number }
  | { readonly type: 'outputTrunc'; readonly port: number; readonly maxLen: number }
  | {
      readonly type: 'controller';
      readonly maxLen: number;
      readonly reason: string;
      readonly controllerId: number;
      /** Hex digits, '' when none. */
      readonly userdata: string;
      readonly pause: boolean;
      readonly meterId: number | null;
    }
  | { readonly type: 'group'; readonly group: number }
  | { readonly type: 'enqueue'; readonly port: number; readonly queue: number }
  | { readonly type: 'setQueue'; readonly queue: number }
  | { readonly type: 'popQueue' }
  | {
      readonly type: 'bundle';
      readonly hashFields: string;
      readonly basis: number;
      readonly algorithm: string;
      readonly members: readonly number[];
      readonly dst: SubField | null;
    }
  /** OpenFlow 1.0 mod_vlan_vid pushes a tag when there is none (`pushIfNeeded`); 1.1 set_vlan_vid does not. */
  | { readonly type: 'setVlanVid'; readonly vid: number; readonly pushIfNeeded: boolean; readonly flowHasVlan: boolean }
  | { readonly type: 'setVlanPcp'; readonly pcp: number; readonly pushIfNeeded: boolean; readonly flowHasVlan: boolean }
  | { readonly type: 'stripVlan' }
  | { readonly type: 'pushVlan'; readonly ethertype: number }
  | { readonly type: 'pushMpls'; readonly ethertype: number }
  | { readonly type: 'popMpls'; readonly ethertype: number }
  | { readonly type: 'setEthSrc'; readonly mac: bigint }
  | { readonly type: 'setEthDst'; readonly mac: bigint }
  | { readonly type: 'setIpv4Src'; readonly ip: number }
  | { readonly type: 'setIpv4Dst'; readonly ip: number }
  | { readonly type: 'setIpDscp'; readonly dscp: number /** 0..252, shifted */ }
  | { readonly type: 'setIpEcn'; readonly ecn: number }
  | { readonly type: 'setIpTtl'; readonly ttl: number }
  | { readonly type: 'setL4SrcPort'; readonly port: number }
  | { readonly type: 'setL4DstPort'; readonly port: number }
  | { readonly type: 'setMplsLabel'; readonly label: number }
  | { readonly type: 'setMplsTc'; readonly tc: number }
  | { readonly type: 'setMplsTtl'; readonly ttl: number }
  /** `ids` empty: plain `dec_ttl`, to controller 0. */
  | { readonly type: 'decTtl'; readonly ids: readonly number[] }
  | { readonly type: 'decMplsTtl' }
  | { readonly type: 'decNshTtl' }
  /** set_field and load (one thing in OVS, ofpact_set_field): bits of `mask` take those of `value`. */
  | {
      readonly type: 'setField';
      readonly field: string;
      readonly value: bigint;
      readonly mask: bigint;
      readonly load: boolean;
      /** Came as NXAST_REG_LOAD2, and goes out so before OpenFlow 1.5; prints as set_field. */
      readonly load2?: true;
    }
  | { readonly type: 'move'; readonly src: SubField; readonly dst: SubField }
  | { readonly type: 'push'; readonly src: SubField }
  | { readonly type: 'pop'; readonly dst: SubField }
  /** `wide`: came as set_tunnel64. */
  | { readonly type: 'setTunnel'; readonly id: bigint; readonly wide?: boolean }
  /** `port` null: the current in_port. `table` null or 255: the current table. `withCt`: resubmit(,t,ct). */
  | { readonly type: 'resubmit'; readonly port: number | null; readonly table: number | null; readonly withCt: boolean }
  | {
      readonly type: 'learn';
      readonly table: number;
      readonly idleTimeout: number;
      readonly hardTimeout: number;
      readonly finIdleTimeout: number;
      readonly finHardTimeout: number;
      readonly priority: number;
      readonly cookie: bigint;
      readonly sendFlowRem: boolean;
      readonly deleteLearned: boolean;
      readonly limit: number;
      readonly resultDst: SubField | null;
      readonly specs: readonly LearnSpec[];
    }
  | {
      readonly type: 'conjunction';
      readonly id: number;
      readonly clause: number;
      readonly nClauses: number /** k of n, k from 1 */;
    }
  | {
      readonly type: 'multipath';
      readonly hashFields: string;
      readonly basis: number;
      readonly algorithm: string;
      readonly maxLink: number;
      readonly arg: number;
      readonly dst: SubField;
    }
  | { readonly type: 'note'; readonly data: string /** hex digits */ }
  | { readonly type: 'exit' }
  | {
      readonly type: 'sample';
      readonly probability: number;
      readonly collectorSetId: number;
      readonly obsDomainId: number;
      readonly obsPointId: number;
      readonly samplingPort: number | null;
      readonly direction: 'ingress' | 'egress' | null;
    }
  | { readonly type: 'unrollXlate'; readonly table: number; readonly cookie: bigint }
  | { readonly type: 'debugRecirc' }
  | { readonly type: 'debugSlow' }
  | {
      readonly type: 'ct';
      readonly commit: boolean;
      readonly force: boolean;
      /** Number, or the 16-bit field it is read from. */
      readonly zone: number | SubField;
      /** null: no recirculation. */
      readonly table: number | null;
      /** TCP/UDP port number of the helper: ftp 21, tftp 69; 0 none. */
      readonly alg: number;
      readonly nat: NatSpec | null;
      /** Only setField and move on ct_mark and ct_label. */
      readonly exec: readonly Action[];
      /** Where `nat` stands among `exec`, which only the text shows; absent: first, as nearly always. */
      readonly natAt?: number;
    }
  | { readonly type: 'ctClear' }
  | { readonly type: 'clone'; readonly actions: readonly Action[] }
  | { readonly type: 'finTimeout'; readonly idle: number; readonly hard: number }
  | { readonly type: 'checkPktLarger'; readonly pktLen: number; readonly dst: SubField }
  | { readonly type: 'deleteField'; readonly field: string }
  | { readonly type: 'encap'; readonly header: string; readonly props: readonly string[] }
  | { readonly type: 'decap'; readonly packetType: string | null }
  | { readonly type: 'meter'; readonly meter: number }
  | { readonly type: 'clearActions' }
  | { readonly type: 'writeActions'; readonly actions: readonly Action[] }
  | { readonly type: 'writeMetadata'; readonly value: bigint; readonly mask: bigint }
  | { readonly type: 'gotoTable'; readonly table: number };

export type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>;

/** A clause flow: at least one conjunction, and (the parser sees to it) nothing else but notes. */
export function isClauseFlow(actions: readonly Action[]): boolean {
  return actions.some((action) => action.type === 'conjunction');
}
