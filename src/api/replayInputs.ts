/** What `replay`, `trace` and `compare` make of their inputs before the first packet: versions of the tables, setup of the engine. */
import { parseEntries } from '../conntrack/parseEntries.js';
import { Tracker, type TrackerOptions } from '../conntrack/tracker.js';
import { K } from '../fields/key.js';
import type { ParsedDump } from '../openflow/dumpText.js';
import { type Match, maskOfWord } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';
import type { ReplaySetup } from '../replay/setup.js';
import type { ChannelTimings } from '../timeline/channelTimings.js';
import type { DumpEntry } from '../timeline/dumpChanges.js';
import { buildTimeline } from '../timeline/flowTables.js';
import type { Schedule } from '../timeline/schedule.js';
import type { Timeline } from '../timeline/timeline.js';
import { UsageError } from '../util/errors.js';
import { textOf } from '../util/inputFile.js';
import type { TraceSpan } from '../util/time.js';
import type { ReplayOptions } from './replayOptions.js';
import { type Bridge, type InputReader, readDump, readRestart } from './restartInputs.js';

/** What is replayed, whatever the packets come from. */
export type InputOptions = Omit<ReplayOptions, 'captures'>;

const DAY_NS = 86_400_000_000_000n;
const LIMITS_WARNING =
  'limits on conntrack entries are not modelled: connections are replayed independently of each other';

/** The trace's end is not known before it is read: times of day may lie within a day of its start. */
export function spanFrom(startUnixNs: bigint): TraceSpan {
  return { first: startUnixNs, last: startUnixNs + DAY_NS };
}

/** A restart: the dump, the steps, the tables of all versions. */
export interface RestartTables {
  readonly before: ParsedDump;
  readonly schedule: Schedule;
  readonly timeline: Timeline;
}

/** `span`: of the trace, null: there is none. `onTimings`: see readRestart(). */
export async function readTables(
  reader: InputReader,
  options: InputOptions,
  bridge: Bridge,
  span: TraceSpan | null,
  onTimings?: (timings: ChannelTimings) => void,
): Promise<RestartTables> {
  const before = readDump(reader, options.before, bridge.names);
  const schedule = await readRestart(reader, options, bridge, before.rules, span, onTimings);
  return { before, schedule, timeline: readTimeline(reader, options, bridge, before.rules, schedule) };
}

/** What the engine is made from. */
export function readSetup(
  reader: InputReader,
  options: InputOptions,
  bridge: Bridge,
  timeline: Timeline,
  startUnixNs: bigint,
): { setup: ReplaySetup; warnings: readonly string[] } {
  const conntrack = options.conntrack ?? 'linux';
  const tracking = trackerOptions(options);
  const tracker = new Tracker(conntrack, tracking);
  const entries = readEntries(reader, options.conntrackBefore, tracker);
  const setup: ReplaySetup = {
    timeline,
    startUnixNs,
    judge: options.judge ?? 'auto',
    bridge: options.bridge ?? 'br-int',
    ports: bridge.ports,
    conntrack,
    tracker: tracking,
    entries: entries === null ? null : { name: entries.name, text: entries.text },
    midstream: options.midstream ?? 'strict',
    reuse: options.reuse ?? true,
    tellAll: options.onVerdicts !== undefined,
    allFlows: options.allFlows ?? false,
    finalEntries: options.entries ?? false,
    profile: options.profile ?? false,
    frames: options.verdictFrames ?? false,
  };
  return { setup, warnings: [...(entries?.warnings ?? []), ...(tracker.hasLimits ? [LIMITS_WARNING] : [])] };
}

function readTimeline(
  reader: InputReader,
  options: InputOptions,
  bridge: Bridge,
  before: readonly DumpEntry[],
  schedule: Schedule,
): Timeline {
  const cookieDumps = new Map<bigint, readonly Rule[]>();
  for (const path of options.cookieDumps ?? []) {
    const rules = readDump(reader, path, bridge.names).rules.map(({ rule }) => rule);
    if (rules[0] !== undefined) cookieDumps.set(rules[0].cookie, rules);
  }
  return buildTimeline(before, schedule.steps, { cookieDumps });
}

/** Settings of the tracker. UsageError for a sysctl without a number. */
function trackerOptions(options: InputOptions): TrackerOptions {
  const sysctls: Record<string, number> = {};
  for (const text of options.sysctl ?? []) {
    const at = text.indexOf('=');
    const value = Number(text.slice(at + 1));
    if (at < 1 || text.slice(at + 1).trim() === '' || !Number.isInteger(value)) {
      throw new UsageError(`--sysctl ${text}: expected name=number`);
    }
    sysctls[text.slice(0, at).trim()] = value;
  }
  return {
    sysctls,
    ...(options.conntrackMax === undefined ? {} : { maxEntries: options.conntrackMax }),
    verifyChecksums: options.verifyChecksums ?? false,
  };
}

/** `--conntrack-before`: entries at the start of the trace. */
function readEntries(
  reader: InputReader,
  path: string | undefined,
  tracker: Tracker,
): { name: string; text: string; warnings: readonly string[] } | null {
  if (path === undefined) return null;
  const file = reader.read(path);
  const text = textOf(file);
  return { name: file.name, text, warnings: parseEntries(text, file.name, tracker, 0).warnings };
}

/** Stations that rules name: an exact in_port with an exact source address. */
export function stationsOf(timeline: Timeline): { mac: string; ofport: number }[] {
  const stations = new Map<string, number>();
  for (const { rule } of timeline.rules) {
    const { match } = rule;
    if (maskOfWord(match, K.in_port) === 0 || maskOfWord(match, K.dl_src + 1) !== -1) continue;
    if ((maskOfWord(match, K.dl_src) & 0xffff) !== 0xffff) continue;
    const high = matchedValue(match, K.dl_src);
    if ((high & 0x0100) !== 0) continue;
    const mac = (high * 0x1_0000_0000 + (matchedValue(match, K.dl_src + 1) >>> 0)).toString(16).padStart(12, '0');
    stations.set(mac.replace(/..(?!$)/g, '$&:'), matchedValue(match, K.in_port));
  }
  return [...stations].map(([mac, ofport]) => ({ mac, ofport }));
}

function matchedValue(match: Match, word: number): number {
  return match.values[match.words.indexOf(word)] ?? 0;
}
