/** Time stamps of pcapng: a 64-bit count of units of if_tsresol since 1970, plus if_tsoffset seconds (the draft, 4.2). */
import type { RecordBatch } from './source.js';

export interface TimeUnit {
  /** Units per second, if that divides 10^9: the usual case, exact in doubles. Else 0. */
  readonly perSecond: number;
  readonly nsPerUnit: number;
  /** Units per second for all other cases. */
  readonly perSecondBig: bigint;
  readonly offsetSeconds: number;
}

export function makeTimeUnit(resolution: number, offsetSeconds: number): TimeUnit {
  const exponent = resolution & 0x7f;
  const binary = (resolution & 0x80) !== 0;
  const simple = !binary && exponent <= 9;
  return {
    perSecond: simple ? 10 ** exponent : 0,
    nsPerUnit: simple ? 10 ** (9 - exponent) : 0,
    perSecondBig: binary ? 1n << BigInt(exponent) : 10n ** BigInt(exponent),
    offsetSeconds,
  };
}

/** Called per packet: writes seconds and nanoseconds of a time stamp into the batch's row. */
export function splitTime(unit: TimeUnit, high: number, low: number, batch: RecordBatch, row: number): void {
  const { perSecond } = unit;
  if (perSecond === 0) {
    splitTimeExactly(unit, high, low, batch, row);
    return;
  }
  // Long division in base 2^16, because 64 bits do not fit a double: all intermediate values stay below 2^48.
  const upper = high * 65_536 + (low >>> 16);
  const upperSeconds = Math.floor(upper / perSecond);
  const lower = (upper - upperSeconds * perSecond) * 65_536 + (low & 0xffff);
  const lowerSeconds = Math.floor(lower / perSecond);
  batch.seconds[row] = upperSeconds * 65_536 + lowerSeconds + unit.offsetSeconds;
  batch.nanos[row] = (lower - lowerSeconds * perSecond) * unit.nsPerUnit;
}

/** Powers of two and finer than a nanosecond: rare, so plain bigint. Rounded down. */
function splitTimeExactly(unit: TimeUnit, high: number, low: number, batch: RecordBatch, row: number): void {
  const ticks = (BigInt(high) << 32n) | BigInt(low);
  const rest = ticks % unit.perSecondBig;
  batch.seconds[row] = Number(ticks / unit.perSecondBig) + unit.offsetSeconds;
  batch.nanos[row] = Number((rest * 1_000_000_000n) / unit.perSecondBig);
}
