/** (int, int) -> non-negative int, open addressing with linear probing on one Int32Array of triples. */
export class PairMap {
  /** [a, b, value + 1], 0 = free. */
  private slots: Int32Array;
  private mask: number;
  size = 0;

  constructor(capacity = 64) {
    let slotCount = 64;
    while (slotCount < capacity * 2) slotCount *= 2;
    this.slots = new Int32Array(slotCount * 3);
    this.mask = slotCount - 1;
  }

  /** -1: not there. Called per packet, allocates nothing. */
  get(a: number, b: number): number {
    const { slots, mask } = this;
    let at = hash(a, b) & mask;
    for (;;) {
      const slot = at * 3;
      const value = slots[slot + 2]!;
      if (value === 0) return -1;
      if (slots[slot] === a && slots[slot + 1] === b) return value - 1;
      at = (at + 1) & mask;
    }
  }

  /** The pair must not be there yet. */
  add(a: number, b: number, value: number): void {
    if (this.size * 2 > this.mask) this.grow();
    this.put(a, b, value + 1);
    this.size++;
  }

  private put(a: number, b: number, stored: number): void {
    const { slots, mask } = this;
    let at = hash(a, b) & mask;
    while (slots[at * 3 + 2] !== 0) at = (at + 1) & mask;
    slots[at * 3] = a;
    slots[at * 3 + 1] = b;
    slots[at * 3 + 2] = stored;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 2);
    this.mask = this.mask * 2 + 1;
    for (let i = 0; i < old.length; i += 3) if (old[i + 2] !== 0) this.put(old[i]!, old[i + 1]!, old[i + 2]!);
  }
}

function hash(a: number, b: number): number {
  const h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  return h ^ (h >>> 15);
}
