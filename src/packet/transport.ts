/** Transport headers: ports, flags and ND fields for the key (lib/flow.c of OVS 3.1.0), numbers and options for conntrack. */
import { K } from '../fields/key.js';
import { u8, u16, u32 } from '../util/bytesAt.js';
import type { PacketInfo } from './packetInfo.js';
import { IP_ICMP, IP_ICMPV6, IP_IGMP, IP_SCTP, IP_TCP, IP_UDP } from './protocols.js';

/** `size`: bytes by the IP header from `at` on. Called for everything but later fragments. */
export function extractTransport(
  proto: number,
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): void {
  if (proto === IP_TCP) extractTcp(data, at, end, size, key, info);
  else if (proto === IP_UDP) extractUdp(data, at, end, size, key, info);
  else if (proto === IP_ICMP) extractIcmp(data, at, end, size, key, info);
  else if (proto === IP_ICMPV6) extractIcmpv6(data, at, end, size, key, info);
  else if (proto === IP_SCTP) {
    if (size >= 12) setPorts(data, at, end, key);
    else info.l4Malformed = true;
  } else if (proto === IP_IGMP && size >= 8) {
    key[K.tp_src] = u8(data, at, end);
    key[K.tp_dst] = u8(data, at + 1, end);
    key[K.igmp_group_ip4] = u32(data, at + 4, end);
  }
}

function setPorts(data: Uint8Array, at: number, end: number, key: Int32Array): void {
  key[K.tp_src] = u16(data, at, end);
  key[K.tp_dst] = u16(data, at + 2, end);
}

function extractTcp(data: Uint8Array, at: number, end: number, size: number, key: Int32Array, info: PacketInfo): void {
  const control = size >= 20 ? u16(data, at + 12, end) : 0;
  const headerBytes = (control >>> 12) * 4;
  if (headerBytes < 20 || headerBytes > size) {
    info.l4Malformed = true;
    return;
  }
  setPorts(data, at, end, key);
  key[K.tcp_flags] = control & 0xfff;
  info.tcpSeq = u32(data, at + 4, end) >>> 0;
  info.tcpAck = u32(data, at + 8, end) >>> 0;
  info.tcpWindow = u16(data, at + 14, end);
  info.payloadBytes = size - headerBytes;
  if (headerBytes > 20) readTcpOptions(data, at + 20, at + headerBytes, end, info);
}

/** NOP, NOP, kind 8, length 10 (RFC 7323 appendix A). */
const TIMESTAMP_ONLY = 0x0101080a;
const OPTION_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;

/** RFC 9293 3.1, RFC 7323 2, RFC 2018 2 and 3. Stops at a broken length, as nf_conntrack_proto_tcp.c:tcp_options does. */
export function readTcpOptions(data: Uint8Array, from: number, to: number, end: number, info: PacketInfo): void {
  // NOP, NOP, timestamp: nearly all segments with options, and nothing to find in it.
  if (to - from === 12 && u32(data, from, end) === TIMESTAMP_ONLY) return;
  for (let at = from; at < to; ) {
    const kind = u8(data, at, end);
    if (kind === 0) return;
    if (kind === 1) {
      at++;
      continue;
    }
    const bytes = at + 1 < to ? u8(data, at + 1, end) : 0;
    if (bytes < 2 || at + bytes > to) return;
    if (kind === OPTION_SCALE && bytes === 3) info.tcpScale = u8(data, at + 2, end);
    else if (kind === OPTION_SACK_PERMITTED && bytes === 2) info.sackPermitted = true;
    else if (kind === OPTION_SACK && bytes >= 10 && (bytes - 2) % 8 === 0)
      readSack(data, at + 2, at + bytes, end, info);
    at += bytes;
  }
}

/** Highest right edge, at least the acknowledged number (nf_conntrack_proto_tcp.c:tcp_sack). */
function readSack(data: Uint8Array, from: number, to: number, end: number, info: PacketInfo): void {
  let highest = info.tcpAck;
  for (let at = from; at < to; at += 8) {
    const edge = u32(data, at + 4, end) >>> 0;
    // Sequence numbers compare modulo 2^32 (RFC 9293 3.4).
    if (((edge - highest) | 0) > 0) highest = edge;
  }
  info.tcpSackEdge = highest;
  info.hasSack = true;
}

function extractUdp(data: Uint8Array, at: number, end: number, size: number, key: Int32Array, info: PacketInfo): void {
  if (size < 8) {
    info.l4Malformed = true;
    return;
  }
  setPorts(data, at, end, key);
  const bytes = u16(data, at + 4, end);
  // The length of a fragmented datagram is that of the whole.
  info.l4Malformed = bytes < 8 || (bytes > size && key[K.nw_frag] === 0);
  info.payloadBytes = size - 8;
}

function extractIcmp(data: Uint8Array, at: number, end: number, size: number, key: Int32Array, info: PacketInfo): void {
  if (size < 8) {
    info.l4Malformed = true;
    return;
  }
  const type = u8(data, at, end);
  key[K.tp_src] = type;
  key[K.tp_dst] = u8(data, at + 1, end);
  if (hasIcmpId(type)) info.icmpId = u16(data, at + 4, end);
}

/** Echo, timestamp, information and address mask messages carry an id (RFC 792, RFC 950). */
export function hasIcmpId(type: number): boolean {
  return type === 0 || type === 8 || (type >= 13 && type <= 18);
}

const ICMPV6_ECHO_REQUEST = 128;
const ICMPV6_ECHO_REPLY = 129;
const ICMPV6_NEIGHBOR_SOLICITATION = 135;
const ICMPV6_NEIGHBOR_ADVERTISEMENT = 136;

function extractIcmpv6(
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): void {
  if (size < 8) {
    info.l4Malformed = true;
    return;
  }
  const type = u8(data, at, end);
  const code = u8(data, at + 1, end);
  key[K.tp_src] = type;
  key[K.tp_dst] = code;
  if (type === ICMPV6_ECHO_REQUEST || type === ICMPV6_ECHO_REPLY) info.icmpId = u16(data, at + 4, end);
  else if (code === 0 && (type === ICMPV6_NEIGHBOR_SOLICITATION || type === ICMPV6_NEIGHBOR_ADVERTISEMENT)) {
    extractNeighbor(data, at, end, size, key);
  }
}

const ND_SOURCE_LINK_ADDRESS = 1;
const ND_TARGET_LINK_ADDRESS = 2;

/**
 * lib/flow.c:parse_icmpv6 (RFC 4861 4.3, 4.4). A link-layer address given twice makes target and addresses zero, but the
 * option type seen first stays.
 */
function extractNeighbor(data: Uint8Array, at: number, end: number, size: number, key: Int32Array): void {
  key[K.nd_reserved] = u32(data, at + 4, end);
  if (size < 24) return;
  for (let word = 0; word < 4; word++) key[K.nd_target + word] = u32(data, at + 8 + word * 4, end);
  let place = at + 24;
  for (let left = size - 24; left >= 8; ) {
    const type = u8(data, place, end);
    const bytes = u8(data, place + 1, end) * 8;
    if (bytes === 0 || bytes > left) return;
    if (bytes === 8 && (type === ND_SOURCE_LINK_ADDRESS || type === ND_TARGET_LINK_ADDRESS)) {
      const word = type === ND_SOURCE_LINK_ADDRESS ? K.arp_sha : K.arp_tha;
      if (key[word] !== 0 || key[word + 1] !== 0) {
        key.fill(0, K.arp_sha, K.nd_target + 4);
        return;
      }
      key[word] = u16(data, place + 2, end);
      key[word + 1] = u32(data, place + 4, end);
      if (key[K.nd_options_type] === 0) key[K.nd_options_type] = type;
    }
    place += bytes;
    left -= bytes;
  }
}
