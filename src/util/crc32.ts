/** CRC-32 of gzip (RFC 1952 8) and CRC-32c of SCTP (RFC 9260 appendix A), eight bytes per turn ("slicing by 8"). */
const GZIP_TABLES = makeTables(0xedb88320);
const CASTAGNOLI_TABLES = makeTables(0x82f63b78);

function makeTables(polynomial: number): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    tables[n] = crc;
  }
  for (let n = 0; n < 256; n++) {
    for (let k = 1; k < 8; k++) {
      const previous = tables[(k - 1) * 256 + n]!;
      tables[k * 256 + n] = (previous >>> 8) ^ tables[previous & 0xff]!;
    }
  }
  return tables;
}

/** CRC of `bytes` appended to data whose CRC is `crc` (0 at the start); unsigned. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  return update(GZIP_TABLES, bytes, crc);
}

export function crc32c(bytes: Uint8Array, crc = 0): number {
  return update(CASTAGNOLI_TABLES, bytes, crc);
}

function update(t: Int32Array, bytes: Uint8Array, crc: number): number {
  let c = ~crc;
  let i = 0;
  for (const last = bytes.length - 8; i <= last; i += 8) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    c =
      t[1792 + (c & 0xff)]! ^
      t[1536 + ((c >>> 8) & 0xff)]! ^
      t[1280 + ((c >>> 16) & 0xff)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t[(c ^ bytes[i]!) & 0xff]!;
  return ~c >>> 0;
}
