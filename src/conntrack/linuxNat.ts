/**
 * NAT of Linux 6.1 under openvswitch.ko: net/netfilter/nf_nat_ovs.c (nf_ct_nat), nf_nat_core.c.
 *
 * Addresses of a range come from a hash without a random part and are computed. A port that must differ from the packet's
 * starts at a random offset there: here the search starts at the range's first port and the view says `isArbitrary`.
 * The mapping of another connection of the same source is looked for in this store only.
 */
import { CS_DNAT, CS_SNAT } from '../fields/key.js';
import type { CtAttach, CtOp, CtView, NatOp } from './action.js';
import { type CtEntry, NAT_DST, NAT_SRC } from './entry.js';
import type { CtPacket } from './packet.js';
import type { CtStore } from './store.js';
import {
  CtTuple,
  copyTuple,
  invertTuple,
  isIcmp,
  PROTO_DCCP,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PROTO_UDPLITE,
  tuplesEqual,
} from './tuple.js';

const BOTH = NAT_SRC | NAT_DST;
const ICMP_REDIRECT = 5;

const hasPorts = (proto: number): boolean =>
  proto === PROTO_TCP || proto === PROTO_UDP || proto === PROTO_SCTP || proto === PROTO_UDPLITE || proto === PROTO_DCCP;

const kindBit = (kind: number): number => (kind === NAT_SRC ? CS_SNAT : CS_DNAT);

/** nf_ct_nat. False: the packet is dropped. */
export function applyLinuxNat(
  store: CtStore,
  attach: CtAttach,
  entry: CtEntry,
  op: CtOp,
  packet: CtPacket,
  nowNs: number,
  view: CtView,
): boolean {
  const nat = op.nat!;
  let kind: number;
  const isRelatedOriginal = attach.isRelated && !attach.isReply;
  if (!attach.isNew && (entry.nat & BOTH) !== 0 && (!isRelatedOriginal || op.commit)) {
    const isSource = (entry.nat & NAT_SRC) !== 0;
    kind = isSource !== attach.isReply ? NAT_SRC : NAT_DST;
  } else if (nat.kind !== 0) kind = nat.kind;
  else return true;

  if (!execute(store, attach, entry, nat, kind, packet, nowNs, view)) return false;
  if ((entry.nat & NAT_DST) === 0) return true;
  if ((entry.nat & NAT_SRC) !== 0) return execute(store, attach, entry, nat, BOTH ^ kind, packet, nowNs, view);
  if (!attach.isReply) return execute(store, attach, entry, null, NAT_SRC, packet, nowNs, view);
  return true;
}

/** nf_ct_nat_execute. */
function execute(
  store: CtStore,
  attach: CtAttach,
  entry: CtEntry,
  nat: NatOp | null,
  kind: number,
  packet: CtPacket,
  nowNs: number,
  view: CtView,
): boolean {
  if (attach.isRelated) {
    const isRedirect = packet.outer.dport >> 8 === ICMP_REDIRECT && isIcmp(packet.outerProto) && packet.family === 4;
    // nf_nat_icmp_reply_translation: a redirect of a translated connection would be wrong.
    if (isRedirect && ((entry.natChosen & BOTH) !== BOTH || (entry.nat & BOTH) !== 0)) return false;
  } else if (attach.isNew && (entry.natChosen & kind) === 0) {
    setUp(store, entry, nat, kind, nowNs, view);
  }
  const wanted = attach.isReply ? BOTH ^ kind : kind;
  if ((entry.nat & wanted) !== 0) {
    manipulate(attach, entry, kind === NAT_SRC, packet);
    view.rewritten |= kindBit(kind);
  }
  attach.state |= kindBit(kind);
  return true;
}

/** nf_nat_manip_pkt, nf_nat_icmp_reply_translation: one side becomes that of the inverse of the other direction. */
function manipulate(attach: CtAttach, entry: CtEntry, isSource: boolean, packet: CtPacket): void {
  invertTuple(entry.proto, attach.isReply ? entry.original : entry.reply, target);
  copySide(target, packet.outer, isSource);
  if (attach.isRelated) {
    if (!attach.isInnerRewritten) copyTuple(packet.tuple, attach.inner);
    attach.isInnerRewritten = true;
    copySide(target, attach.inner, isSource);
    copyPort(target, attach.inner, isSource, entry.proto);
    return;
  }
  copyPort(target, packet.outer, isSource, entry.proto);
  copyTuple(packet.outer, packet.tuple);
}

const target = new CtTuple();

function copySide(from: CtTuple, to: CtTuple, isSource: boolean): void {
  if (isSource) {
    to.src0 = from.src0;
    to.src1 = from.src1;
    to.src2 = from.src2;
    to.src3 = from.src3;
  } else {
    to.dst0 = from.dst0;
    to.dst1 = from.dst1;
    to.dst2 = from.dst2;
    to.dst3 = from.dst3;
  }
}

function copyPort(from: CtTuple, to: CtTuple, isSource: boolean, proto: number): void {
  if (isIcmp(proto)) to.sport = from.sport;
  else if (!hasPorts(proto)) return;
  else if (isSource) to.sport = from.sport;
  else to.dport = from.dport;
}

const current = new CtTuple();
const wanted = new CtTuple();
const inverse = new CtTuple();

/** nf_nat_setup_info; `nat` null or without an address: nf_nat_alloc_null_binding. */
function setUp(store: CtStore, entry: CtEntry, nat: NatOp | null, kind: number, nowNs: number, view: CtView): void {
  if (entry.confirmed) return;
  invertTuple(entry.proto, entry.reply, current);
  const range = nat !== null && nat.family !== 0 ? nat : null;
  choose(store, entry, range, kind, nowNs, view);
  if (!tuplesEqual(wanted, current)) {
    invertTuple(entry.proto, wanted, entry.reply);
    entry.nat |= kind;
  }
  entry.natChosen |= kind;
}

/** nf_nat_used_tuple. */
function isTaken(store: CtStore, entry: CtEntry, tuple: CtTuple, nowNs: number): boolean {
  invertTuple(entry.proto, tuple, inverse);
  const other = store.find(entry.zone, entry.proto, entry.family, inverse, nowNs);
  return other !== null && other !== entry;
}

/** get_unique_tuple: from `current` to `wanted`. */
function choose(store: CtStore, entry: CtEntry, range: NatOp | null, kind: number, nowNs: number, view: CtView): void {
  const isRandom = range !== null && range.selection !== null;
  if (kind === NAT_SRC && !isRandom) {
    if (range === null || isInRange(entry.proto, current, range)) {
      if (!isTaken(store, entry, current, nowNs)) {
        copyTuple(current, wanted);
        return;
      }
    } else if (reuseMapping(store, entry, range, nowNs) && !isTaken(store, entry, wanted, nowNs)) return;
  }
  copyTuple(current, wanted);
  if (range !== null) chooseAddress(entry, range, kind);
  if (!isRandom) {
    if (range !== null && range.portMin !== 0) {
      const isFixed = range.portMin === range.portMax;
      if (isPortInRange(entry.proto, wanted, range, kind) && (isFixed || !isTaken(store, entry, wanted, nowNs))) return;
    } else if (!isTaken(store, entry, wanted, nowNs)) return;
  }
  choosePort(store, entry, range, kind, nowNs, view);
}

/** nf_in_range. */
function isInRange(proto: number, tuple: CtTuple, range: NatOp): boolean {
  if (compareAddress(tuple, range.addrMin) < 0 || compareAddress(tuple, range.addrMax) > 0) return false;
  return range.portMin === 0 || isPortInRange(proto, tuple, range, NAT_SRC);
}

function compareAddress(tuple: CtTuple, words: Int32Array): number {
  return (
    (tuple.src0 >>> 0) - (words[0]! >>> 0) ||
    (tuple.src1 >>> 0) - (words[1]! >>> 0) ||
    (tuple.src2 >>> 0) - (words[2]! >>> 0) ||
    (tuple.src3 >>> 0) - (words[3]! >>> 0)
  );
}

/** l4proto_in_range. */
function isPortInRange(proto: number, tuple: CtTuple, range: NatOp, kind: number): boolean {
  if (!isIcmp(proto) && !hasPorts(proto)) return true;
  const port = isIcmp(proto) || kind === NAT_SRC ? tuple.sport : tuple.dport;
  return port >= range.portMin && port <= range.portMax;
}

/** find_appropriate_src: the mapping that this source already has. */
function reuseMapping(store: CtStore, entry: CtEntry, range: NatOp, nowNs: number): boolean {
  for (const other of store.entries(nowNs)) {
    const a = other.original;
    const isSame =
      (other.natChosen & NAT_SRC) !== 0 &&
      other.zone === entry.zone &&
      other.proto === entry.proto &&
      other.family === entry.family &&
      a.src0 === current.src0 &&
      a.src1 === current.src1 &&
      a.src2 === current.src2 &&
      a.src3 === current.src3 &&
      a.sport === current.sport;
    if (!isSame) continue;
    invertTuple(entry.proto, other.reply, wanted);
    copySide(current, wanted, false);
    wanted.dport = current.dport;
    if (isInRange(entry.proto, wanted, range)) return true;
  }
  return false;
}

/** find_best_ips_proto: words as the kernel of a little-endian machine reads them. */
function chooseAddress(entry: CtEntry, range: NatOp, kind: number): void {
  const words = entry.family === 4 ? 1 : 4;
  const dst = [wanted.dst0, wanted.dst1, wanted.dst2, wanted.dst3].map(swapBytes);
  const src = [wanted.src0, wanted.src1, wanted.src2, wanted.src3].map(swapBytes);
  const chosen = range.addrMin.slice();
  if (range.addrMin.some((word, i) => word !== range.addrMax[i])) {
    let hash = jhash2(src, range.persistent ? 0 : dst[words - 1]! ^ entry.zone);
    let isFull = false;
    for (let i = 0; i < words; i++) {
      const min = isFull ? 0 : range.addrMin[i]! >>> 0;
      const count = isFull ? 0xffff_ffff : ((range.addrMax[i]! >>> 0) - min + 1) >>> 0;
      chosen[i] = min + Number((BigInt(hash >>> 0) * BigInt(count)) >> 32n);
      if (chosen[i] !== range.addrMax[i]) isFull = true;
      if (!range.persistent) hash ^= dst[i]!;
    }
  }
  if (kind === NAT_SRC)
    [wanted.src0, wanted.src1, wanted.src2, wanted.src3] = [chosen[0]!, chosen[1]!, chosen[2]!, chosen[3]!];
  else [wanted.dst0, wanted.dst1, wanted.dst2, wanted.dst3] = [chosen[0]!, chosen[1]!, chosen[2]!, chosen[3]!];
}

const swapBytes = (word: number): number =>
  ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** include/linux/jhash.h:jhash2 (Bob Jenkins, lookup3) of four words. */
function jhash2(words: readonly number[], seed: number): number {
  let a = (0xdeadbeef + (4 << 2) + seed) | 0;
  let b = a;
  let c = a;
  a = (a + words[0]!) | 0;
  b = (b + words[1]!) | 0;
  c = (c + words[2]!) | 0;
  a = ((a - c) | 0) ^ rotate(c, 4);
  c = (c + b) | 0;
  b = ((b - a) | 0) ^ rotate(a, 6);
  a = (a + c) | 0;
  c = ((c - b) | 0) ^ rotate(b, 8);
  b = (b + a) | 0;
  a = ((a - c) | 0) ^ rotate(c, 16);
  c = (c + b) | 0;
  b = ((b - a) | 0) ^ rotate(a, 19);
  a = (a + c) | 0;
  c = ((c - b) | 0) ^ rotate(b, 4);
  b = (b + a) | 0;
  a = (a + words[3]!) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}

/** nf_nat_l4proto_unique_tuple: 128 attempts in one round. */
const MAX_ATTEMPTS = 128;

function choosePort(
  store: CtStore,
  entry: CtEntry,
  range: NatOp | null,
  kind: number,
  nowNs: number,
  view: CtView,
): void {
  const { proto } = entry;
  const hasRange = range !== null && range.portMin !== 0;
  let min: number;
  let count: number;
  if (isIcmp(proto)) {
    min = hasRange ? range.portMin : 0;
    count = hasRange ? range.portMax - min + 1 : 65_536;
  } else if (!hasPorts(proto)) return;
  else if (hasRange) {
    min = range.portMin;
    count = range.portMax - min + 1;
  } else if (kind === NAT_DST) return;
  else [min, count] = wanted.sport < 512 ? [1, 511] : wanted.sport < 1024 ? [600, 424] : [1024, 64_512];
  view.isArbitrary = count > 1;
  for (let i = 0; i < Math.min(count, MAX_ATTEMPTS); i++) {
    if (isIcmp(proto) || kind === NAT_SRC) wanted.sport = min + i;
    else wanted.dport = min + i;
    if (!isTaken(store, entry, wanted, nowNs)) return;
  }
}
