import { UsageError } from './errors.js';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `512M`, `2GiB`, `1048576` as bytes, in powers of 1024. UsageError otherwise. */
export function parseSize(text: string): number {
  const parts = /^(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = parts === null ? Number.NaN : Math.floor(Number(parts[1]) * UNITS[parts[2]!.toUpperCase()]!);
  if (!Number.isSafeInteger(bytes))
    throw new UsageError(`'${text}' is not a size`, 'sizes are bytes, or 512K, 64M, 2G');
  return bytes;
}
