/**
 * ICMP and ICMPv6: queries get a tuple of their own, errors the tuple of the packet they quote.
 * OVS conntrack.c:extract_l4_icmp, extract_l4_icmp6; kernel nf_conntrack_proto_icmp.c, _icmpv6.c: nf_conntrack_inet_error.
 */
import type { CtPacket } from './packet.js';
import { PROBLEM } from './problem.js';
import {
  inverseIcmpType,
  invertTuple,
  isIcmp,
  PROTO_DCCP,
  PROTO_ICMP,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PROTO_UDPLITE,
} from './tuple.js';

const ICMP_HEADER_BYTES = 8;

/** Destination unreachable, source quench, redirect, time exceeded, parameter problem. */
const isIcmpError = (type: number): boolean => type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
/** RFC 4443 2.1: errors are below 128; both trackers know 1 to 4. */
const isIcmpv6Error = (type: number): boolean => type >= 1 && type <= 4;

/** `packet.tuple` holds addresses, id, type and code of the outer packet; `type` is that of the ICMP header. */
export function fillInner(packet: CtPacket, type: number): void {
  const isV4 = packet.proto === PROTO_ICMP;
  if (!(isV4 ? isIcmpError(type) : isIcmpv6Error(type))) {
    if (inverseIcmpType(packet.proto, type) < 0) packet.problems |= PROBLEM.ICMP_TYPE;
    else if ((packet.outer.dport & 0xff) !== 0) packet.problems |= PROBLEM.ICMP_CODE;
    return;
  }
  packet.related = true;
  const isRead = isV4 ? readInner4(packet) : readInner6(packet);
  const inner = packet.tuple;
  if (!isRead || !invertTuple(packet.proto, inner, inner)) {
    packet.problems |= PROBLEM.INNER;
    return;
  }
  // Only who sent the inner packet may be told of an error: nf_conntrack_inet_error, extract_l4_icmp.
  const outer = packet.outer;
  if (
    inner.dst0 !== outer.dst0 ||
    inner.dst1 !== outer.dst1 ||
    inner.dst2 !== outer.dst2 ||
    inner.dst3 !== outer.dst3
  ) {
    packet.problems |= PROBLEM.INNER_ADDRESS;
  }
}

const u16 = (data: Uint8Array, at: number): number => (data[at]! << 8) | data[at + 1]!;
const i32 = (data: Uint8Array, at: number): number => (u16(data, at) << 16) | u16(data, at + 2);

function readInner4(packet: CtPacket): boolean {
  const { data, tuple } = packet;
  const start = packet.l4Start + ICMP_HEADER_BYTES;
  const end = Math.min(packet.l4Start + packet.l4Bytes, packet.dataEnd);
  if (start + 20 > end) return false;
  const headerBytes = (data[start]! & 15) * 4;
  if (headerBytes < 20 || start + headerBytes > end) return false;
  if ((u16(data, start + 6) & 0x1fff) !== 0) return false;
  tuple.src0 = i32(data, start + 12);
  tuple.dst0 = i32(data, start + 16);
  packet.proto = data[start + 9]!;
  // A first fragment is one for OVS too (IP_IS_FRAGMENT), while the kernel only minds the offset (get_l4proto).
  if ((u16(data, start + 6) & 0x2000) !== 0) packet.problems |= PROBLEM.INNER_SHORT;
  return readInnerTransport(packet, start + headerBytes, end, 8);
}

function readInner6(packet: CtPacket): boolean {
  const { data, tuple } = packet;
  const start = packet.l4Start + ICMP_HEADER_BYTES;
  const end = Math.min(packet.l4Start + packet.l4Bytes, packet.dataEnd);
  if (start + 40 > end) return false;
  tuple.src0 = i32(data, start + 8);
  tuple.src1 = i32(data, start + 12);
  tuple.src2 = i32(data, start + 16);
  tuple.src3 = i32(data, start + 20);
  tuple.dst0 = i32(data, start + 24);
  tuple.dst1 = i32(data, start + 28);
  tuple.dst2 = i32(data, start + 32);
  tuple.dst3 = i32(data, start + 36);
  let proto = data[start + 6]!;
  let at = start + 40;
  // Hop-by-hop, routing, destination options; fragment; authentication (RFC 8200 section 4).
  for (;;) {
    if (proto === 0 || proto === 43 || proto === 60) {
      if (at + 8 > end) return false;
      proto = data[at]!;
      at += 8 + data[at + 1]! * 8;
    } else if (proto === 44) {
      if (at + 8 > end || (u16(data, at + 2) & 0xfff8) !== 0) return false;
      if ((u16(data, at + 2) & 1) !== 0) packet.problems |= PROBLEM.INNER_SHORT;
      proto = data[at]!;
      at += 8;
    } else if (proto === 51) {
      if (at + 8 > end) return false;
      proto = data[at]!;
      at += (data[at + 1]! + 2) * 4;
    } else break;
  }
  packet.proto = proto;
  return readInnerTransport(packet, at, end, proto === PROTO_TCP ? 20 : 8);
}

/** Ports or ICMP id and type. The kernel needs 4 bytes for ports (nf_ct_get_tuple), OVS `ovsBytes`. */
function readInnerTransport(packet: CtPacket, at: number, end: number, ovsBytes: number): boolean {
  const { data, tuple, proto } = packet;
  tuple.sport = tuple.dport = 0;
  if (
    proto === PROTO_TCP ||
    proto === PROTO_UDP ||
    proto === PROTO_SCTP ||
    proto === PROTO_UDPLITE ||
    proto === PROTO_DCCP
  ) {
    if (at + 4 > end) return false;
    tuple.sport = u16(data, at);
    tuple.dport = u16(data, at + 2);
    if (proto !== PROTO_TCP && proto !== PROTO_UDP) return true;
    if (at + ovsBytes > end) packet.problems |= PROBLEM.INNER_SHORT;
    if (tuple.sport === 0 || tuple.dport === 0) packet.problems |= PROBLEM.PORT_ZERO;
  } else if (isIcmp(proto)) {
    if (at + ICMP_HEADER_BYTES > end) return false;
    tuple.sport = u16(data, at + 4);
    tuple.dport = u16(data, at);
    if ((tuple.dport & 0xff) !== 0) packet.problems |= PROBLEM.ICMP_CODE;
  }
  return true;
}
