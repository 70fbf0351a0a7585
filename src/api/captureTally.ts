/** A capture, counted while it is read: what a report says of this input. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { CaptureEnd, CaptureInterface, CaptureSource, RecordBatch } from '../capture/source.js';
import type { Input } from '../report/result.js';
import { formatUnixNs } from '../util/units.js';

export class CaptureTally implements CaptureSource {
  readonly path: string;
  private readonly inner: CaptureSource;
  private packets = 0;
  private firstNs: bigint | null = null;
  private lastNs: bigint | null = null;

  constructor(path: string, inner: CaptureSource) {
    this.path = path;
    this.inner = inner;
  }

  get name(): string {
    return this.inner.name;
  }
  get format(): CaptureSource['format'] {
    return this.inner.format;
  }
  get interfaces(): readonly CaptureInterface[] {
    return this.inner.interfaces;
  }
  get end(): CaptureEnd | null {
    return this.inner.end;
  }

  async next(): Promise<RecordBatch | null> {
    const batch = await this.inner.next();
    if (batch !== null) this.count(batch);
    return batch;
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  /** Earliest and latest time, whatever the order of the records. */
  private count({ count, seconds, nanos }: RecordBatch): void {
    this.packets += count;
    let [first, last] = [-1, -1];
    for (let row = 0; row < count; row++) {
      if (nanos[row]! < 0) continue;
      if (first < 0 || isEarlier(seconds, nanos, row, first)) first = row;
      if (last < 0 || isEarlier(seconds, nanos, last, row)) last = row;
    }
    if (first < 0) return;
    const at = (row: number) => BigInt(seconds[row]!) * 1_000_000_000n + BigInt(nanos[row]!);
    if (this.firstNs === null || at(first) < this.firstNs) this.firstNs = at(first);
    if (this.lastNs === null || at(last) > this.lastNs) this.lastNs = at(last);
  }

  /** The file's own bytes are hashed, packed as they may be; what was streamed in has none to read again. */
  async record(): Promise<Input> {
    const stat = this.path === '-' ? undefined : statSync(this.path, { throwIfNoEntry: false });
    const isFile = stat?.isFile() === true;
    return {
      name: this.path === '-' ? this.name : basename(this.path),
      bytes: isFile ? stat.size : 0,
      sha256: isFile ? await sha256OfFile(this.path) : createHash('sha256').digest('hex'),
      packets: this.packets,
      first: this.firstNs === null ? null : formatUnixNs(this.firstNs),
      last: this.lastNs === null ? null : formatUnixNs(this.lastNs),
    };
  }
}

/** Of a file's own bytes, which may be more than memory holds. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function isEarlier(seconds: Float64Array, nanos: Int32Array, a: number, b: number): boolean {
  return seconds[a]! < seconds[b]! || (seconds[a] === seconds[b] && nanos[a]! < nanos[b]!);
}
