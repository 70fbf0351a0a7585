/** Many replays of one restart, or of its steps with something changed: dump and steps are read once. */
import { readFileSync } from 'node:fs';
import { replay, type SharedTables } from '../../src/api/replay.js';
import { CompiledClassifier } from '../../src/classify/compiled.js';
import type { ReplayOptions, ReplayResult, Schedule } from '../../src/index.js';
import { type ParsedDump, parseDump } from '../../src/openflow/dumpText.js';
import { buildTimeline } from '../../src/timeline/flowTables.js';
import type { Step } from '../../src/timeline/schedule.js';
import { readSchedule } from '../../src/timeline/scheduleNdjson.js';
import { fileOf, optionsOf } from './recorded.js';
import { readShared } from './shared.js';

export class SharedRun {
  readonly run: string;
  readonly schedule: Schedule;
  private readonly before: ParsedDump;
  private readonly whole: SharedTables;

  constructor(run: string) {
    this.run = run;
    const { name, text } = textOf(fileOf(run, 'before.dump'));
    this.before = parseDump(text, { file: name });
    this.schedule = readSchedule(readShared(`neutron/${run}/schedule.ndjson.gz`).toString('utf8'));
    this.whole = this.tablesOf(this.schedule.steps);
  }

  /** With the recorded steps, or with others. */
  async replay(options: Partial<ReplayOptions>, steps?: readonly Step[]): Promise<ReplayResult> {
    const tables = steps === undefined ? this.whole : this.tablesOf(steps);
    return (await replay({ ...optionsOf(this.run), workers: 1, ...options }, tables)).result;
  }

  private tablesOf(steps: readonly Step[]): SharedTables {
    const timeline = buildTimeline(this.before.rules, steps, { cookieDumps: new Map() });
    const schedule = { ...this.schedule, steps };
    return { before: this.before, schedule, timeline, classifier: new CompiledClassifier(timeline) };
  }
}

function textOf(path: string): { name: string; text: string } {
  const name = path.slice(path.indexOf('neutron/'));
  return { name, text: path.endsWith('.gz') ? readShared(name).toString('utf8') : readFileSync(path, 'utf8') };
}
