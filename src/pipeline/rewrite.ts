/**
 * The bytes of a frame after an edit, as Open vSwitch's userspace datapath leaves them: checksums are adjusted by the difference
 * (RFC 1624), so a wrong one stays wrong (lib/packets.c, lib/odp-execute.c of v3.1.0). Frames that a snaplen has cut are changed
 * as far as they go.
 */
import { K } from '../fields/key.js';
import { crc32c } from '../util/crc32.js';
import type { Edit, EditOp } from './effects.js';
import { ETH_ARP, ETH_IP, ETH_IPV6, ETH_NSH, isMplsType, isVlanType, PROTO } from './flowOps.js';

const IP6_FRAGMENT = 44;
const IP6_AUTH = 51;
/** Hop-by-hop, routing, destination options, authentication, fragment: headers that are stepped over. */
const IP6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60, IP6_AUTH, IP6_FRAGMENT]);
const IP6_ROUTING = 43;

/** Returns the frame itself if nothing is to be done, else a new one. */
export function rewriteFrame(frame: Uint8Array, edit: Edit): Uint8Array {
  if (edit === null) return frame;
  let bytes: Uint8Array = frame.slice();
  for (const op of edit) bytes = apply(bytes, op);
  return bytes;
}

function apply(bytes: Uint8Array, op: EditOp): Uint8Array {
  switch (op.op) {
    case 'popVlan':
      return bytes.length >= 18 && isVlanType(get16(bytes, 12)) ? without(bytes, 12, 4) : bytes;
    case 'pushVlan': {
      const longer = withGap(bytes, 12, 4);
      put16(longer, 12, op.tpid);
      put16(longer, 14, op.tci & ~0x1000);
      return longer;
    }
    case 'pushMpls': {
      const at = afterTags(bytes);
      put16(bytes, at - 2, op.ethertype);
      const longer = withGap(bytes, at, 4);
      put32(longer, at, op.lse);
      return longer;
    }
    case 'popMpls': {
      const at = afterTags(bytes);
      if (!isMplsType(get16(bytes, at - 2))) return bytes;
      put16(bytes, at - 2, op.ethertype);
      return without(bytes, at, 4);
    }
    case 'setMpls':
      put32(bytes, afterTags(bytes), op.lse);
      return bytes;
    case 'set':
      setWord(bytes, op.word, op.value);
      return bytes;
    case 'setAddress':
      setAddress(bytes, op.word, op.value);
      return bytes;
    case 'setInner':
      setInner(bytes, op.word, op.value);
      return bytes;
  }
}

function setWord(bytes: Uint8Array, word: number, value: number): void {
  if (word >= K.dl_src && word < K.dl_src + 4) {
    const at = word < K.dl_dst ? 6 : 0;
    if ((word - K.dl_src) % 2 === 0) put16(bytes, at, value);
    else put32(bytes, at + 2, value);
    return;
  }
  const l3 = afterTags(bytes);
  switch (get16(bytes, l3 - 2)) {
    case ETH_IP:
      setIpv4(bytes, l3, word, value);
      break;
    case ETH_IPV6:
      setIpv6(bytes, l3, word, value);
      break;
    case ETH_ARP:
      setArp(bytes, l3, word, value);
      break;
    case ETH_NSH:
      setNsh(bytes, l3, word, value);
      break;
  }
}

/** lib/odp-execute.c:odp_set_nsh; RFC 8300 2.2. */
function setNsh(bytes: Uint8Array, l3: number, word: number, value: number): void {
  if (bytes.length < l3 + 8) return;
  const head = get16(bytes, l3);
  switch (word) {
    case K.nsh_flags:
      put16(bytes, l3, (head & ~0x3000) | (value << 12));
      break;
    case K.nsh_ttl:
      put16(bytes, l3, (head & ~0x0fc0) | (value << 6));
      break;
    case K.nsh_spi:
      put32(bytes, l3 + 4, (value << 8) | bytes[l3 + 7]!);
      break;
    case K.nsh_si:
      bytes[l3 + 7] = value;
      break;
    default: {
      const at = l3 + 8 + 4 * (word - K.nsh_c1);
      if (bytes[l3 + 2] === 1 && word >= K.nsh_c1 && at + 4 <= bytes.length) put32(bytes, at, value);
    }
  }
}

/** lib/ipf.c:ipf_post_execute_reass_pkts: what a fragment takes over from the packet it was part of. */
function setAddress(bytes: Uint8Array, word: number, value: number): void {
  const l3 = afterTags(bytes);
  const isIpv4 = get16(bytes, l3 - 2) === ETH_IP;
  const at = isIpv4 ? l3 + (word === K.nw_src ? 12 : 16) : l3 + 8 + 4 * (word - K.ipv6_src);
  if (isIpv4) adjust32(bytes, l3 + 10, get32(bytes, at), value, false);
  put32(bytes, at, value);
}

/** Where the headers after the VLAN tags begin. */
function afterTags(bytes: Uint8Array): number {
  let at = 14;
  while (isVlanType(get16(bytes, at - 2))) at += 4;
  return at;
}

// --- IPv4

function setIpv4(bytes: Uint8Array, l3: number, word: number, value: number): void {
  const l4 = l3 + (bytes[l3]! & 0x0f) * 4;
  const l4Size = Math.min(bytes.length, l3 + get16(bytes, l3 + 2)) - l4;
  const proto = bytes[l3 + 9]!;
  switch (word) {
    case K.nw_src:
    case K.nw_dst: {
      const at = l3 + (word === K.nw_src ? 12 : 16);
      const old = get32(bytes, at);
      const sum = addressSum(bytes, proto, l4, l4Size);
      if (sum >= 0) adjust32(bytes, sum, old, value, proto === PROTO.UDP);
      adjust32(bytes, l3 + 10, old, value, false);
      put32(bytes, at, value);
      break;
    }
    case K.nw_tos:
      adjust16(bytes, l3 + 10, bytes[l3 + 1]!, value);
      bytes[l3 + 1] = value;
      break;
    case K.nw_ttl:
      adjust16(bytes, l3 + 10, bytes[l3 + 8]! << 8, value << 8);
      bytes[l3 + 8] = value;
      break;
    default:
      setTransport(bytes, proto, l4, l4Size, word, value);
  }
}

/**
 * The checksum that the addresses are part of; -1: none. OVS does not look whether the packet is a later fragment here
 * (lib/packets.c:packet_set_ipv4_addr).
 */
function addressSum(bytes: Uint8Array, proto: number, l4: number, l4Size: number): number {
  if (proto === PROTO.TCP && l4Size >= 20) return l4 + 16;
  if (proto === PROTO.UDP && l4Size >= 8 && get16(bytes, l4 + 6) !== 0) return l4 + 6;
  return -1;
}

// --- IPv6

interface Ipv6Headers {
  readonly proto: number;
  readonly l4: number;
  /** A routing header with segments left: the destination is not the one that checksums are made with. */
  readonly routed: boolean;
  /** False in fragments but the first (lib/packets.c:packet_rh_present). */
  readonly hasChecksum: boolean;
}

function ipv6Headers(bytes: Uint8Array, l3: number): Ipv6Headers {
  let proto = bytes[l3 + 6]!;
  let at = l3 + 40;
  let hasChecksum = true;
  while (IP6_EXTENSIONS.has(proto) && at + 8 <= bytes.length) {
    if (proto === IP6_ROUTING && bytes[at + 3]! > 0) return { proto, l4: at, routed: true, hasChecksum };
    const next = bytes[at]!;
    if (proto === IP6_FRAGMENT) {
      const offset = get16(bytes, at + 2);
      hasChecksum = (offset & 0xfff8) === 0 && (offset & 1) !== 0;
      at += 8;
    } else {
      at += proto === IP6_AUTH ? (bytes[at + 1]! + 2) * 4 : (bytes[at + 1]! + 1) * 8;
    }
    proto = next;
  }
  return { proto, l4: at, routed: false, hasChecksum };
}

function setIpv6(bytes: Uint8Array, l3: number, word: number, value: number): void {
  const headers = ipv6Headers(bytes, l3);
  const { proto, l4 } = headers;
  const l4Size = Math.min(bytes.length, l3 + 40 + get16(bytes, l3 + 4)) - l4;
  if (word >= K.ipv6_src && word < K.ipv6_dst + 4) {
    const at = l3 + 8 + 4 * (word - K.ipv6_src);
    const isDst = word >= K.ipv6_dst;
    const sum = headers.hasChecksum && !(isDst && headers.routed) ? addressSum6(bytes, proto, l4, l4Size) : -1;
    if (sum >= 0) adjust32(bytes, sum, get32(bytes, at), value, proto === PROTO.UDP);
    put32(bytes, at, value);
  } else if (word === K.nw_tos) {
    put32(bytes, l3, (get32(bytes, l3) & ~0x0ff00000) | (value << 20));
  } else if (word === K.ipv6_label) {
    put32(bytes, l3, (get32(bytes, l3) & ~0x000fffff) | value);
  } else if (word === K.nw_ttl) {
    bytes[l3 + 7] = value;
  } else if (proto === PROTO.ICMPV6 && word !== K.tp_src && word !== K.tp_dst) {
    setNeighbour(bytes, l3, l4, l4Size, word, value);
  } else {
    setTransport(bytes, proto, l4, l4Size, word, value);
  }
}

function addressSum6(bytes: Uint8Array, proto: number, l4: number, l4Size: number): number {
  if (proto === PROTO.ICMPV6) return l4Size >= 8 ? l4 + 2 : -1;
  return addressSum(bytes, proto, l4, l4Size);
}

/** Target, link-layer options and reserved bits of neighbour discovery (lib/packets.c:packet_set_nd, packet_set_nd_ext). */
function setNeighbour(bytes: Uint8Array, l3: number, l4: number, l4Size: number, word: number, value: number): void {
  if (l4Size < 24) return;
  if (word >= K.nd_target && word < K.nd_target + 4) {
    const at = l4 + 8 + 4 * (word - K.nd_target);
    adjust32(bytes, l4 + 2, get32(bytes, at), value, false);
    put32(bytes, at, value);
  } else if (word === K.nd_reserved || word === K.nd_options_type) {
    if (word === K.nd_reserved) put32(bytes, l4 + 4, value);
    else if (l4 + 24 < bytes.length) bytes[l4 + 24] = value;
    put16(bytes, l4 + 2, 0);
    put16(bytes, l4 + 2, icmp6Checksum(bytes, l3, l4, l4Size));
  } else {
    const wanted = word >= K.arp_tha ? 2 : 1;
    const mac = linkLayerOption(bytes, l4, l4Size, wanted);
    if (mac < 0) return;
    if (word === K.arp_sha || word === K.arp_tha) {
      adjust16(bytes, l4 + 2, get16(bytes, mac), value);
      put16(bytes, mac, value);
    } else {
      adjust32(bytes, l4 + 2, get32(bytes, mac + 2), value, false);
      put32(bytes, mac + 2, value);
    }
  }
}

/** Where the MAC of the first source (1) or target (2) option is; -1 if the first of both kinds is the other one, or none. */
function linkLayerOption(bytes: Uint8Array, l4: number, l4Size: number, wanted: number): number {
  let left = l4Size - 24;
  for (let at = l4 + 24; left >= 8 && bytes[at + 1] !== 0; ) {
    const units = bytes[at + 1]!;
    if ((bytes[at] === 1 || bytes[at] === 2) && units === 1) return bytes[at] === wanted ? at + 2 : -1;
    at += units * 8;
    left -= units * 8;
  }
  return -1;
}

function icmp6Checksum(bytes: Uint8Array, l3: number, l4: number, l4Size: number): number {
  let sum = l4Size + PROTO.ICMPV6;
  for (let i = 8; i < 40; i += 2) sum += get16(bytes, l3 + i);
  for (let i = 0; i < l4Size; i += 2) sum += i + 1 < l4Size ? get16(bytes, l4 + i) : bytes[l4 + i]! << 8;
  return finish(sum);
}

// --- ARP

function setArp(bytes: Uint8Array, l3: number, word: number, value: number): void {
  switch (word) {
    case K.nw_proto:
      put16(bytes, l3 + 6, value);
      break;
    case K.arp_sha:
      put16(bytes, l3 + 8, value);
      break;
    case K.arp_sha + 1:
      put32(bytes, l3 + 10, value);
      break;
    case K.nw_src:
      put32(bytes, l3 + 14, value);
      break;
    case K.arp_tha:
      put16(bytes, l3 + 18, value);
      break;
    case K.arp_tha + 1:
      put32(bytes, l3 + 20, value);
      break;
    case K.nw_dst:
      put32(bytes, l3 + 24, value);
      break;
  }
}

// --- the packet that an ICMP error quotes

/** lib/conntrack.c:nat_inner_packet; the error's own checksum is made anew. */
function setInner(bytes: Uint8Array, word: number, value: number): void {
  const l3 = afterTags(bytes);
  const isIpv4 = get16(bytes, l3 - 2) === ETH_IP;
  const l4 = isIpv4 ? l3 + (bytes[l3]! & 0x0f) * 4 : ipv6Headers(bytes, l3).l4;
  const end = Math.min(bytes.length, l3 + (isIpv4 ? get16(bytes, l3 + 2) : 40 + get16(bytes, l3 + 4)));
  const inner = l4 + 8;
  if (word === K.tp_src || word === K.tp_dst) setInnerPort(bytes, inner, end, isIpv4, word === K.tp_src ? 0 : 2, value);
  else if (isIpv4) setIpv4(bytes, inner, word, value);
  else setIpv6(bytes, inner, word, value);
  put16(bytes, l4 + 2, 0);
  put16(bytes, l4 + 2, isIpv4 ? checksum(bytes, l4, end) : icmp6Checksum(bytes, l3, l4, end - l4));
}

/** Only the first bytes of the inner transport header may be there. */
function setInnerPort(bytes: Uint8Array, l3: number, end: number, isIpv4: boolean, side: number, value: number): void {
  const headers = isIpv4 ? { proto: bytes[l3 + 9]!, l4: l3 + (bytes[l3]! & 0x0f) * 4 } : ipv6Headers(bytes, l3);
  const { proto, l4 } = headers;
  const at = l4 + side;
  if (at + 2 > end) return;
  const sum = proto === PROTO.TCP ? l4 + 16 : l4 + 6;
  const hasSum = sum + 2 <= end && (proto === PROTO.TCP || (proto === PROTO.UDP && get16(bytes, sum) !== 0));
  if (hasSum) adjust16(bytes, sum, get16(bytes, at), value);
  put16(bytes, at, value);
}

function checksum(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 2) sum += at + 1 < to ? get16(bytes, at) : bytes[at]! << 8;
  return finish(sum);
}

// --- transport

function setTransport(bytes: Uint8Array, proto: number, l4: number, size: number, word: number, value: number): void {
  const isSource = word === K.tp_src;
  if (!isSource && word !== K.tp_dst) return;
  const at = l4 + (isSource ? 0 : 2);
  if (proto === PROTO.TCP) {
    const header = size >= 20 ? (bytes[l4 + 12]! >> 4) * 4 : 0;
    if (header < 20 || header > size) return;
    adjust16(bytes, l4 + 16, get16(bytes, at), value);
    put16(bytes, at, value);
  } else if (proto === PROTO.UDP) {
    if (size < 8) return;
    if (get16(bytes, l4 + 6) !== 0) {
      adjust16(bytes, l4 + 6, get16(bytes, at), value);
      if (get16(bytes, l4 + 6) === 0) put16(bytes, l4 + 6, 0xffff);
    }
    put16(bytes, at, value);
  } else if (proto === PROTO.SCTP) {
    if (size >= 12) setSctpPort(bytes, l4, size, at, value);
  } else if (size >= 8) {
    // ICMP and ICMPv6: type and code are the two halves of one word
    const old = get16(bytes, l4);
    bytes[l4 + (isSource ? 0 : 1)] = value;
    adjust16(bytes, l4 + 2, old, get16(bytes, l4));
  }
}

/** The checksum (CRC-32C, little endian) keeps what was wrong with it (lib/packets.c:packet_set_sctp_port). */
function setSctpPort(bytes: Uint8Array, l4: number, size: number, at: number, value: number): void {
  const old = get32(bytes, l4 + 8);
  put32(bytes, l4 + 8, 0);
  const before = swap32(crc32c(bytes.subarray(l4, l4 + size)));
  put16(bytes, at, value);
  const after = swap32(crc32c(bytes.subarray(l4, l4 + size)));
  put32(bytes, l4 + 8, old ^ before ^ after);
}

const swap32 = (v: number): number => (v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);

// --- bytes

function get16(bytes: Uint8Array, at: number): number {
  return at + 2 <= bytes.length ? (bytes[at]! << 8) | bytes[at + 1]! : 0;
}

function get32(bytes: Uint8Array, at: number): number {
  return (get16(bytes, at) << 16) | get16(bytes, at + 2);
}

/** Writes beyond the end of a cut frame go nowhere, as typed arrays do it. */
function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value);
}

function withGap(bytes: Uint8Array, at: number, size: number): Uint8Array {
  const longer = new Uint8Array(bytes.length + size);
  longer.set(bytes.subarray(0, at));
  longer.set(bytes.subarray(at), at + size);
  return longer;
}

function without(bytes: Uint8Array, at: number, size: number): Uint8Array {
  const shorter = new Uint8Array(bytes.length - size);
  shorter.set(bytes.subarray(0, at));
  shorter.set(bytes.subarray(at + size), at);
  return shorter;
}

function finish(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** RFC 1624: the checksum at `at` after a 16-bit word under it has changed. */
function adjust16(bytes: Uint8Array, at: number, old: number, value: number): void {
  put16(bytes, at, finish((~get16(bytes, at) & 0xffff) + (~old & 0xffff) + (value & 0xffff)));
}

/** The same for 32 bits. UDP: a checksum that comes out as 0 is sent as 0xffff (RFC 768). */
function adjust32(bytes: Uint8Array, at: number, old: number, value: number, isUdp: boolean): void {
  adjust16(bytes, at, old & 0xffff, value & 0xffff);
  adjust16(bytes, at, old >>> 16, value >>> 16);
  if (isUdp && get16(bytes, at) === 0) put16(bytes, at, 0xffff);
}
