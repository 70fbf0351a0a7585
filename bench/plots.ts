/** Rows as bar charts, one SVG per bench and unit; figures on the bars, so that nothing hangs on a scale. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchRow } from '../src/api/benchRun.js';
import { short } from '../src/api/benchText.js';

const BAR = 18;
const LABELS = 330;
const WIDTH = 900;
const PLOTTED = /cpu-s$|^packets\/s$/;

/** Writes the charts and returns their names. */
export function writePlots(folder: string, rows: readonly BenchRow[]): string[] {
  mkdirSync(folder, { recursive: true });
  const groups = grouped(rows);
  const names: string[] = [];
  for (const [title, list] of groups) {
    const name = `${title.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}.svg`;
    writeFileSync(join(folder, name), chart(title, list));
    names.push(name);
  }
  return names;
}

function grouped(rows: readonly BenchRow[]): Map<string, BenchRow[]> {
  const groups = new Map<string, BenchRow[]>();
  for (const row of rows.filter(({ unit }) => PLOTTED.test(unit))) {
    const title = `${row.bench}: ${row.unit}`;
    const list = groups.get(title);
    if (list === undefined) groups.set(title, [row]);
    else list.push(row);
  }
  return groups;
}

function chart(title: string, rows: readonly BenchRow[]): string {
  const most = Math.max(...rows.map(({ max }) => max));
  const scale = (value: number): number => ((WIDTH - LABELS - 90) * value) / most;
  const bars = rows.map((row, i) => {
    const y = 40 + i * (BAR + 6);
    const [from, to] = [LABELS + scale(row.min), LABELS + scale(row.max)];
    return [
      `<text x="${LABELS - 8}" y="${y + 13}" text-anchor="end">${escaped(`${row.size}, ${row.method}`)}</text>`,
      `<rect x="${LABELS}" y="${y}" width="${scale(row.value).toFixed(1)}" height="${BAR}" fill="${row.peer ? '#b8b8b8' : '#3b6ea5'}"/>`,
      `<line x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${y + BAR / 2}" y2="${y + BAR / 2}" stroke="#222"/>`,
      `<text x="${(to + 6).toFixed(1)}" y="${y + 13}">${short(row.value)}</text>`,
    ].join('\n');
  });
  const height = 50 + rows.length * (BAR + 6);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<text x="8" y="20" font-size="14">${escaped(title)} (median; line: min to max; grey: peers)</text>
${bars.join('\n')}
</svg>
`;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
