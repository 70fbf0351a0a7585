/** Times and durations as people write them: on the command line, in YAML. Nanoseconds since 1970 are bigint here (cold). */
import { UsageError } from './errors.js';
import { formatUnixNs } from './units.js';

const SECOND = 1_000_000_000n;
const DAY = 86_400n * SECOND;
const FORMS =
  'times are 12:35:12 (UTC), 2026-11-24T12:35:12Z, Unix seconds such as 1619606112.25, or +2.5s after the start';

/** First and last packet of the trace, ns since 1970: what times of day and `+2.5s` refer to. */
export interface TraceSpan {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * A time as ns since 1970. A time of day is UTC, on the date of the first packet; where the trace reaches into the
 * next day and both dates fit, that is an error. Without a trace (`span` null) only times with a date can be told.
 * UsageError says what forms there are.
 */
export function parseTime(text: string, span: TraceSpan | null): bigint {
  if (text.startsWith('+')) return needSpan(text, span).first + parseDuration(text.slice(1));
  if (/^-?\d{1,12}(\.\d{1,9})?$/.test(text)) return parseDecimal(text);
  const ofDay = /^(\d{2}:\d{2}:\d{2})(\.\d{1,9})?$/.exec(text);
  if (ofDay !== null) return timeOfDay(text, ofDay[1]!, ofDay[2], needSpan(text, span));
  const iso = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  const seconds = iso === null ? Number.NaN : Date.parse(`${iso[1]}T${iso[2]}${iso[4] ?? 'Z'}`);
  if (iso === null || Number.isNaN(seconds)) throw new UsageError(`'${text}' is not a time`, FORMS);
  return BigInt(seconds) * 1_000_000n + fraction(iso[3]);
}

function needSpan(text: string, span: TraceSpan | null): TraceSpan {
  if (span !== null) return span;
  throw new UsageError(`'${text}' needs a trace to have a date`, 'write the date too: 2026-11-24T12:35:12Z');
}

function timeOfDay(text: string, clock: string, decimals: string | undefined, span: TraceSpan): bigint {
  const [hours, minutes, seconds] = clock.split(':').map(Number) as [number, number, number];
  if (hours > 23 || minutes > 59 || seconds > 59) throw new UsageError(`'${text}' is not a time of day`, FORMS);
  const sinceMidnight = BigInt(hours * 3600 + minutes * 60 + seconds) * SECOND + fraction(decimals);
  const onFirstDay = span.first - (span.first % DAY) + sinceMidnight;
  const onNextDay = onFirstDay + DAY;
  const fits = (t: bigint) => t >= span.first && t <= span.last;
  if (onNextDay > span.last) return onFirstDay;
  if (fits(onFirstDay) && fits(onNextDay)) {
    throw new UsageError(
      `'${text}' occurs twice in the trace`,
      `write ${formatUnixNs(onFirstDay)} or ${formatUnixNs(onNextDay)}`,
    );
  }
  return fits(onNextDay) ? onNextDay : onFirstDay;
}

const UNITS: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  min: 60n * SECOND,
  h: 3600n * SECOND,
};

/** `250ms`, `2s`, `1.5h` as ns. Without a unit: seconds. */
export function parseDuration(text: string): bigint {
  const parts = /^(\d{1,12})(\.\d{1,9})?(ns|us|µs|ms|s|min|h)?$/.exec(text);
  if (parts === null) throw new UsageError(`'${text}' is not a duration`, 'durations are 250ms, 2s, 1.5h');
  const unit = UNITS[parts[3] ?? 's']!;
  return BigInt(parts[1]!) * unit + (fraction(parts[2]) * unit) / SECOND;
}

/** Decimal seconds as ns; the caller has checked the form. */
function parseDecimal(text: string): bigint {
  const [whole, decimals] = text.split('.') as [string, string?];
  const ns = fraction(decimals === undefined ? undefined : `.${decimals}`);
  return BigInt(whole) * SECOND + (whole.startsWith('-') ? -ns : ns);
}

/** `.25` as ns. */
function fraction(decimals: string | undefined): bigint {
  return decimals === undefined ? 0n : BigInt(decimals.slice(1).padEnd(9, '0'));
}
