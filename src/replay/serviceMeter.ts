/** Time that the engine takes per packet, measured over batches: one clock reading per packet would cost more than the packet. */

/** Packets per measurement. */
export const SERVICE_BATCH = 64;

const CALIBRATION_READINGS = 2_000;
const NS_PER_MS = 1e6;

export interface ServiceSink {
  /** Mean time per packet of one batch, ns. */
  recordMean(ns: number): void;
}

/** Means by their value of three digits: as many numbers as there are buckets of a histogram, however long the trace. */
export class ServiceCounts implements ServiceSink {
  readonly counts = new Map<number, number>();

  recordMean(ns: number): void {
    const value = Number(ns.toPrecision(3));
    this.counts.set(value, (this.counts.get(value) ?? 0) + 1);
  }
}

/** Cost of one clock reading, ns. */
export function clockCostNs(): number {
  const start = performance.now();
  for (let i = 0; i < CALIBRATION_READINGS; i++) performance.now();
  return Math.round(((performance.now() - start) * NS_PER_MS) / CALIBRATION_READINGS);
}

export class ServiceMeter {
  private readonly sink: ServiceSink;
  private readonly clockNs: number;
  private count = 0;
  private since = 0;

  constructor(sink: ServiceSink, clockNs: number) {
    this.sink = sink;
    this.clockNs = clockNs;
  }

  /** The engine begins, or goes on after something else was done: a batch that was not full is dropped. */
  begin(): void {
    this.count = 0;
    this.since = performance.now();
  }

  /** Called per packet, when the engine is done with it. */
  packet(): void {
    if (++this.count < SERVICE_BATCH) return;
    const now = performance.now();
    this.sink.recordMean(Math.max(0, (now - this.since) * NS_PER_MS - this.clockNs) / SERVICE_BATCH);
    this.count = 0;
    this.since = now;
  }
}
