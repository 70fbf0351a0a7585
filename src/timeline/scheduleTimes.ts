/**
 * What can be done with the times of a schedule: merging, moving, skipping. The order of the steps is theirs; times are
 * brackets that the order narrows.
 */
import { UsageError } from '../util/errors.js';
import type { Fidelity, Schedule, Step, TimeBracket } from './schedule.js';

/**
 * The brackets that are left when the steps act in this order: the earliest moments never decrease, nor do the latest. A step
 * acts at the earliest: so a deletion that some dump bounds on both sides acts right after the additions before it.
 * The order must be possible: no step ends before one before it begins.
 */
export function narrow(steps: readonly Step[]): Step[] {
  const latest: bigint[] = [];
  for (let i = steps.length - 1; i >= 0; i--) {
    const own = steps[i]!.t.latest;
    const next = latest[i + 1];
    latest[i] = next !== undefined && next < own ? next : own;
  }
  let earliest: bigint | null = null;
  return steps.map((step, i) => {
    if (earliest === null || step.t.earliest > earliest) earliest = step.t.earliest;
    if (earliest === step.t.earliest && latest[i] === step.t.latest) return step;
    return { ...step, t: { earliest, latest: latest[i]! } };
  });
}

/** Best first: what a merged schedule may claim is the worst of its parts. */
const FIDELITIES: readonly Fidelity[] = ['wire', 'log', 'monitor', 'dumps', 'model'];

/**
 * One schedule out of several, by time (the earliest); at equal times those of an earlier schedule come first, and steps of one
 * schedule stay in order. UsageError if the clocks differ.
 */
export function mergeSchedules(schedules: readonly Schedule[]): Schedule {
  const first = schedules[0];
  if (first === undefined) throw new UsageError('no schedule to merge');
  if (schedules.length === 1) return first;
  const clocks = new Set(schedules.filter(({ steps }) => steps.length > 0).map(({ clock }) => clock));
  if (clocks.size > 1) {
    throw new UsageError('one schedule has Unix times, another one times relative to the start of the trace');
  }
  const steps = schedules.flatMap((schedule) => narrow(schedule.steps));
  steps.sort((a, b) => (a.t.earliest < b.t.earliest ? -1 : a.t.earliest > b.t.earliest ? 1 : 0));
  const withTables = schedules.filter((schedule) => schedule.steps.some((step) => step.kind === 'tables'));
  const fidelities = (withTables.length > 0 ? withTables : schedules).map(({ fidelity }) =>
    FIDELITIES.indexOf(fidelity),
  );
  return {
    source: schedules.map(({ source }) => source).join(' and '),
    clock: [...clocks][0] ?? first.clock,
    fidelity: FIDELITIES[Math.max(...fidelities)]!,
    of: first.of,
    steps: narrow(steps),
    warnings: schedules.flatMap(({ warnings }) => warnings),
  };
}

/** Unix times out of times relative to the start of the trace (ns since 1970). */
export function resolveClock(schedule: Schedule, traceStart: bigint): Schedule {
  if (schedule.clock === 'unix') return schedule;
  return {
    ...schedule,
    clock: 'unix',
    steps: schedule.steps.map((step) => ({ ...step, t: shift(step.t, traceStart) })),
  };
}

/**
 * Moves the restart so that its first step acts at `start` (ns since 1970). Steps that belong to all worlds are no part of it
 * and stay; in a schedule with relative times they move with it.
 */
export function startAt(schedule: Schedule, start: bigint): Schedule {
  const isPart = (step: Step) => step.kind === 'tables' || step.worlds === 'actual';
  const first = schedule.steps.find(isPart);
  if (first === undefined) return schedule;
  const by = start - first.t.earliest;
  if (schedule.clock === 'relative') return resolveClock(schedule, by);
  const part = schedule.steps.filter(isPart).map((step) => ({ ...step, t: shift(step.t, by) }));
  const rest = schedule.steps.filter((step) => !isPart(step));
  if (rest.length === 0) return { ...schedule, steps: part };
  const merged = mergeSchedules([
    { ...schedule, steps: part },
    { ...schedule, steps: rest, warnings: [] },
  ]);
  return { ...schedule, steps: merged.steps };
}

/** Leaves out the table steps that a dump taken at `dumpedAt` already shows; a warning counts them. */
export function skipDumped(schedule: Schedule, dumpedAt: bigint): Schedule {
  const steps = schedule.steps.filter((step) => step.kind !== 'tables' || step.t.latest > dumpedAt);
  const skipped = schedule.steps.length - steps.length;
  if (skipped === 0) return schedule;
  const warning = `${skipped} of ${schedule.steps.length} steps are not replayed: they came before the dump was taken (--before-at)`;
  return { ...schedule, steps, warnings: [...schedule.warnings, warning] };
}

function shift(t: TimeBracket, by: bigint): TimeBracket {
  return { earliest: t.earliest + by, latest: t.latest + by };
}
