/**
 * Are the checksums of a parsed packet right? Conntrack refuses packets with wrong ones (lib/conntrack.c:checksum_valid and the
 * kernel's nf_conntrack_proto_*.c). A packet that the snaplen has cut, or a fragment, cannot be checked above its IP header.
 */
import { FRAG_ANY, K } from '../fields/key.js';
import type { PacketInfo } from './packetInfo.js';
import { ETH_IPV4, IP_ICMP, IP_ICMPV6, IP_TCP, IP_UDP } from './protocols.js';

/** Sets `info.l3ChecksumOk` and `info.l4ChecksumOk` of a packet that extractPacket has just filled in. */
export function verifyChecksums(key: Int32Array, info: PacketInfo): void {
  info.l3ChecksumOk = true;
  info.l4ChecksumOk = true;
  if (info.l3Offset < 0 || info.l4Offset < 0) return;
  const { data, start } = info;
  const isIpv4 = key[K.dl_type] === ETH_IPV4;
  const l3 = start + info.l3Offset;
  const l4 = start + info.l4Offset;
  if (isIpv4) info.l3ChecksumOk = fold(sum16(data, l3, l4)) === 0xffff;
  if ((key[K.nw_frag]! & FRAG_ANY) !== 0) return;
  const end = l4 + info.l4Bytes;
  if (end > start + info.capturedBytes || info.l4Malformed) return;
  const proto = key[K.nw_proto]!;
  if (proto === IP_ICMP && isIpv4) {
    info.l4ChecksumOk = fold(sum16(data, l4, end)) === 0xffff;
  } else if (proto === IP_TCP || proto === IP_UDP || (proto === IP_ICMPV6 && !isIpv4)) {
    // RFC 768: 0 means that there is none. Whether IPv6 may do without is for conntrack to say.
    if (proto === IP_UDP && data[l4 + 6] === 0 && data[l4 + 7] === 0) return;
    const addresses = isIpv4 ? sum16(data, l3 + 12, l3 + 20) : sum16(data, l3 + 8, l3 + 40);
    info.l4ChecksumOk = fold(addresses + proto + info.l4Bytes + sum16(data, l4, end)) === 0xffff;
  }
}

function sum16(data: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let at = from;
  for (; at + 1 < to; at += 2) sum += (data[at]! << 8) | data[at + 1]!;
  return at < to ? sum + (data[at]! << 8) : sum;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}
