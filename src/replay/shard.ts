/**
 * A part of the groups, chunk by chunk: walk the packets, ask for what hangs on the MAC tables, judge.
 *
 * Which packets a shard takes hangs on their group only. What couples groups, the MAC tables, is not here: `walk` returns the
 * packets that reached NORMAL and those whose outputs have to be known, the coordinator (coordinator.ts) answers in replay
 * order of all shards, and `settle` judges. So any number of shards gives the same result, in threads or not.
 */
import { KEY_WORDS } from '../fields/key.js';
import type { PacketTable } from '../packet/columns.js';
import type { HeaderLoader } from '../packet/headers.js';
import { PacketInfo } from '../packet/packetInfo.js';
import type { ReplayEngine } from './engine.js';
import type { Flow } from './flows.js';
import type { Treatments } from './macPass.js';
import { AMBIGUOUS_MAX, type PossibleOutcome } from './outcomes.js';
import { isJudged, type PacketResult } from './packetResult.js';
import { PacketClass } from './passes.js';
import { ACTUAL, AFTER, BEFORE } from './restart.js';
import { clockCostNs, ServiceCounts, ServiceMeter } from './serviceMeter.js';
import { DelayRecorder, TcpDelays } from './tcpDelays.js';
import { Unjudged } from './unjudged.js';
import type { PacketVerdict, WalkPacket } from './walk.js';
import { isAlike, type PacketJudgement } from './windows.js';

/** Groups are dealt out by these bits of their number, so that the parts do not hang on the number of workers. */
const SHARDS = 64;

/** Packets of a chunk that the MAC tables have to do with; rows ascending. */
export interface MacRequest {
  count: number;
  /** Row in the chunk. */
  readonly rows: Uint32Array;
  /** Three per packet: numbers of results, as the shard counts them. */
  readonly results: Uint32Array;
  /** 1: the outputs are asked for. */
  readonly wanted: Uint8Array;
  /** Results with numbers from `firstNew` on. */
  readonly newResults: readonly PacketResult[];
  /** Ambiguous packets, places ascending: what may become of them. */
  readonly either: readonly { readonly place: number; readonly outcomes: readonly PossibleOutcome[] }[];
  readonly firstNew: number;
}

/** Per packet of the request, in its order; null where the outputs were not asked for. */
export type MacAnswer = readonly (Treatments | null)[];

/** What a settled packet is, for whoever wants to be told of each. */
export type OnJudged = (verdict: PacketVerdict, judgement: PacketJudgement, row: number) => void;

interface Waiting {
  readonly verdict: PacketVerdict;
  readonly row: number;
  /** Place in the request, -1: nothing was asked. */
  readonly place: number;
}

export class Shard {
  readonly engine: ReplayEngine;
  readonly unjudged = new Unjudged();
  readonly delays = new DelayRecorder();
  /** The first packets that are ambiguous. */
  readonly ambiguous: { readonly packet: number; readonly tNs: number; readonly flow: Flow }[] = [];
  /** null: not asked for. */
  readonly service: ServiceCounts | null;
  private readonly tcpDelays = new TcpDelays(this.delays);
  private readonly meter: ServiceMeter | null;
  private readonly index: number;
  private readonly count: number;
  private readonly tellAll: boolean;
  private readonly classes: { readonly variant: number; readonly cls: PacketClass }[][] = [];
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly info = new PacketInfo();
  private readonly packet: WalkPacket;
  private readonly numbers = new Map<PacketResult, number>();
  private waiting: Waiting[] = [];
  /** Packets walked before this chunk, of all shards. */
  private base = 0;

  /** `tellAll`: every packet's outputs are asked for (verdict lines). `profile`: the time per packet is measured. */
  constructor(engine: ReplayEngine, index: number, count: number, tellAll: boolean, profile: boolean) {
    this.service = profile ? new ServiceCounts() : null;
    this.meter = this.service === null ? null : new ServiceMeter(this.service, clockCostNs());
    this.engine = engine;
    this.index = index;
    this.count = count;
    this.tellAll = tellAll;
    if (tellAll) engine.walker.outcomesLeft = Number.POSITIVE_INFINITY;
    const { key, info } = this;
    const cls = new PacketClass(key);
    this.packet = { number: 0, tNs: 0, version: 0, group: 0, direction: 0, cls, key, info, inPort: 0, tuplePart: 0 };
  }

  /** Walks this shard's rows of the chunk. `headers` gives keys back. */
  walk(chunk: PacketTable, headers: HeaderLoader): MacRequest {
    const { columns, count } = chunk;
    const { key, info, packet, engine, tellAll, unjudged, tcpDelays, meter } = this;
    const request = new RequestBuilder(count, this.numbers);
    meter?.begin();
    for (let row = 0; row < count; row++) {
      const group = columns.group[row]!;
      if ((group % SHARDS) % this.count !== this.index) continue;
      chunk.load(row, headers, key, info);
      packet.number = this.base + row + 1;
      packet.tNs = columns.tsNs[row]!;
      packet.inPort = columns.inPort[row]!;
      packet.group = group;
      packet.direction = columns.direction[row] === 0 ? 0 : 1;
      packet.cls = this.classOf(group * 2 + packet.direction, columns.variant[row]!);
      const verdict = engine.walk(packet);
      const { results } = verdict;
      tcpDelays.take(results[ACTUAL], columns, row);
      meter?.packet();
      if (!isJudged(results[ACTUAL].outcome)) unjudged.add(results[ACTUAL], packet.number);
      const isWanted = tellAll || !isAlike(results) || verdict.either !== null;
      const learns = results[ACTUAL].learns.length + results[BEFORE].learns.length + results[AFTER].learns.length;
      const place = isWanted || learns > 0 ? request.add(row, results, isWanted) : -1;
      if (verdict.either !== null) {
        request.either.push({ place, outcomes: verdict.either });
        if (this.ambiguous.length < AMBIGUOUS_MAX)
          this.ambiguous.push({ packet: packet.number, tNs: packet.tNs, flow: verdict.flow });
      }
      if (engine.windows.pass(verdict) && !tellAll) continue;
      verdict.flow.waiting++;
      this.waiting.push({ verdict: { ...verdict, results: [...results] }, row, place });
    }
    this.base += count;
    return request.finish();
  }

  /** Judges the packets of the last `walk` that wait, in order. */
  settle(answer: MacAnswer, onJudged: OnJudged | null): void {
    const { windows } = this.engine;
    for (const { verdict, row, place } of this.waiting) {
      verdict.flow.waiting--;
      const judgement = windows.take(verdict, place < 0 ? null : answer[place]!);
      onJudged?.(verdict, judgement, row);
    }
    this.waiting = [];
  }

  /** The class of a flow's variant, found out at the first packet of it. */
  private classOf(flow: number, variant: number): PacketClass {
    let known = this.classes[flow];
    if (known === undefined) {
      known = [];
      this.classes[flow] = known;
    }
    for (let i = 0; i < known.length; i++) if (known[i]!.variant === variant) return known[i]!.cls;
    const cls = this.engine.classes.classOf(this.key);
    known.push({ variant, cls });
    return cls;
  }
}

class RequestBuilder {
  private readonly rows: Uint32Array;
  private readonly results: Uint32Array;
  private readonly wanted: Uint8Array;
  private readonly numbers: Map<PacketResult, number>;
  private readonly newResults: PacketResult[] = [];
  private readonly firstNew: number;
  private count = 0;
  readonly either: { place: number; outcomes: readonly PossibleOutcome[] }[] = [];

  constructor(rows: number, numbers: Map<PacketResult, number>) {
    this.rows = new Uint32Array(rows);
    this.results = new Uint32Array(rows * 3);
    this.wanted = new Uint8Array(rows);
    this.numbers = numbers;
    this.firstNew = numbers.size;
  }

  add(row: number, results: readonly PacketResult[], isWanted: boolean): number {
    const place = this.count++;
    this.rows[place] = row;
    this.wanted[place] = isWanted ? 1 : 0;
    for (let world = 0; world < 3; world++) this.results[place * 3 + world] = this.numberOf(results[world]!);
    return place;
  }

  finish(): MacRequest {
    const { count, rows, results, wanted, newResults, firstNew, either } = this;
    return {
      count,
      rows: rows.subarray(0, count),
      results: results.subarray(0, count * 3),
      wanted: wanted.subarray(0, count),
      newResults,
      firstNew,
      either,
    };
  }

  private numberOf(result: PacketResult): number {
    let number = this.numbers.get(result);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(result, number);
      this.newResults.push(result);
    }
    return number;
  }
}
