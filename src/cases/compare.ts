/** What of a step's answer differs from what is expected, in words. A key that the expectation lacks is not asked. */
import type { CaseAnswer, CaseOutput, CaseRule } from './caseFormat.js';
import type { CaseTexts } from './caseTexts.js';

export interface Difference {
  readonly key: string;
  readonly expected: string;
  readonly got: string;
}

/** Texts of rules are compared in canonical form: `texts` brings both sides there. */
export function compareAnswer(expected: CaseAnswer, got: CaseAnswer, texts: CaseTexts): Difference[] {
  const differences: Difference[] = [];
  const check = (key: keyof CaseAnswer, same: boolean): void => {
    if (!same) differences.push({ key, expected: show(expected[key]), got: show(got[key]) });
  };
  if (expected.out !== undefined) check('out', sameOutputs(expected.out, got.out ?? []));
  if (expected.ct !== undefined) check('ct', show(expected.ct) === show(got.ct ?? []));
  if (expected.rules !== undefined) check('rules', sameRules(expected.rules, got.rules ?? [], texts));
  if (expected.controller !== undefined) check('controller', expected.controller === (got.controller ?? 0));
  if (expected.error !== undefined) check('error', sameError(expected.error, got.error ?? null));
  if (expected.flows !== undefined) check('flows', sameFlows(expected.flows, got.flows ?? [], texts));
  if (expected.conntrack !== undefined)
    check('conntrack', show([...expected.conntrack].sort()) === show(got.conntrack ?? []));
  if (expected.fdb !== undefined) check('fdb', show(expected.fdb) === show(got.fdb ?? []));
  if (expected.deleted !== undefined) check('deleted', expected.deleted === got.deleted);
  if (differences.length > 0 && got.unsupported !== undefined)
    differences.push({ key: 'unsupported', expected: 'an answer', got: got.unsupported });
  return differences;
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

/** As multisets; exact frames find their partners before "~" and "?" do. */
function sameOutputs(expected: readonly CaseOutput[], got: readonly CaseOutput[]): boolean {
  if (expected.length !== got.length) return false;
  const left = [...got];
  const take = (wanted: CaseOutput): boolean => {
    const at = left.findIndex(
      (output) => output[0] === wanted[0] && output[2] === wanted[2] && fitsFrame(wanted[1], output[1]),
    );
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  };
  const vagueness = (frame: string): number => (frame === '?' ? 2 : frame === '~' ? 1 : 0);
  return [...expected].sort((a, b) => vagueness(a[1]) - vagueness(b[1])).every(take);
}

function fitsFrame(wanted: string, frame: string): boolean {
  if (wanted === '?') return true;
  // A packet without bytes: a frame that was changed cannot be told byte by byte.
  if (wanted === '~' || frame === '~') return frame !== '=' && wanted !== '=';
  return wanted.toLowerCase() === frame;
}

function sameRules(expected: readonly CaseRule[], got: readonly CaseRule[], texts: CaseTexts): boolean {
  return (
    expected.length === got.length &&
    expected.every((rule, i) => {
      const other = got[i]!;
      return rule[0] === other[0] && rule[2] === other[2] && sameRuleText(rule[1], other[1], texts);
    })
  );
}

function sameRuleText(expected: string | null, got: string | null, texts: CaseTexts): boolean {
  if (expected === null || got === null) return expected === got;
  return expected === got || texts.canonical(expected) === texts.canonical(got);
}

function sameFlows(expected: readonly string[], got: readonly string[], texts: CaseTexts): boolean {
  const canonical = (flows: readonly string[]): string => show(flows.map((flow) => texts.canonical(flow)).sort());
  return show([...expected].sort()) === show(got) || canonical(expected) === canonical(got);
}

/** Error names of OpenFlow must agree; of other texts only that there is an error. */
function sameError(expected: string | null, got: string | null): boolean {
  if (expected === null || got === null) return expected === got;
  return !expected.startsWith('OFP') || expected === got || got.includes(`(${expected})`);
}
