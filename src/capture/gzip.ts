/**
 * Unpacks gzip (RFC 1952) piece by piece. Members are taken apart here and inflated one by one, because zlib's own
 * gunzip throws away the last output when the checksum at the end is wrong, and packets before the damage must be kept.
 */
import { createInflateRaw, type InflateRaw } from 'node:zlib';
import { crc32 } from '../util/crc32.js';
import type { ByteProblem, ByteReader } from './bytes.js';

/** Compressed bytes handed to zlib at once: what can get lost before damage in the middle, and, times 1,032, the memory. */
const PIECE_BYTES = 1 << 14;

const FLAG_HCRC = 2;
const FLAG_EXTRA = 4;
const FLAG_NAME = 8;
const FLAG_COMMENT = 16;

/**
 * Deflate can expand 1,032-fold; captures stay far below 100. Beyond so many bytes such a ratio is an attack, and what is
 * given out ends there.
 */
export interface ExpansionLimit {
  readonly freeBytes: number;
  readonly ratio: number;
}

const DEFAULT_LIMIT: ExpansionLimit = { freeBytes: 2 ** 30, ratio: 250 };

export function gunzipBytes(reader: ByteReader, limit: ExpansionLimit = DEFAULT_LIMIT): ByteReader {
  const state: { problem: ByteProblem | null } = { problem: null };
  const pieces = unpack(new Input(reader), limit, (problem) => {
    state.problem = problem;
  });
  let piece: Uint8Array = new Uint8Array(0);
  return {
    get problem() {
      return state.problem;
    },
    async read(target, at) {
      while (piece.length === 0) {
        const next = await pieces.next();
        if (next.done) return 0;
        piece = next.value;
      }
      const count = Math.min(piece.length, target.length - at);
      target.set(piece.subarray(0, count), at);
      piece = piece.subarray(count);
      return count;
    },
    async close() {
      await pieces.return(undefined);
      await reader.close();
    },
  };
}

async function* unpack(
  input: Input,
  limit: ExpansionLimit,
  fail: (problem: ByteProblem) => void,
): AsyncGenerator<Uint8Array, void> {
  let outputBytes = 0;
  for (let member = 1; ; member++) {
    if (member > 1) {
      if ((await input.peek()) < 0) return;
      // RFC 1952 2.2: members follow each other; gzip(1) ignores zero padding and other bytes after the last one.
      if ((await input.peek()) !== 0x1f) return;
    }
    if (!(await skipHeader(input))) return fail({ kind: 'cut', why: 'the gzip header is cut' });
    const inflate = createInflateRaw();
    const engine = new Engine(inflate);
    let crc = 0;
    let total = 0;
    while (!engine.ended) {
      const piece = await input.take(PIECE_BYTES);
      const used = piece === null ? await engine.finish() : await engine.write(piece);
      for (const output of engine.outputs) {
        crc = crc32(output, crc);
        total += output.length;
        outputBytes += output.length;
        yield output;
      }
      engine.outputs.length = 0;
      if (outputBytes > limit.freeBytes && outputBytes > input.takenBytes * limit.ratio) {
        return fail({ kind: 'corrupt', why: `the gzip data expand more than ${limit.ratio}-fold; unpack them first` });
      }
      if (engine.error !== null || piece === null) {
        if (engine.ended && engine.error === null) break;
        if (piece === null) return fail({ kind: 'cut', why: 'the gzip stream is cut' });
        return fail({ kind: 'corrupt', why: `the gzip data are damaged (${engine.error})` });
      }
      input.giveBack(piece.length - used);
    }
    const trailer = await input.exactly(8);
    if (trailer === null) return fail({ kind: 'cut', why: 'the gzip stream is cut in its checksum' });
    const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
    if (view.getUint32(0, true) !== crc) return fail({ kind: 'corrupt', why: 'the gzip checksum is wrong' });
    if (view.getUint32(4, true) !== total % 2 ** 32) return fail({ kind: 'corrupt', why: 'the gzip length is wrong' });
  }
}

async function skipHeader(input: Input): Promise<boolean> {
  const fixed = await input.exactly(10);
  if (fixed === null) return false;
  const flags = fixed[3]!;
  if (flags & FLAG_EXTRA) {
    const length = await input.exactly(2);
    if (length === null || (await input.exactly(length[0]! | (length[1]! << 8))) === null) return false;
  }
  for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
    if (!(flags & flag)) continue;
    let byte = await input.byte();
    while (byte > 0) byte = await input.byte();
    if (byte < 0) return false;
  }
  return !(flags & FLAG_HCRC) || (await input.exactly(2)) !== null;
}

/** zlib's stream, driven one write at a time. */
class Engine {
  readonly outputs: Uint8Array[] = [];
  error: string | null = null;
  ended = false;
  private readonly stream: InflateRaw;
  private wake: (() => void) | null = null;
  private used = 0;

  constructor(stream: InflateRaw) {
    this.stream = stream;
    stream.on('data', (data: Uint8Array) => this.outputs.push(data));
    stream.on('error', (error) => {
      this.error = error.message;
      this.wake?.();
    });
    stream.on('end', () => {
      this.ended = true;
      this.wake?.();
    });
  }

  /** Number of bytes of `piece` that belong to this member. */
  async write(piece: Uint8Array): Promise<number> {
    await this.settled((done) => this.stream.write(piece, done));
    // zlib announces the end of the deflate data only by not taking the rest; 'end' follows in a later turn.
    if (this.error === null && this.stream.bytesWritten - this.used < piece.length && !this.ended) {
      await this.settled(() => {});
    }
    const used = this.stream.bytesWritten - this.used;
    this.used = this.stream.bytesWritten;
    return used;
  }

  async finish(): Promise<number> {
    await this.settled(() => this.stream.end());
    return 0;
  }

  private settled(start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      start(resolve);
    });
  }
}

/** Compressed input with a little look-ahead. */
class Input {
  private readonly reader: ByteReader;
  private readonly buffer = new Uint8Array(1 << 16);
  private from = 0;
  private to = 0;
  private readBytes = 0;

  constructor(reader: ByteReader) {
    this.reader = reader;
  }

  /** Up to `most` bytes as a copy, or null at the end. */
  async take(most: number): Promise<Uint8Array | null> {
    if (!(await this.some())) return null;
    const count = Math.min(most, this.to - this.from);
    this.from += count;
    return this.buffer.slice(this.from - count, this.from);
  }

  get takenBytes(): number {
    return this.readBytes - (this.to - this.from);
  }

  /** Un-reads the last `count` bytes of the last take(). */
  giveBack(count: number): void {
    this.from -= count;
  }

  async byte(): Promise<number> {
    return (await this.some()) ? this.buffer[this.from++]! : -1;
  }

  async peek(): Promise<number> {
    return (await this.some()) ? this.buffer[this.from]! : -1;
  }

  async exactly(count: number): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      const byte = await this.byte();
      if (byte < 0) return null;
      bytes[i] = byte;
    }
    return bytes;
  }

  private async some(): Promise<boolean> {
    if (this.from < this.to) return true;
    this.from = 0;
    this.to = await this.reader.read(this.buffer, 0);
    this.readBytes += this.to;
    return this.to > 0;
  }
}
