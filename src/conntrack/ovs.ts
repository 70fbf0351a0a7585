/**
 * OVS 3.1.0's own tracker (lib/conntrack.c): one ct() on one packet.
 */
import { CS_DNAT, CS_EST, CS_INV, CS_NEW, CS_REL, CS_RPL, CS_SNAT, CS_TRK } from '../fields/key.js';
import { type CtAttach, type CtOp, type CtView, problemsOf, writeMarks } from './action.js';
import { CtEntry } from './entry.js';
import { chooseOvsMapping, rewritePacket } from './ovsNat.js';
import {
  isValidTcpStart,
  startTcp,
  UPDATE_INVALID,
  UPDATE_NEW,
  UPDATE_VALID,
  UPDATE_VALID_NEW,
  updateTcp,
} from './ovsTcp.js';
import type { CtPacket } from './packet.js';
import { PROBLEM } from './problem.js';
import type { CtStore } from './store.js';
import { OT } from './timeouts.js';
import type { Tracker } from './tracker.js';
import {
  CtTuple,
  cloneTuple,
  copyTuple,
  invertTuple,
  isIcmp,
  PROTO_ICMP,
  PROTO_TCP,
  PROTO_UDP,
  tuplesEqual,
} from './tuple.js';

const NATTED = CS_SNAT | CS_DNAT;
/** Everything but what only the kernel minds. */
const INVALID =
  PROBLEM.L3_CHECKSUM |
  PROBLEM.L4_CHECKSUM |
  PROBLEM.L4_MALFORMED |
  PROBLEM.PORT_ZERO |
  PROBLEM.NO_CHECKSUM_IPV6 |
  PROBLEM.FRAGMENT |
  PROBLEM.ICMP_TYPE |
  PROBLEM.ICMP_CODE |
  PROBLEM.INNER |
  PROBLEM.INNER_ADDRESS |
  PROBLEM.INNER_SHORT;

const FTP_PORT = 21;
const TFTP_PORT = 69;
const FIRST = 0;
const MULTIPLE = 1;
const BIDIRECTIONAL = 2;

/** Tuple under which the packet is looked up: its own, or that of its connection once NAT has rewritten it. */
const lookupTuple = new CtTuple();
const inverse = new CtTuple();

/** conntrack.c:conntrack_execute for one packet that is no fragment, or was one (a fragment left over is invalid). */
export function executeOvs(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  op: CtOp,
  packet: CtPacket,
  nowNs: number,
  view: CtView,
): void {
  const isControl = isHelperTraffic(packet, op.alg);
  if (isControl && op.alg !== 0) view.notExecuted = op.alg === FTP_PORT ? 'helper ftp' : 'helper tftp';
  if (attach.state === CS_INV) finish(attach, op.zone, null, null, 0, view);
  else if (attach.entry !== null && attach.entry.zone === op.zone && !op.force && !isControl) {
    executeCached(attach, attach.entry, op, packet, view);
  } else if (isInvalid(packet, attach) || !hasKnownIcmpType(packet)) {
    attach.state = CS_INV;
    finish(attach, op.zone, null, null, 0, view);
  } else process(tracker, store, attach, op, packet, nowNs, view);
}

/** conntrack.c:conn_key_extract: the L4 header of TCP, UDP and ICMP is checked, no other one is even read. */
function isInvalid(packet: CtPacket, attach: CtAttach): boolean {
  const problems = problemsOf(packet, attach) & INVALID;
  const proto = packet.outerProto;
  const isRead = proto === PROTO_TCP || proto === PROTO_UDP || isIcmp(proto);
  return (isRead ? problems : problems & ~(PROBLEM.L4_CHECKSUM | PROBLEM.L4_MALFORMED)) !== 0;
}

/** conntrack.c:get_alg_ctl_type: such packets run the state machine at every ct(), helper or not. */
function isHelperTraffic(packet: CtPacket, alg: number): boolean {
  const { sport, dport } = packet.outer;
  if (packet.outerProto === PROTO_TCP)
    return sport === FTP_PORT || dport === FTP_PORT || (alg === FTP_PORT && dport !== 0);
  if (packet.outerProto === PROTO_UDP) return dport === TFTP_PORT || (alg === TFTP_PORT && dport !== 0);
  return false;
}

/** Requests and replies that conntrack.c:extract_l4_icmp knows; the kernel knows more (address mask, node information). */
function hasKnownIcmpType(packet: CtPacket): boolean {
  if (!isIcmp(packet.proto)) return true;
  const type = packet.tuple.dport >> 8;
  return packet.proto === PROTO_ICMP ? type !== 17 && type !== 18 : type === 128 || type === 129;
}

/** conntrack.c:process_one_fast. */
function executeCached(attach: CtAttach, entry: CtEntry, op: CtOp, packet: CtPacket, view: CtView): void {
  if (op.nat !== null) {
    handleNat(attach, entry, op.zone, attach.isReply, attach.isRelated, packet, view);
    attach.entry = null;
  }
  attach.zone = op.zone;
  view.setMarks(entry);
  if (op.commit) applyMarks(entry, op, view);
  view.state = attach.state;
  view.entry = entry;
  view.original = attach.original;
  view.originalProto = attach.originalProto;
}

/** conntrack.c:process_one. */
function process(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  op: CtOp,
  packet: CtPacket,
  nowNs: number,
  view: CtView,
): void {
  const { zone } = op;
  const { proto, family } = packet;
  if (attach.state !== 0 && attach.zone !== zone) attach.state = 0;
  const isNatted = (attach.state & NATTED) !== 0;
  let key = packet.tuple;
  const hasL4 = proto === PROTO_TCP || proto === PROTO_UDP || isIcmp(proto);
  if (isNatted || attach.isInnerRewritten || !hasL4) {
    key = lookupTuple;
    copyTuple(attach.isInnerRewritten && packet.related ? attach.inner : packet.tuple, key);
    if (!hasL4) key.sport = key.dport = 0;
  }

  if (isNatted) invertTuple(proto, key, key);
  let entry = store.find(zone, proto, family, key, nowNs);
  // A translated connection is in the table twice: under its reply tuple there is a node of its own (CT_CONN_TYPE_UN_NAT),
  // which counts as met in original direction until its connection is looked for.
  const isTwin = entry !== null && store.foundReply && entry.natChosen !== 0;
  let isReply = entry !== null && store.foundReply && !isTwin;
  if (isNatted) {
    if (entry !== null) {
      isReply = !isReply;
      copyTuple(isReply === isTwin ? entry.original : entry.reply, key);
    } else invertTuple(proto, key, key);
  }

  // The twin of a deleted connection stays until the next sweep, and in the way of a new one.
  let isBlocked = false;
  if (op.force && isReply && entry !== null) {
    if (!isTwin) {
      store.remove(entry);
      isBlocked = isNatted && entry.natChosen !== 0;
    }
    entry = null;
  } else if (isTwin) isReply = !isNatted;

  let isNew = false;
  if (entry !== null) {
    isNew = updateState(tracker, store, attach, entry, packet, isReply, nowNs);
    if (op.nat !== null && !isNew) handleNat(attach, entry, zone, isReply, packet.related, packet, view);
  } else {
    entry = findByOriginal(store, attach, op, packet, nowNs);
    if (entry !== null) isNew = updateState(tracker, store, attach, entry, packet, isReply, nowNs);
    else if (packet.related) attach.state = CS_INV;
    else isNew = true;
  }
  // An entry that is in the way stays, and the packet keeps its state.
  if (isNew && !isBlocked && store.find(zone, proto, family, key, nowNs) === null) {
    entry = create(tracker, store, attach, op, packet, key, nowNs, view);
  }

  finish(attach, zone, entry, key, proto, view);
  if (entry !== null && op.commit) applyMarks(entry, op, view);
  if (op.nat === null) {
    attach.entry = entry;
    attach.isReply = isReply;
    attach.isRelated = packet.related;
  } else attach.entry = null;
}

/** conntrack.c:conn_update_state. True: a new connection is to be made of this packet. */
function updateState(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  entry: CtEntry,
  packet: CtPacket,
  isReply: boolean,
  nowNs: number,
): boolean {
  if (packet.related) {
    attach.state |= isReply ? CS_REL | CS_RPL : CS_REL;
    return false;
  }
  switch (updateEntry(tracker, entry, packet, isReply, nowNs)) {
    case UPDATE_VALID:
      attach.state = (attach.state & ~CS_NEW) | CS_EST | (isReply ? CS_RPL : 0);
      return false;
    case UPDATE_VALID_NEW:
      attach.state |= CS_NEW;
      return false;
    case UPDATE_NEW:
      store.remove(entry);
      return true;
    case UPDATE_INVALID:
      attach.state = CS_INV;
      return false;
  }
  return false;
}

function updateEntry(tracker: Tracker, entry: CtEntry, packet: CtPacket, isReply: boolean, nowNs: number): number {
  if (isReply) entry.seenReply = true;
  if (entry.proto === PROTO_TCP) return updateTcp(entry, packet, isReply, nowNs, tracker.checkTcpSeq);
  // conntrack-icmp.c:icmp_conn_update, conntrack-other.c:other_conn_update.
  if (isReply) entry.state = BIDIRECTIONAL;
  if (isIcmp(entry.proto)) {
    const isAnswered = entry.state === BIDIRECTIONAL;
    entry.expiresNs = nowNs + entry.timeouts[isAnswered ? OT.ICMP_REPLY : OT.ICMP_FIRST]!;
    return isAnswered ? UPDATE_VALID : UPDATE_VALID_NEW;
  }
  if (entry.state === FIRST) entry.state = MULTIPLE;
  entry.expiresNs = nowNs + entry.timeouts[OT.OTHER_FIRST + entry.state]!;
  return entry.state === BIDIRECTIONAL ? UPDATE_VALID : UPDATE_VALID_NEW;
}

/** conntrack.c:check_orig_tuple: a packet that NAT has rewritten and that its own header does not lead home. */
function findByOriginal(store: CtStore, attach: CtAttach, op: CtOp, packet: CtPacket, nowNs: number): CtEntry | null {
  if ((attach.state & NATTED) === 0 || attach.originalProto === 0 || op.nat !== null) return null;
  return store.find(attach.zone, attach.originalProto, packet.family, attach.original, nowNs);
}

/** conntrack.c:valid_new. */
function mayStart(packet: CtPacket): boolean {
  if (packet.proto === PROTO_TCP) return isValidTcpStart(packet.tcpFlags);
  if (!isIcmp(packet.proto)) return true;
  const type = packet.tuple.dport >> 8;
  return packet.proto === PROTO_ICMP ? type === 8 || type === 13 || type === 15 : type === 128;
}

/** conntrack.c:conn_not_found. */
function create(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  op: CtOp,
  packet: CtPacket,
  key: CtTuple,
  nowNs: number,
  view: CtView,
): CtEntry | null {
  if (!mayStart(packet)) {
    attach.state = CS_INV;
    return null;
  }
  attach.state = CS_NEW;
  if (!op.commit || !tracker.hasRoom(store, op.zone, nowNs)) return null;
  const entry = new CtEntry(tracker.timeoutsOf(op.zone));
  entry.zone = op.zone;
  entry.family = packet.family;
  entry.proto = packet.proto;
  entry.createdNs = nowNs;
  entry.confirmed = true;
  copyTuple(key, entry.original);
  invertTuple(packet.proto, key, entry.reply);
  if (view.notExecuted !== '') entry.helper = op.alg === FTP_PORT ? 'ftp' : 'tftp';
  if (packet.proto === PROTO_TCP) startTcp(entry, packet, nowNs);
  else entry.expiresNs = nowNs + entry.timeouts[isIcmp(packet.proto) ? OT.ICMP_FIRST : OT.OTHER_FIRST]!;
  if (op.nat !== null) {
    if (!chooseOvsMapping(store, entry, op.nat, nowNs, view)) return null;
    invertTuple(packet.proto, entry.reply, inverse);
    entry.natChosen = tuplesEqual(entry.original, inverse) ? 0 : 1;
    natPacket(attach, entry, false, false, packet, view);
  }
  store.insert(entry);
  return entry;
}

/** conntrack.c:handle_nat: once per packet and zone. */
function handleNat(
  attach: CtAttach,
  entry: CtEntry,
  zone: number,
  isReply: boolean,
  isRelated: boolean,
  packet: CtPacket,
  view: CtView,
): void {
  if (entry.nat === 0) return;
  if ((attach.state & NATTED) !== 0) {
    if (zone === attach.zone) return;
    attach.state &= ~NATTED;
  }
  natPacket(attach, entry, isReply, isRelated, packet, view);
}

/** conntrack.c:nat_packet. */
function natPacket(
  attach: CtAttach,
  entry: CtEntry,
  isReply: boolean,
  isRelated: boolean,
  packet: CtPacket,
  view: CtView,
): void {
  const bit = rewritePacket(entry, isReply, isRelated, packet, attach);
  attach.state |= bit;
  view.rewritten |= bit;
}

/** conntrack.c:set_mark, set_label. */
function applyMarks(entry: CtEntry, op: CtOp, view: CtView): void {
  writeMarks(entry, op);
  view.setMarks(entry);
}

/** conntrack.c:write_ct_md. */
function finish(
  attach: CtAttach,
  zone: number,
  entry: CtEntry | null,
  key: CtTuple | null,
  proto: number,
  view: CtView,
): void {
  attach.state |= CS_TRK;
  attach.zone = zone;
  if (entry !== null) {
    attach.original = entry.original;
    attach.originalProto = entry.proto;
  } else if (key !== null) {
    attach.original = cloneTuple(key);
    attach.originalProto = proto;
  } else attach.originalProto = 0;
  view.state = attach.state;
  view.entry = entry;
  view.setMarks(entry);
  view.original = attach.original;
  view.originalProto = attach.originalProto;
}
