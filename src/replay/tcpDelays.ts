/**
 * What loss costs TCP, read from the retries in the trace: from a connection's first SYN to the first one that is delivered,
 * from a lost segment to the first delivered one with bytes of its range. Of the world `actual`; a packet that reached NORMAL
 * counts as delivered. What is never delivered is never recorded: windows tell of it.
 *
 * Memory is bounded by fixed parts of the groups, so the values do not hang on the number of workers.
 */
import type { PacketColumns } from '../packet/columns.js';
import { hasOutput, isJudged, type PacketResult } from './packetResult.js';

const TCP_FIN = 0x01;
const TCP_SYN = 0x02;
const TCP_ACK = 0x10;

/** Groups are dealt out by these bits of their number. */
const PARTS = 64;
/** Flows that are remembered in each part; the one noted first is forgotten. */
const FLOWS_MAX = 1 << 12;
/** Lost ranges that are remembered of one flow. */
const RANGES_MAX = 256;

export type DelayName = 'setupDelayNs' | 'retransmitDelayNs';

export interface DelaySink {
  /** `ns`: an integer from 0. */
  record(name: DelayName, ns: number): void;
}

/** Delays as numbers; most are 0 and only counted. */
export interface DelayList {
  zeros: number;
  readonly values: number[];
}

export type DelayLists = Readonly<Record<DelayName, DelayList>>;

export class DelayRecorder implements DelaySink {
  readonly lists: DelayLists = {
    setupDelayNs: { zeros: 0, values: [] },
    retransmitDelayNs: { zeros: 0, values: [] },
  };

  record(name: DelayName, ns: number): void {
    const list = this.lists[name];
    if (ns === 0) list.zeros++;
    else list.values.push(ns);
  }
}

export function mergeDelays(parts: readonly DelayLists[]): DelayLists {
  const of = (name: DelayName): DelayList => ({
    zeros: parts.reduce((sum, lists) => sum + lists[name].zeros, 0),
    values: parts.flatMap((lists) => lists[name].values).sort((a, b) => a - b),
  });
  return { setupDelayNs: of('setupDelayNs'), retransmitDelayNs: of('retransmitDelayNs') };
}

interface Attempt {
  /** Initial sequence number: retries keep it. */
  readonly seq: number;
  readonly sinceNs: number;
  isDelivered: boolean;
}

/** Sequence numbers [from, to), modulo 2^32. */
interface LostRange {
  readonly from: number;
  readonly to: number;
  readonly sinceNs: number;
}

class Part {
  readonly attempts = new Map<number, Attempt>();
  readonly lost = new Map<number, LostRange[]>();
}

export class TcpDelays {
  private readonly sink: DelaySink;
  private readonly parts = Array.from({ length: PARTS }, () => new Part());

  constructor(sink: DelaySink) {
    this.sink = sink;
  }

  /** Called per packet, in the order of its group. `actual`: what became of it; `row`: its place in the columns. */
  take(actual: PacketResult, columns: PacketColumns, row: number): void {
    const flags = columns.tcpFlags[row]!;
    // Only TCP has flags.
    if (flags === 0 || !isJudged(actual.outcome)) return;
    const isSyn = (flags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
    const bytes = columns.payloadBytes[row]! + (flags & TCP_FIN);
    if (!isSyn && bytes === 0) return;
    const group = columns.group[row]!;
    const part = this.parts[group % PARTS]!;
    const flow = group * 2 + columns.direction[row]!;
    const tNs = columns.tsNs[row]!;
    const seq = columns.tcpSeq[row]! | 0;
    if (isSyn) this.takeSyn(part, flow, seq, tNs, hasOutput(actual));
    else if (!hasOutput(actual)) noteLost(part, flow, seq, bytes, tNs);
    else if (part.lost.size > 0) this.takeDelivered(part, flow, seq, bytes, tNs);
  }

  private takeSyn({ attempts }: Part, flow: number, seq: number, tNs: number, isDelivered: boolean): void {
    let attempt = attempts.get(flow);
    if (attempt === undefined || attempt.seq !== seq) {
      attempt = { seq, sinceNs: tNs, isDelivered: false };
      attempts.delete(flow);
      remember(attempts, flow, attempt);
    }
    if (attempt.isDelivered || !isDelivered) return;
    attempt.isDelivered = true;
    this.sink.record('setupDelayNs', tNs - attempt.sinceNs);
  }

  private takeDelivered({ lost }: Part, flow: number, seq: number, bytes: number, tNs: number): void {
    const ranges = lost.get(flow);
    if (ranges === undefined) return;
    const to = (seq + bytes) | 0;
    const left = ranges.filter((range) => {
      const overlaps = isBefore(range.from, to) && isBefore(seq, range.to);
      if (overlaps) this.sink.record('retransmitDelayNs', tNs - range.sinceNs);
      return !overlaps;
    });
    if (left.length === 0) lost.delete(flow);
    else lost.set(flow, left);
  }
}

function noteLost({ lost }: Part, flow: number, seq: number, bytes: number, tNs: number): void {
  const ranges = lost.get(flow) ?? [];
  // A retry that is lost too: the time runs from the first.
  const isKnown = ranges.some(({ from, to }) => !isBefore(seq, from) && isBefore(seq, to));
  if (isKnown || ranges.length >= RANGES_MAX) return;
  if (ranges.length === 0) remember(lost, flow, ranges);
  ranges.push({ from: seq, to: (seq + bytes) | 0, sinceNs: tNs });
}

function remember<T>(map: Map<number, T>, flow: number, value: T): void {
  map.set(flow, value);
  if (map.size <= FLOWS_MAX) return;
  for (const first of map.keys()) {
    map.delete(first);
    return;
  }
}

/** Sequence numbers compare modulo 2^32 (RFC 9293, 3.4). */
const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0;
