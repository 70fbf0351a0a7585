/**
 * An independent second opinion: recomputes windows from verdict lines and tuples alone, by the table of ../shared/CONTRACT.md,
 * and holds a report's windows against them. Imports nothing of the engine.
 */
export interface CheckedLine {
  readonly n: number;
  readonly t: string;
  readonly outcome: string;
  readonly out: readonly number[];
  readonly version: number;
  readonly before?: { readonly outcome: string; readonly out: readonly number[] };
  readonly after?: { readonly outcome: string; readonly out: readonly number[] };
  readonly kind?: string;
  readonly window?: number;
}

export interface ReportedWindow {
  readonly id: number;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly open: boolean;
  readonly packets: number;
  readonly lastPacket: number;
  readonly flow: { readonly connection: number };
}

export interface CheckOptions {
  /** `summary.judge` of the report. */
  readonly judge: 'both' | 'before';
  /** Number of the last step that changes tables. */
  readonly lastTableStep: number;
  /** Packets that the report counts as alike only because NORMAL floods in one of the worlds. */
  readonly flooded: number;
}

export interface Check {
  readonly problems: string[];
  readonly windows: number;
  readonly judged: number;
  readonly flooded: number;
}

interface Run {
  readonly kind: string;
  readonly first: CheckedLine;
  last: CheckedLine;
  packets: number;
  /** Time of the first packet behind it; null: none. */
  to: string | null;
}

const UNJUDGED = new Set(['held', 'unsupported', 'unparsed', 'ambiguous']);

/** `tuples[i]` names the flow of packet `i + 1`. */
export function checkWindows(
  lines: readonly CheckedLine[],
  tuples: readonly string[],
  report: readonly ReportedWindow[],
  options: CheckOptions,
): Check {
  const problems: string[] = [];
  const reported = new Map(report.map((window) => [window.id, window]));
  const open = new Map<string, Run>();
  const runs: Run[] = [];
  let judged = 0;
  let flooded = 0;
  for (const line of lines) {
    if ([line, line.before, line.after].some((world) => world !== undefined && UNJUDGED.has(world.outcome))) {
      if (line.window !== undefined) problems.push(`packet ${line.n} is not judged, yet in a window`);
      continue;
    }
    judged++;
    let kind = kindOf(line, options);
    // Ports alone do not show a flood of NORMAL: such packets are counted against the report's own number.
    if (kind !== null && kind !== 'policy' && line.window === undefined) {
      flooded++;
      kind = null;
    }
    const told = line.window === undefined ? null : line.kind!;
    if ((kind === 'policy' ? null : kind) !== told) problems.push(`packet ${line.n}: ${kind}, reported as ${told}`);
    const tuple = tuples[line.n - 1]!;
    const run = open.get(tuple);
    const begins = told !== null && (run === undefined || run.kind !== told || reported.has(line.n));
    if (run !== undefined && (told === null || begins)) {
      // Ports used again are another connection, whose window is its own; the old one stays open.
      const isOther = begins && run.kind === told && connectionOf(reported, line) !== connectionOf(reported, run.first);
      if (begins && run.kind === told && !isOther) problems.push(`packet ${line.n} begins a window inside another one`);
      if (!isOther) run.to = line.t;
      open.delete(tuple);
    }
    if (begins) {
      const begun = { kind: told, first: line, last: line, packets: 1, to: null };
      runs.push(begun);
      open.set(tuple, begun);
    } else if (told !== null) {
      run!.last = line;
      run!.packets++;
      if (line.window !== run!.first.n) problems.push(`packet ${line.n} says window ${line.window}`);
    }
  }
  for (const run of runs) {
    const window = reported.get(run.first.n);
    reported.delete(run.first.n);
    problems.push(...compare(run, window));
  }
  for (const id of reported.keys()) problems.push(`window ${id} is reported only`);
  if (flooded > options.flooded) problems.push(`${flooded} packets differ, ${options.flooded} are told as flooded`);
  return { problems, windows: runs.length, judged, flooded };
}

function compare(run: Run, window: ReportedWindow | undefined): string[] {
  if (window === undefined) return [`window ${run.first.n} is not reported`];
  const problems: string[] = [];
  const check = (name: string, mine: unknown, theirs: unknown) => {
    if (mine !== theirs) problems.push(`window ${window.id}: ${name} is ${mine}, reported ${theirs}`);
  };
  check('kind', run.kind, window.kind);
  check('packets', run.packets, window.packets);
  check('last packet', run.last.n, window.lastPacket);
  check('from', run.first.t, window.from);
  // A packet of the next connection with the same tuple does not close the window, which stays open then.
  const to = window.open ? run.last.t : run.to;
  check('to', to, window.to);
  return problems;
}

function connectionOf(reported: ReadonlyMap<number, ReportedWindow>, line: CheckedLine): number | null {
  return reported.get(line.n)?.flow.connection ?? null;
}

/** The table of CONTRACT; null: right. */
function kindOf(line: CheckedLine, { judge, lastTableStep }: CheckOptions): string | null {
  const x = line.out;
  const own = line.before?.out ?? x;
  const after = judge === 'before' ? own : (line.after?.out ?? x);
  const before = judge === 'both' && line.version >= lastTableStep ? after : own;
  const same = (a: readonly number[], b: readonly number[]) => a.join() === b.join();
  if (!same(before, after)) return same(x, before) || same(x, after) ? 'policy' : 'transitional';
  if (same(x, before)) return null;
  if (before.length === 0) return 'leak';
  if (x.length === 0) return 'drop';
  return x.every((port) => before.includes(port)) ? 'partial' : 'misdelivery';
}
