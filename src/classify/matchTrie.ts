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
import type { WordUse } from './wordClasses.js';

export const ROOT = 0;
const LAST_PLACE = 31;
const LAST_BIT = 1 << LAST_PLACE;
const placeBit = (place: number): number => 1 << Math.min(place, LAST_PLACE);

/** How cells of one mask lie in the trie: places of their words ascending, and where in the cell each one stands. */
interface Layout {
  readonly places: readonly number[];
  readonly indices: readonly number[];
  /** Per step the places from there on, as in `testBelow`. */
  readonly below: readonly number[];
}

export class MatchTrie {
  private readonly wordCount: number;
  /** Per test: place of its word, mask, next test of the same node or -1. */
  private readonly testPlace: number[] = [];
  private readonly testMask: number[] = [];
  private readonly testNext: number[] = [];
  /** Per test: the places that it and the tests below it read, as bits; the last bit stands for all further places. */
  private readonly testBelow: number[] = [];
  private readonly firstTest: number[] = [-1];
  private readonly firstCell: number[] = [-1];
  private readonly cellNext: Int32Array;
  private readonly children: PairMap;

  /** `uses`: the words in the order in which they are tested. */
  constructor(cells: readonly Cell[], uses: readonly WordUse[]) {
    this.wordCount = uses.length;
    this.cellNext = new Int32Array(cells.length).fill(-1);
    this.children = new PairMap(cells.length * 2);
    const placeOf: number[] = [];
    for (let place = 0; place < uses.length; place++) placeOf[uses[place]!.word] = place;
    const layouts: (Layout | undefined)[] = [];
    for (const cell of cells) {
      let layout = layouts[cell.mask];
      if (layout === undefined) {
        layout = layoutOf(cell, placeOf);
        layouts[cell.mask] = layout;
      }
      this.add(cell, layout);
    }
  }

  placeOf(test: number): number {
    return this.testPlace[test]!;
  }

  /** Puts the tests of a node into `tests` and the cells that end there into `cells`. */
  open(node: number, tests: number[], cells: number[]): void {
    for (let test = this.firstTest[node]!; test >= 0; test = this.testNext[test]!) tests.push(test);
    for (let cell = this.firstCell[node]!; cell >= 0; cell = this.cellNext[cell]!) cells.push(cell);
  }

  /** The node that a test leads to for this word of the key; -1: none. */
  follow(test: number, value: number): number {
    return this.children.get(test, value & this.testMask[test]!);
  }

  /** Places that may still be read by these tests and those below them, ascending; all of them when they cannot be told. */
  placesBelow(tests: readonly number[]): number[] {
    let bits = 0;
    for (const test of tests) bits |= this.testBelow[test]!;
    const all = Array.from({ length: this.wordCount }, (_, place) => place);
    if ((bits & LAST_BIT) !== 0 && this.wordCount > LAST_PLACE) return all;
    return all.filter((place) => (bits & placeBit(place)) !== 0);
  }

  private add(cell: Cell, { places, indices, below }: Layout): void {
    let node = ROOT;
    for (let step = 0; step < places.length; step++) {
      const i = indices[step]!;
      const test = this.test(node, places[step]!, cell.masks[i]!);
      this.testBelow[test]! |= below[step]!;
      node = this.child(test, cell.values[i]!);
    }
    this.cellNext[cell.number] = this.firstCell[node]!;
    this.firstCell[node] = cell.number;
  }

  private test(node: number, place: number, mask: number): number {
    let test = this.firstTest[node]!;
    while (test >= 0 && (this.testPlace[test] !== place || this.testMask[test] !== mask)) test = this.testNext[test]!;
    if (test >= 0) return test;
    this.testPlace.push(place);
    this.testMask.push(mask);
    this.testNext.push(this.firstTest[node]!);
    this.testBelow.push(0);
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

function layoutOf(cell: Cell, placeOf: readonly number[]): Layout {
  const placeAt = (i: number): number => placeOf[cell.words[i]!]!;
  const indices = Array.from(cell.words, (_, i) => i).sort((a, b) => placeAt(a) - placeAt(b));
  const places = indices.map(placeAt);
  const below = places.map((_, step) => places.slice(step).reduce((bits, place) => bits | placeBit(place), 0));
  return { places, indices, below };
}
