/** Reading big-endian bytes with every length checked; a fault is the OpenFlow error that Open vSwitch answers with. */

/** A message that Open vSwitch refuses while decoding it; `message` is the name of the error (OFPBMC_BAD_FIELD ...). */
export class WireError extends Error {
  constructor(name: string) {
    super(name);
    this.name = 'WireError';
  }
}

/** A cursor over [pos, end) of `bytes`. Reading past the end raises the error given to the constructor. */
export class WireReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  pos: number;
  private readonly view: DataView;
  private readonly shortError: string;

  constructor(bytes: Uint8Array, shortError: string, pos = 0, end = bytes.length) {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
    this.shortError = shortError;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.end - this.pos;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2));
  }

  u32(): number {
    return this.view.getUint32(this.take(4));
  }

  u64(): bigint {
    return this.view.getBigUint64(this.take(8));
  }

  /** Unsigned number of `count` bytes, any width. */
  uint(count: number): bigint {
    if (count === 2) return BigInt(this.u16());
    if (count === 4) return BigInt(this.u32());
    if (count === 8) return this.u64();
    let value = 0n;
    for (const byte of this.take8(count)) value = (value << 8n) | BigInt(byte);
    return value;
  }

  /** The next `count` bytes, not copied. */
  take8(count: number): Uint8Array {
    const at = this.take(count);
    return this.bytes.subarray(at, at + count);
  }

  skip(count: number): void {
    this.take(count);
  }

  /** Everything that is left must be zero bytes. */
  zeros(error: string): void {
    for (; this.pos < this.end; this.pos++) if (this.bytes[this.pos] !== 0) throw new WireError(error);
  }

  /** A reader over the next `count` bytes, which are thereby consumed. */
  sub(count: number, shortError: string): WireReader {
    const at = this.take(count);
    return new WireReader(this.bytes, shortError, at, at + count);
  }

  private take(count: number): number {
    if (count > this.end - this.pos) throw new WireError(this.shortError);
    const at = this.pos;
    this.pos = at + count;
    return at;
  }
}
