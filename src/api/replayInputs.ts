/** What `replay` and `trace` make of their inputs before the first packet: versions of the tables, pipeline, tracker. */
import type { BridgePort } from '../capture/ports.js';
import { CompiledClassifier } from '../classify/compiled.js';
import { type ParsedEntries, parseEntries } from '../conntrack/parseEntries.js';
import { Tracker } from '../conntrack/tracker.js';
import { K, PORT } from '../fields/key.js';
import { type Match, maskOfWord } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';
import { DEFAULT_BRIDGE_CONFIG, type PipelineEnv, type PipelinePort, type VlanMode } from '../pipeline/env.js';
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

export function makeEnv(timeline: Timeline, bridge: Bridge, name: string): PipelineEnv {
  const ports = new Map(bridge.ports.map((port) => [port.ofport, pipelinePort(port)]));
  // Every bridge has its own internal port, a trunk of all VLANs, listed or not.
  if (!ports.has(PORT.LOCAL)) ports.set(PORT.LOCAL, pipelinePort({ name, ofport: PORT.LOCAL }));
  return {
    bridge: name,
    classifier: new CompiledClassifier(timeline),
    ruleAt: (index) => timeline.rules[index]!.rule,
    ports,
    groups: new Map(),
    config: DEFAULT_BRIDGE_CONFIG,
  };
}

function pipelinePort(port: BridgePort): PipelinePort {
  return {
    name: port.name,
    ofport: port.ofport,
    tag: port.tag ?? null,
    trunks: port.trunks ?? null,
    vlanMode: (port.vlanMode as VlanMode | undefined) ?? null,
    peer: port.peer ?? null,
    noFlood: false,
    noForward: false,
  };
}

export function makeTracker(options: ReplayOptions): Tracker {
  const sysctls: Record<string, number> = {};
  for (const text of options.sysctl ?? []) {
    const at = text.indexOf('=');
    const value = Number(text.slice(at + 1));
    if (at < 1 || text.slice(at + 1).trim() === '' || !Number.isInteger(value)) {
      throw new UsageError(`--sysctl ${text}: expected name=number`);
    }
    sysctls[text.slice(0, at).trim()] = value;
  }
  return new Tracker(options.conntrack ?? 'linux', {
    sysctls,
    ...(options.conntrackMax === undefined ? {} : { maxEntries: options.conntrackMax }),
    verifyChecksums: options.verifyChecksums ?? false,
  });
}

/** `--conntrack-before`: entries at the start of the trace. */
export function readEntries(reader: InputReader, path: string | undefined, tracker: Tracker): ParsedEntries | null {
  if (path === undefined) return null;
  const file = reader.read(path);
  return parseEntries(textOf(file), file.name, tracker, 0);
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
