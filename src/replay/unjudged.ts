/** Packets that `actual` treats in a way that is not judged: how many of each outcome, and what is not supported. */
import type { Outcome } from '../pipeline/verdict.js';
import type { PacketResult } from './packetResult.js';

/** One thing that a rule asks for and a replay does not do. */
export interface UnsupportedUse {
  readonly what: string;
  /** Index among the rules of all versions; -1: none. */
  readonly rule: number;
  packets: number;
  /** From 1, over the whole trace. */
  firstPacket: number;
}

export interface UnjudgedRecord {
  /** Outcome, packets. */
  readonly outcomes: readonly (readonly [Outcome, number])[];
  readonly unsupported: readonly UnsupportedUse[];
}

export class Unjudged {
  private readonly outcomes = new Map<Outcome, number>();
  private readonly uses: UnsupportedUse[] = [];

  /** A packet, in replay order of its shard. */
  add({ outcome, unsupported }: PacketResult, packet: number): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    if (unsupported === null) return;
    const { rule, what } = unsupported;
    const known = this.uses.find((use) => use.rule === rule && use.what === what);
    if (known === undefined) this.uses.push({ what, rule, packets: 1, firstPacket: packet });
    else known.packets++;
  }

  record(): UnjudgedRecord {
    return mergeUnjudged([{ outcomes: [...this.outcomes], unsupported: this.uses }]);
  }
}

/** Of all shards, in an order that does not hang on their number. */
export function mergeUnjudged(records: readonly UnjudgedRecord[]): UnjudgedRecord {
  const outcomes = new Map<Outcome, number>();
  const uses = new Map<string, UnsupportedUse>();
  for (const record of records) {
    for (const [outcome, packets] of record.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + packets);
    for (const use of record.unsupported) {
      const key = `${use.rule} ${use.what}`;
      const known = uses.get(key);
      if (known === undefined) {
        uses.set(key, { ...use });
        continue;
      }
      known.packets += use.packets;
      known.firstPacket = Math.min(known.firstPacket, use.firstPacket);
    }
  }
  return {
    outcomes: [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1)),
    unsupported: [...uses.values()].sort((a, b) => a.firstPacket - b.firstPacket || a.rule - b.rule),
  };
}
