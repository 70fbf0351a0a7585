/**
 * The result as text for people: five lines with the answer, then tables, then charts.
 * What came from inputs is cleaned of control characters whether or not a terminal reads it.
 */
import { styleText } from 'node:util';
import { lengthChart, stripChart } from './charts.js';
import type { ReplayResult } from './result.js';
import { leadLines } from './textLead.js';
import { culpritTable, histogramTable, otherFlows, policyTable, uncertainPackets, windowTable } from './textTables.js';
import { clean, grouped } from './words.js';

export interface TextOptions {
  /** Escape sequences for a terminal. */
  readonly colour: boolean;
}

/** What a replay of recorded packets cannot show; every report says it. */
const OPEN_LOOP =
  'Open loop: these are the recorded packets. Silence and retransmissions that the recorded incident caused are in ' +
  'them, those of a hypothetical schedule are not.';

export function textReport(result: ReplayResult, options: TextOptions): string {
  const bold = (text: string) => (options.colour ? styleText('bold', text) : text);
  const alarm = (text: string) =>
    options.colour && result.windows.length > 0 ? styleText(['bold', 'red'], text) : bold(text);
  const [first, second, third, ...rest] = leadLines(result) as [string, string, string, ...string[]];
  const head = [result.summary.judge === 'before' ? alarm(first) : first, second, alarm(third), ...rest];
  const sections = [
    culpritTable(result),
    windowTable(result),
    stripChart(result),
    lengthChart(result.windows),
    histogramTable(result),
    policyTable(result),
    otherFlows(result),
    uncertainPackets(result),
    notReplayed(result),
    result.warnings.length === 0 ? [] : ['Warnings', ...result.warnings.map((warning) => `  ${clean(warning)}`)],
    [OPEN_LOOP, ...(result.digest === undefined ? [] : [`${clean(result.tool)}, digest ${result.digest}`])],
  ];
  const body = sections
    .filter((section) => section.length > 0)
    .map((section) => (section.length > 1 ? [bold(section[0]!), ...section.slice(1)] : section).join('\n'));
  return `${head.join('\n')}\n\n${body.join('\n\n')}\n`;
}

function notReplayed({ summary }: ReplayResult): string[] {
  const reasons = Object.entries(summary.packets.notReplayed).filter(([, count]) => count > 0);
  return reasons.length === 0
    ? []
    : ['Frames not replayed', ...reasons.map(([reason, count]) => `  ${grouped(count)} ${clean(reason)}`)];
}
