import type { Cell } from './cells.js';
import { PairMap } from './pairMap.js';

/** Values up to here look their class up in an array, if no rule names a larger one. */
const DIRECT_MAX = 0xffff;
/** So many further values are remembered; then all are forgotten. */
const REMEMBERED_MAX = 1 << 18;

/** What the rules of a table say about one key word. */
export class WordUse {
  readonly word: number;
  readonly masks: number[] = [];
  /** All bits of the masks. */
  used = 0;
  /** Largest named value, unsigned. */
  largest = 0;
  /** (place of the mask, masked value) -> number, for values that some rule names. */
  readonly named = new PairMap();

  constructor(word: number) {
    this.word = word;
  }

  add(mask: number, value: number): void {
    let place = this.masks.indexOf(mask);
    if (place < 0) {
      place = this.masks.push(mask) - 1;
      this.used |= mask;
    }
    if (this.named.get(place, value) >= 0) return;
    this.named.add(place, value, this.named.size);
    this.largest = Math.max(this.largest, value >>> 0);
  }
}

/** The words that any cell names; those with few different values first: what is tested early is shared by most paths. */
export function wordUses(cells: readonly Cell[]): WordUse[] {
  const byWord: (WordUse | undefined)[] = [];
  for (const { words, masks, values } of cells) {
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      let use = byWord[word];
      if (use === undefined) {
        use = new WordUse(word);
        byWord[word] = use;
      }
      use.add(masks[i]!, values[i]!);
    }
  }
  return byWord.filter((use) => use !== undefined).sort((a, b) => a.named.size - b.named.size || a.word - b.word);
}

/**
 * Sorts the values of one key word into classes: values that no rule of the table can tell apart by this word alone. Found
 * out when a value is first seen, so its cost is per distinct value, and unknown addresses all fall into one class.
 */
export class WordClasses {
  private readonly masks: readonly number[];
  private readonly named: PairMap;
  private readonly byNames = new Map<string, number>();
  /** Class + 1 per small value, 0 = not seen yet; empty until the first such value comes. */
  private direct = new Int32Array(0);
  private readonly directLength: number;
  /** [value, class + 1], open addressing, for the other values. */
  private slots = new Int32Array(128);
  private size = 0;

  constructor({ masks, named, used, largest }: WordUse) {
    this.masks = masks;
    this.named = named;
    const limit = used >>> 0 <= DIRECT_MAX ? used : largest;
    this.directLength = limit <= DIRECT_MAX ? limit + 1 : 0;
  }

  /** `value`: only used bits. Called per packet, allocates only for values not seen before. */
  classOf(value: number): number {
    const { direct, slots } = this;
    if (value >>> 0 < direct.length) {
      const stored = direct[value]!;
      return stored !== 0 ? stored - 1 : this.findDirect(value);
    }
    const mask = slots.length - 1;
    let at = slotOf(value) & mask;
    for (;;) {
      const stored = slots[at + 1]!;
      if (stored === 0) return this.findOther(value);
      if (slots[at] === value) return stored - 1;
      at = (at + 2) & mask;
    }
  }

  private findDirect(value: number): number {
    const found = this.find(value);
    this.direct[value] = found + 1;
    return found;
  }

  private findOther(value: number): number {
    if (value >>> 0 < this.directLength) {
      this.direct = new Int32Array(this.directLength);
      return this.findDirect(value);
    }
    const found = this.find(value);
    if (this.size >= REMEMBERED_MAX) {
      this.slots.fill(0);
      this.size = 0;
    } else if (this.size * 4 >= this.slots.length) {
      const old = this.slots;
      this.slots = new Int32Array(old.length * 2);
      for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) this.put(old[i]!, old[i + 1]!);
    }
    this.put(value, found + 1);
    this.size++;
    return found;
  }

  private put(value: number, stored: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let at = slotOf(value) & mask;
    while (slots[at + 1] !== 0) at = (at + 2) & mask;
    slots[at] = value;
    slots[at + 1] = stored;
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

/** An even number: slots are pairs. */
function slotOf(value: number): number {
  const h = Math.imul(value, 0x9e3779b1);
  return (h ^ (h >>> 15)) << 1;
}
