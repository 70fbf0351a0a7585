/** How often a property is tried, and from which seed: both printed, both settable for long runs. */
import type { TestContext } from 'node:test';

/** `PROPERTY_RUNS` multiplies the number of runs, `PROPERTY_SEED` is the seed. */
export function runsOf(t: TestContext, usual: number): { readonly numRuns: number; readonly seed: number } {
  const numRuns = Math.ceil(usual * Number(process.env['PROPERTY_RUNS'] ?? 1));
  const seed = Number(process.env['PROPERTY_SEED'] ?? 20260101);
  t.diagnostic(
    `${numRuns} runs, seed ${seed} (PROPERTY_RUNS=${process.env['PROPERTY_RUNS'] ?? 1} PROPERTY_SEED=${seed})`,
  );
  return { numRuns, seed };
}
