/** Chunks of the packet table through the engine, in replay order. */
import { KEY_WORDS } from '../fields/key.js';
import type { PacketTable } from '../packet/columns.js';
import { PacketInfo } from '../packet/packetInfo.js';
import type { VariantTable } from '../packet/variants.js';
import type { ReplayEngine } from './engine.js';
import { PacketClass } from './passes.js';
import type { PacketVerdict, WalkPacket } from './walk.js';
import type { PacketJudgement } from './windows.js';

/** Told of each packet, in order. `row`: its place in the chunk. */
export type OnVerdict = (verdict: PacketVerdict, judgement: PacketJudgement, chunk: PacketTable, row: number) => void;

export class TraceReplay {
  private readonly engine: ReplayEngine;
  private readonly variants: VariantTable;
  /** Classes by group and direction (`group * 2 + direction`): a variant is one of a flow. */
  private readonly classes: { readonly variant: number; readonly cls: PacketClass }[][] = [];
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly info = new PacketInfo();
  private readonly packet: WalkPacket;
  /** Packets so far. */
  count = 0;

  constructor(engine: ReplayEngine, variants: VariantTable) {
    this.engine = engine;
    this.variants = variants;
    const { key, info } = this;
    const cls = new PacketClass(key);
    this.packet = { number: 0, tNs: 0, version: 0, group: 0, direction: 0, cls, key, info, inPort: 0, tuplePart: 0 };
  }

  take(chunk: PacketTable, onVerdict: OnVerdict | null): void {
    const { columns } = chunk;
    const { key, info, variants, engine, packet } = this;
    for (let row = 0; row < chunk.count; row++) {
      chunk.load(row, variants, key, info);
      packet.number = ++this.count;
      packet.tNs = columns.tsNs[row]!;
      packet.inPort = columns.inPort[row]!;
      packet.group = columns.group[row]!;
      packet.direction = columns.direction[row] === 0 ? 0 : 1;
      packet.cls = this.classOf(packet.group * 2 + packet.direction, columns.variant[row]!);
      const judgement = engine.take(packet);
      onVerdict?.(engine.verdict!, judgement, chunk, row);
    }
  }

  /** The class of a flow's variant; found out at the first packet of it. */
  private classOf(flow: number, variant: number): PacketClass {
    let known = this.classes[flow];
    if (known === undefined) {
      known = [];
      this.classes[flow] = known;
    }
    for (const each of known) if (each.variant === variant) return each.cls;
    const cls = this.engine.classes.classOf(this.key);
    known.push({ variant, cls });
    return cls;
  }
}
