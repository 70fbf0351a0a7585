/**
 * Leads the shards through the trace, chunk by chunk: all walk, the MAC tables learn and answer in replay order, all judge.
 * The next chunk is scanned meanwhile.
 */
import type { PacketTable } from '../packet/columns.js';
import type { Judgement } from './judge.js';
import type { MacPass, Treatments } from './macPass.js';
import { AMBIGUOUS_MAX, type PossibleOutcome, type ToldOutcome } from './outcomes.js';
import type { PacketResult } from './packetResult.js';
import { mergeResults, type ShardResult } from './records.js';
import { ACTUAL } from './restart.js';
import type { MacAnswer, MacRequest } from './shard.js';

/** Judged packets, by row of the chunk. */
export interface Judged {
  readonly rows: readonly number[];
  readonly kinds: readonly Judgement['kind'][];
  /** Numbers of the windows' first packets, null: in none. */
  readonly windows: readonly (number | null)[];
}

/** A shard, in this thread or another. */
export interface ShardHandle {
  walk(chunk: PacketTable): Promise<MacRequest>;
  settle(answer: MacAnswer): Promise<Judged>;
  finish(): Promise<ShardResult>;
}

/** A packet of a chunk with all that is said of it. */
export interface ToldPacket {
  readonly row: number;
  /** From 1, over the whole trace. */
  readonly number: number;
  readonly results: readonly [PacketResult, PacketResult, PacketResult];
  readonly treatments: Treatments;
  readonly kind: Judgement['kind'];
  readonly window: number | null;
  /** Ambiguous: every possible outcome in `actual`; else empty. */
  readonly either: readonly ToldOutcome[];
}

export class Coordinator {
  private readonly shards: readonly ShardHandle[];
  private readonly macs: MacPass;
  /** Results by shard and number. */
  private readonly results: PacketResult[][];
  private base = 0;
  /** Possible outcomes of ambiguous packets, by packet number: the first ones, and those of this chunk. */
  private readonly firstEither = new Map<number, readonly ToldOutcome[]>();
  private either = new Map<number, readonly ToldOutcome[]>();

  constructor(shards: readonly ShardHandle[], macs: MacPass) {
    this.shards = shards;
    this.macs = macs;
    this.results = shards.map(() => []);
  }

  /** One chunk. `onTold`: called for each packet in order; only if the shards ask for the outputs of all. */
  async take(chunk: PacketTable, onTold: ((packet: ToldPacket) => void) | null): Promise<void> {
    const requests = await Promise.all(this.shards.map((shard) => shard.walk(chunk)));
    requests.forEach(({ newResults }, i) => {
      for (const result of newResults) this.results[i]!.push(result);
    });
    const answers = this.answer(requests, chunk);
    const judged = await Promise.all(this.shards.map((shard, i) => shard.settle(answers[i]!)));
    if (onTold !== null) this.tell(chunk, requests, answers, judged, onTold);
    this.base += chunk.count;
  }

  async finish(): Promise<ShardResult> {
    const merged = mergeResults(await Promise.all(this.shards.map((shard) => shard.finish())));
    const either = (packet: number): readonly ToldOutcome[] => this.firstEither.get(packet) ?? [];
    return { ...merged, ambiguous: merged.ambiguous.map((each) => ({ ...each, either: either(each.packet) })) };
  }

  /** All shards' packets in the order of the chunk's rows. */
  private answer(requests: readonly MacRequest[], chunk: PacketTable): (Treatments | null)[][] {
    const answers: (Treatments | null)[][] = requests.map(() => []);
    const nextEither = requests.map(() => 0);
    this.either = new Map();
    for (const { shard, place } of inOrder(requests.map(({ rows }) => rows))) {
      const request = requests[shard]!;
      const results = this.resultsAt(shard, request, place);
      const tNs = chunk.columns.tsNs[request.rows[place]!]!;
      answers[shard]!.push(this.macs.take(tNs, results, request.wanted[place] === 1));
      const open = request.either[nextEither[shard]!];
      if (open?.place !== place) continue;
      nextEither[shard]!++;
      this.noteEither(this.base + request.rows[place]! + 1, tNs, open.outcomes);
    }
    return answers;
  }

  private noteEither(packet: number, tNs: number, outcomes: readonly PossibleOutcome[]): void {
    const told = outcomes.map(({ result, rule }) => ({ ...this.macs.peek(ACTUAL, tNs, result), rule }));
    this.either.set(packet, told);
    if (this.firstEither.size < AMBIGUOUS_MAX) this.firstEither.set(packet, told);
  }

  private resultsAt(
    shard: number,
    { results }: MacRequest,
    place: number,
  ): readonly [PacketResult, PacketResult, PacketResult] {
    const known = this.results[shard]!;
    return [known[results[place * 3]!]!, known[results[place * 3 + 1]!]!, known[results[place * 3 + 2]!]!];
  }

  private tell(
    chunk: PacketTable,
    requests: readonly MacRequest[],
    answers: readonly (readonly (Treatments | null)[])[],
    judged: readonly Judged[],
    onTold: (packet: ToldPacket) => void,
  ): void {
    const kinds: Judgement['kind'][] = new Array(chunk.count).fill(null);
    const windows: (number | null)[] = new Array(chunk.count).fill(null);
    for (const part of judged) {
      part.rows.forEach((row, i) => {
        kinds[row] = part.kinds[i]!;
        windows[row] = part.windows[i]!;
      });
    }
    for (const { shard, place } of inOrder(requests.map(({ rows }) => rows))) {
      const request = requests[shard]!;
      const row = request.rows[place]!;
      const treatments = answers[shard]![place]!;
      const results = this.resultsAt(shard, request, place);
      const number = this.base + row + 1;
      const either = this.either.get(number) ?? [];
      onTold({ row, number, results, treatments, kind: kinds[row]!, window: windows[row]!, either });
    }
  }
}

/** The places of several ascending lists, as one ascending list. */
function* inOrder(lists: readonly Uint32Array[]): Generator<{ shard: number; place: number }> {
  const at = lists.map(() => 0);
  for (;;) {
    let best = -1;
    for (let i = 0; i < lists.length; i++) {
      if (at[i]! < lists[i]!.length && (best < 0 || lists[i]![at[i]!]! < lists[best]![at[best]!]!)) best = i;
    }
    if (best < 0) return;
    yield { shard: best, place: at[best]!++ };
  }
}
