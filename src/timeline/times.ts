/**
 * Times, durations and sizes as users write them. A time of day or an offset means something only beside a trace, so
 * reading (`parseTime`, which finds spelling errors at once) and placing (`resolveTime`, after the first packet) are two steps.
 */
import { secondsToNs } from '../util/decimal.js';
import { UsageError } from '../util/errors.js';
import { type DurationNs, durationNs } from '../util/units.js';

export type TimeSpec =
  /** ns since 1970 */
  | { readonly kind: 'unix'; readonly ns: bigint; readonly text: string }
  /** ns since midnight UTC */
  | { readonly kind: 'timeOfDay'; readonly ns: bigint; readonly text: string }
  /** ns since the trace's start */
  | { readonly kind: 'offset'; readonly ns: bigint; readonly text: string };

/** First and last packet of the trace, ns since 1970. */
export interface TraceSpan {
  readonly first: bigint;
  readonly last: bigint;
}

const DAY_NS = 86_400_000_000_000n;
const TIME_OF_DAY = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,9})?))?$/;
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:[.,]\d{1,9})?))?(Z|[+-]\d{2}:?\d{2})?)?$/;
const TIME_HINT =
  'a time is 12:35:12 (UTC), 2021-04-28T12:35:12Z, Unix seconds such as 1619606112.25, or +2.5s after the start';

/** Reads `12:35:12`, ISO 8601 (UTC where no zone is given), Unix seconds, or `+2.5s`. UsageError if it is none of them. */
export function parseTime(text: string): TimeSpec {
  const trimmed = text.trim();
  if (/^[+-]/.test(trimmed)) {
    const length = durationText(trimmed.slice(1));
    if (length !== null) return { kind: 'offset', ns: trimmed[0] === '-' ? -length : length, text };
  }
  const unix = /^\d/.test(trimmed) ? secondsToNs(trimmed) : null;
  if (unix !== null) return { kind: 'unix', ns: unix, text };
  const ofDay = timeOfDay(trimmed) ?? isoTime(trimmed);
  if (ofDay !== null) return { ...ofDay, text };
  throw new UsageError(`not a time: "${text}"`, TIME_HINT);
}

/**
 * Places a time beside a trace. A time of day lies on the date of the first packet; where the trace reaches into further
 * days it is the only such moment inside the trace, and a UsageError names the candidates if that is not exactly one.
 */
export function resolveTime(spec: TimeSpec, trace: TraceSpan): bigint {
  if (spec.kind === 'unix') return spec.ns;
  if (spec.kind === 'offset') return trace.first + spec.ns;
  const firstDay = floorDay(trace.first);
  const lastDay = floorDay(trace.last);
  if (firstDay === lastDay) return firstDay + spec.ns;
  const candidates: bigint[] = [];
  for (let day = firstDay; day <= lastDay; day += DAY_NS) candidates.push(day + spec.ns);
  const inside = candidates.filter((t) => t >= trace.first && t <= trace.last);
  if (inside.length === 1) return inside[0]!;
  const names = (inside.length > 1 ? inside : candidates).slice(0, 3).map(isoText).join(' or ');
  throw new UsageError(`"${spec.text}" may be ${names}: the trace spans several days`, 'give the date too');
}

/** `250ms`, `2s`, `1.5h`, also `0`. UsageError otherwise. */
export function parseDuration(text: string): DurationNs {
  const ns = durationText(text.trim());
  if (ns === null)
    throw new UsageError(`not a duration: "${text}"`, 'a duration is a number with ns, us, ms, s, m or h: 250ms, 2s');
  return durationNs(Number(ns));
}

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `512M`, `2GiB`, `1048576`: bytes, in powers of 1024. */
export function parseSize(text: string): number {
  const parts = /^(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const bytes = parts === null ? Number.NaN : Math.floor(Number(parts[1]) * SIZE_UNITS[parts[2]!.toUpperCase()]!);
  if (!Number.isSafeInteger(bytes))
    throw new UsageError(`not a size: "${text}"`, 'a size is a number of bytes with K, M or G: 512M');
  return bytes;
}

/** Stamp of `ovs-ofctl --timestamp` ("2026-11-24 08:21:21.595") or of a log ("…T…Z"), UTC; null if it is none. */
export function parseStamp(text: string): bigint | null {
  const time = isoTime(text);
  return time?.kind === 'unix' ? time.ns : null;
}

/** ISO 8601 in UTC with as many decimals as needed. */
export function isoText(ns: bigint): string {
  const inSecond = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const whole = new Date(Number((ns - inSecond) / 1_000_000n)).toISOString().slice(0, 19);
  const decimals = inSecond.toString().padStart(9, '0').replace(/0+$/, '');
  return `${whole}${decimals === '' ? '' : `.${decimals}`}Z`;
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  min: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

function durationText(text: string): bigint | null {
  const parts = /^(\d{1,12})(?:\.(\d{1,9}))?\s*(ns|us|µs|ms|s|min|m|h)$/.exec(text);
  if (parts === null) return /^0+$/.test(text) ? 0n : null;
  const unit = UNITS[parts[3]!]!;
  const decimals = parts[2] ?? '';
  const ns = BigInt(parts[1]!) * unit + (BigInt(decimals || '0') * unit) / 10n ** BigInt(decimals.length);
  return ns <= BigInt(Number.MAX_SAFE_INTEGER) ? ns : null;
}

function timeOfDay(text: string): { kind: 'timeOfDay'; ns: bigint } | null {
  const parts = TIME_OF_DAY.exec(text);
  const ns = parts === null ? null : clockNs(parts[1]!, parts[2]!, parts[3] ?? '00');
  return ns === null ? null : { kind: 'timeOfDay', ns };
}

function isoTime(text: string): { kind: 'unix'; ns: bigint } | null {
  const parts = ISO.exec(text);
  if (parts === null) return null;
  const [, year, month, day, hour = '00', minute = '00', second = '00', zone = 'Z'] = parts;
  const midnight = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  const ns = clockNs(hour, minute, second.replace(',', '.'));
  // Date.parse takes the 30th of February for the 2nd of March.
  if (ns === null || Number.isNaN(midnight) || new Date(midnight).getUTCDate() !== Number(day)) return null;
  let zoneMinutes = 0;
  if (zone !== 'Z') {
    const digits = zone.slice(1).replace(':', '');
    zoneMinutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
    if (zone[0] === '-') zoneMinutes = -zoneMinutes;
  }
  return { kind: 'unix', ns: BigInt(midnight) * 1_000_000n + ns - BigInt(zoneMinutes) * 60_000_000_000n };
}

function clockNs(hour: string, minute: string, second: string): bigint | null {
  const seconds = secondsToNs(second);
  if (Number(hour) > 23 || Number(minute) > 59 || seconds === null || seconds >= 60_000_000_000n) return null;
  return BigInt(Number(hour) * 60 + Number(minute)) * 60_000_000_000n + seconds;
}

function floorDay(ns: bigint): bigint {
  return ns - (((ns % DAY_NS) + DAY_NS) % DAY_NS);
}
