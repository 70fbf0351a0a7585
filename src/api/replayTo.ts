/** The trace replayed up to one packet: the packet, and what it finds in each world. */

import type { FrameJudge } from '../capture/direction.js';
import type { MergedCapture } from '../capture/merge.js';
import type { Classifier } from '../classify/classifier.js';
import type { CtStore } from '../conntrack/store.js';
import { KEY_WORDS } from '../fields/key.js';
import type { PacketTable } from '../packet/columns.js';
import type { CookedFrames } from '../packet/cooked.js';
import { PacketInfo } from '../packet/packetInfo.js';
import { Scan } from '../packet/scan.js';
import type { MacTable } from '../pipeline/mac.js';
import { Coordinator } from '../replay/coordinator.js';
import { tuplePart } from '../replay/entryKey.js';
import { LocalShard } from '../replay/localShard.js';
import { MacPass } from '../replay/macPass.js';
import { PacketClass } from '../replay/passes.js';
import { VersionCursor, WORLDS } from '../replay/restart.js';
import { makeEnv, type ReplaySetup } from '../replay/setup.js';
import { UsageError } from '../util/errors.js';

export interface ReachedPacket {
  readonly key: Int32Array;
  readonly info: PacketInfo;
  readonly tNs: number;
  readonly inPort: number;
  /** Index of its capture, and its number there from 1. */
  readonly file: number;
  readonly frame: number;
  /** Version of `actual`. */
  readonly version: number;
  /** Per world, as the packet finds them. */
  readonly stores: readonly CtStore[];
  readonly macs: readonly MacTable[];
}

/** `number`: of the replayed packets, from 1. UsageError where there are fewer. */
export async function replayTo(
  number: number,
  capture: MergedCapture,
  judge: FrameJudge,
  cooked: CookedFrames,
  setup: ReplaySetup,
  classifier: Classifier,
  verifyChecksums: boolean,
  signal: AbortSignal | undefined,
): Promise<ReachedPacket> {
  // All of the header is shown, not only what rules look at.
  const usedBits = new Int32Array(KEY_WORDS).fill(-1);
  const scan = new Scan(capture, judge, { usedBits, verifyChecksums, keepFrames: true, cooked });
  const macs = new MacPass(makeEnv(setup.timeline, setup.ports, setup.bridge, classifier));
  const shard = new LocalShard(setup, scan.variants, 0, 1, classifier);
  const coordinator = new Coordinator([shard], macs);
  let before = 0;
  for await (const chunk of scan.chunks()) {
    signal?.throwIfAborted();
    const row = number - 1 - before;
    before += chunk.count;
    if (row < chunk.count) {
      chunk.count = row;
      await coordinator.take(chunk, null);
      return reach(chunk, row, number, scan, shard, macs);
    }
    await coordinator.take(chunk, null);
  }
  throw new UsageError(`there is no packet ${number}`, `${before} packets entered the bridge in these captures`);
}

function reach(
  chunk: PacketTable,
  row: number,
  number: number,
  scan: Scan,
  { shard: { engine } }: LocalShard,
  macs: MacPass,
): ReachedPacket {
  const key = new Int32Array(KEY_WORDS);
  const info = new PacketInfo();
  chunk.load(row, scan.variants, key, info);
  const { columns } = chunk;
  const tNs = columns.tsNs[row]!;
  const inPort = columns.inPort[row]!;
  const version = new VersionCursor(engine.restart).moveTo(tNs);
  const group = engine.find({
    number,
    tNs,
    version,
    group: columns.group[row]!,
    direction: columns.direction[row] === 0 ? 0 : 1,
    cls: new PacketClass(key),
    key,
    info,
    inPort,
    tuplePart: tuplePart(key, info),
  });
  return {
    key,
    info,
    tNs,
    inPort,
    file: columns.file[row]!,
    frame: columns.frame[row]!,
    version,
    stores: WORLDS.map((world) => group.stores[world].clone()),
    macs: WORLDS.map((world) => macs.tableOf(world)),
  };
}
