/**
 * From a 32-bit value to the class of its interval. The upper 16 bits lead to a class at once, or to a short sorted list of
 * the places where intervals begin below it, padded to a power of two and searched without branches: branches that depend
 * on addresses are mispredicted half the time, and cost more than the comparisons.
 *
 *   top[value >>> 16]  >= 0: list << 5 | log2(length);  < 0: ~class
 */
export class IntervalMap {
  private readonly top = new Int32Array(0x10000);
  /** Lower 16 bits of where intervals begin; the first one of each list is not looked at. */
  private readonly lows: Uint16Array;
  private readonly classes: Int32Array;

  /** `starts`: ascending as unsigned numbers, the first one 0; `classes`: of the interval from each start on. */
  constructor(starts: readonly number[], classes: readonly number[]) {
    const lows: number[] = [];
    const listed: number[] = [];
    let at = 0;
    for (let bucket = 0; bucket < 0x10000; bucket++) {
      while (at + 1 < starts.length && starts[at + 1]! <= bucket * 0x10000) at++;
      let end = at + 1;
      while (end < starts.length && starts[end]! < (bucket + 1) * 0x10000) end++;
      const size = end - at;
      if (size === 1) {
        this.top[bucket] = ~classes[at]!;
        continue;
      }
      const log2 = 32 - Math.clz32(size - 1);
      this.top[bucket] = (lows.length << 5) | log2;
      for (let i = 0; i < 1 << log2; i++) {
        const from = Math.min(at + i, end - 1);
        lows.push(i === 0 ? 0 : starts[from]! & 0xffff);
        listed.push(classes[from]!);
      }
      at = end - 1;
    }
    this.lows = Uint16Array.from(lows);
    this.classes = Int32Array.from(listed);
  }

  /** Called per packet, allocates nothing. */
  find(value: number): number {
    const top = this.top[value >>> 16]!;
    if (top < 0) return ~top;
    const { lows } = this;
    const low = value & 0xffff;
    let at = top >>> 5;
    for (let half = (1 << (top & 31)) >> 1; half > 0; half >>= 1) at += half & ~((low - lows[at + half]!) >> 31);
    return this.classes[at]!;
  }
}
