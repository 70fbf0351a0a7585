/**
 * Header extraction as OVS does it (lib/flow.c:miniflow_extract, v3.1.0): one packet's bytes to the packet words of a flow
 * key, and to what conntrack needs beside it. The rules that surprise are OVS's: a bad length leaves everything above
 * that layer zero, two VLAN tags at most, nothing is read behind an MPLS stack.
 */

import { etherTypeOf, headerBytesOf, LINK_ETHERNET, sourceMacOffset } from '../capture/links.js';
import { K, VLAN_CFI } from '../fields/key.js';
import { u16, u32 } from '../util/bytesAt.js';
import { extractShort, resetInfo } from './extractShort.js';
import { extractArp, extractIpv4, extractIpv6, extractMpls, extractNsh } from './network.js';
import type { PacketInfo } from './packetInfo.js';
import {
  ETH_ARP,
  ETH_IPV4,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLS_MULTICAST,
  ETH_NO_TYPE,
  ETH_NSH,
  ETH_QINQ,
  ETH_RARP,
  ETH_TYPE_MIN,
  ETH_VLAN,
} from './protocols.js';

/** Tags that a switch reads: other_config:vlan-limit, by default one (vswitchd/vswitch.xml). */
export const VLAN_LIMIT = 1;

/**
 * Called per packet, allocates nothing. Fills the key's words [K.dl_src, K.PACKET_END) and `info`; metadata words stay.
 * `maxTags`: VLAN tags that are read. A switch reads VLAN_LIMIT, `ovs-ofctl` two.
 * A packet cut by the snaplen is parsed with its original length. False: a link type that cannot be parsed (all zero).
 */
export function extractPacket(
  data: Uint8Array,
  start: number,
  capturedBytes: number,
  originalBytes: number,
  linkType: number,
  key: Int32Array,
  info: PacketInfo,
  maxTags = 2,
): boolean {
  // Fuzzed files have captured > original; what is there was there.
  const size = Math.max(originalBytes, capturedBytes);
  const end = start + capturedBytes;
  if (linkType === LINK_ETHERNET && extractShort(data, start, end, size, key, info)) return true;
  info.isKeyShort = false;
  key.fill(0, K.dl_src, K.PACKET_END);
  resetInfo(info, data, start, capturedBytes, size);
  if (linkType !== LINK_ETHERNET) return extractOtherLink(data, start, end, size, linkType, key, info);
  if (size < 14) return true;
  key[K.dl_dst] = u16(data, start, end);
  key[K.dl_dst + 1] = u32(data, start + 2, end);
  key[K.dl_src] = u16(data, start + 6, end);
  key[K.dl_src + 1] = u32(data, start + 8, end);
  extractTyped(data, start + 12, end, size - 12, key, info, maxTags);
  return true;
}

/** From the first ethertype at `at` on: tags, LLC, then the network layer. `size` counts from there, at least 2. */
function extractTyped(
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
  maxTags: number,
): void {
  let place = at;
  let left = size;
  let type = u16(data, place, end);
  // lib/flow.c:parse_vlan
  for (let tag = 0; tag < maxTags && (type === ETH_VLAN || type === ETH_QINQ) && left >= 6; tag++) {
    key[tag === 0 ? K.vlan_tpid : K.vlan_tpid1] = type;
    key[tag === 0 ? K.vlan_tci : K.vlan_tci1] = u16(data, place + 2, end) | VLAN_CFI;
    place += 4;
    left -= 4;
    type = u16(data, place, end);
  }
  place += 2;
  left -= 2;
  if (type < ETH_TYPE_MIN) {
    type = snapType(data, place, end, left);
    if (type !== ETH_NO_TYPE) {
      place += 8;
      left -= 8;
    }
  }
  extractNetwork(type, data, place, end, left, key, info);
}

/** lib/flow.c:parse_ethertype: LLC SNAP with an Ethernet type counts as that type, all other LLC as none. */
function snapType(data: Uint8Array, at: number, end: number, left: number): number {
  if (left < 8) return ETH_NO_TYPE;
  // DSAP and SSAP 0xaa, control 3, organisation 00-00-00.
  if (u32(data, at, end) !== (0xaaaa0300 | 0) || u16(data, at + 4, end) !== 0) return ETH_NO_TYPE;
  const type = u16(data, at + 6, end);
  return type >= ETH_TYPE_MIN ? type : ETH_NO_TYPE;
}

function extractNetwork(
  type: number,
  data: Uint8Array,
  at: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): void {
  key[K.dl_type] = type;
  info.l3Offset = at - info.start;
  if (type === ETH_IPV4) extractIpv4(data, at, end, size, key, info);
  else if (type === ETH_IPV6) extractIpv6(data, at, end, size, key, info);
  else if (type === ETH_ARP || type === ETH_RARP) extractArp(data, at, end, size, key);
  else if (type === ETH_MPLS || type === ETH_MPLS_MULTICAST) extractMpls(data, at, end, size, key, info);
  else if (type === ETH_NSH) extractNsh(data, at, end, size, key);
}

/** Cooked and raw captures: as OVS's `parse-pcap` reads cooked ones, a frame with an all-zero destination MAC. */
function extractOtherLink(
  data: Uint8Array,
  start: number,
  end: number,
  size: number,
  linkType: number,
  key: Int32Array,
  info: PacketInfo,
): boolean {
  const headerBytes = headerBytesOf(linkType);
  if (headerBytes < 0) return false;
  if (size < headerBytes) return true;
  const mac = sourceMacOffset(linkType, data, start, end);
  if (mac >= 0) {
    key[K.dl_src] = u16(data, start + mac, end);
    key[K.dl_src + 1] = u32(data, start + mac + 2, end);
  }
  let type = etherTypeOf(linkType, data, start, end);
  let at = start + headerBytes;
  let left = size - headerBytes;
  if (type === ETH_VLAN || type === ETH_QINQ) {
    extractCookedTag(type, data, at, end, left, key, info);
    return true;
  }
  if (type < ETH_TYPE_MIN) {
    type = snapType(data, at, end, left);
    if (type !== ETH_NO_TYPE) {
      at += 8;
      left -= 8;
    }
  }
  extractNetwork(type, data, at, end, left, key, info);
  return true;
}

/** A tag whose ethertype stands in the link header: the rest reads as a frame from its own tag on. */
function extractCookedTag(
  type: number,
  data: Uint8Array,
  at: number,
  end: number,
  left: number,
  key: Int32Array,
  info: PacketInfo,
): void {
  if (left < 4) {
    key[K.dl_type] = type;
    return;
  }
  extractTyped(data, at + 2, end, left - 2, key, info, 2);
  key[K.vlan_tpid1] = key[K.vlan_tpid]!;
  key[K.vlan_tci1] = key[K.vlan_tci]!;
  key[K.vlan_tpid] = type;
  key[K.vlan_tci] = u16(data, at, end) | VLAN_CFI;
}
