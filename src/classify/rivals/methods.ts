/** The classifiers by name. */
import type { Timeline } from '../../timeline/timeline.js';
import type { Classifier } from '../classifier.js';
import { CompiledClassifier } from '../compiled.js';
import { LinearClassifier } from '../linear.js';
import { BitVectors } from './bitVectors.js';
import { CompiledFilters } from './compiledFilters.js';
import { CrossProduct } from './crossProduct.js';
import { CuttingTree } from './cuttingTree.js';
import type { FilterClassifier, FilterSet, UpdatableClassifier } from './filters.js';
import { LinearScan } from './linearScan.js';
import { TableSpace } from './tableSpace.js';
import { TupleMerge } from './tupleMerge.js';
import { TupleMergeCode } from './tupleMergeCode.js';
import { TupleSpace } from './tupleSpace.js';

/** For filter sets. */
export const FILTER_METHODS = {
  linear: { what: 'one filter after the other', make: (set) => new LinearScan(set) },
  'tuple-space': {
    what: 'Open vSwitch: a hash table per mask, staged lookup, prefix tries',
    make: (set) => new TupleSpace(set),
  },
  'tuple-merge': { what: 'TupleMerge, updatable', make: (set) => new TupleMerge(set) },
  'tuple-merge-code': { what: 'TupleMerge as generated code', make: (set) => new TupleMergeCode(set) },
  'bit-vectors': { what: 'aggregated bit vectors', make: (set) => new BitVectors(set) },
  'cutting-tree': { what: 'cut, then split, by address lengths (CutSplit)', make: (set) => new CuttingTree(set) },
  trie: { what: 'the compiled classifier of replays, ranges as masks', make: (set) => new CompiledFilters(set) },
  'cross-product': {
    what: 'the same idea for five-tuples: address classes meet on demand',
    make: (set) => new CrossProduct(set),
  },
} as const satisfies Record<string, { what: string; make(set: FilterSet): FilterClassifier }>;

export type FilterMethod = keyof typeof FILTER_METHODS;

export const FILTER_METHOD_NAMES = Object.keys(FILTER_METHODS) as FilterMethod[];

/** UnsupportedError where a method does not take so many filters. */
export function makeFilterClassifier(method: FilterMethod, set: FilterSet): FilterClassifier {
  return FILTER_METHODS[method].make(set);
}

export function isUpdatable(classifier: FilterClassifier): classifier is UpdatableClassifier {
  return 'insert' in classifier && 'remove' in classifier;
}

/** The classifiers for OpenFlow tables by name. */
export const TABLE_METHODS = {
  linear: { what: 'one rule after the other', make: (timeline) => new LinearClassifier(timeline) },
  'tuple-space': { what: 'Open vSwitch: every mask in turn', make: (timeline) => new TableSpace(timeline) },
  trie: {
    what: 'the compiled conjunctive-match trie of replays',
    make: (timeline) => new CompiledClassifier(timeline),
  },
} as const satisfies Record<string, { what: string; make(timeline: Timeline): Classifier }>;

export type TableMethod = keyof typeof TABLE_METHODS;

export const TABLE_METHOD_NAMES = Object.keys(TABLE_METHODS) as TableMethod[];
