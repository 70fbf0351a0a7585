/**
 * `npm run bench [-- options]`: one table of everything, peers in the same run.
 *   --only NAME     this bench only (repeatable)      --size TEXT   only sizes whose name contains it
 *   --rounds N      default 3                         --core N      default the last one
 *   --json FILE     the rows                          --plots DIR   bar charts, SVG
 *   --tiny          small inputs, one round (tests)   --no-peers    only what is ours
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchRow } from '../src/api/benchRun.js';
import { benchTable } from '../src/api/benchText.js';
import { compile } from './compile.js';
import { conntrack } from './conntrack.js';
import { type Absent, type Bench, type BenchContext, machineLine, runBench, sharedFolder } from './harness.js';
import { lookup } from './lookup.js';
import { writePlots } from './plots.js';
import { replayBench } from './replay.js';
import { scaling } from './scaling.js';
import { scan } from './scan.js';

export const BENCHES: readonly Bench[] = [scan, lookup, compile, conntrack, replayBench, scaling];

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    size: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    core: { type: 'string', default: String(cpus().length - 1) },
    json: { type: 'string' },
    plots: { type: 'string' },
    rows: { type: 'string' },
    tiny: { type: 'boolean', default: false },
    'no-peers': { type: 'boolean', default: false },
  },
});

/** With --rows FILE nothing is measured: rows of an earlier run are drawn. */
const rows =
  values.rows === undefined ? await measure() : (JSON.parse(readFileSync(values.rows, 'utf8')) as BenchRow[]);
if (values.json !== undefined) writeRows(values.json, rows);
if (values.plots !== undefined) console.log(`${writePlots(values.plots, rows).join('\n')}`);

function writeRows(path: string, rows: readonly BenchRow[]): void {
  writeFileSync(path, `${JSON.stringify(rows, null, 1)}\n`);
}

async function measure(): Promise<BenchRow[]> {
  const known = BENCHES.map(({ name }) => name);
  const unknown = (values.only ?? []).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${unknown}: no bench; known: ${known.join(', ')}`);
  const work = mkdtempSync(join(tmpdir(), 'dropwindow-bench-'));
  const context: BenchContext = {
    tiny: values.tiny,
    peers: !values['no-peers'] && !values.tiny,
    core: Number(values.core),
    work,
    shared: sharedFolder(),
  };
  const all: BenchRow[] = [];
  const missing: Absent[] = [];
  console.log(`${machineLine()}; CPU time of one pinned core, ${values.rounds} rounds, contestants in turn\n`);
  try {
    for (const bench of BENCHES.filter(({ name }) => values.only?.includes(name) ?? true)) {
      const { rows, absent, failed } = await runBench(
        bench,
        context,
        values.tiny ? 1 : Number(values.rounds),
        values.size,
      );
      all.push(...rows);
      missing.push(...absent);
      console.log(benchTable(rows, false));
      for (const text of failed) console.log(`failed: ${text}`);
      // After each bench, so that a run that is stopped leaves what it has.
      if (values.json !== undefined) writeRows(values.json, all);
    }
  } finally {
    rmSync(work, { recursive: true });
  }
  for (const { method, bring } of missing) console.log(`absent: ${method}; to bring it: ${bring}`);
  return all;
}
