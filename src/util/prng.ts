/** A small seeded generator (xorshift128, Marsaglia 2003): everything random in this project starts from a printed seed. */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(seed: number) {
    this.a = seed | 0 || 0x9e3779b9;
    this.b = 0x243f6a88;
    this.c = 0xb7e15162;
    this.d = 0x2545f491 ^ seed;
    for (let i = 0; i < 16; i++) this.u32();
  }

  /** Uniform integer in [0, 2^32). */
  u32(): number {
    let t = this.a ^ (this.a << 11);
    t ^= t >>> 8;
    this.a = this.b;
    this.b = this.c;
    this.c = this.d;
    this.d = this.d ^ (this.d >>> 19) ^ t;
    return this.d >>> 0;
  }

  /** Uniform integer in [0, bound). */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** A generator for a part of the work, so that one part does not disturb the numbers of another. */
  child(): Prng {
    return new Prng(this.u32());
  }
}
