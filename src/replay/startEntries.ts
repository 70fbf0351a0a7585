/** Conntrack entries at the start of the trace (`--conntrack-before`), handed to the groups whose packets they are about. */
import type { CtEntry } from '../conntrack/entry.js';
import { CtPacket, fillCtPacket } from '../conntrack/packet.js';
import { type CtTuple, isIcmp } from '../conntrack/tuple.js';
import { K } from '../fields/key.js';
import type { PacketInfo } from '../packet/packetInfo.js';

export class StartEntries {
  private readonly byPair = new Map<string, CtEntry[]>();
  private readonly packet = new CtPacket();

  constructor(entries: readonly CtEntry[]) {
    for (const entry of entries) {
      const pair = pairText(entry.family, entry.proto, entry.original);
      this.byPair.set(pair, [...(this.byPair.get(pair) ?? []), entry]);
    }
  }

  /** Entries of the group that this packet is the first of. */
  take(key: Int32Array, info: PacketInfo): readonly CtEntry[] {
    if (this.byPair.size === 0 || (key[K.dl_type] !== 0x0800 && key[K.dl_type] !== 0x86dd)) return [];
    fillCtPacket(key, info, this.packet);
    const pair = pairText(this.packet.family, this.packet.proto, this.packet.tuple);
    const entries = this.byPair.get(pair) ?? [];
    this.byPair.delete(pair);
    return entries;
  }

  /** Entries that no packet was seen of. */
  rest(): CtEntry[] {
    return [...this.byPair.values()].flat();
  }
}

/** The unordered pair of endpoints; for ICMP addresses and id. */
function pairText(family: number, proto: number, tuple: CtTuple): string {
  const { src0, src1, src2, src3, dst0, dst1, dst2, dst3, sport, dport } = tuple;
  const source = `${src0},${src1},${src2},${src3},${sport}`;
  const target = `${dst0},${dst1},${dst2},${dst3},${isIcmp(proto) ? sport : dport}`;
  return `${family}/${proto}/${source < target ? `${source}/${target}` : `${target}/${source}`}`;
}
