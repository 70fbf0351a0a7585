/** Reading and writing one field in a flow key (fields/key.ts). Values are those of the wire: in_port_oxm has 32 bits. */
import type { Field } from './fieldTable.js';
import { K } from './key.js';

/** First reserved port number in the 16-bit space, and the distance to the 32-bit space (OFPP_MAX, OFPP11_OFFSET). */
const FIRST_RESERVED = 0xff00;
const PORT_OFFSET = 0xffff0000;

/** 16-bit port number to 32-bit (lib/ofp-port.c:ofputil_port_to_ofp11). */
export const portTo32 = (port: number): number => (port < FIRST_RESERVED ? port : port + PORT_OFFSET);

/** 32-bit port number to 16-bit; null: outside both ranges (lib/ofp-port.c:ofputil_port_from_ofp11). */
export function portFrom32(port: number): number | null {
  if (port < FIRST_RESERVED) return port;
  return port >= PORT_OFFSET + FIRST_RESERVED ? port - PORT_OFFSET : null;
}

/** Fields of at most 32 bits: the value as a non-negative number. */
export function readNumber(key: Int32Array, field: Field): number {
  const value = (key[field.words[0]!]! >>> field.shift) & field.keyMask;
  return field.format === 'port32' ? portTo32(value >>> 0) : value >>> 0;
}

/** Fields of at most 32 bits: replaces the bits of `mask`. */
export function writeNumber(key: Int32Array, field: Field, value: number, mask = 0xffffffff): void {
  const word = field.words[0]!;
  const bits = (mask & field.keyMask) << field.shift;
  const stored = field.format === 'port32' ? (portFrom32(value >>> 0) ?? 0xffff) : value;
  key[word] = (key[word]! & ~bits) | ((stored << field.shift) & bits);
}

/** Any width. */
export function readField(key: Int32Array, field: Field): bigint {
  if (field.words.length === 1) return BigInt(readNumber(key, field));
  let value = 0n;
  for (const word of field.words) value = (value << 32n) | BigInt(key[word]! >>> 0);
  return value & field.valueMask;
}

/** Any width; replaces the bits of `mask` (default all). A tun_metadata field becomes present. */
export function writeField(key: Int32Array, field: Field, value: bigint, mask: bigint = field.valueMask): void {
  if (field.words.length === 1) {
    writeNumber(key, field, Number(value & 0xffffffffn), Number(mask & 0xffffffffn));
  } else {
    const bits = mask & field.valueMask;
    let rest = value;
    let restBits = bits;
    for (let i = field.words.length - 1; i >= 0; i--) {
      const word = field.words[i]!;
      const wordBits = Number(restBits & 0xffffffffn) | 0;
      key[word] = (key[word]! & ~wordBits) | (Number(rest & 0xffffffffn) & wordBits);
      rest >>= 32n;
      restBits >>= 32n;
    }
  }
  if (field.presentBit >= 0) key[presentWord(field.presentBit)]! |= 1 << (field.presentBit & 31);
}

/** The word of `K.tun_metadata_present` that holds bit i. */
export const presentWord = (bit: number): number => K.tun_metadata_present + (bit < 32 ? 1 : 0);
