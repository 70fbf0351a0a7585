/** Benchmark processes in turn, round by round, and what comes out of them as rows. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import hdr from 'hdr-histogram-js';
import { DefectError, InputError, UsageError } from '../util/errors.js';
import { TOOL } from '../util/version.js';
import { BATCH } from './benchMeter.js';
import type { BenchMeasure, BenchTask } from './benchTask.js';

/** One figure of one method; what `--format json` and `npm run bench -- --json` write. */
export interface BenchRow {
  readonly bench: string;
  readonly size: string;
  readonly method: string;
  /** Somebody else's program. */
  readonly peer: boolean;
  readonly unit: string;
  /** Median of the rounds. */
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
  /** Of the answers: methods with equal checksums gave equal answers. */
  readonly checksum: string;
  readonly mismatches?: number;
  readonly note?: string;
}

/** What the figures were measured on. */
export interface BenchMachine {
  readonly tool: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
}

export function machine(): BenchMachine {
  const list = cpus();
  return { tool: TOOL, node: process.version, cpu: list[0]?.model.trim() ?? 'unknown', cores: list.length };
}

export interface RunTasksOptions {
  readonly rounds: number;
  /** Pin processes to this core, where `taskset` is there. */
  readonly core?: number;
  readonly signal?: AbortSignal;
  readonly onDone?: (done: number, total: number) => void;
}

/** Each task once per round, in turn, each time in a new process. By task: its measures, one per round. */
export async function runTasks(tasks: readonly BenchTask[], options: RunTasksOptions): Promise<BenchMeasure[][]> {
  const measures: BenchMeasure[][] = tasks.map(() => []);
  let done = 0;
  for (let round = 0; round < options.rounds; round++) {
    for (const [i, task] of tasks.entries()) {
      // The comparison with the linear method says the same in every round.
      const checked = 'checkBudget' in task && round > 0 ? { ...task, checkBudget: 0 } : task;
      if (measures[i]![0]?.unsupported === undefined) measures[i]!.push(await runTask(checked, options));
      options.onDone?.(++done, options.rounds * tasks.length);
    }
  }
  return measures;
}

async function runTask(task: BenchTask, { core, signal }: RunTasksOptions): Promise<BenchMeasure> {
  const child = fileURLToPath(new URL('./benchChild.js', import.meta.url));
  const argv = [process.execPath, '--expose-gc', '--max-old-space-size=8192', child, JSON.stringify(task)];
  const answer = JSON.parse(await outputOf(pinned(argv, core), signal)) as {
    measure?: BenchMeasure;
    input?: { message: string; place: InputError['place']; hint?: string };
    usage?: { message: string; hint?: string };
  };
  if (answer.input !== undefined) throw new InputError(answer.input.message, answer.input.place, answer.input.hint);
  if (answer.usage !== undefined) throw new UsageError(answer.usage.message, answer.usage.hint);
  return answer.measure!;
}

/** The command line under `taskset`, where that is there. */
export function pinned(argv: readonly string[], core: number | undefined): readonly string[] {
  const taskset = '/usr/bin/taskset';
  return core === undefined || !existsSync(taskset) ? argv : [taskset, '-c', String(core), ...argv];
}

/** Standard output of a command; DefectError with the end of its standard error when it fails. */
export function outputOf(argv: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-2000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new DefectError(`${argv.join(' ').slice(0, 200)} ended with ${code}: ${errors}`));
    });
  });
}

export interface RowNames {
  readonly bench: string;
  readonly size: string;
  readonly method: string;
  readonly peer?: boolean;
}

/** All figures of one method out of its rounds. */
export function rowsOf(names: RowNames, measures: readonly BenchMeasure[]): BenchRow[] {
  const first = measures[0];
  if (first === undefined || first.unsupported !== undefined) return [];
  const { checksum, note, mismatches } = first;
  const base = { ...names, peer: names.peer ?? false, rounds: measures.length, checksum };
  const rows: BenchRow[] = [];
  const add = (unit: string, values: readonly number[], more: Partial<BenchRow> = {}): void => {
    if (values.length > 0) rows.push({ ...base, unit, ...spread(values), ...more });
  };
  const said = (pick: (measure: BenchMeasure) => number | undefined): number[] =>
    measures.map(pick).filter((value) => value !== undefined);
  const notes = [note, first.checked === undefined ? undefined : `${first.checked} answers compared`];
  const text = notes.filter((part) => part !== undefined).join('; ');
  const digests = new Set(measures.map((measure) => measure.checksum));
  if (digests.size > 1) throw new DefectError(`${names.method}: other answers in another round`);
  add(
    `${first.what}/cpu-s`,
    measures.map(({ passes, firstPass }) => (passes.length === 0 ? firstPass : median(passes))),
    { ...(mismatches === undefined ? {} : { mismatches }), ...(text === '' ? {} : { note: text }) },
  );
  add(
    `${first.what}/cpu-s first pass`,
    said(({ firstPass }) => firstPass),
  );
  const histograms = measures.flatMap(({ histogram }) => (histogram === undefined ? [] : [decode(histogram)]));
  for (const percentile of [50, 90, 99, 99.9])
    add(
      `ns p${percentile}`,
      histograms.map((histogram) => histogram.getValueAtPercentile(percentile)),
    );
  add(
    'build ms',
    said(({ buildMs }) => buildMs),
  );
  add(
    'B/rule',
    said(({ bytes, rules }) => (bytes === undefined || !rules ? undefined : Math.max(0, bytes) / rules)),
  );
  add(
    'updates/cpu-s',
    said(({ updates }) => updates),
  );
  return rows;
}

/** Percentiles of all rounds together, for HdrHistogram's plotter; null: none were measured. */
export function percentileText(title: string, measures: readonly BenchMeasure[]): string | null {
  const encoded = measures.flatMap(({ histogram }) => (histogram === undefined ? [] : [histogram]));
  if (encoded[0] === undefined) return null;
  const sum = decode(encoded[0]);
  for (const text of encoded.slice(1)) sum.add(decode(text));
  const what = `wall ns per lookup, means of batches of ${BATCH}, no correction for coordinated omission`;
  return `#[dropwindow bench ${title}; ${what}]\n${sum.outputPercentileDistribution(5, 1)}`;
}

function decode(base64: string): ReturnType<typeof hdr.build> {
  return hdr.decodeFromCompressedBase64(base64, 64, false);
}

export function spread(values: readonly number[]): { value: number; min: number; max: number } {
  return { value: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
