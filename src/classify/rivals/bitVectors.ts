/**
 * Aggregated bit vectors (Baboescu and Varghese, SIGCOMM 2001): per field a class, per class a row with one bit per filter and
 * above it a summary with one bit per word. The summaries of the five fields are intersected, then those words that may
 * have a common bit; the first common bit is the answer. Fixed work and few branches, but memory is classes x filters.
 */
import { UnsupportedError } from '../../util/errors.js';
import { type FilterClassifier, type FilterSet, prefixMask } from './filters.js';
import { IntervalMap } from './intervalMap.js';

export const BIT_VECTORS_MAX = 16_384;

/** Where a filter begins and ends to fit, as unsigned numbers, `to` exclusive. */
interface Range {
  readonly from: number;
  readonly to: number;
}

interface Field {
  readonly starts: number[];
  /** By start: place of the row. */
  readonly rowAt: number[];
  readonly rows: Int32Array;
}

export class BitVectors implements FilterClassifier {
  private readonly summaryWords: number;
  private readonly src: IntervalMap;
  private readonly dst: IntervalMap;
  private readonly sport: Int32Array;
  private readonly dport: Int32Array;
  private readonly proto: Int32Array;
  /** All rows of all fields: summary words, then words. */
  private readonly rows: Int32Array;

  /** UnsupportedError for more than BIT_VECTORS_MAX filters. */
  constructor(set: FilterSet) {
    if (set.count > BIT_VECTORS_MAX)
      throw new UnsupportedError(`bit vectors over more than ${BIT_VECTORS_MAX} filters`);
    const fields = fieldRanges(set).map((ranges) => makeField(ranges));
    const offsets: number[] = [];
    let size = 0;
    for (const { rows } of fields) {
      offsets.push(size);
      size += rows.length;
    }
    this.rows = new Int32Array(size);
    for (const [i, { rows }] of fields.entries()) this.rows.set(rows, offsets[i]!);
    const placed = fields.map(({ starts, rowAt }, i) => ({ starts, rowAt: rowAt.map((at) => at + offsets[i]!) }));
    this.summaryWords = summaryWordsOf(set.count);
    this.src = new IntervalMap(placed[0]!.starts, placed[0]!.rowAt);
    this.dst = new IntervalMap(placed[1]!.starts, placed[1]!.rowAt);
    this.sport = directTable(placed[2]!, 0x10000);
    this.dport = directTable(placed[3]!, 0x10000);
    this.proto = directTable(placed[4]!, 0x100);
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const { rows, summaryWords } = this;
    const a = this.src.find(src);
    const b = this.dst.find(dst);
    const c = this.sport[sport]!;
    const d = this.dport[dport]!;
    const e = this.proto[proto]!;
    for (let s = 0; s < summaryWords; s++) {
      let summary = rows[a + s]! & rows[b + s]! & rows[c + s]! & rows[d + s]! & rows[e + s]!;
      while (summary !== 0) {
        const bit = 31 - Math.clz32(summary & -summary);
        summary &= summary - 1;
        const word = (s << 5) + bit;
        const at = summaryWords + word;
        const common = rows[a + at]! & rows[b + at]! & rows[c + at]! & rows[d + at]! & rows[e + at]!;
        if (common !== 0) return (word << 5) + 31 - Math.clz32(common & -common);
      }
    }
    return -1;
  }
}

const wordsOf = (count: number): number => Math.max(1, (count + 31) >>> 5);
const summaryWordsOf = (count: number): number => (wordsOf(count) + 31) >>> 5;

function fieldRanges(set: FilterSet): Range[][] {
  const addresses = (values: Int32Array, bits: Uint8Array): Range[] =>
    Array.from(values, (value, i) => {
      const from = value >>> 0;
      return { from, to: from + (~prefixMask(bits[i]!) >>> 0) + 1 };
    });
  const ports = (from: Uint16Array, to: Uint16Array): Range[] =>
    Array.from(from, (first, i) => ({ from: first, to: to[i]! + 1 }));
  return [
    addresses(set.src, set.srcBits),
    addresses(set.dst, set.dstBits),
    ports(set.sportFrom, set.sportTo),
    ports(set.dportFrom, set.dportTo),
    Array.from(set.proto, (proto) => (proto < 0 ? { from: 0, to: 0x100 } : { from: proto, to: proto + 1 })),
  ];
}

/** Sweeps over the field; intervals with the same filters share a row. */
function makeField(ranges: readonly Range[]): Field {
  const events: { at: number; filter: number }[] = [{ at: 0, filter: -1 }];
  ranges.forEach(({ from, to }, filter) => {
    events.push({ at: from, filter }, { at: to, filter });
  });
  events.sort((a, b) => a.at - b.at);
  const words = wordsOf(ranges.length);
  const summaryWords = summaryWordsOf(ranges.length);
  const row = new Int32Array(summaryWords + words);
  const byContent = new Map<string, number>();
  const rows: Int32Array[] = [];
  const starts: number[] = [];
  const rowAt: number[] = [];
  for (let i = 0; i < events.length; ) {
    const { at } = events[i]!;
    for (; i < events.length && events[i]!.at === at; i++) {
      const { filter } = events[i]!;
      if (filter >= 0) row[summaryWords + (filter >>> 5)]! ^= 1 << (filter & 31);
    }
    row.fill(0, 0, summaryWords);
    for (let word = 0; word < words; word++) if (row[summaryWords + word] !== 0) row[word >>> 5]! |= 1 << (word & 31);
    const content = Buffer.from(row.buffer).toString('latin1');
    let number = byContent.get(content);
    if (number === undefined) {
      number = rows.push(row.slice()) - 1;
      byContent.set(content, number);
    }
    starts.push(at);
    rowAt.push(number * row.length);
  }
  const all = new Int32Array(rows.length * row.length);
  for (const [i, each] of rows.entries()) all.set(each, i * row.length);
  return { starts, rowAt, rows: all };
}

function directTable({ starts, rowAt }: { starts: number[]; rowAt: number[] }, size: number): Int32Array {
  const table = new Int32Array(size);
  for (let i = 0; i < starts.length; i++) table.fill(rowAt[i]!, starts[i]!, Math.min(size, starts[i + 1] ?? size));
  return table;
}
