/**
 * TCP in Linux 6.1: net/netfilter/nf_conntrack_proto_tcp.c.
 * Sequence numbers are int32 and compared modulo 2^32: `after(a, b)` is (b - a | 0) < 0.
 */
import { type CtEntry, LINUX_TCP, TCPF, TcpLast, TcpPeer } from './entry.js';
import { type CtPacket, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, TCP_URG } from './packet.js';
import { LT } from './timeouts.js';
import type { Tracker } from './tracker.js';

/** What nf_conntrack_tcp_packet returns: NF_ACCEPT, -NF_ACCEPT, -NF_REPEAT, and NF_ACCEPT with the entry deleted. */
export const ACCEPT = 0;
export const INVALID = 1;
/** The entry is over, the packet starts a new one. */
export const REPEAT = 2;
/** Accepted, and the entry is deleted. */
export const KILL = 3;

const { SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2 } = LINUX_TCP;
const STATES = 10;
const IV = 10;
const IG = 11;

/** enum tcp_bit_set: kind of packet, and row of the table. */
const INDEX_SYN = 0;
const INDEX_SYNACK = 1;
const INDEX_FIN = 2;
const INDEX_ACK = 3;
const INDEX_RST = 4;
const INDEX_NONE = 5;
const ROWS = 6;

/** tcp_conntracks: [direction][kind][state before]; columns NO SS SR ES FW CW LA TW CL S2. */
const NEXT_STATE = Uint8Array.from(
  [
    [1, 1, IG, IG, IG, IG, IG, 1, 1, 9],
    [IV, IV, 2, IV, IV, IV, IV, IV, IV, 2],
    [IV, IV, 4, 4, 6, 6, 6, 7, 8, IV],
    [3, IV, 3, 3, 5, 5, 7, 7, 8, IV],
    [IV, 8, 8, 8, 8, 8, 8, 8, 8, 8],
    [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    [IV, 9, IV, IV, IV, IV, IV, 1, IV, 9],
    [IV, 2, IG, IG, IG, IG, IG, IG, IG, 2],
    [IV, IV, 4, 4, 6, 6, 6, 7, 8, IV],
    [IV, IG, 2, 3, 5, 5, 7, 7, 8, IG],
    [IV, 8, 8, 8, 8, 8, 8, 8, 8, 8],
    [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
  ].flat(),
);

/** tcp_valid_flags: PSH, ECE and CWR do not count. */
const COUNTED_FLAGS = TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG;
const VALID_FLAGS = new Uint8Array(64);
for (const flags of [
  TCP_SYN,
  TCP_SYN | TCP_URG,
  TCP_SYN | TCP_ACK,
  TCP_RST,
  TCP_RST | TCP_ACK,
  TCP_FIN | TCP_ACK,
  TCP_FIN | TCP_ACK | TCP_URG,
  TCP_ACK,
  TCP_ACK | TCP_URG,
]) {
  VALID_FLAGS[flags] = 1;
}

/** MAXACKWINCONST. */
const MAX_ACK_WINDOW = 66_000;

const after = (a: number, b: number): boolean => ((b - a) | 0) < 0;
const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;

function indexOf(flags: number): number {
  if ((flags & TCP_RST) !== 0) return INDEX_RST;
  if ((flags & TCP_SYN) !== 0) return (flags & TCP_ACK) !== 0 ? INDEX_SYNACK : INDEX_SYN;
  if ((flags & TCP_FIN) !== 0) return INDEX_FIN;
  return (flags & TCP_ACK) !== 0 ? INDEX_ACK : INDEX_NONE;
}

/** segment_seq_plus_len. */
const endOf = (packet: CtPacket): number =>
  (packet.seq + packet.payloadBytes + ((packet.tcpFlags & TCP_SYN) !== 0 ? 1 : 0) + (packet.tcpFlags & TCP_FIN)) | 0;

/** tcp_error: flags only, lengths and checksums are problems of the packet. */
export const hasValidFlags = (flags: number): boolean => VALID_FLAGS[flags & COUNTED_FLAGS] !== 0;

/** tcp_new. False: this packet may not start a connection. */
export function startTcp(tracker: Tracker, entry: CtEntry, packet: CtPacket): boolean {
  const state = NEXT_STATE[indexOf(packet.tcpFlags) * STATES]!;
  if (state >= IV) return false;
  const sender = new TcpPeer();
  const receiver = new TcpPeer();
  sender.end = sender.maxEnd = endOf(packet);
  sender.maxWindow = packet.window || 1;
  if (state === SYN_SENT) readOptions(packet, sender);
  else if (!tracker.tcpLoose) return false;
  else {
    sender.maxEnd = (sender.end + sender.maxWindow) | 0;
    sender.flags = receiver.flags = TCPF.SACK_PERM | TCPF.BE_LIBERAL;
  }
  entry.state = LINUX_TCP.NONE;
  entry.peer0 = sender;
  entry.peer1 = receiver;
  entry.last = new TcpLast();
  entry.last.index = INDEX_NONE;
  return true;
}

/** tcp_options. */
function readOptions(packet: CtPacket, peer: TcpPeer): void {
  if (!packet.hasTcpOptions) return;
  peer.scale = 0;
  peer.flags &= TCPF.BE_LIBERAL;
  if (packet.sackPermitted) peer.flags |= TCPF.SACK_PERM;
  if (packet.scale >= 0) {
    peer.scale = packet.scale;
    peer.flags |= TCPF.WINDOW_SCALE;
  }
}

/** nf_conntrack_tcp_established. */
const isEstablished = (entry: CtEntry): boolean => entry.state === ESTABLISHED && entry.assured;

/** nf_ct_set_tcp_be_liberal, which openvswitch.ko calls after each lookup of an established connection (__ovs_ct_lookup). */
export function setLiberal(entry: CtEntry): void {
  if (!isEstablished(entry)) return;
  entry.peer0!.flags |= TCPF.BE_LIBERAL;
  entry.peer1!.flags |= TCPF.BE_LIBERAL;
}

/** Called per packet, allocates nothing. nf_conntrack_tcp_packet for an entry that `startTcp` has prepared, or a known one. */
export function updateTcp(tracker: Tracker, entry: CtEntry, packet: CtPacket, isReply: boolean, nowNs: number): number {
  const last = entry.last!;
  const dir = isReply ? 1 : 0;
  const sender = (isReply ? entry.peer1 : entry.peer0)!;
  const receiver = (isReply ? entry.peer0 : entry.peer1)!;
  const index = indexOf(packet.tcpFlags);
  let oldState = entry.state;
  let newState = NEXT_STATE[(dir * ROWS + index) * STATES + oldState]!;
  let skipsWindow = false;

  if (newState === SYN_SENT && oldState >= TIME_WAIT) {
    const isClosed = ((sender.flags | receiver.flags) & TCPF.CLOSE_INIT) !== 0;
    if (isClosed || (last.direction === dir && last.index === INDEX_RST)) return REPEAT;
    newState = IG;
  }
  if (newState === IG) {
    if (!isAnswerToIgnoredSyn(last, dir, index, packet)) {
      noteIgnored(last, dir, index, packet, oldState);
      return ACCEPT;
    }
    resynchronise(last, sender, receiver);
    oldState = SYN_SENT;
    newState = SYN_RECV;
  } else if (newState === IV) return INVALID;
  else if (newState === TIME_WAIT) {
    // RFC 5961: the answer to a spurious SYN does not acknowledge the last FIN.
    if (
      oldState === LAST_ACK &&
      index === INDEX_ACK &&
      last.direction !== dir &&
      last.index === INDEX_SYN &&
      (last.flags & TCPF.EXP_CHALLENGE_ACK) !== 0
    ) {
      last.flags &= ~TCPF.EXP_CHALLENGE_ACK;
      return ACCEPT;
    }
  } else if (newState === SYN_SENT2) last.flags |= TCPF.SIMULTANEOUS_OPEN;
  else if (newState === SYN_RECV) {
    if (isReply && index === INDEX_ACK && (last.flags & TCPF.SIMULTANEOUS_OPEN) !== 0) newState = ESTABLISHED;
  } else if (newState === CLOSE && index === INDEX_RST) {
    const verdict = judgeReset(tracker, entry, last, receiver, dir, packet);
    if (verdict === RST_INVALID) return INVALID;
    if (verdict === RST_KEEP) newState = oldState;
    skipsWindow =
      verdict === RST_CLOSING || (verdict !== RST_EXACT && isResetOfIgnored(entry, last, dir, packet, oldState));
  }

  if (!skipsWindow) {
    const result = checkWindow(entry, last, sender, receiver, dir, index, packet);
    if (result !== ACCEPT && (sender.flags & TCPF.BE_LIBERAL) === 0 && !tracker.tcpBeLiberal) {
      if (result === INVALID) noteInvalid(entry, last, dir, index, nowNs);
      return result === INVALID ? INVALID : ACCEPT;
    }
  }

  last.index = index;
  last.direction = dir;
  entry.state = newState;
  if (oldState !== newState && newState === FIN_WAIT) sender.flags |= TCPF.CLOSE_INIT;
  let timeoutNs = timeoutOf(tracker, entry, last, index, newState);
  if (!entry.seenReply) {
    if (index === INDEX_RST) return KILL;
    // A repeated SYN does not keep the entry alive.
    if (index === INDEX_SYN && oldState === SYN_SENT) return ACCEPT;
    if (newState === ESTABLISHED) timeoutNs = Math.min(timeoutNs, entry.timeouts[LT.TCP_UNACK]!);
  } else if (!entry.assured && (oldState === SYN_RECV || oldState === ESTABLISHED) && newState === ESTABLISHED) {
    entry.assured = true;
  }
  entry.expiresNs = nowNs + timeoutNs;
  return ACCEPT;
}

function timeoutOf(tracker: Tracker, entry: CtEntry, last: TcpLast, index: number, state: number): number {
  const timeouts = entry.timeouts;
  const timeoutNs = timeouts[state]!;
  const retransNs = timeouts[LT.TCP_RETRANS]!;
  const unackNs = timeouts[LT.TCP_UNACK]!;
  if (last.retransmissions >= tracker.tcpMaxRetransmissions && timeoutNs > retransNs) return retransNs;
  if (index === INDEX_RST) return timeouts[CLOSE]!;
  if (((entry.peer0!.flags | entry.peer1!.flags) & TCPF.DATA_UNACKNOWLEDGED) !== 0 && timeoutNs > unackNs)
    return unackNs;
  if (last.window === 0 && timeoutNs > retransNs) return retransNs;
  return timeoutNs;
}

function isAnswerToIgnoredSyn(last: TcpLast, dir: number, index: number, packet: CtPacket): boolean {
  return index === INDEX_SYNACK && last.index === INDEX_SYN && last.direction !== dir && packet.ack === last.end;
}

/** Both ends agree on a SYN that was ignored: their numbers count from now on. `receiver` has sent that SYN. */
function resynchronise(last: TcpLast, sender: TcpPeer, receiver: TcpPeer): void {
  receiver.end = receiver.maxEnd = last.end;
  receiver.maxWindow = last.window || 1;
  receiver.scale = last.scale;
  last.flags &= ~TCPF.EXP_CHALLENGE_ACK;
  receiver.flags = last.flags;
  // nf_ct_tcp_state_reset
  sender.end = sender.maxEnd = sender.maxWindow = sender.maxAck = sender.scale = 0;
  sender.flags &= TCPF.BE_LIBERAL;
}

function noteIgnored(last: TcpLast, dir: number, index: number, packet: CtPacket, oldState: number): void {
  last.index = index;
  last.direction = dir;
  last.seq = packet.seq;
  last.end = endOf(packet);
  last.window = packet.window;
  if (index === INDEX_SYN && dir === 0) {
    last.flags = last.scale = 0;
    if (packet.hasTcpOptions && packet.scale >= 0) {
      last.flags |= TCPF.WINDOW_SCALE;
      last.scale = packet.scale;
    }
    if (packet.hasTcpOptions && packet.sackPermitted) last.flags |= TCPF.SACK_PERM;
    if (oldState === LAST_ACK) last.flags |= TCPF.EXP_CHALLENGE_ACK;
  }
  if (oldState === SYN_SENT && index === INDEX_ACK && dir === 1) last.ack = packet.ack;
}

const RST_INVALID = 0;
/** Go on, the state becomes CLOSE; the sequence number was not judged. */
const RST_OPEN = 1;
/** Go on with the window check, the state becomes CLOSE. */
const RST_EXACT = 2;
/** The number does not fit exactly: the state stays, for a challenge ACK. */
const RST_KEEP = 3;
/** The connection was closing: no checks at all. */
const RST_CLOSING = 4;

function judgeReset(
  tracker: Tracker,
  entry: CtEntry,
  last: TcpLast,
  receiver: TcpPeer,
  dir: number,
  packet: CtPacket,
): number {
  // tcp_can_early_drop: FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE
  if (entry.state >= FIN_WAIT && entry.state <= CLOSE) return RST_CLOSING;
  if ((receiver.flags & TCPF.MAXACK_SET) === 0 || last.index === INDEX_SYN) return RST_OPEN;
  const established = isEstablished(entry);
  if (packet.seq === 0 && !established) return RST_EXACT;
  if (before(packet.seq, receiver.maxAck) && !tracker.tcpIgnoreInvalidRst) return RST_INVALID;
  if (!established || packet.seq === receiver.maxAck) return RST_EXACT;
  if (last.index === INDEX_ACK && last.direction === dir && packet.seq === last.end) return RST_EXACT;
  return RST_KEEP;
}

/** An RST that answers a SYN or ACK which was let through: no window check, it may acknowledge what we ignored. */
function isResetOfIgnored(entry: CtEntry, last: TcpLast, dir: number, packet: CtPacket, oldState: number): boolean {
  const answersSyn = entry.seenReply && last.index === INDEX_SYN && last.direction !== dir;
  const answersAck = !entry.assured && last.index === INDEX_ACK;
  if ((answersSyn || answersAck) && packet.ack === last.end) return true;
  return oldState === SYN_SENT && last.index === INDEX_ACK && last.direction === 1 && packet.seq === last.ack;
}

/** nf_tcp_handle_invalid: two FIN or RST out of the window, one from each side, shorten a long time-out. */
function noteInvalid(entry: CtEntry, last: TcpLast, dir: number, index: number, nowNs: number): void {
  if (!entry.assured || (index !== INDEX_RST && index !== INDEX_FIN)) return;
  if (last.direction === dir || (last.index !== INDEX_FIN && last.index !== INDEX_RST)) {
    last.index = index;
    last.direction = dir;
    return;
  }
  const leftNs = entry.expiresNs - nowNs;
  const unackNs = entry.timeouts[LT.TCP_UNACK]!;
  if (leftNs >= 120e9 && leftNs > unackNs) entry.expiresNs = nowNs + unackNs;
}

const IGNORE = 9;

/** tcp_in_window: ACCEPT, INVALID or IGNORE. Liberal: the caller turns the latter two into ACCEPT, windows stay. */
function checkWindow(
  entry: CtEntry,
  last: TcpLast,
  sender: TcpPeer,
  receiver: TcpPeer,
  dir: number,
  index: number,
  packet: CtPacket,
): number {
  const flags = packet.tcpFlags;
  const isSyn = (flags & TCP_SYN) !== 0;
  const hasAck = (flags & TCP_ACK) !== 0;
  let seq = packet.seq;
  let ack = packet.ack;
  let sack = ack;
  let window = packet.window;
  let end = endOf(packet);
  if ((receiver.flags & TCPF.SACK_PERM) !== 0 && packet.hasSack && after(packet.sackEdge, sack)) sack = packet.sackEdge;

  if (sender.maxWindow === 0) {
    if (isSyn) {
      startSender(sender, receiver, dir, packet, end);
      if (!hasAck) return ACCEPT;
    } else {
      sender.end = end;
      sender.maxWindow = window << sender.scale || 1;
      sender.maxEnd = (end + sender.maxWindow) | 0;
      if (receiver.maxWindow === 0) receiver.end = receiver.maxEnd = sack;
      else if (sack === ((receiver.end + 1) | 0)) receiver.end = (receiver.end + 1) | 0;
    }
  } else if (isSyn && after(end, sender.end) && (entry.state === SYN_SENT || entry.state === SYN_RECV)) {
    startSender(sender, receiver, dir, packet, end);
    if (dir === 1 && !hasAck) return ACCEPT;
  }

  if (!hasAck || ((flags & TCP_RST) !== 0 && ack === 0)) ack = sack = receiver.end;
  if ((flags & TCP_RST) !== 0 && seq === 0 && entry.state === SYN_SENT) seq = end = sender.end;

  const lowestAck = receiver.end - Math.max(sender.maxWindow, MAX_ACK_WINDOW) - 1;
  if (!before(seq, sender.maxEnd + 1)) {
    const overshoot = (end - sender.maxEnd + 1) >>> 0;
    if (
      receiver.maxWindow !== 0 &&
      after(end, sender.end - receiver.maxWindow - 1) &&
      after(sack, lowestAck) &&
      overshoot <= receiver.maxWindow &&
      before(sack, receiver.end + 1)
    ) {
      sender.end = end;
      sender.flags |= TCPF.DATA_UNACKNOWLEDGED;
      return IGNORE;
    }
    return INVALID;
  }
  if (!before(sack, receiver.end + 1)) return INVALID;
  if (receiver.maxWindow !== 0 && !after(end, sender.end - receiver.maxWindow - 1)) return IGNORE;
  if (!after(sack, lowestAck)) return IGNORE;

  if (!isSyn) window <<= sender.scale;
  const announced = window + ((sack - ack) | 0);
  if (sender.maxWindow < announced) sender.maxWindow = announced;
  if (after(end, sender.end)) {
    sender.end = end;
    sender.flags |= TCPF.DATA_UNACKNOWLEDGED;
  }
  if (hasAck) {
    if ((sender.flags & TCPF.MAXACK_SET) === 0) {
      sender.maxAck = ack;
      sender.flags |= TCPF.MAXACK_SET;
    } else if (after(ack, sender.maxAck)) sender.maxAck = ack;
  }
  if (receiver.maxWindow !== 0 && after(end, sender.maxEnd)) receiver.maxWindow += (end - sender.maxEnd) | 0;
  if (after(sack + window, receiver.maxEnd - 1)) {
    receiver.maxEnd = (sack + window + (window === 0 ? 1 : 0)) | 0;
  }
  if (ack === receiver.end) receiver.flags &= ~TCPF.DATA_UNACKNOWLEDGED;

  if (index === INDEX_ACK) {
    if (
      last.direction === dir &&
      last.seq === seq &&
      last.ack === ack &&
      last.end === end &&
      last.window === packet.window
    ) {
      last.retransmissions = (last.retransmissions + 1) & 0xff;
    } else {
      last.direction = dir;
      last.seq = seq;
      last.ack = ack;
      last.end = end;
      last.window = packet.window;
      last.retransmissions = 0;
    }
  }
  return ACCEPT;
}

/** tcp_init_sender. Both sides must send the scale option (RFC 7323 2.2). */
function startSender(sender: TcpPeer, receiver: TcpPeer, dir: number, packet: CtPacket, end: number): void {
  sender.end = sender.maxEnd = end;
  sender.maxWindow = packet.window || 1;
  readOptions(packet, sender);
  if (dir === 1 && (sender.flags & receiver.flags & TCPF.WINDOW_SCALE) === 0) sender.scale = receiver.scale = 0;
}
