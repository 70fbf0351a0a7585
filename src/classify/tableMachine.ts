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

export interface MachineLimits {
  /** So many transitions and states are remembered; then the automaton starts anew. */
  readonly transitions: number;
  readonly states: number;
  /** Of each kind of leap so many are remembered: as many as a processor's cache holds. */
  readonly leaps: number;
  /** Leaps go over at most so many words. */
  readonly leapWords: number;
}

export const MACHINE_LIMITS: MachineLimits = { transitions: 1 << 20, states: 1 << 18, leaps: 1 << 16, leapWords: 12 };

const START = 0;
const FINAL = -1;
const NO_LEAP = -1;

export class TableMachine {
  private readonly trie: MatchTrie;
  private readonly words: Int32Array;
  private readonly used: Int32Array;
  private readonly classes: readonly WordClasses[];
  private readonly limits: MachineLimits;
  private readonly onReset: () => void;
  private readonly probe: Int32Array;
  /** Per place: the class of the present header's value, as far as it was asked for. */
  private readonly classAt: Int32Array;
  private transitions = new PairMap();
  private byItems = new Map<string, number>();
  private tests: (readonly number[])[] = [];
  private cells: (readonly number[])[] = [];
  /** Per state: the place of the word that it reads, or FINAL; the leap that begins there, or NO_LEAP. */
  private places = new Int32Array(64);
  private leapOf = new Int32Array(64);
  private leapPlaces: Int32Array[] = [];
  private leaps: TupleMap[] = [];
  private leapNumbers = new Map<string, number>();

  /** `onReset`: states get new numbers from now on. */
  constructor(cells: readonly Cell[], limits: MachineLimits, onReset: () => void) {
    this.limits = limits;
    this.probe = new Int32Array(limits.leapWords + 1);
    const uses = wordUses(cells);
    this.trie = new MatchTrie(cells, uses);
    this.onReset = onReset;
    this.words = Int32Array.from(uses, (use) => use.word);
    this.used = Int32Array.from(uses, (use) => use.used);
    this.classes = uses.map((use) => new WordClasses(use));
    this.classAt = new Int32Array(uses.length);
    this.begin();
  }

  /** The final state of a header. Called per packet, allocates nothing once its states are known. */
  run(key: Int32Array): number {
    if (this.transitions.size > this.limits.transitions || this.tests.length > this.limits.states) {
      this.begin();
      this.onReset();
    }
    const { words, used, classes, classAt } = this;
    let state = START;
    for (;;) {
      // Read anew each time: step() may replace these two by larger ones.
      const leap = this.leapOf[state]!;
      if (leap !== NO_LEAP) return this.leap(key, state, leap);
      const place = this.places[state]!;
      if (place === FINAL) return state;
      classAt[place] = classes[place]!.classOf(key[words[place]!]! & used[place]!);
      const next = this.transitions.get(state, classAt[place]!);
      state = next >= 0 ? next : this.step(key, state, place);
    }
  }

  /** Numbers of the cells that fit every header that ends in this final state. */
  cellsOf(state: number): readonly number[] {
    return this.cells[state]!;
  }

  /** From a state to the final one in one access, or step by step with the classes that were found for it. */
  private leap(key: Int32Array, start: number, number: number): number {
    const { probe, words, used, classes, classAt } = this;
    const places = this.leapPlaces[number]!;
    let hash = mixTuple(TUPLE_SEED, start);
    probe[0] = start;
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!;
      const valueClass = classes[place]!.classOf(key[words[place]!]! & used[place]!);
      classAt[place] = valueClass;
      probe[i + 1] = valueClass;
      hash = mixTuple(hash, valueClass);
    }
    hash = finishTuple(hash);
    const leaps = this.leaps[number]!;
    const known = leaps.get(probe, hash);
    if (known >= 0) return known;
    let state = start;
    for (let place = this.places[state]!; place !== FINAL; place = this.places[state]!) {
      const next = this.transitions.get(state, classAt[place]!);
      state = next >= 0 ? next : this.step(key, state, place);
    }
    if (leaps.size < this.limits.leaps) leaps.add(probe, hash, state);
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
    const tests: number[] = [];
    const cells: number[] = [];
    this.trie.open(ROOT, tests, cells);
    this.intern(tests, cells);
  }

  /** Makes a transition that is not known yet: every test at this word is made, its node opened. */
  private step(key: Int32Array, state: number, place: number): number {
    const value = key[this.words[place]!]!;
    const tests: number[] = [];
    const cells = [...this.cells[state]!];
    for (const test of this.tests[state]!) {
      if (this.trie.placeOf(test) !== place) tests.push(test);
      else {
        const node = this.trie.follow(test, value);
        if (node >= 0) this.trie.open(node, tests, cells);
      }
    }
    const next = this.intern(tests, cells);
    this.transitions.add(state, this.classAt[place]!, next);
    return next;
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
        this.places = doubled(this.places);
        this.leapOf = doubled(this.leapOf);
      }
      this.places[state] = tests.length === 0 ? FINAL : Math.min(...tests.map((test) => this.trie.placeOf(test)));
      this.leapOf[state] = this.leapFrom(tests);
    }
    return state;
  }

  private leapFrom(tests: readonly number[]): number {
    const places = this.trie.placesBelow(tests);
    if (places.length < 2 || places.length > this.limits.leapWords) return NO_LEAP;
    const name = places.join();
    let number = this.leapNumbers.get(name);
    if (number === undefined) {
      number = this.leaps.push(new TupleMap(places.length + 1)) - 1;
      this.leapPlaces.push(Int32Array.from(places));
      this.leapNumbers.set(name, number);
    }
    return number;
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
