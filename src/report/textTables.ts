/** The parts of the text report below the first five lines. Each function returns the lines of one section, or none. */
import type { Flow, HistogramSummary, ReplayResult, Window } from './result.js';
import { groupCauses, mostFrequentEffect } from './textLead.js';
import {
  between,
  causeVerb,
  clean,
  clock,
  deadReason,
  duration,
  flowShort,
  flowText,
  grouped,
  markOf,
  plural,
  stepName,
} from './words.js';

const CULPRITS_SHOWN = 10;
const WINDOWS_SHOWN = 10;
const FLOWS_SHOWN = 8;

/** A number, perhaps with a unit; `-`: none. */
const NUMBER = /^(?:[-+]?[\d.,]+(?: (?:ns|µs|ms|s))?|-|)$/;

/** Rows under a head, columns as wide as their widest cell; numbers to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const numeric = head.map((_, i) => rows.every((row) => NUMBER.test(row[i]!)));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ')}`.trimEnd();
  return [line(head), ...rows.map(line)];
}

function shown(all: number, limit: number): string {
  return all > limit ? ` (${limit} of ${grouped(all)})` : '';
}

export function culpritTable({ culprits, windows, summary }: ReplayResult): string[] {
  if (culprits.length === 0) return [];
  const causesOf = groupCauses(windows);
  const start = summary.restart?.from;
  const rows = culprits.slice(0, CULPRITS_SHOWN).map((culprit) => {
    const causes = (causesOf.get(culprit.step) ?? []).filter((cause) => cause !== null);
    const first = causes[0];
    const most = mostFrequentEffect(causes);
    const kinds = Object.entries(culprit.windows).filter(([, n]) => n > 0);
    return [
      grouped(culprit.connections),
      grouped(culprit.flows),
      grouped(culprit.packets),
      kinds.map(([kind, n]) => `${grouped(n)} ${kind}`).join(', '),
      first === undefined || start === undefined ? '' : `+${duration(between(start, first.t))}`,
      String(culprit.step),
      `${stepName(culprit.step, first ?? null)} ${most.length === 0 ? '' : causeVerb(most)}${
        most.length < causes.length ? ` (${most.length} of ${causes.length} windows)` : ''
      }`,
    ];
  });
  return [
    `Culprits${shown(culprits.length, CULPRITS_SHOWN)}: windows by the step that caused them`,
    ...table(['conns', 'flows', 'packets', 'windows', 'in restart', 'step', 'what it did'], rows),
  ];
}

const TREATED: Record<Window['kind'], string> = {
  drop: 'lost',
  partial: 'partly lost',
  leak: 'let through',
  misdelivery: 'sent elsewhere',
  transitional: 'treated by neither policy',
};

export function windowTable(result: ReplayResult): string[] {
  const { windows, flows } = result;
  if (windows.length === 0) return [];
  const length = (window: Window) => between(window.from, window.to);
  const worst = [...windows].sort((a, b) => b.packets - a.packets || length(b) - length(a) || a.id - b.id);
  const mark = markOf(windows);
  const lines = worst.slice(0, WINDOWS_SHOWN).flatMap((window) => {
    const { flow } = window;
    const where = [
      flow.direction,
      ...(flow.zone === null ? [] : [`zone ${flow.zone}`]),
      ...(flow.inPort === null ? [] : [`in port ${flow.inPort}`]),
    ];
    return [
      `  ${window.kind} at packet ${window.id}: ${flowText(flow)} (${where.join(', ')})`,
      `      ${plural(window.packets, 'packet')} ${gapSentence(window, flows, mark)}`,
      `      cause: ${causeSentence(window, mark)}`,
      `      by       ${ruleText(window.rule)}`,
      `      instead  ${ruleText(window.instead)}`,
    ];
  });
  return [`Worst windows${shown(windows.length, WINDOWS_SHOWN)}`, ...lines];
}

function ruleText(rule: string | null): string {
  return rule === null ? 'no rule (table miss)' : flowShort(rule);
}

/** `3 packets lost for 410 ms …`: a window in one sentence. */
export function windowSentence(window: Window, flows: readonly Flow[], windows: readonly Window[]): string {
  return `${plural(window.packets, 'packet')} ${gapSentence(window, flows, markOf(windows))}`;
}

/** The gap that packets show beside the outage of the tables, and what became of the flow and of its other direction. */
function gapSentence(window: Window, flows: readonly Flow[], mark: string): string {
  const gap = duration(between(window.from, window.to));
  const parts = [
    window.open
      ? `${TREATED[window.kind]} from ${clock(window.from)} on (${gap} to the last one)`
      : `${TREATED[window.kind]} for ${gap} from ${clock(window.from)}`,
  ];
  const outage = window.tableOutage;
  if (outage !== null) {
    parts.push(outage.ns === null ? 'tables wrong to the end' : `tables wrong for ${duration(outage.ns)}`);
  }
  for (const flow of flows) {
    if (flow.flow.connection !== window.flow.connection || flow.dead === null) continue;
    const who =
      flow.flow.direction === window.flow.direction
        ? 'dead'
        : flow.flow.direction === 'reply'
          ? 'replies dead'
          : 'original direction dead';
    parts.push(`${who} since then ${deadReason(flow.dead, mark)}`);
  }
  const healed = window.healedBy;
  if (healed?.step !== undefined) parts.push(`healed by step ${healed.step}`);
  else if (healed?.packet !== undefined) parts.push(`healed by packet ${healed.packet}`);
  return parts.join(', ');
}

function causeSentence({ cause }: Window, mark: string): string {
  if (cause === null) return 'not found';
  const mod = cause.flowMod == null ? '' : `, flow-mod ${cause.flowMod.n} (${cause.flowMod.op})`;
  const name = stepName(cause.step, cause);
  const step = cause.batch === null ? name : `${name} at step ${cause.step}`;
  const chain = cause.by === null || cause.by.step === cause.step ? '' : `; since then ${byPhrase(cause.by, mark)}`;
  const then = cause.then.length === 0 ? '' : `; a second fault at step ${cause.then.join(', ')}`;
  const unsure = cause.candidates ? ' (a candidate: only dumps tell of the restart)' : '';
  return `${step}${mod} ${causeVerb([cause])}${chain}${then}${unsure}`;
}

function byPhrase(by: NonNullable<NonNullable<Window['cause']>['by']>, mark: string): string {
  const event = by.packet !== undefined ? `packet ${by.packet}` : `step ${by.step}`;
  switch (by.what) {
    case 'mark':
      return `${mark}, written by ${event}`;
    case 'deleted':
      return `its entry is gone, deleted by ${event}`;
    case 'no-entry':
      return `it has no entry, because of ${event}`;
    case 'extra-entry':
      return `it has an entry that it should not have, made by ${event}`;
    case 'state':
      return `its entry is in another state, because of ${event}`;
  }
}

export function policyTable({ flows, summary }: ReplayResult): string[] {
  const changed = flows.filter((flow) => flow.policy !== null);
  if (changed.length === 0) return [];
  const rows = changed
    .slice(0, FLOWS_SHOWN)
    .map(({ flow, policy }) => [
      grouped(policy!.packets),
      grouped(policy!.lost),
      grouped(policy!.gained),
      grouped(policy!.changed),
      policy!.since === null ? '-' : clock(policy!.since),
      `${flowText(flow)} (${flow.direction})`,
    ]);
  return [
    `Flows with another policy${shown(summary.policy.flows, FLOWS_SHOWN)}: no windows, old and new tables disagree`,
    ...table(['packets', 'lost', 'gained', 'changed', 'since', 'flow'], rows),
  ];
}

/** Dead flows without a window, lingering and exposed ones: what the windows do not show. */
export function otherFlows({ flows, summary, windows }: ReplayResult): string[] {
  const mark = markOf(windows);
  const list = (title: string, some: readonly Flow[], text: (flow: Flow) => string) =>
    some.length === 0
      ? []
      : [`${title}${shown(some.length, FLOWS_SHOWN)}`, ...some.slice(0, FLOWS_SHOWN).map((flow) => `  ${text(flow)}`)];
  const name = (flow: Flow) => `${flowText(flow.flow)} (${flow.flow.direction})`;
  return [
    ...list(
      'Dead without a window: the next packet would be lost',
      flows.filter((flow) => flow.dead !== null && flow.windows.length === 0),
      (flow) =>
        `${name(flow)} ${deadReason(flow.dead!, mark)}${flow.deadBefore === true ? ', before the restart already' : ''}`,
    ),
    ...list(
      'Lingering: still let through by an old conntrack entry',
      flows.filter((flow) => flow.lingering),
      name,
    ),
    ...list(
      'Exposed, not hit: a version between two of their packets would have treated them wrong',
      flows.filter((flow) => flow.exposed),
      name,
    ),
    ...(summary.flooded > 0
      ? [`${plural(summary.flooded, 'packet')} flooded by NORMAL instead of one port, judged as delivered`]
      : []),
  ];
}

export function uncertainPackets({ ambiguous, unsupported, summary }: ReplayResult): string[] {
  const lines: string[] = [];
  if (ambiguous !== undefined && ambiguous.length > 0) {
    const total = summary.packets.outcomes?.ambiguous ?? ambiguous.length;
    lines.push(
      `Ambiguous packets${shown(total, Math.min(FLOWS_SHOWN, ambiguous.length))}: the inputs do not decide them, so nothing is judged`,
    );
    for (const { packet, flow, why, either } of ambiguous.slice(0, FLOWS_SHOWN)) {
      lines.push(`  packet ${packet} ${flowText(flow)}: ${clean(why)}`);
      for (const { outcome, out, rule } of either) {
        lines.push(`      ${outcome}${out.length > 0 ? ` to ${out.join(', ')}` : ''} by ${ruleText(rule)}`);
      }
    }
  }
  const untold = ambiguous === undefined ? (summary.packets.outcomes?.ambiguous ?? 0) : 0;
  if (untold > 0) {
    lines.push(
      `${plural(untold, 'packet')} not judged: which of two rules they meet hangs on an order that is not known`,
    );
  }
  if (unsupported !== undefined && unsupported.length > 0) {
    lines.push('Not supported, so not judged');
    for (const { what, rule, packets, firstPacket } of unsupported.slice(0, FLOWS_SHOWN)) {
      lines.push(`  ${clean(what)}: ${plural(packets, 'packet')} from packet ${firstPacket}, rule ${flowShort(rule)}`);
    }
  }
  return lines;
}

export function histogramTable({ histograms }: ReplayResult): string[] {
  const entries: [string, HistogramSummary][] = Object.entries(histograms?.modelled ?? {});
  if (histograms?.measured !== undefined) entries.push(['serviceNs (measured)', histograms.measured.serviceNs]);
  if (entries.length === 0) return [];
  const value = (n: number | null, unit: string) => (n === null ? '-' : unit === 'ns' ? duration(n) : grouped(n));
  const rows = entries.map(([name, h]) => [
    name,
    grouped(h.count),
    grouped(h.zeros),
    ...[h.p50, h.p90, h.p99, h.max].map((n) => value(n, h.unit)),
  ]);
  return ['Histograms', ...table(['name', 'count', 'zeros', 'p50', 'p90', 'p99', 'max'], rows)];
}
