/** `bench`: classifiers, the scan and the whole replay on the user's own files, in processes of their own. */
import { basename } from 'node:path';
import { FILTER_KINDS, FILTER_SIZES, type FilterKind, type SizeName } from '../classify/rivals/generate.js';
import {
  FILTER_METHOD_NAMES,
  type FilterMethod,
  TABLE_METHOD_NAMES,
  type TableMethod,
} from '../classify/rivals/methods.js';
import { UsageError } from '../util/errors.js';
import { nearMiss } from '../util/text.js';
import { type BenchMachine, type BenchRow, machine, percentileText, rowsOf, runTasks } from './benchRun.js';
import type { BenchMeasure, BenchTask, FilterTask } from './benchTask.js';
import type { Progress, ReplayOptions, RunOptions } from './replayOptions.js';

/** Fewer, replayed in a loop, are learnt by the branch predictor and lie in the caches (CLASSIFIER_NOTES: up to 2.3 times). */
const DISTINCT_MIN = 100_000;
/** Filter tests that the comparison with the linear scan may cost, per method. */
const CHECK_BUDGET = 2e8;
const HEADERS = 300_000;
const ZIPF_FLOWS = 4096;

export interface BenchRunOptions extends RunOptions {
  readonly rounds?: number;
  /** Over the same input within a process, beside the first. */
  readonly passes?: number;
  /** Pin processes to this core. */
  readonly core?: number;
}

/** One of: `filters` (with or without `trace`), `flows` and `headers`, `generate`. */
export interface BenchClassifierOptions extends BenchRunOptions {
  /** Filter set in ClassBench's format. */
  readonly filters?: string;
  /** Header trace; without: made from the filters. */
  readonly trace?: string;
  /** OpenFlow rules and headers for them (flow text, or columns as gen_conj_tables.py prints them). */
  readonly flows?: string;
  readonly headers?: string;
  /** A filter set of our own: kind, size and seed. */
  readonly generate?: FilterKind;
  readonly size?: SizeName;
  readonly seed?: number;
  /** Headers of a trace that is made. */
  readonly count?: number;
  /** A trace with locality: 4,096 flows, probability 1 / rank. */
  readonly zipf?: boolean;
  readonly methods?: readonly string[];
}

export interface BenchReport {
  readonly machine: BenchMachine;
  readonly rows: readonly BenchRow[];
  /** .hgrm text by method. */
  readonly histograms: readonly { readonly name: string; readonly text: string }[];
  readonly warnings: readonly string[];
}

/** UsageError for options that do not fit together, InputError for files that are none. */
export async function benchClassifier(options: BenchClassifierOptions): Promise<BenchReport> {
  const { size, tasks } = options.flows === undefined ? filterTasks(options) : tableTasks(options);
  const measures = await runAll(tasks, options);
  const warnings: string[] = [];
  const distinct = measures.flat().find((measure) => measure.distinct !== undefined)?.distinct;
  if (distinct !== undefined && distinct < DISTINCT_MIN)
    warnings.push(
      `only ${distinct} distinct headers: below ${DISTINCT_MIN} caches and branch prediction are measured, not classifiers`,
    );
  const checksums = new Set(measures.flatMap(([first]) => (first?.unsupported === undefined ? [first?.checksum] : [])));
  if (checksums.size > 1) warnings.push('the methods do not agree: see checksums and mismatches');
  return report('classifier', size, tasks, measures, warnings);
}

/** Header extraction and group numbers, by both readers. */
export async function benchScan(captures: readonly string[], options: BenchRunOptions = {}): Promise<BenchReport> {
  const passes = options.passes ?? 3;
  const tasks = (['native', 'pcap-parser'] as const).map((reader) => ({
    name: reader,
    task: { task: 'scan', reader, captures, passes } as const,
  }));
  return report('scan', captures.map((path) => basename(path)).join('+'), tasks, await runAll(tasks, options), []);
}

/** The whole replay, inputs read anew in every pass. */
export async function benchReplay(replayed: ReplayOptions, options: BenchRunOptions = {}): Promise<BenchReport> {
  const { signal: _, onProgress: __, onVerdicts: ___, ...plain } = replayed;
  const tasks = [
    { name: 'dropwindow', task: { task: 'replay', options: plain, passes: options.passes ?? 3 } as const },
  ];
  const size = replayed.captures.map((path) => basename(path)).join('+');
  return report('replay', size, tasks, await runAll(tasks, options), []);
}

interface NamedTask {
  readonly name: string;
  readonly task: BenchTask;
}

function runAll(tasks: readonly NamedTask[], options: BenchRunOptions): Promise<BenchMeasure[][]> {
  const { signal, core, onProgress } = options;
  return runTasks(
    tasks.map(({ task }) => task),
    {
      rounds: options.rounds ?? 3,
      ...(core === undefined ? {} : { core }),
      ...(signal === undefined ? {} : { signal }),
      onDone: (done, total) => onProgress?.({ what: 'runs', done, total } satisfies Progress),
    },
  );
}

function report(
  bench: string,
  size: string,
  tasks: readonly NamedTask[],
  measures: readonly BenchMeasure[][],
  warnings: string[],
): BenchReport {
  const rows: BenchRow[] = [];
  const histograms: { name: string; text: string }[] = [];
  for (const [i, { name }] of tasks.entries()) {
    const unsupported = measures[i]![0]?.unsupported;
    if (unsupported !== undefined) warnings.push(`${name}: not supported: ${unsupported}`);
    rows.push(...rowsOf({ bench, size, method: name }, measures[i]!));
    const text = percentileText(`${name}, ${size}`, measures[i]!);
    if (text !== null) histograms.push({ name: `${name}.hgrm`, text });
  }
  return { machine: machine(), rows, histograms, warnings };
}

function filterTasks(options: BenchClassifierOptions): { size: string; tasks: NamedTask[] } {
  const { filters, generate, trace, seed = 1, size = 'M', count = HEADERS, zipf = false } = options;
  if ((filters === undefined) === (generate === undefined))
    throw new UsageError('give either --filters, --flows with --headers, or --generate', '--generate acl --size M');
  if (generate !== undefined && !FILTER_KINDS.includes(generate))
    throw new UsageError(`${generate}: no kind of filter set`, `known: ${FILTER_KINDS.join(', ')}`);
  if (!Object.hasOwn(FILTER_SIZES, size)) throw new UsageError(`${size}: no size`, 'known: S, M, L');
  const source =
    filters === undefined ? { kind: generate!, count: FILTER_SIZES[size], seed } : ({ file: filters } as const);
  const headers = trace === undefined ? { count, seed: seed + 1, flows: zipf ? ZIPF_FLOWS : 0 } : { file: trace };
  const shared: Omit<FilterTask, 'method'> = {
    task: 'filters',
    filters: source,
    trace: headers,
    passes: options.passes ?? 3,
    checkBudget: CHECK_BUDGET,
  };
  const methods = chosen(options.methods, FILTER_METHOD_NAMES);
  const name = filters === undefined ? `${generate}-${size}` : basename(filters).replace(/\.filters(\.gz)?$/, '');
  return {
    size: trace === undefined && zipf ? `${name} zipf` : name,
    tasks: methods.map((method: FilterMethod) => ({ name: method, task: { ...shared, method } })),
  };
}

function tableTasks(options: BenchClassifierOptions): { size: string; tasks: NamedTask[] } {
  const { flows, headers } = options;
  if (headers === undefined) throw new UsageError('--flows needs --headers', 'lines of flow text, table=N first');
  const methods = chosen(options.methods, TABLE_METHOD_NAMES);
  return {
    size: basename(flows!),
    tasks: methods.map((method: TableMethod) => ({
      name: method,
      task: {
        task: 'tables',
        method,
        flows: flows!,
        headers,
        passes: options.passes ?? 3,
        checkBudget: CHECK_BUDGET,
      },
    })),
  };
}

function chosen<T extends string>(wanted: readonly string[] | undefined, known: readonly T[]): readonly T[] {
  if (wanted === undefined) return known;
  return wanted.map((name) => {
    const found = known.find((each) => each === name);
    if (found !== undefined) return found;
    const near = nearMiss(name, known);
    throw new UsageError(
      `${name}: no method here`,
      near === null ? `known: ${known.join(', ')}` : `did you mean ${near}?`,
    );
  });
}
