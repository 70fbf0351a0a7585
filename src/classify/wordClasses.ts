import { PairMap } from './pairMap.js';

/** Words whose used bits lie in the lowest 16 look their class up in an array. */
const DIRECT_BITS_MAX = 0xffff;
/** So many values of a wide word are remembered; then all are forgotten. */
const REMEMBERED_MAX = 1 << 18;

/**
 * Sorts the values of one key word into classes: values that no rule of the table can tell apart by this word alone. Found
 * out when a value is first seen, so its cost is per distinct value, and unknown addresses all fall into one class.
 */
export class WordClasses {
  private readonly masks: readonly number[];
  /** (place of the mask, masked value) -> number, for values that some rule names. */
  private readonly named = new PairMap();
  private readonly byNames = new Map<string, number>();
  private readonly direct: Int32Array | null;
  private remembered = new PairMap();

  constructor(used: number, masks: readonly number[]) {
    this.masks = masks;
    this.direct = used >>> 0 <= DIRECT_BITS_MAX ? new Int32Array(used + 1) : null;
  }

  /** A rule names this value under this mask. All must be told before the first class is asked for. */
  name(mask: number, value: number): void {
    const place = this.masks.indexOf(mask);
    if (this.named.get(place, value) < 0) this.named.add(place, value, this.named.size);
  }

  /** `value`: only used bits. Called per packet, allocates only for values not seen before. */
  classOf(value: number): number {
    const { direct } = this;
    if (direct !== null) {
      const stored = direct[value]!;
      if (stored !== 0) return stored - 1;
      const found = this.find(value);
      direct[value] = found + 1;
      return found;
    }
    const stored = this.remembered.get(value, 0);
    if (stored >= 0) return stored;
    if (this.remembered.size >= REMEMBERED_MAX) this.remembered = new PairMap();
    const found = this.find(value);
    this.remembered.add(value, 0, found);
    return found;
  }

  private find(value: number): number {
    let names = '';
    for (let i = 0; i < this.masks.length; i++) names += `${this.named.get(i, value & this.masks[i]!)},`;
    let found = this.byNames.get(names);
    if (found === undefined) {
      found = this.byNames.size;
      this.byNames.set(names, found);
    }
    return found;
  }
}
