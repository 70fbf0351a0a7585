/** Checksums of a packet, verified where all of its bytes were captured. Captures at taps often hold unset ones: only on request. */
import { FRAG_ANY, K } from '../fields/key.js';
import { crc32c } from '../util/crc32.js';
import type { PacketInfo } from './packetInfo.js';
import { ETH_IPV4, IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP } from './protocols.js';

/**
 * Sets `l3ChecksumOk` and `l4ChecksumOk`. What cannot be verified counts as right: cut packets, fragments (the sum covers
 * the whole datagram), UDP over IPv4 without a sum (RFC 768), protocols without one.
 */
export function verifyChecksums(info: PacketInfo, key: Int32Array): void {
  info.l3ChecksumOk = true;
  info.l4ChecksumOk = true;
  if (info.l4Offset < 0) return;
  const isIpv4 = key[K.dl_type] === ETH_IPV4;
  const l3 = info.start + info.l3Offset;
  const l4 = info.start + info.l4Offset;
  const end = info.start + info.capturedBytes;
  if (isIpv4 && l4 <= end) info.l3ChecksumOk = fold(sumBytes(info.data, l3, l4, 0)) === 0xffff;
  if (key[K.nw_frag]! & FRAG_ANY || info.l4Malformed || l4 + info.l4Bytes > end) return;
  info.l4ChecksumOk = isTransportSumRight(key[K.nw_proto]!, isIpv4, l4, info, key);
}

function isTransportSumRight(proto: number, isIpv4: boolean, l4: number, info: PacketInfo, key: Int32Array): boolean {
  const { data, l4Bytes } = info;
  if (proto === IP_SCTP) return isSctpSumRight(data, l4, l4Bytes);
  if (proto === IP_ICMP) return fold(sumBytes(data, l4, l4 + l4Bytes, 0)) === 0xffff;
  if (proto !== IP_TCP && proto !== IP_UDP && proto !== IP_ICMPV6) return true;
  if (proto === IP_UDP && isIpv4 && data[l4 + 6] === 0 && data[l4 + 7] === 0) return true;
  // RFC 9293 3.1 and RFC 8200 8.1: addresses, protocol and length count too.
  let sum = proto + (l4Bytes >>> 16) + (l4Bytes & 0xffff);
  const words = isIpv4 ? 1 : 4;
  const source = isIpv4 ? K.nw_src : K.ipv6_src;
  const target = isIpv4 ? K.nw_dst : K.ipv6_dst;
  for (let i = 0; i < words; i++) {
    sum += (key[source + i]! >>> 16) + (key[source + i]! & 0xffff);
    sum += (key[target + i]! >>> 16) + (key[target + i]! & 0xffff);
  }
  return fold(sumBytes(data, l4, l4 + l4Bytes, sum)) === 0xffff;
}

/** RFC 1071; a double holds the plain sum of any packet. */
function sumBytes(data: Uint8Array, from: number, to: number, start: number): number {
  let sum = start;
  let at = from;
  for (; at + 1 < to; at += 2) sum += (data[at]! << 8) | data[at + 1]!;
  if (at < to) sum += data[at]! << 8;
  return sum;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x10000) + (folded % 0x10000);
  return folded;
}

/** RFC 9260 6.8: CRC32c with the field itself as zero, least significant byte first. */
function isSctpSumRight(data: Uint8Array, l4: number, bytes: number): boolean {
  const stored = data[l4 + 8]! | (data[l4 + 9]! << 8) | (data[l4 + 10]! << 16) | (data[l4 + 11]! << 24);
  const head = crc32c(ZERO_SUM, crc32c(data.subarray(l4, l4 + 8)));
  return (crc32c(data.subarray(l4 + 12, l4 + bytes), head) | 0) === stored;
}

const ZERO_SUM = new Uint8Array(4);
