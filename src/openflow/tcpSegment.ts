/**
 * The TCP segment inside a captured frame: just enough of link, VLAN and IP headers to follow an OpenFlow channel.
 * (Header extraction as the switch does it is another thing: src/packet.)
 */

/** One captured frame. `data` may be a view into a buffer that is used again: what is kept is copied. */
export interface CapturedFrame {
  /** Number in the capture, from 1. */
  readonly frame: number;
  /** Nanoseconds since 1970. */
  readonly t: bigint;
  /** LINKTYPE_* number (https://www.tcpdump.org/linktypes.html). */
  readonly linkType: number;
  readonly data: Uint8Array;
  /** Length on the wire; above `data.length` where the capture cut the frame. */
  readonly originalBytes: number;
}

export interface TcpSegment {
  /** `192.0.2.1:6653`, `[2001:db8::1]:6653`. */
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly syn: boolean;
  readonly ack: boolean;
  /** Captured part of the payload. */
  readonly payload: Uint8Array;
  /** Length of the payload on the wire. */
  readonly payloadBytes: number;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const IPPROTO_TCP = 6;

/** The segment, or null if the frame holds no TCP segment that begins in it (or too little of one to read its ports). */
export function tcpSegmentOf(frame: CapturedFrame): TcpSegment | null {
  const { data } = frame;
  const start = networkStart(frame.linkType, data);
  if (start === null) return null;
  const version = (data[start.at] ?? 0) >> 4;
  if (start.ethertype === ETHERTYPE_IPV4 && version === 4) return fromIpv4(frame, start.at);
  if (start.ethertype === ETHERTYPE_IPV6 && version === 6) return fromIpv6(frame, start.at);
  return null;
}

interface NetworkStart {
  readonly ethertype: number;
  readonly at: number;
}

function networkStart(linkType: number, data: Uint8Array): NetworkStart | null {
  switch (linkType) {
    case 1: // Ethernet
      return afterVlans(data, 12);
    case 113: // LINUX_SLL: protocol at 14
      return afterVlans(data, 14);
    case 276: // LINUX_SLL2: protocol at 0, header of 20 bytes
      return { ethertype: u16(data, 0), at: 20 };
    case 12: // RAW, as some systems number it
    case 14:
    case 101: // RAW
    case 228: // IPV4
    case 229: // IPV6
      return { ethertype: (data[0] ?? 0) >> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, at: 0 };
    case 0: // NULL and LOOP: four bytes of address family, in either byte order
    case 108:
      return { ethertype: (data[4] ?? 0) >> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, at: 4 };
    default:
      return null;
  }
}

function afterVlans(data: Uint8Array, ethertypeAt: number): NetworkStart {
  let at = ethertypeAt;
  while (u16(data, at) === 0x8100 || u16(data, at) === 0x88a8) at += 4;
  return { ethertype: u16(data, at), at: at + 2 };
}

function fromIpv4(frame: CapturedFrame, at: number): TcpSegment | null {
  const { data } = frame;
  if (data.length < at + 20 || data[at + 9] !== IPPROTO_TCP) return null;
  if ((u16(data, at + 6) & 0x3fff) !== 0) return null; // a fragment: counts as lost
  const headerBytes = (data[at]! & 0xf) * 4;
  // Offloaded segments are captured with total length 0.
  const totalBytes = u16(data, at + 2) || frame.originalBytes - at;
  return tcp(frame, at + headerBytes, totalBytes - headerBytes, ipv4Text(data, at + 12), ipv4Text(data, at + 16));
}

function fromIpv6(frame: CapturedFrame, at: number): TcpSegment | null {
  const { data } = frame;
  if (data.length < at + 40) return null;
  const payloadBytes = u16(data, at + 4) || frame.originalBytes - at - 40;
  let next = data[at + 6]!;
  let l4 = at + 40;
  // Hop-by-hop, routing and destination options (RFC 8200 4.3 to 4.6); a fragment counts as lost.
  while (next === 0 || next === 43 || next === 60) {
    if (data.length < l4 + 8) return null;
    next = data[l4]!;
    l4 += (data[l4 + 1]! + 1) * 8;
  }
  if (next !== IPPROTO_TCP) return null;
  const source = `[${ipv6Text(data, at + 8)}]`;
  return tcp(frame, l4, payloadBytes - (l4 - at - 40), source, `[${ipv6Text(data, at + 24)}]`);
}

function tcp(frame: CapturedFrame, at: number, bytes: number, source: string, destination: string): TcpSegment | null {
  const { data } = frame;
  if (data.length < at + 14 || bytes < 20) return null;
  const headerBytes = (data[at + 12]! >> 4) * 4;
  if (headerBytes < 20 || headerBytes > bytes) return null;
  const payloadAt = Math.min(data.length, at + headerBytes);
  const sourcePort = u16(data, at);
  const destinationPort = u16(data, at + 2);
  return {
    source: `${source}:${sourcePort}`,
    destination: `${destination}:${destinationPort}`,
    sourcePort,
    destinationPort,
    seq: ((u16(data, at + 4) << 16) | u16(data, at + 6)) >>> 0,
    syn: (data[at + 13]! & 0x02) !== 0,
    ack: (data[at + 13]! & 0x10) !== 0,
    payload: data.subarray(payloadAt, Math.min(data.length, at + bytes)),
    payloadBytes: bytes - headerBytes,
  };
}

function u16(data: Uint8Array, at: number): number {
  return ((data[at] ?? 0) << 8) | (data[at + 1] ?? 0);
}

function ipv4Text(data: Uint8Array, at: number): string {
  return `${data[at]}.${data[at + 1]}.${data[at + 2]}.${data[at + 3]}`;
}

/** Groups without leading zeros, zeros not shortened further: this is a name, not a canonical address. */
function ipv6Text(data: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => u16(data, at + 2 * i).toString(16));
  return groups.join(':').replace(/(^|:)0(?::0)+(:|$)/, '::');
}
