/** What a shard hands over at the end: plain values, so that they can cross threads. */
import { formatEntry } from '../conntrack/text.js';
import type { ReplayEngine } from './engine.js';
import type { ClosedWindow, Connection, DeadReason, Flow, PolicyFlow } from './flows.js';
import { AMBIGUOUS_MAX, type ToldOutcome } from './outcomes.js';
import type { Shard } from './shard.js';
import { type DelayLists, mergeDelays } from './tcpDelays.js';
import { mergeUnjudged, type UnjudgedRecord } from './unjudged.js';

export interface FlowRecord {
  readonly direction: 0 | 1;
  readonly vlan: number | null;
  readonly inPort: number;
  readonly packetCount: number;
  readonly closed: readonly ClosedWindow[];
  readonly policy: PolicyFlow | null;
  readonly exposed: boolean;
  readonly dead: DeadReason | null;
  readonly deadBefore: boolean;
  readonly lingering: boolean;
}

export interface ConnectionRecord {
  readonly group: number;
  readonly firstPacket: number;
  readonly zone: number | null;
  readonly original: 0 | 1;
  /** By direction of the group. */
  readonly flows: readonly [FlowRecord | null, FlowRecord | null];
}

/** A group whose originator is a guess, and the direction of the group that was taken for it. */
export interface GuessedOriginator {
  readonly group: number;
  readonly originator: 0 | 1;
}

/** A packet that may be treated in several ways. */
export interface AmbiguousRecord {
  readonly packet: number;
  readonly tNs: number;
  readonly connection: ConnectionRecord;
  readonly flow: FlowRecord;
  /** Filled in by the coordinator. */
  readonly either: readonly ToldOutcome[];
}

export interface ShardResult {
  /** Connections with something to tell, or all. */
  readonly told: readonly ConnectionRecord[];
  /** First packets of all connections. */
  readonly firstPackets: Float64Array;
  readonly flowCount: number;
  /** Entries that each deletion removed from `actual`: step, count. */
  readonly deleted: readonly (readonly [number, number])[];
  readonly floodedCount: number;
  /** Groups taken as established in their middle, and those whose originator is a guess. */
  readonly midstream: { readonly taken: number; readonly guessed: readonly GuessedOriginator[] };
  readonly unjudged: UnjudgedRecord;
  readonly ambiguous: readonly AmbiguousRecord[];
  readonly delays: DelayLists;
  /** Time per packet of `--profile`: mean of a batch in ns, count. */
  readonly service: readonly (readonly [number, number])[];
  /** Entries that `actual` has at the end, as `dpctl/dump-conntrack` prints them; null: not asked for. */
  readonly entries: readonly string[] | null;
}

export function shardResult(
  { engine, unjudged, delays, service, ambiguous }: Shard,
  tellAll: boolean,
  withEntries: boolean,
): ShardResult {
  const { connections, deletedByStep } = engine.walker;
  let flowCount = 0;
  for (const { flows } of connections) flowCount += (flows[0] === null ? 0 : 1) + (flows[1] === null ? 0 : 1);
  return {
    told: connections.filter((connection) => tellAll || connection.flows.some(isWorthTelling)).map(recordOf),
    firstPackets: Float64Array.from(connections, ({ firstPacket }) => firstPacket),
    flowCount,
    deleted: [...deletedByStep],
    floodedCount: engine.windows.floodedCount,
    midstream: { taken: engine.midstream?.taken ?? 0, guessed: guessedOriginators(engine) },
    unjudged: unjudged.record(),
    ambiguous: ambiguous.map(({ packet, tNs, flow }) => ({
      packet,
      tNs,
      connection: recordOf(flow.connection),
      flow: flowRecord(flow)!,
      either: [],
    })),
    delays: delays.lists,
    service: [...(service?.counts ?? [])],
    entries: withEntries ? engine.finalEntries().map((entry) => formatEntry(entry)) : null,
  };
}

function guessedOriginators(engine: ReplayEngine): GuessedOriginator[] {
  const groups = engine.groupStates();
  return [...(engine.midstream?.guessed ?? [])].map((group) => ({
    group,
    originator: groups[group]?.midstream?.originator ?? 0,
  }));
}

/** Results of all shards as one; connections by first packet. */
export function mergeResults(results: readonly ShardResult[]): ShardResult {
  const deleted = new Map<number, number>();
  for (const [step, count] of results.flatMap((result) => result.deleted)) {
    deleted.set(step, (deleted.get(step) ?? 0) + count);
  }
  const firstPackets = new Float64Array(results.reduce((sum, result) => sum + result.firstPackets.length, 0));
  let at = 0;
  for (const result of results) {
    firstPackets.set(result.firstPackets, at);
    at += result.firstPackets.length;
  }
  const sum = (of: (result: ShardResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  return {
    told: results.flatMap(({ told }) => told).sort((a, b) => a.firstPacket - b.firstPacket),
    firstPackets: firstPackets.sort(),
    flowCount: sum(({ flowCount }) => flowCount),
    deleted: [...deleted].sort(([a], [b]) => a - b),
    floodedCount: sum(({ floodedCount }) => floodedCount),
    midstream: {
      taken: sum(({ midstream }) => midstream.taken),
      guessed: results.flatMap(({ midstream }) => midstream.guessed).sort((a, b) => a.group - b.group),
    },
    unjudged: mergeUnjudged(results.map(({ unjudged }) => unjudged)),
    ambiguous: results
      .flatMap(({ ambiguous }) => ambiguous)
      .sort((a, b) => a.packet - b.packet)
      .slice(0, AMBIGUOUS_MAX),
    delays: mergeDelays(results.map(({ delays }) => delays)),
    service: results.flatMap(({ service }) => service),
    entries: results.every(({ entries }) => entries === null)
      ? null
      : results.flatMap(({ entries }) => entries ?? []).sort(),
  };
}

export function isWorthTelling(flow: FlowRecord | Flow | null): boolean {
  if (flow === null) return false;
  return flow.closed.length > 0 || flow.dead !== null || flow.lingering || flow.exposed || flow.policy !== null;
}

function recordOf({ group, firstPacket, zone, original, flows }: Connection): ConnectionRecord {
  return { group, firstPacket, zone, original, flows: [flowRecord(flows[0]), flowRecord(flows[1])] };
}

function flowRecord(flow: Flow | null): FlowRecord | null {
  if (flow === null) return null;
  const { direction, vlan, inPort, packetCount, closed, policy, exposed, dead, deadBefore, lingering } = flow;
  return { direction, vlan, inPort, packetCount, closed, policy, exposed, dead, deadBefore, lingering };
}
