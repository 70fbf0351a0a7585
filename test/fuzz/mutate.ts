/** Damaged copies of real inputs: bits, lengths, pieces cut, doubled, moved and taken from others. */
import type { Prng } from '../../src/util/prng.js';

/** What lengths, counts and types go wrong with. */
const NUMBERS = [
  0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
];

/** What texts go wrong with. */
const WORDS = [
  '',
  ' ',
  ',',
  '=',
  ':',
  '/',
  '(',
  ')',
  '((((((((',
  '[',
  ']',
  '->',
  '0',
  '-1',
  '1e9',
  '0x',
  '0xffffffffffffffffffff',
  '99999999999999999999',
  '255.255.255.255/0.0.0.0',
  '::/0',
  'ff:ff:ff:ff:ff:ff',
  'actions=',
  'priority=',
  'cookie=',
  'table=',
  'resubmit(,',
  'ct(',
  'learn(',
  'clone(',
  'conjunction(',
  'NXM_NX_REG0[]',
  '[0..63]',
  'duration=',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '\u00e9',
  '{',
  '}',
  '"',
  'null',
  '[]',
  'true',
];

const MAX_BYTES = 1 << 17;

/** `corpus`: what pieces are taken from. One to six damages, mostly few. */
export function mutate(prng: Prng, base: Uint8Array, corpus: readonly Uint8Array[], isText: boolean): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(base);
  for (let n = 1 + prng.below(1 + prng.below(6)); n > 0; n--) bytes = damage(prng, bytes, corpus, isText);
  return bytes.length > MAX_BYTES ? bytes.subarray(0, MAX_BYTES) : bytes;
}

function damage(prng: Prng, bytes: Uint8Array, corpus: readonly Uint8Array[], isText: boolean): Uint8Array {
  if (bytes.length === 0) return Uint8Array.from([prng.below(256)]);
  const at = prng.below(bytes.length);
  const size = 1 + prng.below(Math.min(bytes.length - at, prng.below(4) === 0 ? 4096 : 16));
  if (isText && prng.below(2) === 0) return withToken(prng, bytes, at, prng.pick(corpus));
  switch (prng.below(isText ? 9 : 8)) {
    case 0:
      bytes[at] = bytes[at]! ^ (1 << prng.below(8));
      return bytes;
    case 1:
      bytes[at] = prng.below(256);
      return bytes;
    case 2:
      return splice(bytes, at, size, new Uint8Array(0));
    case 3:
      return splice(bytes, at, 0, bytes.slice(at, at + size));
    case 4:
      return bytes.slice(0, at);
    case 5: {
      const other = prng.pick(corpus);
      const from = prng.below(other.length + 1);
      return splice(bytes, at, prng.below(2) * size, other.slice(from, from + size));
    }
    case 6:
      return isText ? splice(bytes, at, size, Buffer.from(String(prng.pick(NUMBERS)))) : withNumber(prng, bytes, at);
    case 7: {
      const to = prng.below(bytes.length);
      bytes.copyWithin(to, at, at + size);
      return bytes;
    }
    default:
      return splice(bytes, at, prng.below(2) * size, Buffer.from(prng.pick(WORDS)));
  }
}

const SEPARATORS = new Set(Buffer.from(' ,=/:()[]"\n'));

/** A word of the text becomes a word of another: what is often still a text of its kind. */
function withToken(prng: Prng, bytes: Uint8Array, at: number, other: Uint8Array): Uint8Array {
  const from = prng.below(other.length + 1);
  const [start, end] = wordAt(bytes, at);
  const [otherStart, otherEnd] = wordAt(other, from);
  return splice(bytes, start, end - start, other.slice(otherStart, otherEnd));
}

function wordAt(bytes: Uint8Array, at: number): [number, number] {
  let start = at;
  while (start > 0 && !SEPARATORS.has(bytes[start - 1]!)) start--;
  let end = at;
  while (end < bytes.length && !SEPARATORS.has(bytes[end]!)) end++;
  return [start, end];
}

function splice(bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - removed + put.length);
  result.set(bytes.subarray(0, at));
  result.set(put, at);
  result.set(bytes.subarray(at + removed), at + put.length);
  return result;
}

function withNumber(prng: Prng, bytes: Uint8Array, at: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = prng.below(4) === 0 ? prng.u32() : prng.pick(NUMBERS);
  const isLittle = prng.below(2) === 0;
  if (prng.below(2) === 0 && at + 4 <= bytes.length) view.setUint32(at, value, isLittle);
  else if (at + 2 <= bytes.length) view.setUint16(at, value & 0xffff, isLittle);
  return bytes;
}
