/** Reads the L4 header of a packet that was put together from fragments; all other packets come from header extraction. */
import { type CtPacket, fillTransport, word16, word32 } from './packet.js';
import { PROBLEM } from './problem.js';
import { isIcmp, PROTO_ICMP, PROTO_SCTP, PROTO_TCP, PROTO_UDP } from './tuple.js';

/** Sets ports, TCP numbers and options, ICMP id and problems from `packet.data`, which must hold all L4 bytes. */
export function parseTransport(packet: CtPacket, verifyChecksum: boolean): void {
  const { outerProto: proto, l4Bytes } = packet;
  packet.proto = proto;
  packet.related = false;
  const minimum = proto === PROTO_TCP ? 20 : proto === PROTO_UDP || isIcmp(proto) ? 8 : proto === PROTO_SCTP ? 12 : 0;
  if (l4Bytes < minimum) {
    packet.problems |= PROBLEM.L4_MALFORMED;
    return;
  }
  let first = 0;
  let second = 0;
  let id = 0;
  if (isIcmp(proto)) {
    first = packet.data[packet.l4Start]!;
    second = packet.data[packet.l4Start + 1]!;
    id = word16(packet, 4);
  } else if (minimum > 0) {
    first = word16(packet, 0);
    second = word16(packet, 2);
  }
  if (proto === PROTO_TCP) parseTcp(packet);
  if (proto === PROTO_UDP) {
    const length = word16(packet, 4);
    if (length < 8 || length > l4Bytes) packet.problems |= PROBLEM.L4_MALFORMED;
    if (packet.family === 4 && word16(packet, 6) === 0) {
      fillTransport(packet, first, second, id);
      return;
    }
  }
  if (verifyChecksum && (proto === PROTO_TCP || proto === PROTO_UDP || isIcmp(proto))) {
    if (checksum(packet) !== 0) packet.problems |= PROBLEM.L4_CHECKSUM;
  }
  fillTransport(packet, first, second, id);
}

function parseTcp(packet: CtPacket): void {
  const headerBytes = (packet.data[packet.l4Start + 12]! >> 4) * 4;
  packet.tcpFlags = word16(packet, 12) & 0xfff;
  packet.seq = word32(packet, 4);
  packet.ack = word32(packet, 8);
  packet.window = word16(packet, 14);
  packet.scale = -1;
  packet.hasSack = packet.sackPermitted = false;
  packet.hasTcpOptions = headerBytes > 20;
  if (headerBytes < 20 || headerBytes > packet.l4Bytes) {
    packet.problems |= PROBLEM.L4_MALFORMED;
    return;
  }
  packet.payloadBytes = packet.l4Bytes - headerBytes;
  let at = 20;
  while (at < headerBytes) {
    const kind = packet.data[packet.l4Start + at]!;
    if (kind === 0) return;
    if (kind === 1) {
      at++;
      continue;
    }
    if (at + 1 >= headerBytes) return;
    const length = packet.data[packet.l4Start + at + 1]!;
    if (length < 2 || at + length > headerBytes) return;
    // RFC 7323 2.2, RFC 2018 2 and 3.
    if (kind === 3 && length === 3) packet.scale = Math.min(packet.data[packet.l4Start + at + 2]!, 14);
    else if (kind === 4 && length === 2) packet.sackPermitted = true;
    else if (kind === 5 && length >= 10 && (length - 2) % 8 === 0) {
      for (let block = at + 2; block < at + length; block += 8) {
        const edge = word32(packet, block + 4);
        if (!packet.hasSack || ((edge - packet.sackEdge) | 0) > 0) packet.sackEdge = edge;
        packet.hasSack = true;
      }
    }
    at += length;
  }
}

/** RFC 1071, with the pseudo header of RFC 9293 3.1 and RFC 8200 8.1; ICMP over IPv4 has none. 0: right. */
function checksum(packet: CtPacket): number {
  let sum = 0;
  const { outer, l4Bytes, data, l4Start } = packet;
  if (packet.outerProto !== PROTO_ICMP) {
    for (const word of [
      outer.src0,
      outer.src1,
      outer.src2,
      outer.src3,
      outer.dst0,
      outer.dst1,
      outer.dst2,
      outer.dst3,
    ]) {
      sum += (word >>> 16) + (word & 0xffff);
    }
    sum += packet.outerProto + l4Bytes;
  }
  for (let i = 0; i + 1 < l4Bytes; i += 2) sum += (data[l4Start + i]! << 8) | data[l4Start + i + 1]!;
  if ((l4Bytes & 1) !== 0) sum += data[l4Start + l4Bytes - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
