/** The conditions of `--fail-on`: what in a result makes a script stop. */
import type { ReplayResult } from './result.js';

const CONDITIONS = {
  drop: ({ summary }) => summary.windows.drop > 0,
  partial: ({ summary }) => summary.windows.partial > 0,
  leak: ({ summary }) => summary.windows.leak > 0,
  misdelivery: ({ summary }) => summary.windows.misdelivery > 0,
  transitional: ({ summary }) => summary.windows.transitional > 0,
  dead: ({ summary }) => summary.dead > 0,
  lingering: ({ summary }) => summary.lingering > 0,
  policy: ({ summary }) => summary.policy.flows > 0,
  ambiguous: ({ summary, ambiguous }) => (summary.packets.outcomes?.ambiguous ?? ambiguous?.length ?? 0) > 0,
} as const satisfies Record<string, (result: ReplayResult) => boolean>;

export type FailOn = keyof typeof CONDITIONS;
export const FAIL_ON = Object.keys(CONDITIONS) as FailOn[];

/** Those of the conditions that hold. */
export function holding(result: ReplayResult, conditions: readonly FailOn[]): FailOn[] {
  return conditions.filter((condition) => CONDITIONS[condition](result));
}
