/** What tells of a restart: ports of the bridge, dumps, and records of the changes, read into steps. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { type BridgePort, mergePorts, parsePorts } from '../capture/ports.js';
import { type ParsedDump, parseDump } from '../openflow/dumpText.js';
import type { PortNames } from '../openflow/rule.js';
import type { ChannelTimings } from '../timeline/channelTimings.js';
import type { DumpEntry } from '../timeline/dumpChanges.js';
import { parseInstall } from '../timeline/installModel.js';
import { type ChangesFile, loadSchedule } from '../timeline/loadSchedule.js';
import { parseChangesFormat } from '../timeline/recognise.js';
import type { Schedule } from '../timeline/schedule.js';
import { startAt } from '../timeline/scheduleTimes.js';
import { type InputFile, readInputFile, textOf } from '../util/inputFile.js';
import { parseTime, type TraceSpan } from '../util/time.js';
import { readOpenflowCapture } from './openflowCapture.js';
import type { ReplayOptions } from './replayOptions.js';

/** Of `ReplayOptions` what tells of the changes. */
export type RestartOptions = Pick<
  ReplayOptions,
  'beforeAt' | 'changes' | 'changesFormat' | 'after' | 'dumpedAt' | 'install' | 'bridge' | 'start' | 'conntrackEvents'
>;

/** Name, size and digest of an input, for the report. */
export interface InputRecord {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Reads files once and remembers what was read. */
export class InputReader {
  readonly records: InputRecord[] = [];

  read(path: string): InputFile {
    const file = readInputFile(path);
    const bytes = file.raw ?? file.bytes;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    // Reports name files, not the folders of the machine that they were read on.
    this.records.push({ name: basename(file.name), bytes: bytes.length, sha256 });
    return file;
  }
}

export interface Bridge {
  readonly ports: readonly BridgePort[];
  readonly names: PortNames;
  readonly unnumbered: readonly string[];
}

export function readBridge(reader: InputReader, paths: readonly string[], bridge: string | undefined): Bridge {
  const facts = paths.map((path) => {
    const file = reader.read(path);
    return parsePorts(textOf(file), file.name, bridge);
  });
  const { ports, unnumbered } = mergePorts(facts);
  return {
    ports,
    unnumbered,
    names: {
      byName: new Map(ports.map(({ name, ofport }) => [name, ofport])),
      byNumber: new Map(ports.map(({ name, ofport }) => [ofport, name])),
    },
  };
}

export function readDump(reader: InputReader, path: string, names: PortNames): ParsedDump {
  const file = reader.read(path);
  return parseDump(textOf(file), { file: file.name, ports: names });
}

/**
 * The restart as steps. `span`: what relative times and times of day refer to; null: there is no trace. `onTimings` is told of
 * each OpenFlow capture how long its bundles were open and its switch took to answer.
 */
export async function readRestart(
  reader: InputReader,
  options: RestartOptions,
  bridge: Bridge,
  before: readonly DumpEntry[] | null,
  span: TraceSpan | null,
  onTimings?: (timings: ChannelTimings) => void,
): Promise<Schedule> {
  const format = options.changesFormat === undefined ? undefined : parseChangesFormat(options.changesFormat);
  const changes: ChangesFile[] = (options.changes ?? []).map((path) => {
    const file = reader.read(path);
    return format === undefined ? file : { ...file, format };
  });
  const after = (options.after ?? []).map((path) => readDump(reader, path, bridge.names).rules);
  const schedule = await loadSchedule({
    before,
    ...(options.beforeAt === undefined ? {} : { beforeAt: parseTime(options.beforeAt, span) }),
    changes,
    after,
    ...(options.dumpedAt === undefined ? {} : { dumpedAt: options.dumpedAt.map((time) => parseTime(time, span)) }),
    ...(options.install === undefined ? {} : { install: parseInstall(options.install) }),
    conntrackEvents: (options.conntrackEvents ?? []).map((path) => reader.read(path)),
    ports: bridge.names,
    ...(span === null ? {} : { traceStart: span.first }),
    readOpenflow: (file) =>
      readOpenflowCapture(
        file,
        { bridge: options.bridge ?? null, portNames: bridge.ports.map(({ name }) => name) },
        onTimings,
      ),
  });
  return options.start === undefined ? schedule : startAt(schedule, parseTime(options.start, span));
}
