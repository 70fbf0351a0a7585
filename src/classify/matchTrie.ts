/**
 * All cells of a table as paths of one trie over the key words, in a fixed order of the words: the part of the compiled
 * classifier that is built once.
 *
 * A node is what the words so far have fixed. It has *tests*, one per (next word, mask) that a path through it names, and the
 * cells that end there. A test leads, per value, to one child. Words that a path does not name are skipped: its next test is
 * at the next word that it names.
 */
import type { Cell } from './cells.js';
import { PairMap } from './pairMap.js';

const ROOT = 0;

export class MatchTrie {
  /** Key words that any cell names, in the order in which they are tested. */
  readonly words: Int32Array;
  /** Per place in `words`: the bits that any cell names. */
  readonly used: Int32Array;
  /** Per place in `words`: the distinct masks. */
  readonly masks: readonly (readonly number[])[];
  /** Per test: place in `words`, mask, next test of the same node or -1. */
  private readonly testPlace: number[] = [];
  private readonly testMask: number[] = [];
  private readonly testNext: number[] = [];
  private readonly firstTest: number[] = [-1];
  private readonly firstCell: number[] = [-1];
  private readonly cellNext: Int32Array;
  private readonly children: PairMap;

  constructor(cells: readonly Cell[]) {
    this.words = wordsByVariety(cells);
    const placeOf = new Map([...this.words].map((word, place) => [word, place]));
    this.used = new Int32Array(this.words.length);
    const masks = Array.from(this.words, () => new Set<number>());
    this.cellNext = new Int32Array(cells.length).fill(-1);
    this.children = new PairMap(cells.length * 2);
    const places: number[] = [];
    let last: Cell | null = null;
    let order: number[] = [];
    for (const cell of cells) {
      if (last === null || last.mask !== cell.mask) {
        places.length = 0;
        for (const word of cell.words) places.push(placeOf.get(word)!);
        order = places.map((_, i) => i).sort((a, b) => places[a]! - places[b]!);
        for (const i of order) {
          this.used[places[i]!]! |= cell.masks[i]!;
          masks[places[i]!]!.add(cell.masks[i]!);
        }
        last = cell;
      }
      let node = ROOT;
      for (const i of order) node = this.child(this.test(node, places[i]!, cell.masks[i]!), cell.values[i]!);
      this.cellNext[cell.number] = this.firstCell[node]!;
      this.firstCell[node] = cell.number;
    }
    this.masks = masks.map((set) => [...set]);
  }

  placeOf(test: number): number {
    return this.testPlace[test]!;
  }

  /** Puts the tests of a node into `tests` and the cells that end there into `cells`; `node` -1: the root. */
  open(node: number, tests: number[], cells: number[]): void {
    for (let test = this.firstTest[node]!; test >= 0; test = this.testNext[test]!) tests.push(test);
    for (let cell = this.firstCell[node]!; cell >= 0; cell = this.cellNext[cell]!) cells.push(cell);
  }

  /** The node that a test leads to for this word of the key; -1: none. */
  follow(test: number, value: number): number {
    return this.children.get(test, value & this.testMask[test]!);
  }

  private test(node: number, place: number, mask: number): number {
    let test = this.firstTest[node]!;
    while (test >= 0 && (this.testPlace[test] !== place || this.testMask[test] !== mask)) test = this.testNext[test]!;
    if (test >= 0) return test;
    this.testPlace.push(place);
    this.testMask.push(mask);
    this.testNext.push(this.firstTest[node]!);
    this.firstTest[node] = this.testPlace.length - 1;
    return this.testPlace.length - 1;
  }

  private child(test: number, value: number): number {
    let node = this.children.get(test, value);
    if (node < 0) {
      node = this.firstTest.push(-1) - 1;
      this.firstCell.push(-1);
      this.children.add(test, value, node);
    }
    return node;
  }
}

/** Words with few different values first: what comes early is shared by most paths. */
function wordsByVariety(cells: readonly Cell[]): Int32Array {
  const values = new Map<number, Set<number>>();
  for (const cell of cells)
    for (let i = 0; i < cell.words.length; i++) {
      let set = values.get(cell.words[i]!);
      if (set === undefined) {
        set = new Set();
        values.set(cell.words[i]!, set);
      }
      set.add(cell.values[i]!);
    }
  return Int32Array.from([...values].sort(([a, x], [b, y]) => x.size - y.size || a - b).map(([word]) => word));
}
