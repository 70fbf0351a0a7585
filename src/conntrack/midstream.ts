/** Connections of which only the middle is known: windows and sequence numbers come from the packets that follow. */
import { CtEntry, LINUX_TCP, OVS_TCP, TCPF, TcpLast, TcpPeer } from './entry.js';
import type { CtPacket } from './packet.js';
import { LT, OT } from './timeouts.js';
import type { Tracker } from './tracker.js';
import { copyTuple, invertTuple, isIcmp, PROTO_GRE, PROTO_SCTP, PROTO_TCP, PROTO_UDP, PROTO_UDPLITE } from './tuple.js';

/** Largest unscaled window; with the scale of an unknown connection (14) anything goes. */
const ANY_WINDOW = 0xffff;

/**
 * Peers in these states (linux: LINUX_TCP twice, OVS: OVS_TCP of both) that are liberal: linux has its own flag, OVS the
 * unknown scale of a picked-up connection, and its numbers are adopted from each side's next packet.
 */
export function prepareUnknownTcp(entry: CtEntry, tracker: Tracker, original: number, reply: number): void {
  const peer0 = new TcpPeer();
  const peer1 = new TcpPeer();
  entry.peer0 = peer0;
  entry.peer1 = peer1;
  if (tracker.isLinux) {
    entry.state = original;
    entry.last = new TcpLast();
    entry.last.index = 5;
    entry.last.window = ANY_WINDOW;
    peer0.flags = peer1.flags = TCPF.SACK_PERM | TCPF.BE_LIBERAL;
    return;
  }
  peer0.state = original;
  peer1.state = reply;
  for (const peer of [peer0, peer1]) {
    peer.maxWindow = peer.state === OVS_TCP.CLOSED ? 1 : ANY_WINDOW;
    peer.maxEnd = peer.state === OVS_TCP.CLOSED ? 1 : 0;
    peer.flags = TCPF.BE_LIBERAL | (peer.state === OVS_TCP.CLOSED ? 0 : TCPF.NUMBERS_UNKNOWN);
  }
}

/** Index of the time-out that an entry in this state has after a packet. */
export function timeoutIndexOf(entry: CtEntry, tracker: Tracker): number {
  const { proto } = entry;
  if (tracker.isLinux) {
    if (proto === PROTO_TCP) return entry.state;
    if (proto === PROTO_UDP) return entry.assured ? LT.UDP_STREAM : LT.UDP;
    if (proto === PROTO_UDPLITE) return entry.assured ? LT.UDPLITE_STREAM : LT.UDPLITE;
    if (proto === PROTO_SCTP) return LT.SCTP + Math.max(entry.state, 1);
    if (proto === PROTO_GRE) return entry.seenReply ? LT.GRE_STREAM : LT.GRE;
    if (isIcmp(proto)) return entry.family === 4 ? LT.ICMP : LT.ICMPV6;
    return LT.GENERIC;
  }
  if (isIcmp(proto)) return entry.state === 0 ? OT.ICMP_FIRST : OT.ICMP_REPLY;
  if (proto !== PROTO_TCP) return OT.OTHER_FIRST + entry.state;
  const a = entry.peer0!.state;
  const b = entry.peer1!.state;
  if (a >= OVS_TCP.FIN_WAIT_2 && b >= OVS_TCP.FIN_WAIT_2) return OT.TCP_CLOSED;
  if (a >= OVS_TCP.CLOSING && b >= OVS_TCP.CLOSING) return OT.TCP_FIN_WAIT;
  if (a < OVS_TCP.ESTABLISHED || b < OVS_TCP.ESTABLISHED) return OT.TCP_OPENING;
  return a >= OVS_TCP.CLOSING || b >= OVS_TCP.CLOSING ? OT.TCP_CLOSING : OT.TCP_ESTABLISHED;
}

/**
 * The entry of a connection first seen in its middle, taken as committed, replied and liberal, mark 0: insert it before the
 * packet is tracked. `isReply`: this packet goes from responder to originator.
 */
export function establishedEntry(
  tracker: Tracker,
  zone: number,
  packet: CtPacket,
  isReply: boolean,
  nowNs: number,
): CtEntry {
  const entry = new CtEntry(tracker.timeoutsOf(zone));
  entry.zone = zone;
  entry.family = packet.family;
  entry.proto = packet.proto;
  copyTuple(packet.tuple, isReply ? entry.reply : entry.original);
  invertTuple(packet.proto, packet.tuple, isReply ? entry.original : entry.reply);
  if (!tracker.isLinux && entry.proto !== PROTO_TCP && entry.proto !== PROTO_UDP && !isIcmp(entry.proto)) {
    entry.original.sport = entry.original.dport = entry.reply.sport = entry.reply.dport = 0;
  }
  entry.confirmed = entry.seenReply = true;
  entry.assured = !isIcmp(entry.proto);
  entry.createdNs = nowNs;
  entry.streamNs = nowNs - 1;
  if (entry.proto === PROTO_TCP) {
    const state = tracker.isLinux ? LINUX_TCP.ESTABLISHED : OVS_TCP.ESTABLISHED;
    prepareUnknownTcp(entry, tracker, state, state);
  } else if (!tracker.isLinux) entry.state = 2;
  else if (entry.proto === PROTO_SCTP) entry.state = 4;
  entry.expiresNs = nowNs + entry.timeouts[timeoutIndexOf(entry, tracker)]!;
  return entry;
}
