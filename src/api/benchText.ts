/** Benchmark rows as a table: one line per size and method, one column per unit. */
import type { BenchReport } from './bench.js';
import type { BenchRow } from './benchRun.js';

/** Plain text, or Markdown. Each table has the columns that its bench has figures for. */
export function benchTable(rows: readonly BenchRow[], markdown: boolean): string {
  const benches = [...new Set(rows.map(({ bench }) => bench))];
  return benches
    .map((bench) =>
      oneTable(
        rows.filter((row) => row.bench === bench),
        markdown,
      ),
    )
    .join('\n');
}

export function benchText({ machine, rows, warnings }: BenchReport, markdown: boolean): string {
  const { tool, node, cpu, cores } = machine;
  const lines = [
    `${tool}, Node ${node}, ${cpu}, ${cores} cores; per CPU second of the process, median of the rounds (min - max)`,
    '',
    benchTable(rows, markdown),
    ...warnings.map((warning) => `${markdown ? '**Warning**' : 'warning'}: ${warning}`),
  ];
  return `${lines.join('\n')}\n`;
}

function oneTable(rows: readonly BenchRow[], markdown: boolean): string {
  const units = [...new Set(rows.map(({ unit }) => unit))];
  const lines = new Map<string, BenchRow[]>();
  for (const row of rows) {
    const name = `${row.size}\n${row.method}`;
    const line = lines.get(name);
    if (line === undefined) lines.set(name, [row]);
    else line.push(row);
  }
  const head = [rows[0]!.bench, 'method', ...units, 'checksum', 'mismatches', 'note'];
  const body = [...lines.values()].map((line) => [
    line[0]!.size,
    line[0]!.peer ? `${line[0]!.method} (peer)` : line[0]!.method,
    ...units.map((unit) => figure(line.find((row) => row.unit === unit))),
    line[0]!.checksum,
    String(line.find((row) => row.mismatches !== undefined)?.mismatches ?? ''),
    line.find((row) => row.note !== undefined)?.note ?? '',
  ]);
  return markdown ? markdownTable(head, body) : textTable(head, body);
}

/** Rates carry their spread, the rest is the median only. */
function figure(row: BenchRow | undefined): string {
  if (row === undefined) return '';
  const value = short(row.value);
  return row.unit.includes('cpu-s') && row.min !== row.max ? `${value} (${short(row.min)} - ${short(row.max)})` : value;
}

/** Three digits: `12.3 M`, `870 k`, `64.1`. */
export function short(value: number): string {
  const [scaled, suffix] = value >= 1e6 ? [value / 1e6, ' M'] : value >= 1e4 ? [value / 1e3, ' k'] : [value, ''];
  const digits = scaled >= 100 || (suffix === '' && Number.isInteger(scaled)) ? 0 : scaled >= 10 ? 1 : 2;
  return `${scaled.toFixed(digits)}${suffix}`;
}

function markdownTable(head: readonly string[], body: readonly string[][]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...body.map(line)].join('\n')}\n`;
}

function textTable(head: readonly string[], body: readonly string[][]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...body.map((line) => line[i]!.length)));
  // Names stand left, figures right.
  const isText = (i: number): boolean => i < 2 || i >= head.length - 3;
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (isText(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return `${[head, ...body].map(line).join('\n')}\n`;
}
