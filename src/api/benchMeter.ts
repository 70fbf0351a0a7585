/** Measuring inside a process of its own: CPU time, batches of 64, memory. */
import { Buffer } from 'node:buffer';
import hdr from 'hdr-histogram-js';

export const BATCH = 64;

/** CPU time of this process so far, all threads, in ns: on a machine that others use too, wall time says nothing. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** CPU time that a function takes. */
export function timed<T>(run: () => T): { result: T; ns: number } {
  const before = cpuNs();
  const result = run();
  return { result, ns: Math.max(1, cpuNs() - before) };
}

/** A pass shorter than this would measure the compiler that runs beside it. */
const PASS_NS = 1e8;

/** Items per CPU second, `run` doing `count` of them, as often as it takes to be measured. */
export function rateOf(count: number, run: () => unknown): number {
  const before = cpuNs();
  let ns = 0;
  let runs = 0;
  do {
    run();
    runs++;
    ns = Math.max(1, cpuNs() - before);
  } while (ns < PASS_NS);
  return ((count * runs) / ns) * 1e9;
}

/** Bytes in use after a collection (node --expose-gc), typed arrays included. */
export function memoryInUse(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** `runBatch(from, to)` over all items in batches; wall time per item of each, minus what reading the clock costs. */
export function batchHistogram(count: number, runBatch: (from: number, to: number) => void): string {
  const histogram = hdr.build({
    bitBucketSize: 64,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 1e12,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
  const clock = clockCost();
  for (let from = 0; from + BATCH <= count; from += BATCH) {
    const before = process.hrtime.bigint();
    runBatch(from, from + BATCH);
    const ns = Number(process.hrtime.bigint() - before) - clock;
    histogram.recordValue(Math.max(0, Math.round(ns / BATCH)));
  }
  return hdr.encodeIntoCompressedBase64(histogram);
}

function clockCost(): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 200; i++) {
    const before = process.hrtime.bigint();
    least = Math.min(least, Number(process.hrtime.bigint() - before));
  }
  return least;
}

/** Order of answers counts. FNV-1a over 32-bit words, two lanes. */
export class Digest {
  private a = 0x811c9dc5 | 0;
  private b = 0x01000193;

  add(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x01000193);
    this.b = Math.imul(this.b ^ (word >>> 16) ^ (word << 16), 0x85ebca6b) ^ (this.b >>> 13);
  }

  toString(): string {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32BE(this.a, 0);
    bytes.writeInt32BE(this.b, 4);
    return bytes.toString('hex');
  }
}
