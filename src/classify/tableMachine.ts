/**
 * Finds the candidate cells of a header by walking a finite automaton that is made while it is used: the match trie run on
 * all its paths at once, with each set of reached nodes remembered as one state (the subset construction, done lazily).
 *
 * State: the tests that are still to be made and the cells that already fit. It reads the earliest word among its tests,
 * takes the class of the header's value, and goes to a next state; words that no open test names are not read. A state
 * without tests is final: its cells are the candidates, over all versions.
 * Where all words that can still matter are few, the whole rest of the way is remembered as one leap over the tuple of their
 * classes. So a lookup costs one array or hash access per word that matters and one for the leap, however many masks, ids
 * and rules there are; products of dimensions (addresses x ports) are made only where headers touch them.
 */
import type { Cell } from './cells.js';
import { MatchTrie, ROOT } from './matchTrie.js';
import { PairMap } from './pairMap.js';
import { finishTuple, mixTuple, TUPLE_SEED, TupleMap } from './tupleMap.js';
import { WordClasses, wordUses } from './wordClasses.js';

/** So many transitions and leaps are remembered; then the automaton starts anew. */
const REMEMBERED_MAX = 1 << 21;
/** Leaps go over at most so many words. */
const LEAP_WORDS_MAX = 12;

const START = 0;
const FINAL = -1;

export class TableMachine {
  private readonly trie: MatchTrie;
  private readonly words: Int32Array;
  private readonly used: Int32Array;
  private readonly classes: readonly WordClasses[];
  private readonly onReset: () => void;
  private readonly probe = new Int32Array(LEAP_WORDS_MAX + 1);
  private transitions = new PairMap();
  private byItems = new Map<string, number>();
  private tests: (readonly number[])[] = [];
  private cells: (readonly number[])[] = [];
  /** Per state what it does: FINAL, the place of the word that it reads, or, from `words.length` on, the number of a leap. */
  private plans = new Int32Array(64);
  private leapPlaces: Int32Array[] = [];
  private leaps: TupleMap[] = [];
  private leapNumbers = new Map<string, number>();
  private leapCount = 0;

  /** `onReset`: states get new numbers from now on. */
  constructor(cells: readonly Cell[], onReset: () => void) {
    const uses = wordUses(cells);
    this.trie = new MatchTrie(cells, uses);
    this.onReset = onReset;
    this.words = Int32Array.from(uses, (use) => use.word);
    this.used = Int32Array.from(uses, (use) => use.used);
    this.classes = uses.map((use) => new WordClasses(use));
    this.begin();
  }

  /** The final state of a header. Called per packet, allocates nothing once its states are known. */
  run(key: Int32Array): number {
    const { plans, words, used, classes } = this;
    let state = START;
    for (;;) {
      const plan = plans[state]!;
      if (plan === FINAL) return state;
      if (plan >= words.length) return this.leap(key, state, plan - words.length);
      const value = key[words[plan]!]! & used[plan]!;
      const next = this.transitions.get(state, classes[plan]!.classOf(value));
      if (next < 0) return this.walk(key);
      state = next;
    }
  }

  /** Numbers of the cells that fit every header that ends in this final state. */
  cellsOf(state: number): readonly number[] {
    return this.cells[state]!;
  }

  /** From a state to the final one in one access. */
  private leap(key: Int32Array, state: number, number: number): number {
    const { probe, words, used, classes } = this;
    const places = this.leapPlaces[number]!;
    let hash = mixTuple(TUPLE_SEED, state);
    probe[0] = state;
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!;
      const valueClass = classes[place]!.classOf(key[words[place]!]! & used[place]!);
      probe[i + 1] = valueClass;
      hash = mixTuple(hash, valueClass);
    }
    hash = finishTuple(hash);
    const leaps = this.leaps[number]!;
    let final = leaps.get(probe, hash);
    if (final < 0) {
      if (this.leapCount + this.transitions.size > REMEMBERED_MAX) return this.walk(key);
      final = this.walkFrom(key, state);
      leaps.add(probe, hash, final);
      this.leapCount++;
    }
    return final;
  }

  /** All the way step by step, making what is missing. */
  private walk(key: Int32Array): number {
    if (this.leapCount + this.transitions.size > REMEMBERED_MAX) {
      this.begin();
      this.onReset();
    }
    return this.walkFrom(key, START);
  }

  private walkFrom(key: Int32Array, start: number): number {
    let state = start;
    while (this.tests[state]!.length > 0) {
      const place = this.firstPlace(this.tests[state]!);
      const value = key[this.words[place]!]! & this.used[place]!;
      const valueClass = this.classes[place]!.classOf(value);
      let next = this.transitions.get(state, valueClass);
      if (next < 0) {
        next = this.step(state, place, value);
        this.transitions.add(state, valueClass, next);
      }
      state = next;
    }
    return state;
  }

  private begin(): void {
    this.transitions = new PairMap();
    this.byItems = new Map();
    this.tests = [];
    this.cells = [];
    this.leapPlaces = [];
    this.leaps = [];
    this.leapNumbers = new Map();
    this.leapCount = 0;
    const tests: number[] = [];
    const cells: number[] = [];
    this.trie.open(ROOT, tests, cells);
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
      if (state === this.plans.length) {
        const larger = new Int32Array(this.plans.length * 2);
        larger.set(this.plans);
        this.plans = larger;
      }
      this.plans[state] = this.planFor(tests);
    }
    return state;
  }

  private planFor(tests: readonly number[]): number {
    if (tests.length === 0) return FINAL;
    const places = this.trie.placesBelow(tests);
    if (places.length < 2 || places.length > LEAP_WORDS_MAX) return this.firstPlace(tests);
    const name = places.join();
    let number = this.leapNumbers.get(name);
    if (number === undefined) {
      number = this.leaps.push(new TupleMap(places.length + 1)) - 1;
      this.leapPlaces.push(Int32Array.from(places));
      this.leapNumbers.set(name, number);
    }
    return this.words.length + number;
  }

  private firstPlace(tests: readonly number[]): number {
    let first = this.words.length;
    for (const test of tests) first = Math.min(first, this.trie.placeOf(test));
    return first;
  }
}
