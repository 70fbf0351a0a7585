/**
 * (state, class per word) -> state, for one fixed list of words: open addressing on one Int32Array. The caller puts the key
 * into `probe` ([state, classes ...]) and its hash beside it, so that nothing is allocated per packet.
 */
export class TupleMap {
  private readonly keyLength: number;
  private readonly stride: number;
  private slots: Int32Array;
  private mask = 63;
  size = 0;

  constructor(keyLength: number) {
    this.keyLength = keyLength;
    this.stride = keyLength + 1;
    this.slots = new Int32Array(64 * this.stride);
  }

  /** -1: not there. */
  get(probe: Int32Array, hash: number): number {
    const { slots, mask, stride, keyLength } = this;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const base = at * stride;
      const stored = slots[base + keyLength]!;
      if (stored === 0) return -1;
      let i = 0;
      while (i < keyLength && slots[base + i] === probe[i]) i++;
      if (i === keyLength) return stored - 1;
    }
  }

  /** The key must not be there yet. */
  add(probe: Int32Array, hash: number, value: number): void {
    if (this.size * 2 > this.mask) this.grow();
    this.put(probe, 0, hash, value + 1);
    this.size++;
  }

  private put(source: Int32Array, from: number, hash: number, stored: number): void {
    const { slots, mask, stride, keyLength } = this;
    let at = hash & mask;
    while (slots[at * stride + keyLength] !== 0) at = (at + 1) & mask;
    for (let i = 0; i < keyLength; i++) slots[at * stride + i] = source[from + i]!;
    slots[at * stride + keyLength] = stored;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 2);
    this.mask = this.mask * 2 + 1;
    for (let base = 0; base < old.length; base += this.stride) {
      const stored = old[base + this.keyLength]!;
      if (stored === 0) continue;
      let hash = TUPLE_SEED;
      for (let i = 0; i < this.keyLength; i++) hash = mixTuple(hash, old[base + i]!);
      this.put(old, base, finishTuple(hash), stored);
    }
  }
}

export const TUPLE_SEED = 0x2545f491;
export const mixTuple = (hash: number, value: number): number => Math.imul(hash ^ value, 0x9e3779b1);
export const finishTuple = (hash: number): number => hash ^ (hash >>> 15);
