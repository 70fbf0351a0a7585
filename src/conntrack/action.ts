/**
 * What goes into a ct() action and what comes out, and what the packet carries from one ct() to the next.
 */
import { CS_DNAT, CS_SNAT, K } from '../fields/key.js';
import type { CtEntry } from './entry.js';
import type { CtPacket } from './packet.js';
import { PROBLEM } from './problem.js';
import { CtTuple, copyTuple, isIcmp, PROTO_SCTP, PROTO_TCP, PROTO_UDP } from './tuple.js';

/** `nat(…)` of a ct(): see `makeNatOp`. */
export interface NatOp {
  /** 0: plain `nat`, else NAT_SRC or NAT_DST. */
  readonly kind: number;
  /** 0: no address given. */
  readonly family: 0 | 4 | 6;
  /** Four words each, most significant first; IPv4 in the first. */
  readonly addrMin: Int32Array;
  readonly addrMax: Int32Array;
  readonly portMin: number;
  readonly portMax: number;
  readonly persistent: boolean;
  readonly selection: 'hash' | 'random' | null;
}

/** Compiled ct(); values of mark and label have no bits outside their masks. */
export interface CtOp {
  readonly zone: number;
  readonly commit: boolean;
  readonly force: boolean;
  readonly recirc: boolean;
  readonly markValue: number;
  readonly markMask: number;
  /** Four words, most significant first. */
  readonly labelValue: ArrayLike<number>;
  readonly labelMask: ArrayLike<number>;
  readonly nat: NatOp | null;
  /** 21 ftp, 69 tftp, 0 none. */
  readonly alg: number;
}

/** Shape of openflow/actions.ts:NatSpec. */
export interface NatSpecLike {
  readonly kind: 'src' | 'dst' | null;
  readonly persistent: boolean;
  readonly selection: 'hash' | 'random' | null;
  readonly family: 4 | 6 | null;
  readonly addrMin: bigint;
  readonly addrMax: bigint;
  readonly portMin: number;
  readonly portMax: number;
}

function addressWords(address: bigint, family: 4 | 6): Int32Array {
  const words = new Int32Array(4);
  if (family === 4) words[0] = Number(BigInt.asIntN(32, address));
  else for (let i = 0; i < 4; i++) words[i] = Number(BigInt.asIntN(32, address >> BigInt(96 - 32 * i)));
  return words;
}

/** A missing maximum is the minimum (xlate puts none, dpif-netdev.c:dp_execute_cb fills it in). */
export function makeNatOp(spec: NatSpecLike): NatOp {
  const family = spec.family !== null && spec.addrMin !== 0n ? spec.family : 0;
  let addrMax = spec.addrMax;
  if (addrMax < spec.addrMin) addrMax = spec.addrMin;
  return {
    kind: spec.kind === 'src' ? 1 : spec.kind === 'dst' ? 2 : 0,
    family,
    addrMin: addressWords(spec.addrMin, family === 6 ? 6 : 4),
    addrMax: addressWords(addrMax, family === 6 ? 6 : 4),
    portMin: spec.portMin,
    portMax: Math.max(spec.portMax, spec.portMin),
    persistent: spec.persistent,
    selection: spec.selection,
  };
}

const NO_TUPLE = new CtTuple();

/**
 * Conntrack's notes on one packet: OVS `md.ct_state`, `md.conn`; kernel `skb->_nfct` and the key's ct_state. A clone of the
 * packet has its own copy. Reset it for each packet.
 */
export class CtAttach {
  /** CS_* bits of the last ct(), those of NAT among them. */
  state = 0;
  zone = 0;
  /** The connection stays known as long as nobody rewrites the packet; kernel: it may be one that was never committed. */
  entry: CtEntry | null = null;
  isReply = false;
  isRelated = false;
  /** Kernel: at its lookup the connection had no reply yet (IP_CT_NEW). */
  isNew = false;
  /** Tuple of the last connection, for packets that NAT has rewritten (OVS conntrack.c:check_orig_tuple). Not to be written. */
  original: CtTuple = NO_TUPLE;
  originalProto = 0;
  /** ICMP error whose inner packet NAT has rewritten too: what a later ct() reads there. */
  readonly inner = new CtTuple();
  isInnerRewritten = false;

  /** A new packet, or ct_clear. */
  clear(): void {
    this.state = 0;
    this.entry = null;
    this.isReply = this.isRelated = this.isNew = this.isInnerRewritten = false;
    this.originalProto = 0;
  }

  /** An IP address, L4 port or ICMP type was set: the next ct() looks again (OVS packets.c, kernel actions.c: ovs_ct_clear). */
  rewritten(): void {
    this.entry = null;
  }

  copyFrom(other: CtAttach): void {
    this.state = other.state;
    this.zone = other.zone;
    this.entry = other.entry;
    this.isReply = other.isReply;
    this.isRelated = other.isRelated;
    this.isNew = other.isNew;
    this.original = other.original;
    this.originalProto = other.originalProto;
    copyTuple(other.inner, this.inner);
    this.isInnerRewritten = other.isInnerRewritten;
  }
}

/** Those of the packet; once NAT has rewritten the inner packet, the frame's bytes no longer say whom it is from. */
export const problemsOf = (packet: CtPacket, attach: CtAttach): number =>
  attach.isInnerRewritten ? packet.problems & ~PROBLEM.INNER_ADDRESS : packet.problems;

/** Result of one ct(), valid until the view is used again. */
export class CtView {
  /** CS_* bits that the next table sees. */
  state = 0;
  zone = 0;
  mark = 0;
  label0 = 0;
  label1 = 0;
  label2 = 0;
  label3 = 0;
  /** The connection; null: none stored. Kernel: an uncommitted one is not shown here. */
  entry: CtEntry | null = null;
  /** ct_nw_*, ct_tp_*: header that made the entry; `originalProto` 0: not known. Not to be written. */
  original: CtTuple = NO_TUPLE;
  originalProto = 0;
  /** A fragment that waits: nothing goes on. */
  held = false;
  /** Dropped inside ct(): nothing goes on, neither the fork nor the list. */
  dropped = false;
  /** CS_SNAT, CS_DNAT: which side of the packet this ct() rewrote; call `writeRewritten`. */
  rewritten = 0;
  /** NAT had a choice that the switch makes by a random number: addresses or ports here are one possible answer. */
  isArbitrary = false;
  /** Named, not executed: `helper ftp`, `DCCP`; '' none. */
  notExecuted = '';
  /** Set when a fragment completed its packet: the tokens of all its fragments, in order of offset. */
  released: readonly unknown[] | null = null;
  /** Largest L3 size of those fragments: the kernel cuts the packet again to this size on output. */
  largestFragmentBytes = 0;
  /** Kernel: one whole packet goes on (call `writeReassembled`). OVS: each fragment goes on, all with this view. */
  isWhole = false;

  /** Called per packet. All but what each ct() sets anyway: state, marks, entry, original. */
  reset(zone: number): void {
    this.zone = zone;
    this.state = 0;
    this.entry = null;
    this.originalProto = 0;
    this.held = this.dropped = this.isArbitrary = this.isWhole = false;
    this.rewritten = 0;
    this.notExecuted = '';
    this.released = null;
  }

  setMarks(entry: CtEntry | null): void {
    if (entry === null) {
      this.mark = this.label0 = this.label1 = this.label2 = this.label3 = 0;
      return;
    }
    this.mark = entry.mark;
    this.label0 = entry.label0;
    this.label1 = entry.label1;
    this.label2 = entry.label2;
    this.label3 = entry.label3;
  }
}

/** Masked bits only: `value | (old & ~mask)`, as OVS conntrack.c:set_mark, kernel ovs_ct_set_mark. */
export function writeMarks(entry: CtEntry, op: CtOp): void {
  if (op.markMask !== 0) entry.mark = op.markValue | (entry.mark & ~op.markMask);
  const { labelValue: value, labelMask: mask } = op;
  if ((mask[0]! | mask[1]! | mask[2]! | mask[3]!) === 0) return;
  entry.label0 = value[0]! | (entry.label0 & ~mask[0]!);
  entry.label1 = value[1]! | (entry.label1 & ~mask[1]!);
  entry.label2 = value[2]! | (entry.label2 & ~mask[2]!);
  entry.label3 = value[3]! | (entry.label3 & ~mask[3]!);
}

/** The ct fields of a flow key that goes on in the next table. */
export function writeView(view: CtView, family: number, key: Int32Array): void {
  key[K.ct_state] = view.state;
  key[K.ct_zone] = view.zone;
  key[K.ct_mark] = view.mark;
  key[K.ct_label] = view.label0;
  key[K.ct_label + 1] = view.label1;
  key[K.ct_label + 2] = view.label2;
  key[K.ct_label + 3] = view.label3;
  const { original, originalProto } = view;
  key.fill(0, K.ct_nw_proto, K.ct_ipv6_dst + 4);
  if (originalProto === 0) return;
  key[K.ct_nw_proto] = originalProto;
  // Of ICMP they are type and code: OVS conntrack.c:write_ct_md, kernel __ovs_ct_update_key_orig_tp.
  key[K.ct_tp_src] = isIcmp(originalProto) ? original.dport >> 8 : original.sport;
  key[K.ct_tp_dst] = isIcmp(originalProto) ? original.dport & 0xff : original.dport;
  if (family === 4) {
    key[K.ct_nw_src] = original.src0;
    key[K.ct_nw_dst] = original.dst0;
    return;
  }
  key[K.ct_ipv6_src] = original.src0;
  key[K.ct_ipv6_src + 1] = original.src1;
  key[K.ct_ipv6_src + 2] = original.src2;
  key[K.ct_ipv6_src + 3] = original.src3;
  key[K.ct_ipv6_dst] = original.dst0;
  key[K.ct_ipv6_dst + 1] = original.dst1;
  key[K.ct_ipv6_dst + 2] = original.dst2;
  key[K.ct_ipv6_dst + 3] = original.dst3;
}

/** Addresses and ports as NAT left them, into the flow key. */
export function writeRewritten(packet: CtPacket, rewritten: number, key: Int32Array): void {
  if ((rewritten & (CS_SNAT | CS_DNAT)) === 0) return;
  const { outer } = packet;
  if (packet.family === 4) {
    key[K.nw_src] = outer.src0;
    key[K.nw_dst] = outer.dst0;
  } else {
    key[K.ipv6_src] = outer.src0;
    key[K.ipv6_src + 1] = outer.src1;
    key[K.ipv6_src + 2] = outer.src2;
    key[K.ipv6_src + 3] = outer.src3;
    key[K.ipv6_dst] = outer.dst0;
    key[K.ipv6_dst + 1] = outer.dst1;
    key[K.ipv6_dst + 2] = outer.dst2;
    key[K.ipv6_dst + 3] = outer.dst3;
  }
  const proto = packet.outerProto;
  const hasPorts = proto === PROTO_TCP || proto === PROTO_UDP || proto === PROTO_SCTP;
  if (!hasPorts || key[K.nw_frag] !== 0) return;
  key[K.tp_src] = outer.sport;
  key[K.tp_dst] = outer.dport;
}

/** L4 fields of a packet that the kernel has put together, into the flow key of the fragment that completed it. */
export function writeReassembled(packet: CtPacket, key: Int32Array): void {
  key[K.nw_frag] = 0;
  const { outer, outerProto } = packet;
  key[K.nw_proto] = outerProto;
  if (isIcmp(outerProto)) {
    key[K.tp_src] = outer.dport >> 8;
    key[K.tp_dst] = outer.dport & 0xff;
    return;
  }
  key[K.tp_src] = outer.sport;
  key[K.tp_dst] = outer.dport;
  if (outerProto === PROTO_TCP) key[K.tcp_flags] = packet.tcpFlags;
}
