/** Versions and times. Time inside is integer nanoseconds since the start of the trace: a double holds 104 days exactly. */

/** "Not yet removed" in half-open version ranges [from, to). */
export const NEVER = 0x7fffffff;
export const NS_PER_S = 1_000_000_000;

/** Decimal Unix seconds with nine places, of ns since 1970 (a bigint: a double cannot hold it). */
export function formatUnixNs(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const abs = ns < 0n ? -ns : ns;
  return `${sign}${abs / 1_000_000_000n}.${(abs % 1_000_000_000n).toString().padStart(9, '0')}`;
}
