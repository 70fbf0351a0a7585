/**
 * MAC, IPv4 and IPv6 addresses with Open vSwitch's arbitrary masks, as it reads and prints them.
 * ip-num knows no such masks; the plain forms are tested against it.
 */
import { digitValue, scanNumber } from './numberText.js';

export interface Masked {
  readonly value: bigint;
  readonly mask: bigint;
}

export const MAC_ONES = 0xffff_ffff_ffffn;
export const IPV4_ONES = 0xffff_ffffn;
export const IPV6_ONES = (1n << 128n) - 1n;

/** Six hex numbers at `from`, each cut to 8 bits (lib/packets.h:ETH_ADDR_SCAN_FMT). */
function scanMac(text: string, from: number): { value: bigint; end: number } | null {
  let high = 0;
  let low = 0;
  let at = from;
  for (let i = 0; i < 6; i++) {
    if (i > 0 && text[at++] !== ':') return null;
    const byte = scanNumber(text, at, 16);
    if (byte === null) return null;
    const bits = Number(byte.value & 0xffn);
    if (i < 3) high = high * 256 + bits;
    else low = low * 256 + bits;
    at = byte.end;
  }
  return { value: BigInt(high * 0x1000000 + low), end: at };
}

/** `MAC` or `MAC/MAC`; null: neither. */
export function parseMac(text: string): Masked | null {
  const address = scanMac(text, 0);
  if (address === null) return null;
  if (address.end === text.length) return { value: address.value, mask: MAC_ONES };
  if (text[address.end] !== '/') return null;
  const mask = scanMac(text, address.end + 1);
  return mask === null || mask.end !== text.length ? null : { value: address.value, mask: mask.value };
}

export function formatMac(value: bigint): string {
  const hex = value.toString(16).padStart(12, '0');
  return `${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10)}`;
}

/** Four decimal numbers at `from`, each cut to 8 bits, as lib/packets.h:IP_SCAN_FMT (so 10.0.0.256 is 10.0.0.0). */
export function scanIpv4(text: string, from: number): { value: number; end: number } | null {
  let value = 0;
  let at = from;
  for (let i = 0; i < 4; i++) {
    if (i > 0 && text[at++] !== '.') return null;
    const part = scanNumber(text, at, 10);
    if (part === null) return null;
    value = value * 256 + Number(part.value & 0xffn);
    at = part.end;
  }
  return { value, end: at };
}

/** `A`, `A/prefix` or `A/mask`; a string says what is wrong (lib/packets.c:ip_parse_masked). */
export function parseIpv4(text: string): Masked | string {
  const wrong = `${text}: invalid IP address`;
  const address = scanIpv4(text, 0);
  if (address === null) return wrong;
  const value = BigInt(address.value);
  if (address.end === text.length) return { value, mask: IPV4_ONES };
  if (text[address.end] !== '/') return wrong;
  const mask = scanIpv4(text, address.end + 1);
  if (mask !== null) return mask.end === text.length ? { value, mask: BigInt(mask.value) } : wrong;
  const prefix = scanNumber(text, address.end + 1, 10);
  if (prefix === null) return wrong;
  if (prefix.value > 32n) return `${text}: IPv4 network prefix bits not between 0 and 32, inclusive`;
  return prefix.end === text.length ? { value, mask: prefixMask(32, Number(prefix.value)) } : wrong;
}

/** As many ones from the left. */
export function prefixMask(width: number, prefix: number): bigint {
  const ones = (1n << BigInt(width)) - 1n;
  return ones ^ (ones >> BigInt(prefix));
}

/** Length of a contiguous mask, -1 for another mask. */
export function prefixLength(width: number, mask: bigint): number {
  const inverse = mask ^ ((1n << BigInt(width)) - 1n);
  if ((inverse & (inverse + 1n)) !== 0n) return -1;
  return width - (inverse === 0n ? 0 : inverse.toString(2).length);
}

export function formatIpv4(value: bigint): string {
  const bits = Number(value);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

/** Four decimal octets without leading zeros, at most 255, as inet_pton asks; null: something else. */
export function strictIpv4(text: string): number | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}

/** One address as inet_pton(AF_INET6) takes it, or null. */
export function parseIpv6Address(text: string): bigint | null {
  let head = text;
  const tail: number[] = [];
  if (text.includes('.')) {
    const colon = text.lastIndexOf(':');
    const ipv4 = strictIpv4(text.slice(colon + 1));
    if (ipv4 === null || colon < 0) return null;
    tail.push(ipv4 >>> 16, ipv4 & 0xffff);
    head = text.slice(0, colon + 1);
    // `::1.2.3.4` keeps both colons, `1::2:1.2.3.4` loses the one before the dotted part.
    if (!head.endsWith('::')) head = head.slice(0, -1);
  }
  const halves = head.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const left = groups[0]!;
  const right = groups[1] ?? [];
  const count = left.length + right.length + tail.length;
  if (halves.length === 2 ? count > 7 : count !== 8) return null;
  let value = 0n;
  const zeros = Array.from({ length: 8 - count }, () => '0');
  for (const group of [...left, ...zeros, ...right]) {
    if (group.length < 1 || group.length > 4) return null;
    for (let i = 0; i < group.length; i++) if (digitValue(group.charCodeAt(i)) < 0) return null;
    value = (value << 16n) | BigInt(Number.parseInt(group, 16));
  }
  for (const part of tail) value = (value << 16n) | BigInt(part);
  return value;
}

/** `A`, `A/prefix` or `A/mask`; a string says what is wrong (lib/packets.c:ipv6_parse_masked). */
export function parseIpv6(text: string): Masked | string {
  const wrong = `${text}: invalid IPv6 address`;
  const slash = text.indexOf('/');
  const value = parseIpv6Address((slash < 0 ? text : text.slice(0, slash)).trimStart());
  if (value === null) return wrong;
  if (slash < 0) return { value, mask: IPV6_ONES };
  const prefix = scanNumber(text, slash + 1, 10);
  if (prefix !== null) {
    if (prefix.value > 128n) return `${text}: IPv6 network prefix bits not between 0 and 128, inclusive`;
    return prefix.end === text.length ? { value, mask: prefixMask(128, Number(prefix.value)) } : wrong;
  }
  const mask = parseIpv6Address(text.slice(slash + 1));
  return mask === null ? `${text}: Invalid IPv6 mask` : { value, mask };
}

/** As glibc's inet_ntop: the first longest run of two or more zero groups becomes `::`; mapped IPv4 has a dotted tail. */
export function formatIpv6(value: bigint): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > bestLength) {
      best = i;
      bestLength = end - i;
    }
    if (end > i) i = end;
  }
  const dotted = best === 0 && (bestLength === 6 || (bestLength === 5 && groups[5] === 0xffff));
  const last = dotted ? 6 : 8;
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  let text = best < 0 ? hex(0, last) : `${hex(0, best)}::${hex(best + bestLength, last)}`;
  if (dotted) text += `${text.endsWith(':') ? '' : ':'}${formatIpv4(value & IPV4_ONES)}`;
  return text;
}

export function formatIpv4Masked(value: bigint, mask: bigint): string {
  if (mask === IPV4_ONES) return formatIpv4(value);
  const prefix = prefixLength(32, mask);
  return `${formatIpv4(value)}/${prefix < 0 ? formatIpv4(mask) : prefix}`;
}

export function formatIpv6Masked(value: bigint, mask: bigint): string {
  if (mask === IPV6_ONES) return formatIpv6(value);
  const prefix = prefixLength(128, mask);
  return `${formatIpv6(value)}/${prefix < 0 ? formatIpv6(mask) : prefix}`;
}

export function formatMacMasked(value: bigint, mask: bigint): string {
  return mask === MAC_ONES ? formatMac(value) : `${formatMac(value)}/${formatMac(mask)}`;
}
