/**
 * Finds the candidate cells of a header by walking a finite automaton that is made while it is used: the match trie run on
 * all its paths at once, with each set of reached nodes remembered as one state (the subset construction, done lazily).
 *
 * State: the tests that are still to be made and the cells that already fit. It reads the earliest word among its tests,
 * takes the class of the header's value, and goes to a next state; words that no open test names are not read. A state
 * without tests is final: its cells are the candidates, over all versions.
 * Headers that differ only in what no rule of theirs asks for meet in the same state. So a lookup costs one array or hash
 * access per word that matters, however many masks, ids and rules there are; products of dimensions (addresses x ports) are
 * made only where headers touch them.
 */
import type { Cell } from './cells.js';
import { MatchTrie } from './matchTrie.js';
import { PairMap } from './pairMap.js';
import { WordClasses } from './wordClasses.js';

/** So many transitions are remembered; then the automaton starts anew. */
const TRANSITIONS_MAX = 1 << 22;

const START = 0;

export class TableMachine {
  private readonly trie: MatchTrie;
  private readonly words: Int32Array;
  private readonly used: Int32Array;
  private readonly classes: readonly WordClasses[];
  private readonly onReset: () => void;
  private transitions = new PairMap();
  private byItems = new Map<string, number>();
  /** Per state: place of the word that it reads, -1 for final ones. */
  private places = new Int32Array(64);
  private tests: (readonly number[])[] = [];
  private cells: (readonly number[])[] = [];

  /** `onReset`: states get new numbers from now on. */
  constructor(cells: readonly Cell[], onReset: () => void) {
    this.trie = new MatchTrie(cells);
    this.onReset = onReset;
    this.words = this.trie.words;
    this.used = this.trie.used;
    this.classes = Array.from(this.words, (_, place) => new WordClasses(this.used[place]!, this.trie.masks[place]!));
    const placeOf = new Map([...this.words].map((word, place) => [word, place]));
    for (const cell of cells)
      for (let i = 0; i < cell.words.length; i++)
        this.classes[placeOf.get(cell.words[i]!)!]!.name(cell.masks[i]!, cell.values[i]!);
    this.begin();
  }

  /** The final state of a header. Called per packet, allocates nothing once its states are known. */
  run(key: Int32Array): number {
    const { words, used, classes } = this;
    if (this.transitions.size > TRANSITIONS_MAX) {
      this.begin();
      this.onReset();
    }
    let state = START;
    let place = this.places[state]!;
    while (place >= 0) {
      const value = key[words[place]!]! & used[place]!;
      const valueClass = classes[place]!.classOf(value);
      let next = this.transitions.get(state, valueClass);
      if (next < 0) {
        next = this.step(state, place, value);
        this.transitions.add(state, valueClass, next);
      }
      state = next;
      place = this.places[state]!;
    }
    return state;
  }

  /** Numbers of the cells that fit every header that ends in this final state. */
  cellsOf(state: number): readonly number[] {
    return this.cells[state]!;
  }

  private begin(): void {
    this.transitions = new PairMap();
    this.byItems = new Map();
    this.tests = [];
    this.cells = [];
    const tests: number[] = [];
    const cells: number[] = [];
    this.trie.open(0, tests, cells);
    this.intern(tests, cells);
  }

  private step(state: number, place: number, value: number): number {
    const tests: number[] = [];
    const cells = [...this.cells[state]!];
    for (const test of this.tests[state]!) {
      if (this.trie.placeOf(test) !== place) tests.push(test);
      else {
        const node = this.trie.follow(test, value);
        if (node >= 0) this.trie.open(node, tests, cells);
      }
    }
    return this.intern(tests, cells);
  }

  private intern(tests: number[], cells: number[]): number {
    tests.sort((a, b) => a - b);
    cells.sort((a, b) => a - b);
    const items = `${tests.join()};${cells.join()}`;
    let state = this.byItems.get(items);
    if (state === undefined) {
      state = this.tests.push(tests) - 1;
      this.cells.push(cells);
      this.byItems.set(items, state);
      if (state === this.places.length) {
        const grown = new Int32Array(this.places.length * 2);
        grown.set(this.places);
        this.places = grown;
      }
      this.places[state] = tests.length === 0 ? -1 : Math.min(...tests.map((test) => this.trie.placeOf(test)));
    }
    return state;
  }
}
