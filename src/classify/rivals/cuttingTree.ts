/**
 * Decision trees in the manner of CutSplit (Li et al., INFOCOM 2018): filters are parted by which of their addresses are
 * long prefixes, so that no part is cut along a field in which its filters are wide; each part gets a tree. Above, a node
 * cuts the bounding box of its filters into equal pieces (HyperCuts' region compaction); below, or where that does not
 * help, it splits in two at an end of a filter. A leaf is a short list. Filters that span several pieces are in each.
 *
 *   node = [kind | shift << 8, base or first value of the right half, pieces, children or list]
 *
 * Addresses are biased (^ 0x80000000) so that their order is that of signed numbers.
 */
import { type FilterClassifier, type FilterSet, fits, PACKED, packFilters, prefixMask } from './filters.js';

const FIELDS = 5;
const LEAF = 8;
/** Added to the field of a node that splits in two. */
const SPLIT = 16;
const LEAF_FILTERS = 8;
/** Cut down to so many filters, then split (CutSplit's threshold). */
const CUT_ABOVE = 24;
const CUT_BITS = 6;
const LONG_PREFIX = 16;
const DEPTH_MAX = 32;
/** Leaves hold so many entries per filter at most; beyond that they stay larger. */
const COPIES_MAX = 32;

/** Inclusive ranges by field, biased. */
type Box = readonly { readonly from: number; readonly to: number }[];

export class CuttingTree implements FilterClassifier {
  private readonly packed: Int32Array;
  private readonly nodes: number[] = [];
  private readonly children: number[] = [];
  private readonly lists: number[] = [];
  private readonly boxes: Box[];
  private listRoom: number;
  private readonly roots: Int32Array;
  /** Best filter of each tree. */
  private readonly bests: Int32Array;
  private readonly nodeWords: Int32Array;
  private readonly childWords: Int32Array;
  private readonly listWords: Int32Array;
  private readonly header = new Int32Array(FIELDS);

  constructor(set: FilterSet) {
    this.packed = packFilters(set);
    this.boxes = Array.from({ length: set.count }, (_, filter) => boxOf(set, filter));
    this.listRoom = COPIES_MAX * set.count;
    const parts: number[][] = [[], [], [], []];
    for (let i = 0; i < set.count; i++)
      parts[(set.srcBits[i]! >= LONG_PREFIX ? 1 : 0) + (set.dstBits[i]! >= LONG_PREFIX ? 2 : 0)]!.push(i);
    const trees = parts
      .map((filters, part) => ({ filters, fields: [0, 1].filter((field) => (part & (1 << field)) !== 0) }))
      .filter(({ filters }) => filters.length > 0)
      .sort((a, b) => a.filters[0]! - b.filters[0]!);
    this.roots = Int32Array.from(trees, ({ filters, fields }) => this.build(filters, fields, 0));
    this.bests = Int32Array.from(trees, ({ filters }) => filters[0]!);
    this.nodeWords = Int32Array.from(this.nodes);
    this.childWords = Int32Array.from(this.children);
    this.listWords = Int32Array.from(this.lists);
    this.boxes = [];
    this.nodes = [];
    this.children = [];
    this.lists = [];
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const { roots, bests, packed, listWords, header } = this;
    header[0] = src ^ 0x80000000;
    header[1] = dst ^ 0x80000000;
    header[2] = sport;
    header[3] = dport;
    header[4] = proto;
    let found = 0x7fffffff;
    for (let t = 0; t < roots.length && bests[t]! < found; t++) {
      let at = this.leafOf(roots[t]!);
      if (at < 0) continue;
      // -1, as unsigned number beyond every filter, ends the list.
      for (let filter = listWords[at]!; filter >>> 0 < found; filter = listWords[++at]!) {
        if (!fits(packed, filter * PACKED, src, dst, sport, dport, proto)) continue;
        found = filter;
        break;
      }
    }
    return found === 0x7fffffff ? -1 : found;
  }

  /** Place of the list that the header comes to, -1: none. */
  private leafOf(root: number): number {
    const { nodeWords, childWords, header } = this;
    let node = root;
    for (;;) {
      const kind = nodeWords[node]!;
      if ((kind & LEAF) !== 0) return nodeWords[node + 3]!;
      const value = header[kind & 7]!;
      if ((kind & SPLIT) !== 0) {
        node = childWords[nodeWords[node + 3]! + (value >= nodeWords[node + 1]! ? 1 : 0)]!;
        continue;
      }
      const piece = ((value - nodeWords[node + 1]!) | 0) >>> (kind >>> 8);
      if (value < nodeWords[node + 1]! || piece >= nodeWords[node + 2]!) return -1;
      node = childWords[nodeWords[node + 3]! + piece]!;
    }
  }

  private build(filters: readonly number[], fields: readonly number[], depth: number): number {
    if (filters.length <= LEAF_FILTERS || depth >= DEPTH_MAX || this.listRoom < 0) return this.leaf(filters);
    return (
      (filters.length > CUT_ABOVE ? this.cut(filters, fields, depth) : null) ??
      this.split(filters, fields, depth) ??
      this.leaf(filters)
    );
  }

  private leaf(filters: readonly number[]): number {
    this.listRoom -= filters.length;
    const list = this.lists.length;
    for (const filter of filters) this.lists.push(filter);
    this.lists.push(-1);
    return this.node(LEAF, 0, 0, list);
  }

  private node(kind: number, value: number, pieces: number, place: number): number {
    return this.nodes.push(kind, value, pieces, place) - 4;
  }

  /** Equal pieces along the field whose fullest piece is emptiest; null where even that piece keeps nearly all. */
  private cut(filters: readonly number[], fields: readonly number[], depth: number): number | null {
    let best: { field: number; base: number; shift: number; pieces: number[][]; fullest: number } | null = null;
    for (const field of fields) {
      let from = 0x7fffffff;
      let to = -0x80000000;
      for (const filter of filters) {
        from = Math.min(from, this.boxes[filter]![field]!.from);
        to = Math.max(to, this.boxes[filter]![field]!.to);
      }
      const shift = Math.max(0, 32 - Math.clz32((to - from) | 0) - CUT_BITS);
      const base = (from >> shift) << shift;
      const pieces: number[][] = Array.from({ length: (((to - base) | 0) >>> shift) + 1 }, () => []);
      for (const filter of filters) {
        const range = this.boxes[filter]![field]!;
        const last = ((range.to - base) | 0) >>> shift;
        for (let piece = ((range.from - base) | 0) >>> shift; piece <= last; piece++) pieces[piece]!.push(filter);
      }
      const fullest = pieces.reduce((most, piece) => Math.max(most, piece.length), 0);
      if (best === null || fullest < best.fullest) best = { field, base, shift, pieces, fullest };
    }
    if (best === null || best.fullest > filters.length * 0.9) return null;
    return this.inner(best.field | (best.shift << 8), best.base, best.pieces, fields, depth);
  }

  /** Two halves at the end of a filter that parts them best, in any field. */
  private split(filters: readonly number[], fields: readonly number[], depth: number): number | null {
    let best: { field: number; at: number; cost: number } | null = null;
    for (let field = 0; field < FIELDS; field++) {
      const starts = filters.map((filter) => this.boxes[filter]![field]!.from).sort((a, b) => a - b);
      const ends = filters.map((filter) => this.boxes[filter]![field]!.to).sort((a, b) => a - b);
      let started = 0;
      let ended = 0;
      for (const at of new Set(
        [...starts.slice(1), ...ends.slice(0, -1).map((end) => end + 1)].sort((a, b) => a - b),
      )) {
        while (started < starts.length && starts[started]! < at) started++;
        while (ended < ends.length && ends[ended]! < at) ended++;
        const [left, right] = [started, filters.length - ended];
        const cost = Math.max(left, right) + (left + right - filters.length) / 2;
        if (left > 0 && right > 0 && (best === null || cost < best.cost)) best = { field, at, cost };
      }
    }
    if (best === null || best.cost >= filters.length) return null;
    const { field, at } = best;
    const halves = [
      filters.filter((filter) => this.boxes[filter]![field]!.from < at),
      filters.filter((filter) => this.boxes[filter]![field]!.to >= at),
    ];
    return this.inner(field | SPLIT, at, halves, fields, depth);
  }

  private inner(
    kind: number,
    value: number,
    pieces: readonly number[][],
    fields: readonly number[],
    depth: number,
  ): number {
    let before: readonly number[] = [];
    let node = -1;
    const children = pieces.map((piece) => {
      // Neighbours with the same filters are one child.
      if (node < 0 || piece.length !== before.length || piece.some((filter, i) => filter !== before[i]))
        node = this.build(piece, fields, depth + 1);
      before = piece;
      return node;
    });
    const place = this.children.length;
    for (const child of children) this.children.push(child);
    return this.node(kind, value, pieces.length, place);
  }
}

function boxOf(set: FilterSet, filter: number): Box {
  const address = (value: number, bits: number) => ({
    from: value ^ 0x80000000,
    to: (value | ~prefixMask(bits)) ^ 0x80000000,
  });
  const proto = set.proto[filter]!;
  return [
    address(set.src[filter]!, set.srcBits[filter]!),
    address(set.dst[filter]!, set.dstBits[filter]!),
    { from: set.sportFrom[filter]!, to: set.sportTo[filter]! },
    { from: set.dportFrom[filter]!, to: set.dportTo[filter]! },
    proto < 0 ? { from: 0, to: 255 } : { from: proto, to: proto },
  ];
}
