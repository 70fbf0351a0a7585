/** Decimal seconds as text to integer nanoseconds and back, without a double in between. */

const DECIMAL = /^([+-]?)(\d{1,18})(?:\.(\d{1,32}))?$/;

/** Nanoseconds of a decimal number of seconds ("12.5", "-0.000000001"); digits below 1 ns are cut. null: no such number. */
export function secondsToNs(text: string): bigint | null {
  const parts = DECIMAL.exec(text);
  if (parts === null) return null;
  const ns = BigInt(parts[2]!) * 1_000_000_000n + BigInt((parts[3] ?? '').padEnd(9, '0').slice(0, 9));
  return parts[1] === '-' ? -ns : ns;
}
