/** The packet inside an ICMP error: which traffic it is about. Only what its bytes say; whether to believe it is conntrack's. */
import { K } from '../fields/key.js';
import { u8, u16, u32 } from '../util/bytesAt.js';
import type { PacketInfo } from './packetInfo.js';
import {
  ETH_IPV4,
  IP_ICMP,
  IP_ICMPV6,
  IP_SCTP,
  IP_TCP,
  IP_UDP,
  IP6_AUTH,
  IP6_DESTINATION,
  IP6_FRAGMENT,
  IP6_HOP_BY_HOP,
  IP6_ROUTING,
} from './protocols.js';
import { hasIcmpId } from './transport.js';

/** Refilled per ICMP error. Addresses as the key has them; IPv4 in the first word, the others 0. */
export class InnerTuple {
  readonly src = new Int32Array(4);
  readonly dst = new Int32Array(4);
  isIpv6 = false;
  proto = 0;
  /** TCP, UDP, SCTP: ports. ICMP: type and code. 0 where the bytes end before. */
  tpSrc = 0;
  tpDst = 0;
  icmpId = 0;
  /** Offset from the frame's start, and bytes of the inner L4 header and payload that are there. */
  l4Offset = 0;
  l4Bytes = 0;
  isFragment = false;
  isLaterFragment = false;
  fragmentId = 0;
}

/** ICMP types that carry the packet they are about (RFC 792; RFC 4443 2.1: all below 128). */
export function isIcmpError(key: Int32Array): boolean {
  const type = key[K.tp_src]!;
  if (key[K.nw_proto] === IP_ICMP) {
    return key[K.dl_type] === ETH_IPV4 && (type === 3 || type === 4 || type === 5 || type === 11 || type === 12);
  }
  return key[K.nw_proto] === IP_ICMPV6 && key[K.dl_type] !== ETH_IPV4 && type >= 1 && type <= 4;
}

/** False if there is no readable IP header inside. Call for packets that isIcmpError() names and that are no fragments. */
export function extractInner(info: PacketInfo, key: Int32Array, inner: InnerTuple): boolean {
  const { data } = info;
  const at = info.start + info.l4Offset + 8;
  const end = Math.min(info.start + info.l4Offset + info.l4Bytes, info.start + info.capturedBytes);
  inner.isIpv6 = key[K.dl_type] !== ETH_IPV4;
  inner.src.fill(0);
  inner.dst.fill(0);
  inner.isFragment = false;
  inner.isLaterFragment = false;
  inner.fragmentId = 0;
  const l4 = inner.isIpv6 ? readIpv6(data, at, end, inner) : readIpv4(data, at, end, inner);
  if (l4 < 0) return false;
  inner.l4Offset = l4 - info.start;
  inner.l4Bytes = end - l4;
  inner.tpSrc = 0;
  inner.tpDst = 0;
  inner.icmpId = 0;
  const { proto } = inner;
  if (inner.isLaterFragment || inner.l4Bytes < 4) return true;
  if (proto === IP_TCP || proto === IP_UDP || proto === IP_SCTP) {
    inner.tpSrc = u16(data, l4, end);
    inner.tpDst = u16(data, l4 + 2, end);
  } else if (proto === IP_ICMP || proto === IP_ICMPV6) {
    inner.tpSrc = u8(data, l4, end);
    inner.tpDst = u8(data, l4 + 1, end);
    const hasId = proto === IP_ICMP ? hasIcmpId(inner.tpSrc) : inner.tpSrc === 128 || inner.tpSrc === 129;
    if (hasId && inner.l4Bytes >= 6) inner.icmpId = u16(data, l4 + 4, end);
  }
  return true;
}

function readIpv4(data: Uint8Array, at: number, end: number, inner: InnerTuple): number {
  const headerBytes = (u8(data, at, end) & 15) * 4;
  if (headerBytes < 20 || at + headerBytes > end || u8(data, at, end) >> 4 !== 4) return -1;
  inner.src[0] = u32(data, at + 12, end);
  inner.dst[0] = u32(data, at + 16, end);
  inner.proto = u8(data, at + 9, end);
  const fragment = u16(data, at + 6, end);
  inner.isFragment = (fragment & 0x3fff) !== 0;
  inner.isLaterFragment = (fragment & 0x1fff) !== 0;
  inner.fragmentId = u16(data, at + 4, end);
  return at + headerBytes;
}

function readIpv6(data: Uint8Array, at: number, end: number, inner: InnerTuple): number {
  if (at + 40 > end || u8(data, at, end) >> 4 !== 6) return -1;
  for (let word = 0; word < 4; word++) {
    inner.src[word] = u32(data, at + 8 + word * 4, end);
    inner.dst[word] = u32(data, at + 24 + word * 4, end);
  }
  let next = u8(data, at + 6, end);
  let place = at + 40;
  for (;;) {
    let bytes = 8;
    if (next === IP6_FRAGMENT) {
      const field = u16(data, place + 2, end);
      inner.isFragment ||= field !== 0;
      inner.isLaterFragment ||= (field & 0xfff8) !== 0;
      inner.fragmentId = u32(data, place + 4, end) >>> 0;
    } else if (next === IP6_AUTH) bytes = (u8(data, place + 1, end) + 2) * 4;
    else if (next === IP6_HOP_BY_HOP || next === IP6_ROUTING || next === IP6_DESTINATION) {
      bytes = (u8(data, place + 1, end) + 1) * 8;
    } else break;
    if (place + bytes > end) return -1;
    next = u8(data, place, end);
    place += bytes;
    if (inner.isLaterFragment) break;
  }
  inner.proto = next;
  return place;
}
