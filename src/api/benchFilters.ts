/** One method over one filter set and header trace. */
import { parseFilters, parseHeaders } from '../classify/rivals/classBench.js';
import type { FilterClassifier, FilterSet, HeaderTrace, UpdatableClassifier } from '../classify/rivals/filters.js';
import { makeFilters, makeHeaders } from '../classify/rivals/generate.js';
import { LinearScan } from '../classify/rivals/linearScan.js';
import { isUpdatable, makeFilterClassifier } from '../classify/rivals/methods.js';
import { UnsupportedError } from '../util/errors.js';
import { readInputFile, textOf } from '../util/inputFile.js';
import { Prng } from '../util/prng.js';
import { WordTable } from '../util/wordTable.js';
import { batchHistogram, Digest, memoryInUse, rateOf, timed } from './benchMeter.js';
import type { BenchMeasure, FilterSource, FilterTask, TraceSource } from './benchTask.js';

const UPDATES = 20_000;
const UPDATE_SEED = 5;

export function readFilters(source: FilterSource): FilterSet {
  if (!('file' in source)) return makeFilters(source.kind, source.count, source.seed);
  const file = readInputFile(source.file);
  return parseFilters(textOf(file), file.name);
}

export function readTrace(source: TraceSource, set: FilterSet): { headers: HeaderTrace; expected: Int32Array | null } {
  if (!('file' in source))
    return { headers: makeHeaders(set, source.count, source.seed, source.flows), expected: null };
  const file = readInputFile(source.file);
  return parseHeaders(textOf(file), file.name);
}

export function measureFilters(task: FilterTask): BenchMeasure {
  const set = readFilters(task.filters);
  const { headers, expected } = readTrace(task.trace, set);
  const before = memoryInUse();
  let built: { result: FilterClassifier; ns: number };
  try {
    built = timed(() => makeFilterClassifier(task.method, set));
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return { unsupported: error.what, what: 'lookups', count: 0, firstPass: 0, passes: [], checksum: '' };
  }
  const classifier = built.result;
  // What is slow is asked for fewer headers, all of the same trace.
  const count =
    task.method === 'linear' ? Math.min(headers.count, Math.ceil(2e8 / Math.max(1, set.count))) : headers.count;
  const pass = (): number => lookUpAll(classifier, headers, 0, count);
  const firstPass = (count / timed(pass).ns) * 1e9;
  const bytes = memoryInUse() - before;
  const passes = Array.from({ length: task.passes }, () => rateOf(count, pass));
  const answers = answersOf(classifier, headers, headers.count);
  const truth = truthOf(task, set, headers, expected);
  const mismatches = truth.reduce((sum, answer, i) => sum + (answer === answers[i] ? 0 : 1), 0);
  const histogram = batchHistogram(count, (from, to) => lookUpAll(classifier, headers, from, to));
  return {
    what: 'lookups',
    count,
    firstPass,
    passes,
    checksum: digestOf(answers),
    buildMs: built.ns / 1e6,
    bytes,
    rules: set.count,
    checked: truth.length,
    mismatches,
    distinct: distinctHeaders(headers),
    histogram,
    ...(isUpdatable(classifier) && set.count > 0 ? { updates: measureUpdates(classifier, set, headers, answers) } : {}),
  };
}

/** Called per batch, allocates nothing. The sum keeps the lookups from being optimised away. */
function lookUpAll(classifier: FilterClassifier, headers: HeaderTrace, from: number, to: number): number {
  const { src, dst, sport, dport, proto } = headers;
  let sum = 0;
  for (let i = from; i < to; i++)
    sum = (sum + classifier.lookup(src[i]!, dst[i]!, sport[i]!, dport[i]!, proto[i]!)) | 0;
  return sum;
}

function answersOf(classifier: FilterClassifier, headers: HeaderTrace, count: number): Int32Array {
  const { src, dst, sport, dport, proto } = headers;
  const answers = new Int32Array(count);
  for (let i = 0; i < count; i++) answers[i] = classifier.lookup(src[i]!, dst[i]!, sport[i]!, dport[i]!, proto[i]!);
  return answers;
}

/** The right answers of the first headers: the trace's own, else those of the linear scan as far as the budget goes. */
function truthOf(task: FilterTask, set: FilterSet, headers: HeaderTrace, expected: Int32Array | null): Int32Array {
  if (task.checkBudget === 0) return new Int32Array(0);
  if (expected !== null) return expected;
  const count = Math.min(headers.count, Math.ceil(task.checkBudget / Math.max(1, set.count)));
  return answersOf(new LinearScan(set), headers, count);
}

function digestOf(answers: Int32Array): string {
  const digest = new Digest();
  for (const answer of answers) digest.add(answer);
  return digest.toString();
}

/** Random filters go and come back; afterwards all answers must be those of before. */
function measureUpdates(
  classifier: UpdatableClassifier,
  set: FilterSet,
  headers: HeaderTrace,
  answers: Int32Array,
): number {
  const prng = new Prng(UPDATE_SEED);
  const filters = Int32Array.from({ length: UPDATES }, () => prng.below(set.count));
  const update = (): void => {
    for (const filter of filters) {
      classifier.remove(filter);
      classifier.insert(filter);
    }
  };
  update();
  const rate = rateOf(2 * UPDATES, update);
  const count = Math.min(headers.count, 10_000);
  const after = answersOf(classifier, headers, count);
  if (after.some((answer, i) => answer !== answers[i]))
    throw new Error('answers changed by updates that undo each other');
  return rate;
}

function distinctHeaders({ count, src, dst, sport, dport, proto }: HeaderTrace): number {
  const table = new WordTable(4);
  const key = new Int32Array(4);
  for (let i = 0; i < count; i++) {
    key[0] = src[i]!;
    key[1] = dst[i]!;
    key[2] = (sport[i]! << 16) | dport[i]!;
    key[3] = proto[i]!;
    table.intern(key);
  }
  return table.count;
}
