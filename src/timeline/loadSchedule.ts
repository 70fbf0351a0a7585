/**
 * One schedule out of whatever records of a restart there are: for the commands `replay` and `schedule`. Files are read by
 * the caller; OpenFlow captures are handed back to it, because capture reading does not belong here.
 */
import type { PortNames } from '../openflow/rule.js';
import { UsageError } from '../util/errors.js';
import { type InputFile, textOf } from '../util/inputFile.js';
import { readConntrackEvents } from './conntrackEvents.js';
import type { DumpEntry } from './dumpChanges.js';
import { scheduleFromDumps } from './fromDumps.js';
import { scheduleFromLog } from './fromLog.js';
import { scheduleFromMonitor } from './fromMonitor.js';
import { scheduleFromSnoop } from './fromSnoop.js';
import { DEFAULT_INSTALL, type InstallModel, scheduleByModel } from './installModel.js';
import { type ChangesFormat, recogniseChanges } from './recognise.js';
import type { Schedule } from './schedule.js';
import { readSchedule } from './scheduleNdjson.js';
import { mergeSchedules, resolveClock, skipDumped } from './scheduleTimes.js';

export interface ChangesFile extends InputFile {
  /** Default: recognised by content. */
  readonly format?: ChangesFormat;
}

export interface ScheduleSources {
  /** Rules at version 0; null where there is no such dump. */
  readonly before: readonly DumpEntry[] | null;
  /** When they were dumped, ns since 1970: steps that the dump shows already are skipped. */
  readonly beforeAt?: bigint;
  readonly changes?: readonly ChangesFile[];
  /** Dumps taken afterwards, in order. Beside changes they only tell priorities that monitor text lacks. */
  readonly after?: readonly (readonly DumpEntry[])[];
  /** Times of the `after` dumps: none, or one each. */
  readonly dumpedAt?: readonly bigint[];
  /** How the change was installed, where the dumps have no times. */
  readonly install?: InstallModel;
  readonly conntrackEvents?: readonly InputFile[];
  readonly ports?: PortNames;
  /** Start of the trace: gives relative times their place. Without it a relative schedule stays relative. */
  readonly traceStart?: bigint;
  /** Reads an OpenFlow capture. */
  readonly readOpenflow: (file: ChangesFile) => Promise<Schedule>;
}

const NO_RESTART: Schedule = { source: 'none', clock: 'unix', fidelity: 'wire', of: '1.3', steps: [], warnings: [] };

/** Without any record of a restart: no steps. UsageError if the sources do not fit together, InputError for a bad file. */
export async function loadSchedule(sources: ScheduleSources): Promise<Schedule> {
  const { changes = [], after = [] } = sources;
  const parts: Schedule[] = [];
  for (const file of changes) parts.push(await readChanges(file, sources));
  const byDumps = changes.length === 0 && after.length > 0;
  if (byDumps) parts.push(fromAfter(sources));
  else if (sources.dumpedAt !== undefined || sources.install !== undefined) {
    throw new UsageError(
      '--dumped-at and --install say how to read --after dumps, but those do not make the restart here',
    );
  }
  for (const file of sources.conntrackEvents ?? []) parts.push(readConntrackEvents(textOf(file), file.name));
  const { traceStart, beforeAt } = sources;
  const placed = traceStart === undefined ? parts : parts.map((part) => resolveClock(part, traceStart));
  const merged = placed.length === 0 ? NO_RESTART : mergeSchedules(placed);
  return beforeAt === undefined || merged.clock === 'relative' ? merged : skipDumped(merged, beforeAt);
}

async function readChanges(file: ChangesFile, sources: ScheduleSources): Promise<Schedule> {
  const { ports } = sources;
  const format = file.format ?? recogniseChanges(file.bytes, file.name);
  switch (format) {
    case 'openflow':
      return sources.readOpenflow(file);
    case 'schedule':
      return readSchedule(textOf(file), { file: file.name, ...(ports && { ports }) });
    case 'monitor': {
      const later = (sources.after ?? []).map((dump) => dump.map(({ rule }) => rule));
      const before = sources.before?.map(({ rule }) => rule) ?? null;
      return scheduleFromMonitor(textOf(file), file.name, { before, later, ...(ports && { ports }) });
    }
    case 'snoop':
      return scheduleFromSnoop(textOf(file), file.name, ports);
    case 'log':
      return scheduleFromLog(textOf(file), file.name, ports);
  }
}

function fromAfter(sources: ScheduleSources): Schedule {
  const { after = [], dumpedAt = [], install, before } = sources;
  if (before === null)
    throw new UsageError('--after needs the rules before the restart too', 'give them with --before');
  if (dumpedAt.length === 0) return byModel(before, after, install);
  if (install !== undefined) throw new UsageError('--install is for dumps without times, but --dumped-at is given');
  if (dumpedAt.length !== after.length) {
    throw new UsageError(
      `${after.length} dumps were given with --after, and ${dumpedAt.length} times with --dumped-at`,
    );
  }
  const times = sources.beforeAt === undefined ? dumpedAt : [sources.beforeAt, ...dumpedAt];
  if (times.some((t, i) => i > 0 && t <= times[i - 1]!))
    throw new UsageError('the dumps are not in the order of their times');
  const at = sources.beforeAt ?? null;
  return scheduleFromDumps(
    { rules: before, at },
    after.map((rules, i) => ({ rules, at: dumpedAt[i]! })),
  );
}

function byModel(
  before: readonly DumpEntry[],
  after: readonly (readonly DumpEntry[])[],
  install?: InstallModel,
): Schedule {
  const schedule = scheduleByModel(before, after, install ?? DEFAULT_INSTALL);
  if (install !== undefined) return schedule;
  const assumed =
    'how the change was installed is not known: taken as batches of 100 flow-mods, 20 ms apart (--install)';
  return { ...schedule, warnings: [assumed, ...schedule.warnings] };
}
