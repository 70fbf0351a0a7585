/**
 * Several captures as one trace, in time order. Stable: equal times come in the order of the files, and inside a file in
 * its own order. Stamps that run backwards inside a file are clamped to the latest before, and counted.
 */
import { InputError } from '../util/errors.js';
import { BATCH_ROWS, type CaptureSource, type RecordBatch } from './source.js';

/** Rows in time order: row i is row `row[i]` of `batches[source[i]]`. Valid until the next one is asked for. */
export interface MergedBatch {
  count: number;
  readonly batches: readonly RecordBatch[];
  readonly source: Uint16Array;
  readonly row: Uint32Array;
  /** Integer nanoseconds since the start of the trace. */
  readonly tsNs: Float64Array;
  /** Number of the record in its file, from 1. */
  readonly frame: Float64Array;
}

/** A double counts nanoseconds exactly up to here: 104 days. */
const SPAN_MAX_NS = Number.MAX_SAFE_INTEGER;

interface Lane {
  readonly source: CaptureSource;
  batch: RecordBatch;
  at: number;
  frames: number;
  /** Time of the row at `at`, clamped; the latest of the file so far. */
  seconds: number;
  nanos: number;
  timed: boolean;
  ended: boolean;
}

const NO_RECORDS: RecordBatch = { count: 0 } as RecordBatch;

export class MergedCapture {
  /** Time of the first packet that has one that is not zero: time 0 of the trace. */
  startSeconds = 0;
  startNanos = 0;
  started = false;
  /** Packets whose stamp was earlier than one before it in the same file. */
  clamped = 0;
  /** Records without any time (Simple Packet Blocks): they stand at the time of their predecessor. */
  untimed = 0;
  readonly sources: readonly CaptureSource[];
  private readonly lanes: Lane[];
  private readonly out: MergedBatch;
  private primed: { readonly batch: MergedBatch | null; isTaken: boolean } | null = null;

  constructor(sources: readonly CaptureSource[]) {
    if (sources.length > 0xffff) throw new InputError(`more than ${0xffff} captures`);
    this.sources = sources;
    this.lanes = sources.map((source) => ({
      source,
      batch: NO_RECORDS,
      at: 0,
      frames: 0,
      seconds: Number.NEGATIVE_INFINITY,
      nanos: 0,
      timed: false,
      ended: false,
    }));
    this.out = {
      count: 0,
      batches: this.lanes.map(() => NO_RECORDS),
      source: new Uint16Array(BATCH_ROWS),
      row: new Uint32Array(BATCH_ROWS),
      tsNs: new Float64Array(BATCH_ROWS),
      frame: new Float64Array(BATCH_ROWS),
    };
  }

  /** Unix time of time 0 in nanoseconds. */
  get startUnixNs(): bigint {
    return BigInt(this.startSeconds) * 1_000_000_000n + BigInt(this.startNanos);
  }

  /** Reads the first batch, so that the start of the trace is known; `next` gives it. */
  async prime(): Promise<void> {
    this.primed ??= { batch: await this.read(), isTaken: false };
  }

  async next(): Promise<MergedBatch | null> {
    const { primed } = this;
    if (primed === null || primed.isTaken) return this.read();
    primed.isTaken = true;
    return primed.batch;
  }

  private async read(): Promise<MergedBatch | null> {
    const { lanes, out } = this;
    for (const lane of lanes) {
      if (lane.at === lane.batch.count && !lane.ended) await this.refill(lane);
    }
    const batches = out.batches as RecordBatch[];
    lanes.forEach((lane, i) => {
      batches[i] = lane.batch;
    });
    const open = lanes.filter((lane) => !lane.ended);
    out.count = 0;
    if (open.length === 0) return null;
    if (open.length === 1) this.takeAll(open[0]!, lanes.indexOf(open[0]!));
    else this.takeEarliest();
    return out;
  }

  async close(): Promise<void> {
    await Promise.all(this.sources.map((source) => source.close()));
  }

  private async refill(lane: Lane): Promise<void> {
    const batch = await lane.source.next();
    lane.at = 0;
    lane.batch = batch ?? NO_RECORDS;
    lane.ended = batch === null;
    if (batch !== null) this.advanceTime(lane);
  }

  /** The usual case: one file. */
  private takeAll(lane: Lane, source: number): void {
    while (lane.at < lane.batch.count && this.out.count < BATCH_ROWS) this.take(lane, source);
  }

  /** Until one file's batch is used up: then its next one has to be read before the order is known. */
  private takeEarliest(): void {
    const { lanes, out } = this;
    while (out.count < BATCH_ROWS) {
      let best = -1;
      for (let i = 0; i < lanes.length; i++) {
        const lane = lanes[i]!;
        if (!lane.ended && (best < 0 || isEarlier(lane, lanes[best]!))) best = i;
      }
      this.take(lanes[best]!, best);
      if (lanes[best]!.at === lanes[best]!.batch.count) return;
    }
  }

  private take(lane: Lane, source: number): void {
    const { out } = this;
    if (!this.started && lane.timed) {
      this.started = true;
      this.startSeconds = lane.seconds;
      this.startNanos = lane.nanos;
    }
    // Packets before the first real stamp (zero records, SPBs) stand at time 0.
    const ns = lane.timed ? (lane.seconds - this.startSeconds) * 1_000_000_000 + (lane.nanos - this.startNanos) : 0;
    const row = out.count++;
    out.source[row] = source;
    out.row[row] = lane.at;
    out.tsNs[row] = ns;
    out.frame[row] = ++lane.frames;
    if (ns > SPAN_MAX_NS) {
      throw new InputError(
        'the trace spans more than 104 days',
        { file: lane.source.name, packet: lane.frames, byteOffset: lane.batch.fileOffset[lane.at]! },
        'split the capture by time (editcap -A/-B), or leave out the packets with wrong times',
      );
    }
    lane.at++;
    if (lane.at < lane.batch.count) this.advanceTime(lane);
  }

  private advanceTime(lane: Lane): void {
    const seconds = lane.batch.seconds[lane.at]!;
    const nanos = lane.batch.nanos[lane.at]!;
    if (nanos < 0) this.untimed++;
    else if (seconds < lane.seconds || (seconds === lane.seconds && nanos < lane.nanos)) this.clamped++;
    else if (seconds !== 0 || nanos !== 0) {
      lane.seconds = seconds;
      lane.nanos = nanos;
      lane.timed = true;
    }
  }
}

function isEarlier(a: Lane, b: Lane): boolean {
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanos < b.nanos);
}
