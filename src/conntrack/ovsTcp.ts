/**
 * TCP in OVS 3.1.0's own tracker: lib/conntrack-tcp.c.
 * Sequence numbers are int32 and compared modulo 2^32: `(a - b | 0) >= 0` is a >= b.
 */
import { type CtEntry, OVS_TCP, TCPF, TcpPeer } from './entry.js';
import { type CtPacket, TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } from './packet.js';
import { OT } from './timeouts.js';

export const UPDATE_INVALID = 0;
export const UPDATE_VALID = 1;
/** The entry is over, the packet starts a new one. */
export const UPDATE_NEW = 2;
export const UPDATE_VALID_NEW = 3;

const { CLOSED, SYN_SENT, ESTABLISHED, CLOSING, FIN_WAIT_2, TIME_WAIT } = OVS_TCP;
/** conntrack-tcp.c:TCP_MAX_WSCALE. */
const MAX_SCALE = 14;
/** conntrack-tcp.c:MAXACKWINDOW: a full window and 1500 bytes. */
const MAX_ACK_WINDOW = 0xffff + 1500;

/** conntrack-tcp.c:tcp_invalid_flags. */
export function hasInvalidFlags(flags: number): boolean {
  if ((flags & TCP_SYN) !== 0) {
    if ((flags & (TCP_RST | TCP_FIN)) !== 0) return true;
  } else if ((flags & (TCP_ACK | TCP_RST)) === 0) return true;
  return (flags & TCP_ACK) === 0 && (flags & (TCP_FIN | TCP_PSH | TCP_URG)) !== 0;
}

/** conntrack-tcp.c:tcp_valid_new: everything may start a connection but SYN+ACK. */
export function isValidTcpStart(flags: number): boolean {
  return !hasInvalidFlags(flags) && (flags & (TCP_SYN | TCP_ACK)) !== (TCP_SYN | TCP_ACK);
}

const divideRoundUp = (value: number, shift: number): number => (value + (1 << shift) - 1) >> shift;

/** conntrack-tcp.c:tcp_new_conn. */
export function startTcp(entry: CtEntry, packet: CtPacket, nowNs: number): void {
  const src = new TcpPeer();
  const dst = new TcpPeer();
  const isSyn = (packet.tcpFlags & TCP_SYN) !== 0;
  src.end = packet.seq;
  src.maxEnd = (packet.seq + packet.payloadBytes + 1 + (isSyn ? 1 : 0) + (packet.tcpFlags & TCP_FIN)) | 0;
  src.maxWindow = Math.max(packet.window, 1);
  if (!isSyn) {
    src.flags = dst.flags = TCPF.BE_LIBERAL;
  } else if (packet.scale >= 0) {
    src.flags = TCPF.WINDOW_SCALE;
    src.scale = packet.scale;
    src.maxWindow = divideRoundUp(src.maxWindow, packet.scale);
  }
  dst.maxEnd = 1;
  dst.maxWindow = 1;
  src.state = SYN_SENT;
  dst.state = CLOSED;
  entry.peer0 = src;
  entry.peer1 = dst;
  entry.expiresNs = nowNs + entry.timeouts[OT.TCP_FIRST_PACKET]!;
}

/** Called per packet, allocates nothing. conntrack-tcp.c:tcp_conn_update. */
export function updateTcp(
  entry: CtEntry,
  packet: CtPacket,
  isReply: boolean,
  nowNs: number,
  checkSeq: boolean,
): number {
  const flags = packet.tcpFlags;
  if (hasInvalidFlags(flags)) return UPDATE_INVALID;
  const src = (isReply ? entry.peer1 : entry.peer0)!;
  const dst = (isReply ? entry.peer0 : entry.peer1)!;
  const isSyn = (flags & TCP_SYN) !== 0;

  if (isSyn && (flags & TCP_ACK) === 0) {
    if (dst.state >= FIN_WAIT_2 && src.state >= FIN_WAIT_2) {
      src.state = dst.state = CLOSED;
      return UPDATE_NEW;
    }
    if (src.state <= SYN_SENT) {
      src.state = SYN_SENT;
      entry.expiresNs = nowNs + entry.timeouts[OT.TCP_FIRST_PACKET]!;
      return UPDATE_VALID_NEW;
    }
  }

  let srcShift = 0;
  let dstShift = 0;
  if (!isSyn) {
    if ((src.flags & dst.flags & TCPF.WINDOW_SCALE) !== 0) {
      srcShift = src.scale;
      dstShift = dst.scale;
    } else if ((src.flags & dst.flags & TCPF.BE_LIBERAL) !== 0) srcShift = dstShift = MAX_SCALE;
  }

  let window = packet.window;
  let seq = packet.seq;
  let end = (seq + packet.payloadBytes + (isSyn ? 1 : 0) + (flags & TCP_FIN)) | 0;
  let checkAck = true;
  if (src.state < SYN_SENT) {
    // First packet from this side.
    if (isSyn && (dst.flags & TCPF.WINDOW_SCALE) !== 0) {
      if (packet.scale >= 0) {
        src.scale = srcShift = packet.scale;
        src.flags = TCPF.WINDOW_SCALE;
        window = divideRoundUp(window, srcShift);
        dstShift = dst.scale;
      } else {
        src.scale = src.flags = 0;
        // A 16-bit field in OVS: 65535 << 7 keeps its low half only.
        dst.maxWindow = (dst.maxWindow << dst.scale) & 0xffff;
        dst.scale = dst.flags = 0;
      }
    }
    src.end = seq;
    src.state = SYN_SENT;
    const limit = (end + Math.max(1, dst.maxWindow << dstShift)) | 0;
    if (src.maxEnd === 1 || ((limit - src.maxEnd) | 0) >= 0) {
      src.maxEnd = limit;
      checkAck = false;
    }
    if (window > src.maxWindow) src.maxWindow = window;
  }

  if (((src.flags | dst.flags) & TCPF.NUMBERS_UNKNOWN) !== 0) adoptNumbers(src, dst, packet, end, dstShift);

  let ack = packet.ack;
  if ((flags & TCP_ACK) === 0 || (ack === 0 && (flags & TCP_RST) !== 0)) ack = dst.end;
  if (seq === end) seq = end = src.end;

  const ackSkew = checkAck ? (dst.end - ack) | 0 : 0;
  const resetSkew = (packet.seq - src.end) | 0;
  if (
    (((src.maxEnd - end) | 0) >= 0 &&
      ((seq - (src.end - (dst.maxWindow << dstShift))) | 0) >= 0 &&
      ackSkew >= -MAX_ACK_WINDOW &&
      ackSkew <= MAX_ACK_WINDOW << srcShift &&
      ((flags & TCP_RST) === 0 || (resetSkew >= -1 && resetSkew <= 1))) ||
    !checkSeq
  ) {
    noteWindow(src, dst, window, end, ack, srcShift);
    if ((flags & TCP_FIN) !== 0 && src.state < CLOSING) src.state = CLOSING;
    if ((flags & TCP_ACK) !== 0) {
      if (dst.state === SYN_SENT) dst.state = ESTABLISHED;
      else if (dst.state === CLOSING) dst.state = FIN_WAIT_2;
    }
    if ((flags & TCP_RST) !== 0) src.state = dst.state = TIME_WAIT;
    entry.expiresNs = nowNs + entry.timeouts[timeoutOf(src.state, dst.state)]!;
    return UPDATE_VALID;
  }
  if (
    (dst.state < SYN_SENT || dst.state >= FIN_WAIT_2 || src.state >= FIN_WAIT_2) &&
    ((src.maxEnd + MAX_ACK_WINDOW - end) | 0) >= 0 &&
    ((seq - (src.end - MAX_ACK_WINDOW)) | 0) >= 0
  ) {
    // Shotgun SYNs, pick-up in mid-stream, strays after the end: passes, but keeps nothing alive.
    noteWindow(src, dst, window, end, ack, srcShift);
    if ((flags & TCP_FIN) !== 0 && src.state < CLOSING) src.state = CLOSING;
    if ((flags & TCP_RST) !== 0) src.state = dst.state = TIME_WAIT;
    return UPDATE_VALID;
  }
  return UPDATE_INVALID;
}

/** An entry out of a dump: its sender is where this packet says, the other one where it is acknowledged. */
function adoptNumbers(src: TcpPeer, dst: TcpPeer, packet: CtPacket, end: number, dstShift: number): void {
  if ((src.flags & TCPF.NUMBERS_UNKNOWN) !== 0) {
    src.end = packet.seq;
    src.maxEnd = (end + Math.max(1, dst.maxWindow << dstShift)) | 0;
    src.flags &= ~TCPF.NUMBERS_UNKNOWN;
  }
  if ((dst.flags & TCPF.NUMBERS_UNKNOWN) !== 0 && (packet.tcpFlags & TCP_ACK) !== 0) {
    // Its own next packet still sets its numbers; until then it must fit what is acknowledged here.
    dst.end = packet.ack;
    dst.maxEnd = (packet.ack + (packet.window << dstShift)) | 0;
  }
}

function noteWindow(src: TcpPeer, dst: TcpPeer, window: number, end: number, ack: number, shift: number): void {
  if (src.maxWindow < window) src.maxWindow = window;
  if (((end - src.end) | 0) > 0) src.end = end;
  const scaled = window << shift;
  if (((ack + scaled - dst.maxEnd) | 0) >= 0) dst.maxEnd = (ack + Math.max(scaled, 1)) | 0;
}

function timeoutOf(a: number, b: number): number {
  if (a >= FIN_WAIT_2 && b >= FIN_WAIT_2) return OT.TCP_CLOSED;
  if (a >= CLOSING && b >= CLOSING) return OT.TCP_FIN_WAIT;
  if (a < ESTABLISHED || b < ESTABLISHED) return OT.TCP_OPENING;
  if (a >= CLOSING || b >= CLOSING) return OT.TCP_CLOSING;
  return OT.TCP_ESTABLISHED;
}
