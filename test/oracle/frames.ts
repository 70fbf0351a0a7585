/** Frames made from a description, checksums right unless told otherwise: what random worlds send. */

export interface Segment {
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** Window scale option, -1: none. */
  readonly scale: number;
  readonly payload: number;
}

export const TCP_FIN = 1;
export const TCP_SYN = 2;
export const TCP_RST = 4;
export const TCP_ACK = 16;

/** `02:00:00:00:00:05` as bytes. */
export function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

export function ipv4(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

/** Eight groups in hex, no `::`. */
export function ipv6(text: string): Buffer {
  return Buffer.from(
    text
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
    'hex',
  );
}

/** RFC 1071; `start` is the sum so far. */
function sum(bytes: Uint8Array, start = 0): number {
  let total = start;
  for (let i = 0; i < bytes.length; i++) total += i % 2 === 0 ? bytes[i]! << 8 : bytes[i]!;
  return total;
}

function fold(total: number): number {
  let left = total;
  while (left > 0xffff) left = (left & 0xffff) + Math.floor(left / 0x10000);
  return ~left & 0xffff;
}

/** Dst, src, an optional tag, ethertype, payload. */
export function ethernet(dst: Buffer, src: Buffer, vlan: number | null, type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(vlan === null ? 2 : 6);
  if (vlan !== null) {
    head.writeUInt16BE(0x8100, 0);
    head.writeUInt16BE(vlan, 2);
  }
  head.writeUInt16BE(type, head.length - 2);
  return Buffer.concat([dst, src, head, payload]);
}

export interface IpOptions {
  readonly proto: number;
  readonly id?: number;
  /** Bytes. */
  readonly offset?: number;
  readonly more?: boolean;
  readonly tos?: number;
  readonly ttl?: number;
}

export function ip4Packet(src: Buffer, dst: Buffer, payload: Buffer, options: IpOptions): Buffer {
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head[1] = options.tos ?? 0;
  head.writeUInt16BE(20 + payload.length, 2);
  head.writeUInt16BE(options.id ?? 0, 4);
  head.writeUInt16BE((options.more ? 0x2000 : 0) | ((options.offset ?? 0) >> 3), 6);
  head[8] = options.ttl ?? 64;
  head[9] = options.proto;
  src.copy(head, 12);
  dst.copy(head, 16);
  head.writeUInt16BE(fold(sum(head)), 10);
  return Buffer.concat([head, payload]);
}

export function ip6Packet(src: Buffer, dst: Buffer, payload: Buffer, options: IpOptions): Buffer {
  const head = Buffer.alloc(40);
  head.writeUInt32BE((0x60000000 | ((options.tos ?? 0) << 20)) >>> 0, 0);
  head.writeUInt16BE(payload.length, 4);
  head[6] = options.proto;
  head[7] = options.ttl ?? 64;
  src.copy(head, 8);
  dst.copy(head, 24);
  return Buffer.concat([head, payload]);
}

/** Writes the checksum of an L4 packet at `at`, pseudo header included (RFC 793, RFC 8200 8.1). */
function sealed(bytes: Buffer, at: number, src: Buffer, dst: Buffer, proto: number): Buffer {
  const pseudo = Buffer.concat([src, dst, Buffer.from([0, proto, 0, 0])]);
  pseudo.writeUInt16BE(bytes.length, pseudo.length - 2);
  const value = fold(sum(bytes, sum(pseudo)));
  bytes.writeUInt16BE(value === 0 && proto === 17 ? 0xffff : value, at);
  return bytes;
}

export function tcp(src: Buffer, dst: Buffer, segment: Segment): Buffer {
  const options = segment.scale < 0 ? Buffer.alloc(0) : Buffer.from([3, 3, segment.scale, 1]);
  const bytes = Buffer.alloc(20 + options.length + segment.payload, 0x78);
  bytes.fill(0, 0, 20);
  bytes.writeUInt16BE(segment.sport, 0);
  bytes.writeUInt16BE(segment.dport, 2);
  bytes.writeUInt32BE(segment.seq >>> 0, 4);
  bytes.writeUInt32BE(segment.ack >>> 0, 8);
  bytes[12] = ((20 + options.length) / 4) << 4;
  bytes[13] = segment.flags;
  bytes.writeUInt16BE(segment.window, 14);
  options.copy(bytes, 20);
  return sealed(bytes, 16, src, dst, 6);
}

export function udp(src: Buffer, dst: Buffer, sport: number, dport: number, payload: number): Buffer {
  const bytes = Buffer.alloc(8 + payload, 0x75);
  bytes.fill(0, 0, 8);
  bytes.writeUInt16BE(sport, 0);
  bytes.writeUInt16BE(dport, 2);
  bytes.writeUInt16BE(bytes.length, 4);
  return sealed(bytes, 6, src, dst, 17);
}

/** `rest`: the four bytes after the checksum. */
export function icmp(type: number, code: number, rest: number, payload: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(8), payload]);
  bytes[0] = type;
  bytes[1] = code;
  bytes.writeUInt32BE(rest >>> 0, 4);
  bytes.writeUInt16BE(fold(sum(bytes)), 2);
  return bytes;
}

export function icmp6(src: Buffer, dst: Buffer, type: number, code: number, rest: number, payload: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(8), payload]);
  bytes[0] = type;
  bytes[1] = code;
  bytes.writeUInt32BE(rest >>> 0, 4);
  return sealed(bytes, 2, src, dst, 58);
}

/** op 1 request, 2 reply. */
export function arp(op: number, sha: Buffer, spa: Buffer, tha: Buffer, tpa: Buffer): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, op]);
  return Buffer.concat([head, sha, spa, tha, tpa]);
}

/** Pieces of an IPv4 payload as fragments, in order; `size` is rounded down to a multiple of 8. */
export function fragments(src: Buffer, dst: Buffer, payload: Buffer, options: IpOptions, size: number): Buffer[] {
  const step = Math.max(8, size - (size % 8));
  const pieces: Buffer[] = [];
  for (let at = 0; at < payload.length; at += step) {
    const piece = payload.subarray(at, at + step);
    pieces.push(ip4Packet(src, dst, piece, { ...options, offset: at, more: at + step < payload.length }));
  }
  return pieces;
}
