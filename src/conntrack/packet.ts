/**
 * What the tracker sees of a packet at a ct(): addresses and ports from the flow key (actions may have rewritten them), the
 * rest from the frame. One instance per worker is refilled for each packet, nothing is allocated.
 */
import { FRAG_ANY, K } from '../fields/key.js';
import type { PacketInfo } from '../packet/packetInfo.js';
import { fillInner } from './innerPacket.js';
import { PROBLEM } from './problem.js';
import {
  CtTuple,
  copyTuple,
  PROTO_DCCP,
  PROTO_GRE,
  PROTO_ICMP,
  PROTO_ICMPV6,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PROTO_UDPLITE,
} from './tuple.js';

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;

export class CtPacket {
  family = 4;
  /** Protocol of `tuple`: that of the inner packet for an ICMP error. */
  proto = 0;
  /** Protocol of the packet itself. */
  outerProto = 0;
  /** Direction of this packet. ICMP error: the inner packet reversed, i.e. the connection in the error's direction. */
  readonly tuple = new CtTuple();
  /** Outer addresses, ports, ICMP id and type; differs from `tuple` for ICMP errors only. */
  readonly outer = new CtTuple();
  /** ICMP error: it belongs to the connection of its inner packet. */
  related = false;
  problems = 0;
  tcpFlags = 0;
  /** int32. */
  seq = 0;
  /** int32. */
  ack = 0;
  window = 0;
  /** TCP payload. */
  payloadBytes = 0;
  /** Window scale option, at most 14; -1 none. */
  scale = -1;
  hasSack = false;
  sackEdge = 0;
  sackPermitted = false;
  /** Any TCP option there: the kernel resets what it knows of options only then (tcp_options). */
  hasTcpOptions = false;
  isFragment = false;
  fragmentId = 0;
  fragmentOffset = 0;
  moreFragments = false;
  /** L3 header and payload by the IP header. */
  l3Bytes = 0;
  /** L4 bytes: `data[l4Start .. l4Start + l4Bytes)`, cut off at `dataEnd` by the capture length. */
  data: Uint8Array = new Uint8Array(0);
  l4Start = 0;
  l4Bytes = 0;
  dataEnd = 0;
  /** What the caller wants back when a held fragment is released. */
  token: unknown = null;
}

/** Called per packet, allocates nothing. `key` must be of an IPv4 or IPv6 packet. */
export function fillCtPacket(key: Int32Array, info: PacketInfo, out: CtPacket): void {
  const isIpv4 = key[K.dl_type] === 0x0800;
  const outer = out.outer;
  out.family = isIpv4 ? 4 : 6;
  if (isIpv4) {
    outer.src0 = key[K.nw_src]!;
    outer.dst0 = key[K.nw_dst]!;
    outer.src1 = outer.src2 = outer.src3 = outer.dst1 = outer.dst2 = outer.dst3 = 0;
  } else {
    outer.src0 = key[K.ipv6_src]!;
    outer.src1 = key[K.ipv6_src + 1]!;
    outer.src2 = key[K.ipv6_src + 2]!;
    outer.src3 = key[K.ipv6_src + 3]!;
    outer.dst0 = key[K.ipv6_dst]!;
    outer.dst1 = key[K.ipv6_dst + 1]!;
    outer.dst2 = key[K.ipv6_dst + 2]!;
    outer.dst3 = key[K.ipv6_dst + 3]!;
  }
  const proto = key[K.nw_proto]!;
  out.proto = out.outerProto = proto;
  out.related = false;
  out.data = info.data;
  out.l4Start = info.start + info.l4Offset;
  out.l4Bytes = info.l4Bytes;
  out.dataEnd = info.start + info.capturedBytes;
  out.l3Bytes = info.l4Offset - info.l3Offset + info.l4Bytes;
  out.isFragment = (key[K.nw_frag]! & FRAG_ANY) !== 0;
  let problems = (info.l3ChecksumOk ? 0 : PROBLEM.L3_CHECKSUM) | (info.l4ChecksumOk ? 0 : PROBLEM.L4_CHECKSUM);
  if (info.l4Malformed) problems |= PROBLEM.L4_MALFORMED;
  out.problems = problems;
  if (out.isFragment) {
    out.fragmentId = info.fragmentId;
    out.fragmentOffset = info.fragmentOffset;
    out.moreFragments = info.moreFragments;
    out.problems |= PROBLEM.FRAGMENT;
    outer.sport = outer.dport = 0;
    copyTuple(outer, out.tuple);
    return;
  }
  if (proto === PROTO_TCP) {
    outer.sport = key[K.tp_src]!;
    outer.dport = key[K.tp_dst]!;
    out.tcpFlags = key[K.tcp_flags]!;
    out.seq = info.tcpSeq | 0;
    out.ack = info.tcpAck | 0;
    out.window = info.tcpWindow;
    out.payloadBytes = info.payloadBytes;
    out.scale = Math.min(info.tcpScale, 14);
    out.hasSack = info.hasSack;
    out.sackEdge = info.tcpSackEdge | 0;
    out.sackPermitted = info.sackPermitted;
    out.hasTcpOptions = info.l4Bytes - info.payloadBytes > 20;
  }
  fillTransport(out, key[K.tp_src]!, key[K.tp_dst]!, info.icmpId);
}

/** The part that depends on the protocol; `sport`, `dport` are ICMP type and code for ICMP. Used after reassembly too. */
export function fillTransport(out: CtPacket, sport: number, dport: number, icmpId: number): void {
  const { outer, proto } = out;
  outer.sport = sport;
  outer.dport = dport;
  if (proto === PROTO_TCP || proto === PROTO_UDP) {
    if (sport === 0 || dport === 0) out.problems |= PROBLEM.PORT_ZERO;
    const udpWithoutSum =
      proto === PROTO_UDP &&
      out.family === 6 &&
      out.dataEnd >= out.l4Start + 8 &&
      out.l4Bytes >= 8 &&
      word16(out, 6) === 0;
    if (udpWithoutSum) out.problems = (out.problems & ~PROBLEM.L4_CHECKSUM) | PROBLEM.NO_CHECKSUM_IPV6;
    copyTuple(outer, out.tuple);
  } else if (proto === PROTO_ICMP || proto === PROTO_ICMPV6) {
    outer.sport = icmpId;
    outer.dport = (sport << 8) | dport;
    copyTuple(outer, out.tuple);
    fillInner(out, sport);
  } else {
    if (proto === PROTO_GRE) fillGre(out);
    else if (proto === PROTO_UDPLITE || proto === PROTO_DCCP) fillPortsFromBytes(out);
    else if (proto !== PROTO_SCTP) outer.sport = outer.dport = 0;
    copyTuple(outer, out.tuple);
  }
}

/** nf_conntrack_proto_gre.c:gre_pkt_to_tuple: only PPTP's version has an identifier, and one for each direction. */
function fillGre(out: CtPacket): void {
  out.outer.sport = out.outer.dport = 0;
  if (out.l4Bytes < 8 || out.dataEnd < out.l4Start + 8 || (out.data[out.l4Start + 1]! & 7) !== 1) return;
  if (word16(out, 2) !== 0x880b) out.problems |= PROBLEM.GRE_VERSION;
  out.outer.dport = word16(out, 6);
}

/** The flow key has no ports of these protocols, the kernel reads them. */
function fillPortsFromBytes(out: CtPacket): void {
  if (out.l4Bytes < 8 || out.dataEnd < out.l4Start + 8) {
    out.problems |= PROBLEM.L4_MALFORMED;
    return;
  }
  out.outer.sport = word16(out, 0);
  out.outer.dport = word16(out, 2);
}

export function word16(packet: CtPacket, offset: number): number {
  const at = packet.l4Start + offset;
  return (packet.data[at]! << 8) | packet.data[at + 1]!;
}

export function word32(packet: CtPacket, offset: number): number {
  return (word16(packet, offset) << 16) | word16(packet, offset + 2);
}
