/**
 * Which prefix lengths can matter for an address: a path-compressed binary trie with a count per prefix, as OVS keeps for
 * nw_src and nw_dst (lib/classifier.c, "Prefix Tracking"; struct trie_node). Prefixes may come and go; nodes stay.
 */
import { prefixMask } from './filters.js';

const NONE = -1;

export class PrefixTrie {
  private readonly value: number[] = [];
  private readonly bits: number[] = [];
  /** How many times the node's own prefix was added. */
  private readonly uses: number[] = [];
  private readonly zero: number[] = [];
  private readonly one: number[] = [];

  constructor() {
    this.node(0, 0);
  }

  add(value: number, bits: number): void {
    this.uses[this.place(value, bits)]!++;
  }

  remove(value: number, bits: number): void {
    this.uses[this.place(value, bits)]!--;
  }

  /** Bit n - 1 is set if a prefix of n bits (1..32) is there that fits the address. Called per packet. */
  lengths(address: number): number {
    const { value, bits, uses, zero, one } = this;
    let lengths = 0;
    let node = 0;
    for (;;) {
      const length = bits[node]!;
      if (length > 0) {
        if ((address ^ value[node]!) >>> (32 - length) !== 0) return lengths;
        if (uses[node]! > 0) lengths |= 1 << (length - 1);
        if (length === 32) return lengths;
      }
      node = address << length < 0 ? one[node]! : zero[node]!;
      if (node === NONE) return lengths;
    }
  }

  /** The node of a prefix, made where it is missing. */
  private place(value: number, bits: number): number {
    let node = 0;
    while (this.bits[node]! < bits) {
      const side = value << this.bits[node]! < 0 ? this.one : this.zero;
      const child = side[node]!;
      if (child === NONE) {
        side[node] = this.node(value, bits);
        return side[node]!;
      }
      const common = Math.min(bits, this.bits[child]!, Math.clz32(value ^ this.value[child]!));
      if (common < this.bits[child]!) {
        const middle = this.node(value & prefixMask(common), common);
        side[node] = middle;
        (this.value[child]! << common < 0 ? this.one : this.zero)[middle] = child;
        node = middle;
      } else node = child;
    }
    return node;
  }

  private node(value: number, bits: number): number {
    this.value.push(value);
    this.bits.push(bits);
    this.uses.push(0);
    this.zero.push(NONE);
    return this.one.push(NONE) - 1;
  }
}
