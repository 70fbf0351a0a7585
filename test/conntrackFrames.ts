/** Ethernet frames for the conntrack tests: IPv4 with right checksums, short and plain. */

const octets = (address: string): number[] => address.split('.').map(Number);
const word = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const long = (value: number): number[] => [...word(value >>> 16), ...word(value & 0xffff)];

function checksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface IpOptions {
  readonly ident?: number;
  /** Flags and offset as in the header. */
  readonly fragment?: number;
}

export function ipFrame(
  src: string,
  dst: string,
  proto: number,
  l4: readonly number[],
  options: IpOptions = {},
): Uint8Array {
  const { ident = 1, fragment = 0x4000 } = options;
  const head = [
    0x45,
    0,
    ...word(20 + l4.length),
    ...word(ident),
    ...word(fragment),
    64,
    proto,
    0,
    0,
    ...octets(src),
    ...octets(dst),
  ];
  head.splice(10, 2, ...word(checksum(head)));
  return Uint8Array.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, ...head, ...l4]);
}

function withChecksum(src: string, dst: string, proto: number, l4: number[], at: number): number[] {
  const pseudo = [...octets(src), ...octets(dst), 0, proto, ...word(l4.length)];
  l4.splice(at, 2, ...word(checksum([...(proto === 1 ? [] : pseudo), ...l4])));
  return l4;
}

export interface Segment {
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly bytes?: number;
}

const FLAGS: Record<string, number> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32 };

/** `flags` as letters: S, SA, A, PA, FA, R … */
export function tcpFrame(
  src: string,
  sport: number,
  dst: string,
  dport: number,
  flags: string,
  segment: Segment = {},
): Uint8Array {
  const { seq = 0, ack = 0, window = 8192, bytes = 0 } = segment;
  const bits = [...flags].reduce((sum, letter) => sum | FLAGS[letter]!, 0);
  const l4 = [...word(sport), ...word(dport), ...long(seq), ...long(ack), 0x50, bits, ...word(window), 0, 0, 0, 0];
  return ipFrame(src, dst, 6, withChecksum(src, dst, 6, [...l4, ...new Array<number>(bytes).fill(0x78)], 16));
}

export function udpSegment(src: string, sport: number, dst: string, dport: number, bytes = 4): number[] {
  const l4 = [...word(sport), ...word(dport), ...word(8 + bytes), 0, 0, ...new Array<number>(bytes).fill(0x78)];
  return withChecksum(src, dst, 17, l4, 6);
}

export const udpFrame = (src: string, sport: number, dst: string, dport: number, bytes = 4): Uint8Array =>
  ipFrame(src, dst, 17, udpSegment(src, sport, dst, dport, bytes));

/** Fragments of one UDP datagram, `size` L4 bytes each. */
export function udpFragments(
  src: string,
  sport: number,
  dst: string,
  dport: number,
  bytes: number,
  size: number,
): Uint8Array[] {
  const l4 = udpSegment(src, sport, dst, dport, bytes);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < l4.length; at += size) {
    const more = at + size < l4.length ? 0x2000 : 0;
    frames.push(ipFrame(src, dst, 17, l4.slice(at, at + size), { ident: 7, fragment: more | (at / 8) }));
  }
  return frames;
}

/** Port unreachable about an inner packet (an Ethernet frame as built here). */
export function unreachableFrame(src: string, dst: string, inner: Uint8Array): Uint8Array {
  const l4 = [3, 3, 0, 0, 0, 0, 0, 0, ...inner.subarray(14, 14 + 28)];
  return ipFrame(src, dst, 1, withChecksum(src, dst, 1, l4, 2));
}
