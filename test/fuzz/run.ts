/** One target, many damaged inputs; each is made of (seed, number) alone, so that any of them can be made again. */
import { Prng } from '../../src/util/prng.js';
import { mutate } from './mutate.js';
import { type Fate, fateOf, type Target } from './targets.js';

export interface FuzzCounts {
  readonly fates: Record<Fate, number>;
  /** Longest by the processor's clock. */
  slowestMs: number;
  slowestInput: number;
}

/** An input that failed. */
export class FuzzFailure extends Error {
  readonly bytes: Uint8Array;

  constructor(target: string, seed: number, number: number, bytes: Uint8Array, cause: unknown) {
    super(`${target}, seed ${seed}, input ${number}: ${String(cause)}`, { cause });
    this.bytes = bytes;
  }
}

export function fuzzInput(target: Target, corpus: readonly Uint8Array[], seed: number, number: number): Uint8Array {
  const prng = new Prng(seed * 1_000_003 + number);
  return mutate(prng, prng.pick(corpus), corpus, target.isText);
}

const MAX_MS = 1000;

/** Inputs [from, to). Throws FuzzFailure for an error that no user should see and for an input that takes over a second. */
export async function fuzz(
  target: Target,
  corpus: readonly Uint8Array[],
  seed: number,
  from: number,
  to: number,
): Promise<FuzzCounts> {
  const counts: FuzzCounts = { fates: { whole: 0, partly: 0, refused: 0 }, slowestMs: 0, slowestInput: from };
  for (let number = from; number < to; number++) {
    const bytes = fuzzInput(target, corpus, seed, number);
    const start = process.cpuUsage();
    let fate: Fate;
    try {
      fate = await fateOf(target, bytes);
    } catch (error) {
      throw new FuzzFailure(target.name, seed, number, bytes, error);
    }
    const { user, system } = process.cpuUsage(start);
    const ms = (user + system) / 1000;
    if (ms > MAX_MS) throw new FuzzFailure(target.name, seed, number, bytes, `takes ${Math.round(ms)} ms`);
    if (ms > counts.slowestMs) {
      counts.slowestMs = ms;
      counts.slowestInput = number;
    }
    counts.fates[fate]++;
  }
  return counts;
}
