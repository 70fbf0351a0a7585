/**
 * `node dist/test/fuzz/main.js [--count N] [--seed S] [--target NAME] [--seconds T] [--keep DIR]`: N damaged inputs of each kind
 * (T: at most so long), in a thread that is watched: one that does not come back in a minute is a hang. Failures are named with
 * target, seed and number; --keep saves their bytes. Exit code 1 if there are any.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { readCorpus } from './corpus.js';
import { FuzzFailure, fuzz, fuzzInput } from './run.js';
import { TARGETS, type Target } from './targets.js';

const HANG_MS = 60_000;
const BATCH = 20;
const MAX_HEAP_MB = 1024;

interface Job {
  readonly target: string;
  readonly seed: number;
  readonly count: number;
  readonly seconds: number;
}

type Report =
  | { readonly kind: 'alive'; readonly done: number }
  | { readonly kind: 'failed'; readonly number: number; readonly text: string }
  | { readonly kind: 'done'; readonly done: number; readonly text: string };

async function work({ target: name, seed, count, seconds }: Job): Promise<void> {
  const target = TARGETS.find((each) => each.name === name)!;
  const corpus = readCorpus(true).get(name)!;
  const say = (report: Report): void => parentPort!.postMessage(report);
  say({ kind: 'alive', done: 0 });
  const deadline = Date.now() + seconds * 1000;
  const fates = { whole: 0, partly: 0, refused: 0 };
  let slowest = 0;
  let done = 0;
  while (done < count && Date.now() < deadline) {
    const to = Math.min(count, done + BATCH);
    try {
      const counts = await fuzz(target, corpus, seed, done, to);
      for (const fate of ['whole', 'partly', 'refused'] as const) fates[fate] += counts.fates[fate];
      slowest = Math.max(slowest, counts.slowestMs);
      done = to;
    } catch (error) {
      if (!(error instanceof FuzzFailure)) throw error;
      const number = Number(/input (\d+)/.exec(error.message)![1]);
      say({ kind: 'failed', number, text: `${error.message}\n${(error.cause as Error).stack ?? ''}` });
      done = number + 1;
    }
    say({ kind: 'alive', done });
  }
  const { whole, partly, refused } = fates;
  say({
    kind: 'done',
    done,
    text: `${name}: ${done} inputs: ${whole} whole, ${partly} partly, ${refused} refused; slowest ${Math.round(slowest)} ms`,
  });
}

/** Number of failures. */
function watch(job: Job, keep: string | undefined): Promise<number> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: job,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    let failures = 0;
    let done = 0;
    const fail = (text: string): void => {
      failures++;
      console.log(text);
    };
    const hang = (): void => {
      fail(`${job.target}, seed ${job.seed}: hangs between inputs ${done} and ${done + BATCH}`);
      void worker.terminate();
    };
    let timer = setTimeout(hang, HANG_MS);
    worker.on('message', (report: Report) => {
      clearTimeout(timer);
      if (report.kind === 'done') {
        console.log(report.text);
        return;
      }
      timer = setTimeout(hang, HANG_MS);
      if (report.kind === 'alive') done = report.done;
      else {
        fail(report.text);
        if (keep !== undefined) save(keep, job, report.number);
      }
    });
    worker.on('error', (error) =>
      fail(`${job.target}, seed ${job.seed}, after input ${done}: ${error.stack ?? error}`),
    );
    worker.on('exit', () => {
      clearTimeout(timer);
      resolve(failures);
    });
  });
}

function save(folder: string, { target: name, seed }: Job, number: number): void {
  const target: Target = TARGETS.find((each) => each.name === name)!;
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, `${name}-${seed}-${number}`),
    fuzzInput(target, readCorpus(true).get(name)!, seed, number),
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '3600' },
      target: { type: 'string' },
      keep: { type: 'string' },
    },
  });
  let failures = 0;
  for (const { name } of TARGETS) {
    if (values.target !== undefined && values.target !== name) continue;
    const job = {
      target: name,
      seed: Number(values.seed),
      count: Number(values.count),
      seconds: Number(values.seconds),
    };
    failures += await watch(job, values.keep);
  }
  console.log(failures === 0 ? 'no failure' : `${failures} failures`);
  return failures === 0 ? 0 : 1;
}

if (isMainThread) process.exitCode = await main();
else await work(workerData as Job);
