/** A restart out of whatever recorded it, as a schedule: what `dropwindow schedule` writes. */
import { mergePorts, parsePorts } from '../capture/ports.js';
import { parseDump } from '../openflow/dumpText.js';
import type { PortNames } from '../openflow/rule.js';
import type { DumpEntry } from '../timeline/dumpChanges.js';
import { parseInstall } from '../timeline/installModel.js';
import { loadSchedule } from '../timeline/loadSchedule.js';
import { parseChangesFormat } from '../timeline/recognise.js';
import type { Schedule } from '../timeline/schedule.js';
import { startAt } from '../timeline/scheduleTimes.js';
import { readInputFile, textOf } from '../util/inputFile.js';
import { parseTime } from '../util/time.js';
import { readOpenflowCapture } from './openflowCapture.js';
import type { ReplayOptions } from './replayOptions.js';

/** Of `ReplayOptions` what tells of the restart. There is no trace, so times need a date. */
export type ScheduleOptions = Partial<
  Pick<
    ReplayOptions,
    | 'before'
    | 'beforeAt'
    | 'changes'
    | 'changesFormat'
    | 'after'
    | 'dumpedAt'
    | 'install'
    | 'bridge'
    | 'start'
    | 'ports'
    | 'conntrackEvents'
  >
>;

/** InputError for a bad file, UsageError where the sources do not fit together. */
export async function loadRestart(options: ScheduleOptions): Promise<Schedule> {
  const { before, beforeAt, changes = [], changesFormat, after, dumpedAt, install, bridge, start } = options;
  const { ports } = mergePorts(
    (options.ports ?? []).map((path) => parsePorts(textOf(readInputFile(path)), path, bridge)),
  );
  const names: PortNames = {
    byName: new Map(ports.map(({ name, ofport }) => [name, ofport])),
    byNumber: new Map(ports.map(({ name, ofport }) => [ofport, name])),
  };
  const readDump = (path: string): readonly DumpEntry[] => {
    const file = readInputFile(path);
    return parseDump(textOf(file), { file: file.name, ports: names }).rules;
  };
  const format = changesFormat === undefined ? undefined : parseChangesFormat(changesFormat);
  const schedule = await loadSchedule({
    before: before === undefined ? null : readDump(before),
    changes: changes.map((path) => ({ ...readInputFile(path), ...(format && { format }) })),
    after: (after ?? []).map(readDump),
    conntrackEvents: (options.conntrackEvents ?? []).map(readInputFile),
    ports: names,
    ...(beforeAt === undefined ? {} : { beforeAt: parseTime(beforeAt, null) }),
    ...(dumpedAt === undefined ? {} : { dumpedAt: dumpedAt.map((time) => parseTime(time, null)) }),
    ...(install === undefined ? {} : { install: parseInstall(install) }),
    readOpenflow: (file) =>
      readOpenflowCapture(file, { bridge: bridge ?? null, portNames: ports.map(({ name }) => name) }),
  });
  return start === undefined ? schedule : startAt(schedule, parseTime(start, null));
}
