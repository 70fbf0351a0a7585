/**
 * Interns keys of a fixed number of 32-bit words: equal keys get the same dense number, numbers go by first appearance.
 * Open addressing over (hash, number) pairs, linear probing, four times as large at half full; the words are touched only where the
 * hash agrees. Keys may come from outside: the hash starts from a secret seed.
 */
import { HASH_SEED } from './hashSeed.js';

export class WordTable {
  count = 0;
  /** Key n: `words[n * width .. (n + 1) * width)`. Shared memory, replaced when the table grows. */
  words: Int32Array;
  readonly width: number;
  /** Pairs: hash, number + 1 (0: free). */
  private slots: Int32Array;
  private mask: number;

  constructor(width: number, expected = 1 << 10) {
    this.width = width;
    let slots = 16;
    while (slots < expected * 2) slots *= 2;
    this.slots = new Int32Array(slots * 2);
    this.mask = slots - 1;
    this.words = sharedWords(expected * width);
  }

  /** Number of the key in `key[0 .. width)`, -1 if it is not there. */
  find(key: Int32Array): number {
    const hash = hashWords(key, this.width);
    return this.slots[this.slotOf(key, hash) * 2 + 1]! - 1;
  }

  /** Number of the key, a new one if it is not there. */
  intern(key: Int32Array): number {
    const { slots, width } = this;
    const hash = hashWords(key, width);
    const slot = this.slotOf(key, hash) * 2;
    const found = slots[slot + 1]!;
    if (found !== 0) return found - 1;
    const number = this.count++;
    slots[slot] = hash;
    slots[slot + 1] = number + 1;
    if ((number + 1) * width > this.words.length) {
      const larger = sharedWords(this.words.length * 2);
      larger.set(this.words);
      this.words = larger;
    }
    const at = number * width;
    for (let i = 0; i < width; i++) this.words[at + i] = key[i]!;
    if (this.count * 2 > this.mask) this.grow();
    return number;
  }

  /** Slot that holds the key, or the free one where it belongs. */
  private slotOf(key: Int32Array, hash: number): number {
    const { slots, mask, words, width } = this;
    let slot = hash & mask;
    for (;;) {
      const found = slots[slot * 2 + 1]!;
      if (found === 0) return slot;
      if (slots[slot * 2] === hash) {
        const at = (found - 1) * width;
        let i = 0;
        while (i < width && words[at + i] === key[i]) i++;
        if (i === width) return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 4);
    this.mask = old.length * 2 - 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      let slot = old[i]! & this.mask;
      while (this.slots[slot * 2 + 1] !== 0) slot = (slot + 1) & this.mask;
      this.slots[slot * 2] = old[i]!;
      this.slots[slot * 2 + 1] = old[i + 1]!;
    }
  }
}

function sharedWords(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * 4));
}

/** Multiply and rotate per word, finaliser of MurmurHash3 (Appleby, public domain). */
export function hashWords(key: Int32Array, width: number): number {
  let h = HASH_SEED;
  for (let i = 0; i < width; i++) {
    h = Math.imul(h ^ key[i]!, 0x9e3779b1);
    h = (h << 13) | (h >>> 19);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
