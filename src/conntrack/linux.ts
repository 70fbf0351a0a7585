/**
 * Linux 6.1 `nf_conntrack` under `openvswitch.ko` (net/openvswitch/conntrack.c): one ct() on one packet.
 *
 * Not modelled, because timing or hash values decide: eviction of entries without ASSURED when the table is full
 * (early_drop, and the gc worker above 95 %). The packet is dropped then, as the kernel does when it finds none to evict.
 */
import { CS_DNAT, CS_EST, CS_INV, CS_NEW, CS_REL, CS_RPL, CS_SNAT, CS_TRK } from '../fields/key.js';
import { type CtAttach, type CtOp, type CtView, problemsOf, writeMarks } from './action.js';
import { CtEntry } from './entry.js';
import { applyLinuxNat } from './linuxNat.js';
import { updateSctp } from './linuxSctp.js';
import { ACCEPT, hasValidFlags, INVALID, KILL, REPEAT, setLiberal, startTcp, updateTcp } from './linuxTcp.js';
import type { CtPacket } from './packet.js';
import { PROBLEM } from './problem.js';
import { type CtStore, DEFAULT_ZONE } from './store.js';
import { LT } from './timeouts.js';
import type { Tracker } from './tracker.js';
import {
  CtTuple,
  copyTuple,
  invertTuple,
  PROTO_DCCP,
  PROTO_GRE,
  PROTO_ICMP,
  PROTO_ICMPV6,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PROTO_UDPLITE,
} from './tuple.js';

const NATTED = CS_SNAT | CS_DNAT;
const ALWAYS_INVALID =
  PROBLEM.L4_MALFORMED |
  PROBLEM.ICMP_TYPE |
  PROBLEM.INNER |
  PROBLEM.INNER_ADDRESS |
  PROBLEM.GRE_VERSION |
  PROBLEM.FRAGMENT;
/** nf_conntrack_proto_udp.c: 2 * HZ. */
const UDP_STREAM_NS = 2e9;

const scratch = new CtTuple();

/** ovs_ct_execute: ovs_ct_lookup, or ovs_ct_commit. */
export function executeLinux(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  op: CtOp,
  packet: CtPacket,
  nowNs: number,
  view: CtView,
): void {
  if (!isCached(tracker, store, attach, op, packet, nowNs) && !lookUp(tracker, store, attach, op, packet, nowNs)) {
    view.dropped = true;
    return;
  }
  const entry = attach.entry;
  if (entry === null) {
    show(store, attach, view);
    return;
  }
  if (op.nat !== null && (attach.state & NATTED) === 0 && (entry.confirmed || op.commit)) {
    if (!applyLinuxNat(store, attach, entry, op, packet, nowNs, view)) {
      view.dropped = true;
      return;
    }
  }
  noteHelper(entry, op, view);
  if (entry.proto === PROTO_DCCP) view.notExecuted = 'DCCP';
  if (entry.confirmed && entry.proto === PROTO_TCP) setLiberal(entry);
  if (op.commit && !commit(tracker, store, entry, op, nowNs)) {
    view.dropped = true;
    return;
  }
  show(store, attach, view);
}

/** skb_nfct_cached, ovs_ct_executed: the state machine has already run for this packet and zone. */
function isCached(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  op: CtOp,
  packet: CtPacket,
  nowNs: number,
): boolean {
  let wasExecuted = true;
  if (attach.entry === null) {
    wasExecuted = (attach.state & (CS_TRK | CS_INV)) === CS_TRK && attach.zone === op.zone;
    if (wasExecuted || (attach.state === 0 && op.force)) findExisting(store, attach, op.zone, packet, nowNs);
  }
  const entry = attach.entry;
  if (entry === null || entry.zone !== op.zone) return false;
  if (op.alg !== 0 && entry.helper !== '' && entry.helper !== helperName(op.alg)) return false;
  // A zone's time-out policy comes with commits only, and an entry without it is looked up anew.
  if (op.commit && tracker.hasPolicy(op.zone) && entry.timeouts !== tracker.timeoutsOf(op.zone)) return false;
  if (op.force && attach.isReply) {
    store.remove(entry);
    attach.entry = null;
    return false;
  }
  return wasExecuted;
}

/** ovs_ct_find_existing: by the packet's own header, without touching the connection. */
function findExisting(store: CtStore, attach: CtAttach, zone: number, packet: CtPacket, nowNs: number): void {
  const isNatted = (attach.state & NATTED) !== 0;
  copyTuple(packet.outer, scratch);
  if (isNatted && !invertTuple(packet.outerProto, scratch, scratch)) return;
  const entry = store.find(zone, packet.outerProto, packet.family, scratch, nowNs);
  if (entry === null) return;
  attach.entry = entry;
  attach.isReply = store.foundReply !== isNatted;
  attach.isRelated = false;
  attach.isNew = !attach.isReply && !entry.seenReply;
}

/** nf_conntrack_in. False: the packet is dropped (table full). */
function lookUp(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  op: CtOp,
  packet: CtPacket,
  nowNs: number,
): boolean {
  const { zone } = op;
  attach.entry = null;
  attach.zone = zone;
  attach.isReply = attach.isRelated = attach.isNew = false;
  const isInvalid =
    (problemsOf(packet, attach) & ALWAYS_INVALID) !== 0 ||
    (tracker.checkChecksums && (packet.problems & PROBLEM.L4_CHECKSUM) !== 0) ||
    (packet.proto === PROTO_TCP && !packet.related && !hasValidFlags(packet.tcpFlags));
  attach.state = CS_TRK | CS_INV;
  if (isInvalid) return true;

  if (packet.related) {
    const tuple = attach.isInnerRewritten ? attach.inner : packet.tuple;
    const entry = store.find(zone, packet.proto, packet.family, tuple, nowNs);
    if (entry === null) return true;
    attach.entry = entry;
    attach.isRelated = true;
    attach.isReply = store.foundReply;
    attach.state = CS_TRK | CS_REL | (attach.isReply ? CS_RPL : 0);
    return true;
  }

  let entry = store.find(zone, packet.proto, packet.family, packet.tuple, nowNs);
  let isReply = entry !== null && store.foundReply;
  let isNew = entry === null || (!isReply && !entry.seenReply);
  if (entry === null) {
    if (isFull(tracker, store, nowNs)) return false;
    entry = prepare(tracker, op, packet, nowNs);
  }
  let verdict = update(tracker, entry, packet, isReply, nowNs);
  if (verdict === REPEAT) {
    store.remove(entry);
    entry = prepare(tracker, op, packet, nowNs);
    isReply = false;
    isNew = true;
    verdict = update(tracker, entry, packet, false, nowNs);
  }
  if (verdict === INVALID) return true;
  if (verdict === KILL) store.remove(entry);
  if (isReply) entry.seenReply = true;
  attach.entry = entry;
  attach.isReply = isReply;
  attach.isNew = isNew;
  // ovs_ct_get_state, ovs_ct_update_key.
  attach.state = CS_TRK | (isReply ? CS_EST | CS_RPL : isNew ? CS_NEW : CS_EST) | (entry.confirmed ? 0 : CS_NEW);
  return true;
}

/** __nf_conntrack_alloc: an entry needs a slot even if it is never committed. */
function isFull(tracker: Tracker, store: CtStore, nowNs: number): boolean {
  return store.size >= tracker.maxEntries && store.count(nowNs) >= tracker.maxEntries;
}

/** init_conntrack: not in the table before its commit. */
function prepare(tracker: Tracker, op: CtOp, packet: CtPacket, nowNs: number): CtEntry {
  const entry = new CtEntry(op.commit ? tracker.timeoutsOf(op.zone) : tracker.defaultTimeouts);
  entry.zone = op.zone;
  entry.family = packet.family;
  entry.proto = packet.proto;
  entry.createdNs = nowNs;
  copyTuple(packet.tuple, entry.original);
  invertTuple(packet.proto, packet.tuple, entry.reply);
  return entry;
}

/** nf_conntrack_handle_packet. */
function update(tracker: Tracker, entry: CtEntry, packet: CtPacket, isReply: boolean, nowNs: number): number {
  const { timeouts } = entry;
  switch (entry.proto) {
    case PROTO_TCP:
      if (!entry.confirmed && !startTcp(tracker, entry, packet)) return INVALID;
      return updateTcp(tracker, entry, packet, isReply, nowNs);
    case PROTO_UDP:
      return updateUdp(entry, LT.UDP, LT.UDP_STREAM, nowNs);
    case PROTO_UDPLITE:
      return updateUdp(entry, LT.UDPLITE, LT.UDPLITE_STREAM, nowNs);
    case PROTO_ICMP:
    case PROTO_ICMPV6:
      if (!isIcmpRequest(entry.proto, entry.original.dport >> 8)) return INVALID;
      entry.expiresNs = nowNs + timeouts[entry.proto === PROTO_ICMP ? LT.ICMP : LT.ICMPV6]!;
      return ACCEPT;
    case PROTO_SCTP:
      return updateSctp(entry, packet, isReply, nowNs);
    case PROTO_GRE:
      entry.expiresNs = nowNs + timeouts[entry.seenReply ? LT.GRE_STREAM : LT.GRE]!;
      if (entry.seenReply) entry.assured = true;
      return ACCEPT;
    default:
      entry.expiresNs = nowNs + timeouts[LT.GENERIC]!;
      return ACCEPT;
  }
}

/** nf_conntrack_udp_packet: a stream is what still has traffic both ways two seconds after its first packet. */
function updateUdp(entry: CtEntry, timeout: number, streamTimeout: number, nowNs: number): number {
  if (!entry.confirmed) entry.streamNs = nowNs + UDP_STREAM_NS;
  const isStream = entry.seenReply && nowNs > entry.streamNs;
  entry.expiresNs = nowNs + entry.timeouts[isStream ? streamTimeout : timeout]!;
  if (isStream) entry.assured = true;
  return ACCEPT;
}

/** valid_new of nf_conntrack_proto_icmp.c: echo, timestamp, information, address mask; _icmpv6.c: echo, node information. */
function isIcmpRequest(proto: number, type: number): boolean {
  return proto === PROTO_ICMP ? type === 8 || type === 13 || type === 15 || type === 17 : type === 128 || type === 139;
}

const helperName = (alg: number): string => (alg === 21 ? 'ftp' : alg === 69 ? 'tftp' : '');

/** __ovs_ct_lookup: a helper is attached by the commit; what it would do is not executed. */
function noteHelper(entry: CtEntry, op: CtOp, view: CtView): void {
  if (op.alg !== 0 && op.commit && !entry.confirmed && entry.helper === '') entry.helper = helperName(op.alg);
  if (entry.helper !== '') view.notExecuted = `helper ${entry.helper}`;
}

/** ovs_ct_commit, from the limit on. False: dropped. */
function commit(tracker: Tracker, store: CtStore, entry: CtEntry, op: CtOp, nowNs: number): boolean {
  if (!entry.confirmed && isBeyondLimit(tracker, store, op.zone, nowNs)) return false;
  writeMarks(entry, op);
  if (entry.confirmed) return true;
  // __nf_conntrack_confirm: somebody else has one of the tuples.
  const { zone, proto, family } = entry;
  if (store.find(zone, proto, family, entry.original, nowNs) !== null) return false;
  if (store.find(zone, proto, family, entry.reply, nowNs) !== null) return false;
  entry.confirmed = true;
  store.insert(entry);
  return true;
}

/** ovs_ct_check_limit: each zone counts for itself; 0 is no limit. */
function isBeyondLimit(tracker: Tracker, store: CtStore, zone: number, nowNs: number): boolean {
  const limit = tracker.zoneLimits.get(zone) ?? tracker.zoneLimits.get(DEFAULT_ZONE) ?? 0;
  return limit !== 0 && store.count(nowNs, zone) >= limit;
}

/** ovs_ct_update_key. */
function show(store: CtStore, attach: CtAttach, view: CtView): void {
  const entry = attach.entry;
  view.state = attach.state;
  view.setMarks(entry);
  view.entry = entry !== null && store.has(entry) ? entry : null;
  attach.originalProto = 0;
  if (entry !== null) {
    attach.original = view.original = entry.original;
    attach.originalProto = entry.proto;
  }
  view.originalProto = attach.originalProto;
}
