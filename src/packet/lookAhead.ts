/** A pass over captures before the scan: who is where, so that the first frames to a station find its address. */
import type { FrameJudge } from '../capture/direction.js';
import type { MergedCapture } from '../capture/merge.js';
import { KEY_WORDS } from '../fields/key.js';
import { unlessAborted } from '../util/abort.js';
import { type CookedFrames, isCooked } from './cooked.js';
import { PacketInfo } from './packetInfo.js';

/** `capture` and `judge` are used up; what was learned is in `cooked`. */
export async function lookAhead(
  capture: MergedCapture,
  judge: FrameJudge,
  cooked: CookedFrames,
  signal?: AbortSignal,
): Promise<void> {
  const [key, info] = [new Int32Array(KEY_WORDS), new PacketInfo()];
  let frames = 0;
  for (;;) {
    const merged = await unlessAborted(capture.next(), signal);
    if (merged === null) return;
    for (let i = 0; i < merged.count; i++) {
      const [source, row] = [merged.source[i]!, merged.row[i]!];
      const batch = merged.batches[source]!;
      const reason = judge.judge(source, batch, row, frames++);
      if (isCooked(batch.linkType[row]!)) cooked.take(batch, row, judge, reason, key, info, true);
    }
  }
}
