/** Passes over cooked captures before the scan: which interface is which port, and who is where. */
import type { FrameJudge } from '../capture/direction.js';
import type { InterfaceFinder } from '../capture/interfaces.js';
import type { MergedCapture } from '../capture/merge.js';
import type { RecordBatch } from '../capture/source.js';
import { KEY_WORDS } from '../fields/key.js';
import { unlessAborted } from '../util/abort.js';
import { type CookedFrames, isCooked } from './cooked.js';
import { PacketInfo } from './packetInfo.js';

export async function lookForInterfaces(
  capture: MergedCapture,
  finder: InterfaceFinder,
  signal?: AbortSignal,
): Promise<void> {
  await eachFrame(capture, signal, (batch, row) => finder.take(batch, row));
}

/** What frames tell of stations goes into `cooked`, so that the first frame to one finds its address. `judge` is used up. */
export async function lookForStations(
  capture: MergedCapture,
  judge: FrameJudge,
  cooked: CookedFrames,
  signal?: AbortSignal,
): Promise<void> {
  const [key, info] = [new Int32Array(KEY_WORDS), new PacketInfo()];
  let frames = 0;
  await eachFrame(capture, signal, (batch, row, source) => {
    const reason = judge.judge(source, batch, row, frames++);
    if (isCooked(batch.linkType[row]!)) cooked.take(batch, row, judge, reason, key, info, true);
  });
}

async function eachFrame(
  capture: MergedCapture,
  signal: AbortSignal | undefined,
  take: (batch: RecordBatch, row: number, source: number) => void,
): Promise<void> {
  for (;;) {
    const merged = await unlessAborted(capture.next(), signal);
    if (merged === null) return;
    for (let i = 0; i < merged.count; i++) take(merged.batches[merged.source[i]!]!, merged.row[i]!, merged.source[i]!);
  }
}
