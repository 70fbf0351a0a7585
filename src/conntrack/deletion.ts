/** Deletion of entries from outside: `conntrack -D`, `ovs-appctl dpctl/flush-conntrack`, an agent's clean-up. */
import { parseIpv4, parseIpv6 } from '../fields/addressText.js';
import { UsageError } from '../util/errors.js';
import type { CtEntry } from './entry.js';
import type { CtStore } from './store.js';
import { type CtTuple, isIcmp } from './tuple.js';

/** Shape of timeline/schedule.ts:ConntrackFilter. */
export interface ConntrackFilterLike {
  readonly zone?: number;
  readonly proto?: number;
  /** Address, with an optional prefix or mask. */
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly mark?: number;
  readonly markMask?: number;
  readonly dir?: 'orig' | 'reply' | 'any';
}

interface AddressTest {
  readonly family: 4 | 6;
  readonly value: Int32Array;
  readonly mask: Int32Array;
}

export type EntryTest = (entry: CtEntry) => boolean;

/** @throws UsageError for an address that is none. */
export function compileFilter(filter: ConntrackFilterLike): EntryTest {
  const src = filter.src === undefined ? null : compileAddress(filter.src);
  const dst = filter.dst === undefined ? null : compileAddress(filter.dst);
  const { zone, proto, sport, dport, mark, dir = 'orig' } = filter;
  const markMask = filter.markMask ?? 0xffff_ffff;

  const fits = (entry: CtEntry, tuple: CtTuple): boolean =>
    (src === null || fitsAddress(src, entry, tuple.src0, tuple.src1, tuple.src2, tuple.src3)) &&
    (dst === null || fitsAddress(dst, entry, tuple.dst0, tuple.dst1, tuple.dst2, tuple.dst3)) &&
    (sport === undefined || (!isIcmp(entry.proto) && tuple.sport === sport)) &&
    (dport === undefined || (!isIcmp(entry.proto) && tuple.dport === dport));

  return (entry) => {
    if (zone !== undefined && entry.zone !== zone) return false;
    if (proto !== undefined && entry.proto !== proto) return false;
    if (mark !== undefined && ((entry.mark ^ mark) & markMask) !== 0) return false;
    return (dir !== 'reply' && fits(entry, entry.original)) || (dir !== 'orig' && fits(entry, entry.reply));
  };
}

/** Removes what the test accepts (null: everything); returns the entries that were there and alive. */
export function deleteEntries(store: CtStore, test: EntryTest | null, nowNs: number): CtEntry[] {
  const removed = store.entries(nowNs).filter((entry) => test === null || test(entry));
  for (const entry of removed) store.remove(entry);
  return removed;
}

function compileAddress(text: string): AddressTest {
  const family = text.includes(':') ? 6 : 4;
  const parsed = family === 6 ? parseIpv6(text) : parseIpv4(text);
  if (typeof parsed === 'string') throw new UsageError(parsed);
  return { family, value: words(parsed.value, family), mask: words(parsed.mask, family) };
}

function words(value: bigint, family: 4 | 6): Int32Array {
  const result = new Int32Array(4);
  if (family === 4) result[0] = Number(BigInt.asIntN(32, value));
  else for (let i = 0; i < 4; i++) result[i] = Number(BigInt.asIntN(32, value >> BigInt(96 - 32 * i)));
  return result;
}

function fitsAddress(test: AddressTest, entry: CtEntry, a: number, b: number, c: number, d: number): boolean {
  const { value, mask } = test;
  return (
    entry.family === test.family &&
    ((a ^ value[0]!) & mask[0]!) === 0 &&
    ((b ^ value[1]!) & mask[1]!) === 0 &&
    ((c ^ value[2]!) & mask[2]!) === 0 &&
    ((d ^ value[3]!) & mask[3]!) === 0
  );
}
