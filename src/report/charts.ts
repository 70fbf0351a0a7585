/** Small charts made of characters: flows hit over time against the steps of the restart, lengths of windows. */
import type { ReplayResult, Window } from './result.js';
import { between, clock, grouped, later } from './words.js';

const COLUMNS = 80;
const ROWS = 6;
const BLOCKS = ' ▁▂▃▄▅▆▇█';

/**
 * Two strips on one time axis: how many flows were inside a window, and the steps of the restart.
 * The axis runs from shortly before the restart to as long after it; what lies later is said, not drawn.
 */
export function stripChart(result: ReplayResult): string[] {
  const { windows, summary } = result;
  if (summary.restart === null || windows.length === 0) return [];
  const axis = timeAxis(result);
  const hit = new Int32Array(COLUMNS);
  for (const window of windows) {
    const first = Math.max(0, axis.column(window.from));
    const last = window.open ? COLUMNS - 1 : Math.min(COLUMNS - 1, axis.column(window.to));
    for (let column = first; column <= last; column++) hit[column]!++;
  }
  const highest = Math.max(...hit);
  const lines: string[] = [];
  for (let row = ROWS - 1; row >= 0; row--) {
    const label = row === ROWS - 1 ? grouped(highest) : row === 0 ? '0' : '';
    lines.push(`${label.padStart(12)} |${bar(hit, highest, row)}`.trimEnd());
  }
  const steps = stepStrips(result, axis);
  const late = windows.filter((window) => axis.column(window.from) >= COLUMNS).length;
  return [
    'Flows hit over time, against the steps of the restart',
    ...lines,
    `${''.padStart(12)} +${'-'.repeat(COLUMNS)}`,
    ...steps,
    `${''.padStart(12)}  ${axisLabels(axis)}`,
    ...(late > 0 ? [`${''.padStart(14)}${grouped(late)} more began later`] : []),
  ];
}

interface TimeAxis {
  readonly left: string;
  readonly right: string;
  /** May lie outside [0, COLUMNS). */
  column(time: string): number;
}

function timeAxis({ windows, summary, steps }: ReplayResult): TimeAxis {
  const start = steps.first ?? summary.restart!.from;
  const length = Math.max(1e6, between(start, steps.last ?? summary.restart!.to));
  const lastEnd = windows.reduce((latest, window) => Math.max(latest, between(start, window.to)), length);
  const from = -length / 10;
  const to = Math.min(lastEnd + length / 20, 2 * length);
  return {
    left: clock(later(start, from)),
    right: clock(later(start, to)),
    column: (time) => Math.floor(((between(start, time) - from) / (to - from)) * COLUMNS),
  };
}

/** One row of a bar chart of height ROWS. A column that is not empty shows at least the lowest block. */
function bar(values: Int32Array, highest: number, row: number): string {
  let text = '';
  for (const value of values) {
    const eighths = value === 0 ? 0 : Math.max(1, Math.round((value / highest) * ROWS * 8));
    text += BLOCKS[Math.max(0, Math.min(8, eighths - row * 8))];
  }
  return text;
}

/** Table steps and conntrack deletions as strips of density; without a list of steps the causing ones are all there is. */
function stepStrips(result: ReplayResult, axis: TimeAxis): string[] {
  const list = result.steps.list;
  const strip = (label: string, times: readonly string[]) => {
    const counts = new Int32Array(COLUMNS);
    for (const time of times) {
      const column = axis.column(time);
      if (column >= 0 && column < COLUMNS) counts[column]!++;
    }
    const text = Array.from(counts, (n) => (n === 0 ? ' ' : n === 1 ? '.' : n < 4 ? ':' : '#')).join('');
    return `${label.padStart(12)}  ${text}`.trimEnd();
  };
  const causes = new Map(
    result.windows.flatMap(({ cause }) => (cause === null ? [] : [[cause.step, cause.t] as const])),
  );
  const culprits = strip('culprits', [...causes.values()]);
  if (list === undefined) return [culprits];
  const tables = list.filter((step) => step.kind !== 'conntrack').map((step) => step.t);
  const conntrack = list.filter((step) => step.kind === 'conntrack').map((step) => step.t);
  return [
    strip('table steps', tables),
    culprits,
    ...(conntrack.length > 0 ? [strip('conntrack', conntrack)] : []),
    `${''.padStart(14)}(. one, : two or three, # more)`,
  ];
}

function axisLabels({ left, right }: TimeAxis): string {
  return `${left}${' '.repeat(COLUMNS - left.length - right.length - 4)}${right} UTC`;
}

const EDGES = [
  { ns: 1e6, name: '1 ms' },
  { ns: 1e7, name: '10 ms' },
  { ns: 1e8, name: '100 ms' },
  { ns: 1e9, name: '1 s' },
  { ns: 1e10, name: '10 s' },
  { ns: 1e11, name: '100 s' },
] as const;

/** How long windows lasted: closed ones and those still open at the end, by powers of ten. */
export function lengthChart(windows: readonly Window[]): string[] {
  if (windows.length === 0) return [];
  const rows = Array.from({ length: EDGES.length + 1 }, () => ({ closed: 0, open: 0 }));
  for (const window of windows) {
    const ns = between(window.from, window.to);
    const place = EDGES.findIndex((edge) => ns < edge.ns);
    const row = rows[place === -1 ? EDGES.length : place]!;
    if (window.open) row.open++;
    else row.closed++;
  }
  const highest = Math.max(...rows.map((row) => row.closed + row.open));
  const first = rows.findIndex((row) => row.closed + row.open > 0);
  const last = rows.findLastIndex((row) => row.closed + row.open > 0);
  const lines = rows.slice(first, last + 1).map(({ closed, open }, i) => {
    const place = first + i;
    const label = place === EDGES.length ? `from ${EDGES[place - 1]!.name}` : `below ${EDGES[place]!.name}`;
    const scale = (n: number) => (n === 0 ? 0 : Math.max(1, Math.round((n / highest) * 50)));
    const counts = [
      ...(closed > 0 ? [`${grouped(closed)} closed`] : []),
      ...(open > 0 ? [`${grouped(open)} open`] : []),
    ];
    return `${label.padStart(14)} |${'█'.repeat(scale(closed))}${'░'.repeat(scale(open))} ${counts.join(', ')}`.trimEnd();
  });
  return ['Length of the windows (an open one lasts at least so long)', ...lines];
}
