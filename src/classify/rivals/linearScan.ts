import { type FilterClassifier, type FilterSet, fits, PACKED, packFilters } from './filters.js';

/** One filter after the other: what every other method is held against. */
export class LinearScan implements FilterClassifier {
  private readonly packed: Int32Array;

  constructor(set: FilterSet) {
    this.packed = packFilters(set);
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const { packed } = this;
    for (let at = 0; at < packed.length; at += PACKED)
      if (fits(packed, at, src, dst, sport, dport, proto)) return packed[at + 7]!;
    return -1;
  }
}
