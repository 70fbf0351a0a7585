/**
 * Where capture bytes come from: a file, standard input, memory, unpacked gzip. One interface, read in order, never whole.
 * `problem` tells an honest end from a broken one (gzip cut or damaged): the bytes before it have all been given.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { InputError, systemReason } from '../util/errors.js';

export interface ByteReader {
  /** Reads at least one byte into `target[at ..]`, or returns 0 at the end. */
  read(target: Uint8Array, at: number): Promise<number>;
  /** Why the bytes end here, when that is not the natural end. */
  readonly problem: ByteProblem | null;
  close(): Promise<void>;
}

export interface ByteProblem {
  readonly kind: 'cut' | 'corrupt';
  readonly why: string;
}

export async function openFileBytes(path: string): Promise<ByteReader> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw new InputError(`cannot be opened: ${systemReason(error)}`, { file: path });
  }
  return {
    problem: null,
    async read(target, at) {
      try {
        return (await handle.read(target, at, target.length - at, null)).bytesRead;
      } catch (error) {
        // Left to the garbage collector, a file handle is an error of its own from Node 26 on.
        await handle.close();
        throw new InputError(`cannot be read: ${systemReason(error)}`, { file: path });
      }
    },
    close: () => handle.close(),
  };
}

export function memoryBytes(bytes: Uint8Array): ByteReader {
  return pieceBytes(
    (async function* () {
      yield bytes;
    })(),
  );
}

export function streamBytes(stream: Readable): ByteReader {
  return pieceBytes(stream.iterator({ destroyOnReturn: true }) as AsyncIterator<Uint8Array>);
}

function pieceBytes(pieces: AsyncIterator<Uint8Array>): ByteReader {
  let piece = new Uint8Array(0);
  return {
    problem: null,
    async read(target, at) {
      while (piece.length === 0) {
        const next = await pieces.next();
        if (next.done) return 0;
        piece = next.value as Uint8Array<ArrayBuffer>;
      }
      const count = Math.min(piece.length, target.length - at);
      target.set(piece.subarray(0, count), at);
      piece = piece.subarray(count);
      return count;
    },
    async close() {
      await pieces.return?.();
    },
  };
}

/** Gives back the first bytes that were read to recognise a file. */
export function prepend(head: Uint8Array, rest: ByteReader): ByteReader {
  let left = head;
  return {
    get problem() {
      return rest.problem;
    },
    async read(target, at) {
      if (left.length === 0) return rest.read(target, at);
      const count = Math.min(left.length, target.length - at);
      target.set(left.subarray(0, count), at);
      left = left.subarray(count);
      return count;
    },
    close: () => rest.close(),
  };
}

const WINDOW_BYTES = 1 << 20;

/** A sliding window over a reader: unread bytes are `data[from .. to)`, `data[0]` is byte `base` of the input. */
export class ByteWindow {
  data: Uint8Array = new Uint8Array(WINDOW_BYTES);
  view = new DataView(this.data.buffer);
  from = 0;
  to = 0;
  base = 0;
  ended = false;
  private readonly reader: ByteReader;

  constructor(reader: ByteReader) {
    this.reader = reader;
  }

  get offset(): number {
    return this.base + this.from;
  }

  get unread(): number {
    return this.to - this.from;
  }

  get problem(): ByteProblem | null {
    return this.ended ? this.reader.problem : null;
  }

  /**
   * Moves the unread bytes to the front and reads on, until `wanted` bytes are there or the input ends.
   * The window grows only to `wanted`, which callers bound; data of earlier batches is gone afterwards.
   */
  async fill(wanted: number): Promise<void> {
    if (this.from > 0) {
      this.data.copyWithin(0, this.from, this.to);
      this.base += this.from;
      this.to -= this.from;
      this.from = 0;
    }
    while (!this.ended && this.to < wanted) {
      if (this.to === this.data.length) this.grow(wanted);
      await this.readMore();
    }
    // A full window saves calls: files deliver as much as fits, pipes what they have.
    if (!this.ended && this.to < this.data.length) await this.readMore();
  }

  close(): Promise<void> {
    return this.reader.close();
  }

  private async readMore(): Promise<void> {
    const count = await this.reader.read(this.data, this.to);
    if (count === 0) this.ended = true;
    this.to += count;
  }

  /** Doubles: a length that a damaged file claims is never allocated before the bytes are really there. */
  private grow(wanted: number): void {
    const larger = new Uint8Array(Math.min(Math.max(wanted, WINDOW_BYTES), this.data.length * 2));
    larger.set(this.data.subarray(0, this.to));
    this.data = larger;
    this.view = new DataView(larger.buffer);
  }
}
