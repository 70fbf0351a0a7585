/**
 * One direction of a connection: addresses and L4 identifiers, as numbers.
 *
 * IPv4 addresses are in `src0`, `dst0`; IPv6 goes on in words 1 to 3, most significant first. All words are int32.
 * ICMP and ICMPv6: `sport` = id, `dport` = type << 8 | code (what the kernel's `u.icmp` and OVS's `ct_endpoint` hold).
 * Other protocols without ports: 0. GRE version 1: `dport` = call id (nf_conntrack_proto_gre.c:gre_pkt_to_tuple).
 */
export class CtTuple {
  src0 = 0;
  dst0 = 0;
  sport = 0;
  dport = 0;
  src1 = 0;
  src2 = 0;
  src3 = 0;
  dst1 = 0;
  dst2 = 0;
  dst3 = 0;
}

export function copyTuple(from: CtTuple, to: CtTuple): void {
  to.src0 = from.src0;
  to.dst0 = from.dst0;
  to.sport = from.sport;
  to.dport = from.dport;
  to.src1 = from.src1;
  to.src2 = from.src2;
  to.src3 = from.src3;
  to.dst1 = from.dst1;
  to.dst2 = from.dst2;
  to.dst3 = from.dst3;
}

export function cloneTuple(from: CtTuple): CtTuple {
  const to = new CtTuple();
  copyTuple(from, to);
  return to;
}

export function tuplesEqual(a: CtTuple, b: CtTuple): boolean {
  return (
    a.src0 === b.src0 &&
    a.dst0 === b.dst0 &&
    a.sport === b.sport &&
    a.dport === b.dport &&
    a.src1 === b.src1 &&
    a.src2 === b.src2 &&
    a.src3 === b.src3 &&
    a.dst1 === b.dst1 &&
    a.dst2 === b.dst2 &&
    a.dst3 === b.dst3
  );
}

export const PROTO_ICMP = 1;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;
export const PROTO_DCCP = 33;
export const PROTO_GRE = 47;
export const PROTO_ICMPV6 = 58;
export const PROTO_SCTP = 132;
export const PROTO_UDPLITE = 136;

export const isIcmp = (proto: number): boolean => proto === PROTO_ICMP || proto === PROTO_ICMPV6;

/** Reply type of an ICMP request and the reverse; -1: the type has none and starts or answers nothing. */
const ICMP_INVERSE = new Int16Array(256).fill(-1);
const ICMPV6_INVERSE = new Int16Array(256).fill(-1);
// nf_conntrack_proto_icmp.c:invmap. OVS (conntrack.c:reverse_icmp_type) knows all but the address mask pair.
for (const [request, reply] of [
  [8, 0],
  [13, 14],
  [15, 16],
  [17, 18],
] as const) {
  ICMP_INVERSE[request] = reply;
  ICMP_INVERSE[reply] = request;
}
// nf_conntrack_proto_icmpv6.c:invmap: echo, node information. OVS knows echo only.
for (const [request, reply] of [
  [128, 129],
  [139, 140],
] as const) {
  ICMPV6_INVERSE[request] = reply;
  ICMPV6_INVERSE[reply] = request;
}

export function inverseIcmpType(proto: number, type: number): number {
  return (proto === PROTO_ICMP ? ICMP_INVERSE : ICMPV6_INVERSE)[type & 0xff]!;
}

/** The opposite direction. False: the tuple has none (an ICMP type that is neither request nor reply). */
export function invertTuple(proto: number, from: CtTuple, to: CtTuple): boolean {
  const { src0, src1, src2, src3, sport, dport } = from;
  to.src0 = from.dst0;
  to.src1 = from.dst1;
  to.src2 = from.dst2;
  to.src3 = from.dst3;
  to.dst0 = src0;
  to.dst1 = src1;
  to.dst2 = src2;
  to.dst3 = src3;
  if (!isIcmp(proto)) {
    to.sport = dport;
    to.dport = sport;
    return true;
  }
  const inverse = inverseIcmpType(proto, dport >> 8);
  to.sport = sport;
  to.dport = (inverse << 8) | (dport & 0xff);
  return inverse >= 0;
}

/** The same for both directions of a connection without NAT, so that one group of packets has one hash. */
export function hashTuple(tuple: CtTuple, proto: number, zone: number): number {
  let a = Math.imul(tuple.src0 ^ Math.imul(tuple.src1 ^ tuple.src2 ^ tuple.src3, 0x85ebca6b), 0x9e3779b1);
  let b = Math.imul(tuple.dst0 ^ Math.imul(tuple.dst1 ^ tuple.dst2 ^ tuple.dst3, 0x85ebca6b), 0x9e3779b1);
  if (isIcmp(proto)) {
    a ^= tuple.sport;
    b ^= tuple.sport;
  } else {
    a ^= Math.imul(tuple.sport, 0xc2b2ae35);
    b ^= Math.imul(tuple.dport, 0xc2b2ae35);
  }
  a ^= a >>> 15;
  b ^= b >>> 15;
  const mixed = Math.imul((a ^ b) + Math.imul(a, b) + Math.imul(zone, 0x27d4eb2f) + proto, 0x165667b1);
  return mixed ^ (mixed >>> 13);
}
