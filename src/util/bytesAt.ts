/**
 * Big-endian reads that stop at `end`: bytes that the snaplen cut off read as zero. So a packet is parsed with its
 * original length, as the switch saw it, as if it were filled up with zero bytes.
 */
export function u8(data: Uint8Array, at: number, end: number): number {
  return at < end ? data[at]! : 0;
}

export function u16(data: Uint8Array, at: number, end: number): number {
  return at + 2 <= end ? (data[at]! << 8) | data[at + 1]! : u8(data, at, end) << 8;
}

/** Signed 32-bit, as the key holds it. */
export function u32(data: Uint8Array, at: number, end: number): number {
  return at + 4 <= end
    ? (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!
    : (u16(data, at, end) << 16) | u16(data, at + 2, end);
}
