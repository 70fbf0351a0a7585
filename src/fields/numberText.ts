/** Integers as C's strtoull(base 0) and Open vSwitch's own scanner take them: decimal, 0x hex, octal after a leading 0. */

export const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** A number at the start of a text; `end`: index behind it; `tooLarge`: more than 64 bits. */
export interface ScannedNumber {
  readonly value: bigint;
  readonly end: number;
  readonly tooLarge: boolean;
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);

/** Value of a hexadecimal digit, -1 for another character. */
export function digitValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

/** Number at `from`; null when there is none. A minus sign wraps around 2^64, as in C. */
export function scanNumber(text: string, from = 0, base: 0 | 10 | 16 = 0): ScannedNumber | null {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  const negative = text[at] === '-';
  if (negative || text[at] === '+') at++;
  let radix: number = base === 0 ? 10 : base;
  if (text[at] === '0' && base !== 10) {
    const hex = (text[at + 1] === 'x' || text[at + 1] === 'X') && digitValue(text.charCodeAt(at + 2)) >= 0;
    if (hex) {
      radix = 16;
      at += 2;
    } else if (base === 0) {
      radix = 8;
    }
  }
  const start = at;
  let small = 0;
  for (;;) {
    const digit = digitValue(text.charCodeAt(at));
    if (digit < 0 || digit >= radix) break;
    small = small * radix + digit;
    at++;
  }
  if (at === start) return null;
  const prefix = radix === 16 ? '0x' : radix === 8 ? '0o' : '';
  const value = Number.isSafeInteger(small) ? BigInt(small) : BigInt(prefix + text.slice(start, at));
  const tooLarge = value > U64_MAX;
  return { value: negative ? BigInt.asUintN(64, -value) : value, end: at, tooLarge };
}

/** The whole text as an unsigned 64-bit number (strtoull, base 0), or null. */
export function parseU64(text: string): bigint | null {
  const scanned = scanNumber(text);
  return scanned === null || scanned.tooLarge || scanned.end !== text.length ? null : scanned.value;
}

/** The whole text as a signed number in [min, max] (strtoll, base 0 or 10), or null. */
export function parseSigned(text: string, min: number, max: number, base: 0 | 10 = 0): number | null {
  const scanned = scanNumber(text, 0, base);
  if (scanned === null || scanned.tooLarge || scanned.end !== text.length) return null;
  const minus = text.trimStart().startsWith('-');
  const value = minus ? Number(BigInt.asIntN(64, scanned.value)) : Number(scanned.value);
  return value < min || value > max ? null : value;
}

/** A value of a field of `bytes` bytes. lib/util.c:parse_int_string: hex may be longer than 64 bits and hold spaces. */
export function scanFieldNumber(text: string, from: number, bytes: number): ScannedNumber | null {
  if (text[from] !== '0' || (text[from + 1] !== 'x' && text[from + 1] !== 'X')) {
    const scanned = scanNumber(text, from);
    if (scanned === null || bytes >= 8) return scanned;
    return scanned.value >> BigInt(8 * bytes) === 0n ? scanned : { ...scanned, tooLarge: true };
  }
  let at = from + 2;
  let digits = '';
  for (;;) {
    while (isSpace(text.charCodeAt(at))) at++;
    if (digitValue(text.charCodeAt(at)) < 0) break;
    if (digits !== '' || text[at] !== '0') digits += text[at];
    at++;
  }
  const tooLarge = (digits.length + 1) >> 1 > bytes;
  return { value: digits === '' ? 0n : BigInt(`0x${digits}`), end: at, tooLarge };
}
