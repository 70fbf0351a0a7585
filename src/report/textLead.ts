/** The first five lines of the report: what a tired operator has to know. Every sentence is counted from the result. */
import type { Cause, Culprit, Flow, ReplayResult, Window } from './result.js';
import {
  between,
  causeVerb,
  clean,
  dateTime,
  deadReason,
  duration,
  grouped,
  joined,
  markOf,
  plural,
  some,
  stepName,
} from './words.js';

export function leadLines(result: ReplayResult): string[] {
  return [replayedLine(result), restartLine(result), hitLine(result), culpritLine(result), healingLine(result)];
}

/** What was replayed. A restart that never finished is said before anything else: it changes what all figures mean. */
function replayedLine(result: ReplayResult): string {
  const { summary, inputs } = result;
  const captures = inputs.filter((input) => input.packets !== undefined);
  const from = captures
    .map((input) => input.first)
    .filter((t) => t != null)
    .sort(byTime)[0];
  const to = captures
    .map((input) => input.last)
    .filter((t) => t != null)
    .sort(byTime)
    .at(-1);
  const span = from == null || to == null ? '' : ` over ${duration(between(from, to))} from ${dateTime(from)} UTC`;
  const skipped = Object.values(summary.packets.notReplayed).reduce((sum, count) => sum + count, 0);
  const names = some(captures.map((input) => clean(input.name)));
  const what =
    `${names === '' ? 'Replayed' : `Replayed ${names}:`} ${plural(summary.packets.replayed, 'packet')} of ` +
    `${plural(summary.connections, 'connection')}${span}${skipped === 0 ? '' : ` (${grouped(skipped)} frames not replayed)`}.`;
  const stopped = result.interrupted === true ? 'INTERRUPTED: what follows covers what was done up to then. ' : '';
  return `${stopped}${unfinishedSentence(result)}${what}`;
}

function unfinishedSentence({ summary }: ReplayResult): string {
  if (summary.judge !== 'before') return '';
  const numbers = summary.unfinished;
  if (numbers === undefined) return 'Judged by the tables before the restart. ';
  const tables =
    `${grouped(numbers.oldRules)} of ${grouped(numbers.of)} old flows are still there beside ` +
    `${plural(numbers.newRules, 'new one')}`;
  return numbers.before
    ? `THE RESTART NEVER FINISHED: ${tables}; judged by the tables before it. `
    : `Judged by the tables before the restart, as asked (at the end ${tables}). `;
}

function restartLine({ summary, steps }: ReplayResult): string {
  if (summary.restart === null || steps.count === 0) return 'No restart: the schedule has no steps.';
  const { from, ns } = summary.restart;
  const deletions = conntrackSteps({ summary, steps });
  const tables = deletions === null ? steps.count : steps.count - deletions;
  const parts = [`${plural(tables, 'table step')} (${plural(steps.bundles, 'bundle')})`];
  if (deletions !== null && deletions > 0)
    parts.push(plural(deletions, 'deletion of conntrack entries', 'deletions of conntrack entries'));
  const bracket =
    summary.fidelity === 'dumps' ? ' Times are brackets and causes candidates: only dumps tell of it.' : '';
  return (
    `Restart ${ns === 0 ? 'at' : 'from'} ${dateTime(from)} UTC${ns === 0 ? '' : ` for ${duration(ns)}`}: ${parts.join(', ')}; ` +
    `${plural(steps.rules.before, 'flow')} in the tables before, ${grouped(steps.rules.after)} after.${bracket}`
  );
}

/** Number of conntrack steps, null where the result does not tell. */
function conntrackSteps({ summary, steps }: Pick<ReplayResult, 'summary' | 'steps'>): number | null {
  if (steps.list !== undefined) return steps.list.filter((step) => step.kind === 'conntrack').length;
  return summary.unfinished === undefined ? null : steps.count - summary.unfinished.tableSteps;
}

function hitLine(result: ReplayResult): string {
  const { summary, windows } = result;
  const { leak, partial, misdelivery, transitional } = summary.windows;
  const packetsOf = (kind: Window['kind']) =>
    windows.filter((window) => window.kind === kind).reduce((sum, window) => sum + window.packets, 0);
  const parts = [
    `${plural(summary.packetsLost, 'packet')} lost`,
    leak === 0 ? 'no leaks' : `${plural(leak, 'leak')} (${plural(packetsOf('leak'), 'packet')} let through)`,
  ];
  if (partial > 0) parts.push(plural(partial, 'window of partial delivery', 'windows of partial delivery'));
  if (misdelivery > 0) parts.push(plural(misdelivery, 'misdelivery', 'misdeliveries'));
  if (transitional > 0) parts.push(plural(transitional, 'window of neither policy', 'windows of neither policy'));
  parts.push(deadPhrase(result));
  const hit =
    summary.connectionsHit === 0
      ? `No connection of ${grouped(summary.connections)} was hit`
      : `${grouped(summary.connectionsHit)} of ${plural(summary.connections, 'connection')} hit`;
  return `${hit}: ${parts.join(', ')}.${policySentence(result)}`;
}

function deadPhrase({ flows, windows, summary }: ReplayResult): string {
  const dead = flows.filter((flow) => flow.dead !== null && flow.deadBefore !== true);
  if (summary.dead === 0) return 'none dead at the end';
  const connections = new Set(dead.map((flow) => flow.flow.connection)).size;
  const replies = dead.filter((flow) => flow.flow.direction === 'reply').length;
  const direction =
    replies === dead.length ? ' in the reply direction' : replies === 0 ? ' in the original direction' : '';
  const who =
    direction === ''
      ? `${plural(dead.length, 'flow')} of ${plural(connections, 'connection')}`
      : plural(connections, 'connection');
  return `${who} dead${direction} and not healing (${reasons(dead, windows)})`;
}

function reasons(dead: readonly Flow[], windows: readonly Window[]): string {
  const mark = markOf(windows);
  const byReason = new Map<string, number>();
  for (const flow of dead) byReason.set(flow.dead!, (byReason.get(flow.dead!) ?? 0) + 1);
  const parts = [...byReason].sort(([, a], [, b]) => b - a);
  return parts
    .map(([reason, n]) => `${parts.length === 1 ? '' : `${grouped(n)} `}${deadReason(reason, mark)}`)
    .join(', ');
}

function policySentence({ summary: { policy } }: ReplayResult): string {
  if (policy.flows === 0) return '';
  const effects = [
    ...(policy.lost > 0 ? [`${grouped(policy.lost)} packets lost to it`] : []),
    ...(policy.gained > 0 ? [`${grouped(policy.gained)} newly let through`] : []),
    ...(policy.changed > 0 ? [`${grouped(policy.changed)} sent elsewhere`] : []),
  ];
  return ` The policy changed for ${plural(policy.flows, 'flow')} (${effects.join(', ')}).`;
}

/** The steps to blame, worst first. */
function culpritLine(result: ReplayResult): string {
  const { culprits, summary, steps, windows } = result;
  if (culprits.length === 0)
    return windows.length === 0 ? 'No step of the restart broke anything.' : 'No step was found that broke them.';
  const causesOf = groupCauses(windows);
  const kinds = { bundle: 0, conntrack: 0, single: 0 };
  for (const { step } of culprits) {
    const cause = causesOf.get(step)?.[0];
    kinds[cause?.conntrack !== undefined ? 'conntrack' : cause?.batch != null ? 'bundle' : 'single']++;
  }
  const blamed: string[] = [];
  if (kinds.bundle > 0) blamed.push(`${grouped(kinds.bundle)} of ${plural(steps.bundles, 'bundle')}`);
  if (kinds.single > 0) blamed.push(plural(kinds.single, 'single flow-mod'));
  if (kinds.conntrack > 0) blamed.push(plural(kinds.conntrack, 'conntrack deletion'));
  const verb = culprits.length === 1 ? 'accounts' : 'account';
  const whose =
    summary.connectionsHit === 1 ? 'the one connection' : `all ${grouped(summary.connectionsHit)} connections`;
  const worst = culprits.slice(0, 3).map((culprit, i) => blame(culprit, causesOf.get(culprit.step) ?? [], i));
  return `${joined(blamed)} ${verb} for ${whose}: ${worst.join('; ')}${culprits.length > 3 ? '; …' : ''}.`;
}

/** The worst culprit with what it did, the next ones with their number of connections only. */
function blame(culprit: Culprit, causes: readonly Window['cause'][], place: number): string {
  const known = causes.filter((cause) => cause !== null);
  const name = stepName(culprit.step, known[0] ?? null);
  if (place > 0 || known.length === 0) return `${name} hit ${grouped(culprit.connections)}`;
  const most = mostFrequentEffect(known);
  return `${name} ${causeVerb(most)} and hit ${plural(culprit.connections, 'connection')}`;
}

/** The causes that share the effect which most of them have. */
export function mostFrequentEffect(causes: readonly Cause[]): Cause[] {
  const byEffect = new Map<string, Cause[]>();
  for (const cause of causes) {
    const list = byEffect.get(cause.effect);
    if (list === undefined) byEffect.set(cause.effect, [cause]);
    else list.push(cause);
  }
  return [...byEffect.values()].sort((a, b) => b.length - a.length)[0] ?? [];
}

/** Causes by step, in the order of the windows. */
export function groupCauses(windows: readonly Window[]): Map<number, Window['cause'][]> {
  const byStep = new Map<number, Window['cause'][]>();
  for (const { cause } of windows) {
    if (cause === null) continue;
    const list = byStep.get(cause.step);
    if (list === undefined) byStep.set(cause.step, [cause]);
    else list.push(cause);
  }
  return byStep;
}

/** What healed, and what the agent's cleaning (conntrack deletions, removal of old flows) did. */
function healingLine(result: ReplayResult): string {
  return `${healed(result)} ${cleaning(result)}`;
}

function healed({ windows }: ReplayResult): string {
  if (windows.length === 0) return 'Nothing had to heal.';
  const closed = windows.filter((window) => !window.open);
  if (closed.length === 0) return `None of ${plural(windows.length, 'window')} closed.`;
  const byStep = closed.filter((window) => window.healedBy?.step !== undefined).length;
  const byPacket = closed.filter((window) => window.healedBy?.packet !== undefined).length;
  const other = closed.length - byStep - byPacket;
  const ways = [
    ...(byStep > 0 ? [`${grouped(byStep)} by a later step`] : []),
    ...(byPacket > 0 ? [`${grouped(byPacket)} by a packet that changed the conntrack entry`] : []),
    ...(other > 0 ? [`${grouped(other)} at a different packet`] : []),
  ];
  const open = windows.length - closed.length;
  return `${grouped(closed.length)} of ${plural(windows.length, 'window')} closed (${ways.join(', ')}), ${grouped(open)} did not.`;
}

function cleaning(result: ReplayResult): string {
  const { windows, summary, steps } = result;
  const deletions = conntrackSteps(result);
  const sentences: string[] = [];
  if (deletions !== null && deletions > 0) {
    const freed = windows.filter((window) => window.cause?.by?.what === 'mark' && window.healedBy !== null).length;
    const broke = windows.filter((window) => window.cause?.conntrack !== undefined).length;
    const counted = steps.list?.filter((step) => step.entries !== undefined) ?? [];
    const removed = counted.reduce((sum, step) => sum + step.entries!, 0);
    const effects = [
      ...(removed === 0 ? [] : [`removed ${plural(removed, 'entry', 'entries')}`]),
      ...(freed > 0 ? [`let ${plural(freed, 'marked flow')} pass again`] : []),
      ...(broke > 0 ? [`opened ${plural(broke, 'window')}`] : []),
    ];
    const what = plural(deletions, 'conntrack deletion');
    sentences.push(
      effects.length === 0
        ? `The agent's ${what} ${windows.length === 0 ? 'broke nothing' : 'helped none of them'}.`
        : `The agent's ${what} ${joined(effects)}.`,
    );
  }
  if (summary.unfinished !== undefined && summary.restart !== null) {
    const { oldRules } = summary.unfinished;
    sentences.push(
      oldRules === 0
        ? 'No old flow is left.'
        : `${plural(oldRules, 'old flow')} ${oldRules === 1 ? 'was' : 'were'} never removed.`,
    );
  }
  return sentences.join(' ');
}

const byTime = (a: string, b: string) => Math.sign(between(b, a));
