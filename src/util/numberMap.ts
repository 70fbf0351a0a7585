/**
 * A map from non-negative integers up to 2^53 to 32-bit integers, in typed arrays: for MAC addresses (48 bits), interface
 * indices and the like, looked up per packet. Open addressing, doubled at half full. Keys may come from outside, so the
 * hash is seeded; nothing visible depends on the seed.
 */
import { HASH_SEED } from './hashSeed.js';

export class NumberMap {
  size = 0;
  private keys = new Float64Array(64).fill(-1);
  private values = new Int32Array(64);

  /** Value, or `missing`; negative keys are never there. */
  get(key: number, missing: number): number {
    if (key < 0) return missing;
    const slot = this.find(key);
    return this.keys[slot] === key ? this.values[slot]! : missing;
  }

  set(key: number, value: number): void {
    const slot = this.find(key);
    if (this.keys[slot] !== key) {
      this.keys[slot] = key;
      this.size++;
    }
    this.values[slot] = value;
    if (this.size * 2 > this.keys.length) this.grow();
  }

  private find(key: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    let slot = hash(key) & mask;
    while (keys[slot] !== key && keys[slot] !== -1) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Float64Array(keys.length * 2).fill(-1);
    this.values = new Int32Array(keys.length * 2);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === -1) continue;
      const slot = this.find(keys[i]!);
      this.keys[slot] = keys[i]!;
      this.values[slot] = values[i]!;
    }
  }
}

/** Finaliser of MurmurHash3 (Appleby, public domain) over both halves. */
function hash(key: number): number {
  let h = HASH_SEED ^ Math.imul((key / 0x1_0000_0000) | 0, 0x9e3779b1) ^ (key | 0);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
