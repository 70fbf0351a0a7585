/**
 * Link types: where a frame's ethertype and MACs stand. Only Ethernet has all of it; cooked captures have the source MAC,
 * raw IP has none. Numbers: draft-ietf-opsawg-pcaplinktype.
 */
import { u8, u16, u32 } from '../util/bytesAt.js';

const ETH_IPV4 = 0x0800;
const ETH_IPV6 = 0x86dd;

export const LINK_NULL = 0;
export const LINK_ETHERNET = 1;
export const LINK_RAW_BSD = 12;
export const LINK_RAW_OPENBSD = 14;
export const LINK_RAW = 101;
export const LINK_LOOP = 108;
export const LINK_SLL = 113;
export const LINK_IPV4 = 228;
export const LINK_IPV6 = 229;
export const LINK_SLL2 = 276;

const NAMES = new Map<number, string>([
  [LINK_NULL, 'BSD loopback'],
  [LINK_ETHERNET, 'Ethernet'],
  [6, 'IEEE 802.5 Token Ring'],
  [9, 'PPP'],
  [10, 'FDDI'],
  [LINK_RAW_BSD, 'raw IP'],
  [LINK_RAW_OPENBSD, 'raw IP'],
  [50, 'PPP with HDLC framing'],
  [51, 'PPPoE session'],
  [LINK_RAW, 'raw IP'],
  [104, 'Cisco HDLC'],
  [105, 'IEEE 802.11'],
  [107, 'Frame Relay'],
  [LINK_LOOP, 'OpenBSD loopback'],
  [LINK_SLL, 'Linux cooked v1'],
  [119, 'IEEE 802.11 with Prism header'],
  [127, 'IEEE 802.11 with radiotap header'],
  [187, 'Bluetooth HCI'],
  [189, 'USB on Linux'],
  [192, 'PPI'],
  [195, 'IEEE 802.15.4'],
  [220, 'USB on Linux, padded'],
  [LINK_IPV4, 'raw IPv4'],
  [LINK_IPV6, 'raw IPv6'],
  [239, 'Linux NFLOG'],
  [249, 'USBPcap'],
  [253, 'Linux netlink'],
  [LINK_SLL2, 'Linux cooked v2'],
]);

/** Name and number of a link type, for messages. */
export function linkTypeName(linkType: number): string {
  const name = NAMES.get(linkType);
  return name === undefined ? `link type ${linkType}` : `link type ${linkType} (${name})`;
}

/** Bytes before the network header, for all but Ethernet; -1: cannot be parsed. */
export function headerBytesOf(linkType: number): number {
  switch (linkType) {
    case LINK_SLL:
      return 16;
    case LINK_SLL2:
      return 20;
    case LINK_NULL:
    case LINK_LOOP:
      return 4;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
      return 0;
    default:
      return -1;
  }
}

/** The ethertype of a frame whose link header is complete; 0 if it says nothing that has one. */
export function etherTypeOf(linkType: number, data: Uint8Array, at: number, end: number): number {
  switch (linkType) {
    case LINK_SLL:
      return u16(data, at + 14, end);
    case LINK_SLL2:
      return u16(data, at, end);
    case LINK_NULL:
    case LINK_LOOP:
      return familyToType(u32(data, at, end));
    case LINK_IPV4:
      return ETH_IPV4;
    case LINK_IPV6:
      return ETH_IPV6;
    default: {
      const version = u8(data, at, end) >> 4;
      return version === 4 ? ETH_IPV4 : version === 6 ? ETH_IPV6 : 0;
    }
  }
}

/** Address families stand in the byte order of the machine that wrote the file; all known ones fit a byte. */
function familyToType(word: number): number {
  const family = word & 0xff ? word & 0xff : word >>> 24;
  // AF_INET; AF_INET6 of NetBSD and OpenBSD, FreeBSD, macOS, Linux.
  if (family === 2) return ETH_IPV4;
  return family === 24 || family === 28 || family === 30 || family === 10 ? ETH_IPV6 : 0;
}

/** Packet type of a cooked frame: 0 to us, 1 broadcast, 2 multicast, 3 to another host, 4 sent by this host; else -1. */
export function cookedPacketType(linkType: number, data: Uint8Array, at: number, end: number): number {
  if (linkType === LINK_SLL) return u16(data, at, end);
  return linkType === LINK_SLL2 ? u8(data, at + 10, end) : -1;
}

/** Interface index of a cooked v2 frame, else -1. */
export function cookedInterface(linkType: number, data: Uint8Array, at: number, end: number): number {
  return linkType === LINK_SLL2 ? u32(data, at + 4, end) : -1;
}

/** Where the 6-byte source MAC stands, relative to the frame's start; -1 if there is none. */
export function sourceMacOffset(linkType: number, data: Uint8Array, at: number, end: number): number {
  if (linkType === LINK_ETHERNET) return at + 12 <= end ? 6 : -1;
  if (linkType === LINK_SLL) return u16(data, at + 4, end) === 6 && at + 12 <= end ? 6 : -1;
  if (linkType === LINK_SLL2) return u8(data, at + 11, end) === 6 && at + 18 <= end ? 12 : -1;
  return -1;
}
