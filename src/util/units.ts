/**
 * Numbers that must not be mixed up. The brand exists at compile time only.
 * Time inside is integer nanoseconds since the start of the trace: a double holds 104 days exactly.
 */
type Brand<T, N extends string> = T & { readonly __unit: N };

/** Nanoseconds since the first non-zero time of the trace; may be negative for steps before it. */
export type TraceNs = Brand<number, 'TraceNs'>;
/** Length of time, integer nanoseconds. */
export type DurationNs = Brand<number, 'DurationNs'>;
/** State of all tables after so many steps; 0 is before the restart. */
export type Version = Brand<number, 'Version'>;
/** Step of the schedule, counted from 1: leads from version i-1 to version i. */
export type StepNumber = Brand<number, 'StepNumber'>;
/** Index of a rule in `Timeline.rules`; -1 is a table miss. */
export type RuleIndex = Brand<number, 'RuleIndex'>;

export const traceNs = (ns: number): TraceNs => ns as TraceNs;
export const durationNs = (ns: number): DurationNs => ns as DurationNs;
export const version = (v: number): Version => v as Version;

/** "Not yet removed" in half-open version ranges [from, to). */
export const NEVER = 0x7fffffff as Version;
export const NS_PER_S = 1_000_000_000;

/** Decimal Unix seconds with nine places, of ns since 1970 (a bigint: a double cannot hold it). */
export function formatUnixNs(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const abs = ns < 0n ? -ns : ns;
  return `${sign}${abs / 1_000_000_000n}.${(abs % 1_000_000_000n).toString().padStart(9, '0')}`;
}
