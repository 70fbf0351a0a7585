/** Three numbers to a fourth: open addressing, a quarter of a cache line per entry. Values are never -1. */

const EMPTY = -1;

export class QuadTable {
  count = 0;
  private quads = emptyQuads(1 << 10);
  private shift = 22;

  /** -1: not there. Called per packet, allocates nothing. */
  get(a: number, b: number, c: number): number {
    const { quads } = this;
    for (let slot = slotOf(a, b, c, this.shift); ; ) {
      const at = slot << 2;
      const value = quads[at + 3]!;
      if (value === EMPTY || (quads[at] === a && quads[at + 1] === b && quads[at + 2] === c)) return value;
      slot = (slot + 1) & ((quads.length >>> 2) - 1);
    }
  }

  /** The key must not be there yet. */
  set(a: number, b: number, c: number, value: number): void {
    if (++this.count * 8 > this.quads.length) this.grow();
    this.put(a, b, c, value);
  }

  clear(): void {
    this.count = 0;
    this.quads.fill(EMPTY);
  }

  private put(a: number, b: number, c: number, value: number): void {
    const { quads } = this;
    let slot = slotOf(a, b, c, this.shift);
    while (quads[(slot << 2) + 3] !== EMPTY) slot = (slot + 1) & ((quads.length >>> 2) - 1);
    quads[slot << 2] = a;
    quads[(slot << 2) + 1] = b;
    quads[(slot << 2) + 2] = c;
    quads[(slot << 2) + 3] = value;
  }

  private grow(): void {
    const old = this.quads;
    this.quads = emptyQuads(old.length >>> 1);
    this.shift -= 1;
    for (let at = 0; at < old.length; at += 4)
      if (old[at + 3] !== EMPTY) this.put(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!);
  }
}

function emptyQuads(slots: number): Int32Array<ArrayBuffer> {
  return new Int32Array(slots * 4).fill(EMPTY);
}

function slotOf(a: number, b: number, c: number, shift: number): number {
  const h = Math.imul(a, 0x9e3779b1) + Math.imul(b, 0x85ebca6b) + Math.imul(c, 0xc2b2ae35);
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) >>> shift;
}
