/**
 * Contestants in turn, round by round, each in a process of its own (tiny ones in this one): what they share is the machine's mood, so ratios within
 * a run mean something where absolute figures do not.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { measure } from '../src/api/benchMeasure.js';
import { type BenchRow, machine, outputOf, pinned, rowsOf, runTasks, spread } from '../src/api/benchRun.js';
import type { BenchTask } from '../src/api/benchTask.js';
import type { Figure } from './parts/figure.js';
import { measurePart } from './parts/parts.js';

export interface Contestant {
  readonly size: string;
  readonly method: string;
  readonly peer?: boolean;
  run(): Promise<readonly Figure[]>;
}

/** A peer that this machine does not have, and the command that brings it. */
export interface Absent {
  readonly method: string;
  readonly bring: string;
}

/** Inputs get smaller: `tiny` is for the tests. */
export interface BenchContext {
  readonly tiny: boolean;
  readonly peers: boolean;
  /** Core that everybody is pinned to. */
  readonly core: number;
  /** Folder for inputs that are made; removed at the end. */
  readonly work: string;
  /** Folder of the reference data, null where it is not there. */
  readonly shared: string | null;
}

export interface Bench {
  readonly name: string;
  contestants(context: BenchContext): Promise<{ contestants: Contestant[]; absent: Absent[] }>;
}

export interface BenchOutcome {
  readonly rows: BenchRow[];
  readonly absent: Absent[];
  readonly failed: string[];
}

/** `size`: only contestants whose size contains it. */
export async function runBench(bench: Bench, context: BenchContext, rounds: number, size = ''): Promise<BenchOutcome> {
  const { contestants: all, absent } = await bench.contestants(context);
  const contestants = all.filter((contestant) => contestant.size.includes(size));
  const figures = contestants.map((): Map<string, Figure[]> => new Map());
  const failed: string[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      try {
        for (const figure of await contestant.run()) {
          const list = figures[i]!.get(figure.unit);
          if (list === undefined) figures[i]!.set(figure.unit, [figure]);
          else list.push(figure);
        }
      } catch (error) {
        // A peer that breaks is said so; one of ours that breaks is a failure.
        if (contestant.peer !== true) throw error;
        if (round === 0) failed.push(`${bench.name}: ${contestant.method}: ${(error as Error).message.slice(0, 200)}`);
      }
    }
  }
  const rows = contestants.flatMap(({ size, method, peer = false }, i) =>
    [...figures[i]!].map(([unit, list]): BenchRow => {
      const { checksum, mismatches, note } = list[0]!;
      return {
        bench: bench.name,
        size,
        method,
        peer,
        unit,
        ...spread(list.map(({ value }) => value)),
        rounds: list.length,
        checksum,
        ...(mismatches === undefined ? {} : { mismatches }),
        ...(note === undefined ? {} : { note }),
      };
    }),
  );
  return { rows, absent, failed };
}

/** One of ours that `dropwindow bench` measures too. */
export function ofTask(context: BenchContext, size: string, method: string, task: BenchTask): Contestant {
  return {
    size,
    method,
    async run() {
      const [measures] = context.tiny
        ? [[await measure(task)]]
        : await runTasks([task], { rounds: 1, core: context.core });
      return rowsOf({ bench: '', size, method }, measures!).filter(({ unit }) => !unit.startsWith('ns '));
    },
  };
}

/** One of ours that only bench/ measures: `part` of parts/parts.ts. */
export function ofChild(context: BenchContext, size: string, method: string, part: string, input: object): Contestant {
  const child = fileURLToPath(new URL('./child.js', import.meta.url));
  return {
    size,
    method,
    async run() {
      if (context.tiny) return measurePart(part, input);
      const argv = [process.execPath, '--expose-gc', child, part, JSON.stringify(input)];
      return JSON.parse(await outputOf(pinned(argv, context.core), undefined)) as Figure[];
    },
  };
}

/** CPU seconds and standard output of somebody else's program. */
export async function peerCpu(argv: readonly string[], core: number): Promise<{ seconds: number; output: string }> {
  const line = ['/bin/bash', '-c', 'TIMEFORMAT="CPU %U %S"; exec 3>&2; time "$@" 2>&3', 'bash', ...argv];
  const output = await outputOf(pinned(['/bin/bash', '-c', '"$@" 2>&1', 'bash', ...line], core), undefined);
  const times = /CPU ([\d.]+) ([\d.]+)\s*$/.exec(output.trimEnd());
  return { seconds: Number(times?.[1]) + Number(times?.[2]), output };
}

export function hasProgram(name: string): boolean {
  return spawnSync('/bin/sh', ['-c', `command -v "${name}"`], { stdio: 'ignore' }).status === 0;
}

/** Folder of reference data beside the repository. */
export function sharedFolder(): string | null {
  const path = fileURLToPath(new URL('../../../shared/', import.meta.url));
  return existsSync(path) ? path : null;
}

/** Built peers stay here between runs. */
export const PEER_CACHE = `${process.env['XDG_CACHE_HOME'] ?? `${process.env['HOME'] ?? tmpdir()}/.cache`}/dropwindow-peers`;

export function machineLine(): string {
  const { tool, node, cpu, cores } = machine();
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout?.trim() ?? '';
  return `${tool} ${commit}, Node ${node}, ${cpu}, ${cores} cores, load ${loadavg()[0]!.toFixed(1)}`;
}
