/** What `replay` and `trace` make of their inputs before the first packet: versions of the tables, pipeline, tracker. */
import { parseEntries } from '../conntrack/parseEntries.js';
import type { Tracker, TrackerOptions } from '../conntrack/tracker.js';
import { K } from '../fields/key.js';
import { type Match, maskOfWord } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';
import type { DumpEntry } from '../timeline/dumpChanges.js';
import { buildTimeline } from '../timeline/flowTables.js';
import type { Schedule } from '../timeline/schedule.js';
import type { Timeline } from '../timeline/timeline.js';
import { UsageError } from '../util/errors.js';
import { textOf } from '../util/inputFile.js';
import type { ReplayOptions } from './replayOptions.js';
import { type Bridge, type InputReader, readDump } from './restartInputs.js';

export function readTimeline(
  reader: InputReader,
  options: ReplayOptions,
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
export function trackerOptions(options: ReplayOptions): TrackerOptions {
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
export function readEntries(
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
