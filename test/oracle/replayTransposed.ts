/** A random world through the product: columns, groups, variants, engine; the answers in the form of the time-ordered oracle. */
import { CompiledClassifier } from '../../src/classify/compiled.js';
import type { Tracker } from '../../src/conntrack/tracker.js';
import { K, KEY_WORDS } from '../../src/fields/key.js';
import { PacketTable } from '../../src/packet/columns.js';
import { extractPacket } from '../../src/packet/extract.js';
import { Groups } from '../../src/packet/groups.js';
import { PacketInfo } from '../../src/packet/packetInfo.js';
import { VariantTable } from '../../src/packet/variants.js';
import { ReplayEngine } from '../../src/replay/engine.js';
import { MacPass } from '../../src/replay/macPass.js';
import { classMask } from '../../src/replay/packetClasses.js';
import type { PacketResult } from '../../src/replay/packetResult.js';
import { planRestart } from '../../src/replay/restart.js';
import { Shard } from '../../src/replay/shard.js';
import type { OrderedPacket, OrderedResult, OrderedWindow } from './replayInOrder.js';
import type { WorldInput } from './worldInput.js';

const LINK_ETHERNET = 1;

export interface TransposedOptions {
  readonly judgeBefore: boolean;
  readonly tracker: Tracker;
  readonly reuse: boolean;
}

export function replayTransposed(input: WorldInput, options: TransposedOptions): OrderedResult {
  const { timeline, env } = input;
  const restart = planRestart(timeline, Number, options.judgeBefore ? 'before' : 'both');
  const classifier = new CompiledClassifier(timeline);
  const engine = new ReplayEngine(restart, { ...env, classifier }, options.tracker, {
    reuse: options.reuse,
    midstream: 'strict',
    entries: [],
  });
  const { table, variants } = tableOf(input);
  const packets: OrderedPacket[] = [];
  const shard = new Shard(engine, 0, 1, true, false);
  const macs = new MacPass({ ...env, classifier });
  const { rows, results: numbers, newResults } = shard.walk(table, variants);
  const answer = Array.from(rows, (row, i) => {
    const resultAt = (world: number): PacketResult => newResults[numbers[i * 3 + world]!]!;
    return macs.take(table.columns.tsNs[row]!, [resultAt(0), resultAt(1), resultAt(2)], true);
  });
  shard.settle(answer, ({ number, results, flow }, { treatments, kind }) => {
    packets.push({
      number,
      ports: treatments!.map((treatment) => treatment.ports),
      ct: results.map(({ seen }) => seen.map(({ state, zone, mark }) => `${state} ${zone} ${mark}`)),
      outcomes: treatments!.map((treatment) => treatment.outcome),
      kind,
      connection: flow.connection.firstPacket,
    });
  });
  engine.finish();
  const windows: OrderedWindow[] = [];
  for (const { flows } of engine.walker.connections)
    for (const flow of flows)
      for (const { kind, firstPacket, lastPacket, packets: count, open, toNs } of flow?.closed ?? [])
        windows.push({ kind, first: firstPacket, last: lastPacket, packets: count, open, toNs });
  windows.sort((a, b) => a.first - b.first);
  return { packets, windows };
}

/** As packet/scan.ts fills it. */
function tableOf(input: WorldInput): { table: PacketTable; variants: VariantTable } {
  const groups = new Groups();
  const variants = new VariantTable(classMask(input.timeline), groups);
  const table = new PacketTable();
  const key = new Int32Array(KEY_WORDS);
  const info = new PacketInfo();
  const early: { row: number; waiting: number }[] = [];
  for (const { frame, inPort, tNs } of input.packets) {
    extractPacket(frame, 0, frame.length, frame.length, LINK_ETHERNET, key, info);
    key[K.in_port] = inPort;
    const row = table.add(key, info, LINK_ETHERNET, false);
    const { columns } = table;
    const group = groups.numberOf(key, info);
    columns.tsNs[row] = tNs;
    columns.group[row] = group;
    columns.direction[row] = groups.direction;
    columns.variant[row] = variants.intern(key, groups.mode, -1);
    if (groups.waiting >= 0) early.push({ row, waiting: groups.waiting });
    if (groups.arrived < 0) continue;
    for (const each of early) {
      if (each.waiting !== groups.arrived) continue;
      columns.group[each.row] = group;
      columns.direction[each.row] = groups.direction;
    }
  }
  return { table, variants };
}
