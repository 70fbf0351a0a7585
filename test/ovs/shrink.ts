/** Makes a failing case smaller as long as it still fails (delta debugging: halves, quarters ... of steps, mods and flows). */
import type { Case } from '../../src/cases/caseFormat.js';

export type Fails = (given: Case) => Promise<boolean>;

/** `budgetMs` bounds the search; the smallest failing case so far is the answer. */
export async function shrink(given: Case, fails: Fails, budgetMs: number): Promise<Case> {
  const deadline = Date.now() + budgetMs;
  let best = given;
  const shrinkList = async <T>(list: readonly T[], put: (list: readonly T[]) => Case): Promise<void> => {
    let left = [...list];
    for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < left.length && Date.now() < deadline; ) {
        const fewer = [...left.slice(0, at), ...left.slice(at + size)];
        const smaller = put(fewer);
        if (await fails(smaller)) {
          left = fewer;
          best = smaller;
        } else at += size;
      }
    }
  };
  await shrinkList(best.steps, (steps) => ({ ...best, steps }));
  await shrinkList(best.flows ?? [], (flows) => ({ ...best, flows }));
  for (let n = 0; n < best.steps.length; n++) {
    const step = best.steps[n]!;
    if (step.mods === undefined || step.mods.length < 2) continue;
    await shrinkList(step.mods, (mods) => ({
      ...best,
      steps: best.steps.map((other, i) => (i === n ? { ...other, mods } : other)),
    }));
  }
  await shrinkList(best.steps, (steps) => ({ ...best, steps }));
  return best;
}
