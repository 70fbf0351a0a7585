/** Network headers of a flow key: IPv4, IPv6 with extension headers, ARP, MPLS, NSH (lib/flow.c of OVS 3.1.0). */
import { FRAG_ANY, FRAG_LATER, K } from '../fields/key.js';
import { u8, u16, u32 } from '../util/bytesAt.js';
import type { PacketInfo } from './packetInfo.js';
import { ETH_IPV4, IP6_AUTH, IP6_DESTINATION, IP6_FRAGMENT, IP6_HOP_BY_HOP, IP6_ROUTING } from './protocols.js';
import { extractTransport } from './transport.js';

const MAX_PADDING = 0xffff;

export function extractIpv4(
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): void {
  // lib/flow.c:ipv4_sanity_check
  if (size < 20) return;
  const headerBytes = (u8(data, at, end) & 15) * 4;
  let totalBytes = u16(data, at + 2, end);
  if (totalBytes === 0 && info.acceptZeroLength) {
    totalBytes = size;
    info.zeroLength = true;
  }
  if (headerBytes < 20 || size < headerBytes || totalBytes > size || headerBytes > totalBytes) return;
  if (size - totalBytes > MAX_PADDING) return;
  key[K.nw_src] = u32(data, at + 12, end);
  key[K.nw_dst] = u32(data, at + 16, end);
  key[K.nw_tos] = u8(data, at + 1, end);
  key[K.nw_ttl] = u8(data, at + 8, end);
  const proto = u8(data, at + 9, end);
  key[K.nw_proto] = proto;
  const fragment = u16(data, at + 6, end);
  let later = false;
  // IP_IS_FRAGMENT: more fragments or an offset (RFC 791 3.1).
  if (fragment & 0x3fff) {
    later = (fragment & 0x1fff) !== 0;
    key[K.nw_frag] = later ? FRAG_ANY | FRAG_LATER : FRAG_ANY;
    info.fragmentId = u16(data, at + 4, end);
    info.fragmentOffset = (fragment & 0x1fff) * 8;
    info.moreFragments = (fragment & 0x2000) !== 0;
  }
  info.l4Offset = at + headerBytes - info.start;
  info.l4Bytes = totalBytes - headerBytes;
  if (!later) extractTransport(proto, data, at + headerBytes, end, totalBytes - headerBytes, key, info);
}

export function extractIpv6(
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): void {
  // lib/flow.c:ipv6_sanity_check
  if (size < 40) return;
  const payloadBytes = u16(data, at + 4, end);
  if (payloadBytes + 40 > size || size - (payloadBytes + 40) > MAX_PADDING) return;
  for (let word = 0; word < 4; word++) {
    key[K.ipv6_src + word] = u32(data, at + 8 + word * 4, end);
    key[K.ipv6_dst + word] = u32(data, at + 24 + word * 4, end);
  }
  const place = skipExtensionHeaders(u8(data, at + 6, end), data, at + 40, end, payloadBytes, key, info);
  // A broken chain leaves addresses only; OVS sets the other words behind it.
  if (place < 0) {
    key[K.nw_frag] = 0;
    return;
  }
  const head = u32(data, at, end);
  key[K.ipv6_label] = head & 0xfffff;
  key[K.nw_tos] = (head >>> 20) & 0xff;
  key[K.nw_ttl] = u8(data, at + 7, end);
  info.l4Offset = place - info.start;
  info.l4Bytes = at + 40 + payloadBytes - place;
  if (!(key[K.nw_frag]! & FRAG_LATER)) {
    extractTransport(key[K.nw_proto]!, data, place, end, info.l4Bytes, key, info);
  }
}

/**
 * lib/flow.c:parse_ipv6_ext_hdrs__. Returns where the upper header begins and sets nw_proto and nw_frag; -1: broken.
 * A fragment header with offset 0 and nothing else set ("atomic", RFC 6946) makes no fragment.
 */
function skipExtensionHeaders(
  first: number,
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): number {
  let next = first;
  let place = at;
  let left = size;
  while (isExtension(next)) {
    if (left < 8) return -1;
    let bytes = 8;
    if (next === IP6_FRAGMENT) {
      next = u8(data, place, end);
      const field = u16(data, place + 2, end);
      if (field !== 0) {
        info.fragmentId = u32(data, place + 4, end) >>> 0;
        info.fragmentOffset = field & 0xfff8;
        info.moreFragments = (field & 1) !== 0;
        key[K.nw_frag] = FRAG_ANY;
        if (field & 0xfff8) {
          key[K.nw_frag] = FRAG_ANY | FRAG_LATER;
          key[K.nw_proto] = IP6_FRAGMENT;
          return place + 8;
        }
      }
    } else {
      // AH counts in words of 4 and leaves out two of them (RFC 4302 2.2), the others in 8 and leave out one (RFC 8200 4).
      const units = u8(data, place + 1, end);
      bytes = next === IP6_AUTH ? (units + 2) * 4 : (units + 1) * 8;
      next = u8(data, place, end);
    }
    if (bytes > left) return -1;
    place += bytes;
    left -= bytes;
  }
  key[K.nw_proto] = next;
  return place;
}

function isExtension(proto: number): boolean {
  return (
    proto === IP6_HOP_BY_HOP ||
    proto === IP6_ROUTING ||
    proto === IP6_DESTINATION ||
    proto === IP6_AUTH ||
    proto === IP6_FRAGMENT
  );
}

/** ARP and RARP for IPv4 over Ethernet; of others nothing but the type. Opcodes above 255 are not matched (lib/flow.c). */
export function extractArp(data: Uint8Array, at: number, end: number, size: number, key: Int32Array): void {
  if (size < 28) return;
  if (u16(data, at, end) !== 1 || u16(data, at + 2, end) !== ETH_IPV4 || u16(data, at + 4, end) !== 0x0604) return;
  const opcode = u16(data, at + 6, end);
  if (opcode <= 0xff) key[K.nw_proto] = opcode;
  key[K.arp_sha] = u16(data, at + 8, end);
  key[K.arp_sha + 1] = u32(data, at + 10, end);
  key[K.nw_src] = u32(data, at + 14, end);
  key[K.arp_tha] = u16(data, at + 18, end);
  key[K.arp_tha + 1] = u32(data, at + 20, end);
  key[K.nw_dst] = u32(data, at + 24, end);
}

const MPLS_BOTTOM = 0x100;
const MPLS_LABELS_MAX = 3;

/** lib/flow.c:parse_mpls: the whole stack is skipped, three labels are kept, what follows is not looked at. */
export function extractMpls(
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): void {
  let count = 0;
  let place = at;
  for (let left = size; left >= 4; left -= 4) {
    const entry = u32(data, place, end);
    if (count < MPLS_LABELS_MAX) key[K.mpls_lse + count] = entry;
    count++;
    place += 4;
    if (entry & MPLS_BOTTOM) break;
  }
  info.l3Offset = place - info.start;
}

/** lib/flow.c:parse_nsh (RFC 8300 2.2): metadata type 1 has four context words, of others only the base is read. */
export function extractNsh(data: Uint8Array, at: number, end: number, size: number, key: Int32Array): void {
  if (size < 8) return;
  const head = u16(data, at, end);
  const bytes = (head & 0x3f) * 4;
  const type = u8(data, at + 2, end);
  if (bytes > size || head >>> 14 !== 0) return;
  if (type === 1 ? bytes !== 24 : type === 2 && bytes < 8) return;
  key[K.nsh_flags] = (head >>> 12) & 3;
  key[K.nsh_ttl] = (head >>> 6) & 0x3f;
  key[K.nsh_mdtype] = type;
  key[K.nsh_np] = u8(data, at + 3, end);
  const path = u32(data, at + 4, end);
  key[K.nsh_spi] = path >>> 8;
  key[K.nsh_si] = path & 0xff;
  if (type !== 1) return;
  for (let word = 0; word < 4; word++) key[K.nsh_c1 + word] = u32(data, at + 8 + word * 4, end);
}
