/** `dropwindow test`: runs every case of a file and says what differs. */
import { InputError } from '../util/errors.js';
import type { Case, CaseAnswer } from './caseFormat.js';
import { CaseTexts } from './caseTexts.js';
import { caseProblem } from './checkCase.js';
import { compareAnswer, type Difference } from './compare.js';
import { isKernelCase, type KernelCase, runKernelCase } from './kernelCases.js';
import { runCase } from './runCase.js';

export interface CaseDifference extends Difference {
  readonly case: string;
  /** Number of the step (of the packet, in kernel cases) from 0; null: the case as a whole. */
  readonly step: number | null;
}

export interface CaseFileResult {
  readonly passed: number;
  readonly failed: number;
  readonly differences: readonly CaseDifference[];
  /** The cases again, `expect` being ours: one JSON text each. Kernel cases are not among them. */
  readonly answers: readonly string[];
}

/** `text`: JSON Lines. `name` is for errors. Empty lines are skipped. */
export function runCaseFile(text: string, name = '-'): CaseFileResult {
  const differences: CaseDifference[] = [];
  const answers: string[] = [];
  let passed = 0;
  let failed = 0;
  text.split('\n').forEach((line, number) => {
    if (line.trim() === '') return;
    const given = parseCase(line, name, number + 1);
    const found = isKernelCase(given) ? kernelDifferences(given) : ordinaryDifferences(given, answers);
    differences.push(...found);
    if (found.length === 0) passed++;
    else failed++;
  });
  return { passed, failed, differences, answers };
}

function parseCase(line: string, file: string, number: number): Case | KernelCase {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new InputError(`not JSON: ${(error as Error).message}`, { file, line: number });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError('a case is a JSON object', { file, line: number });
  const isKernel = isKernelCase(value);
  const problem = caseProblem(value, isKernel);
  if (problem !== null) throw new InputError(`no case: ${problem}`, { file, line: number });
  return value as Case | KernelCase;
}

function kernelDifferences(given: KernelCase): CaseDifference[] {
  const found: CaseDifference[] = [];
  for (const profile of ['linux-6.1', 'ovs-userspace-3.1'] as const) {
    for (const [step, differences] of runKernelCase(given, profile) ?? [])
      for (const difference of differences)
        found.push({ case: given.id, step, ...difference, key: `${profile} ${difference.key}` });
  }
  return found;
}

function ordinaryDifferences(given: Case, answers: string[]): CaseDifference[] {
  let got: readonly CaseAnswer[];
  try {
    got = runCase(given);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return [{ case: given.id, step: null, key: 'case', expected: 'a case that can be run', got: error.format() }];
  }
  answers.push(JSON.stringify({ ...given, steps: given.steps.map((step, i) => ({ ...step, expect: got[i] })) }));
  const texts = new CaseTexts(given.of ?? 'OpenFlow15', given.ports ?? []);
  return given.steps.flatMap((step, i) => {
    const accepted = step.expect_any ?? (step.expect === undefined ? [] : [step.expect]);
    if (accepted.length === 0) return [];
    const tries = accepted.map((expected) => compareAnswer(expected, got[i]!, texts));
    const best = tries.reduce((a, b) => (b.length < a.length ? b : a));
    return best.map((difference) => ({ case: given.id, step: i, ...difference }));
  });
}
