/** Frames that left the bridge, from captures of both sides, beside the packets that entered with their predicted ports. */
import { hasLeft } from '../capture/direction.js';
import { MergedCapture } from '../capture/merge.js';
import { KEY_WORDS } from '../fields/key.js';
import { PacketInfo } from '../packet/packetInfo.js';
import { unlessAborted } from '../util/abort.js';
import { frameJudge, type JudgeInputs, type NamedCapture } from './captures.js';
import { frameKey } from './frameKey.js';
import type { Observed, Predicted } from './matchFrames.js';

/** Of a verdict line what is needed here. */
export interface Verdict {
  readonly n: number;
  readonly out: readonly number[];
}

export interface FrameEvidence {
  readonly predicted: Predicted[];
  readonly observed: Observed[];
  /** Ports at which some frame was seen. */
  readonly seenPorts: Set<number>;
  /** Ethertypes of which some frame was seen to leave: others were perhaps not captured. */
  readonly leftTypes: Set<number>;
  readonly typeOf: Map<Predicted, number>;
}

/**
 * `verdicts`: by `file:frame`, as verdict lines number them. `observes`: which of the captures are evidence. Times count
 * from `startUnixNs`.
 */
export async function readFrames(
  captures: readonly NamedCapture[],
  inputs: JudgeInputs,
  verdicts: ReadonlyMap<string, Verdict>,
  observes: (capture: number) => boolean,
  startUnixNs: bigint | null,
  signal?: AbortSignal,
): Promise<FrameEvidence & { startUnixNs: bigint }> {
  const capture = new MergedCapture(captures.map(({ source }) => source));
  const judge = frameJudge(captures, inputs);
  const evidence: FrameEvidence = {
    predicted: [],
    observed: [],
    seenPorts: new Set(),
    leftTypes: new Set(),
    typeOf: new Map(),
  };
  const [key, info] = [new Int32Array(KEY_WORDS), new PacketInfo()];
  let number = 0;
  await capture.prime();
  const shift = startUnixNs === null ? 0 : Number(capture.startUnixNs - startUnixNs);
  for (;;) {
    const merged = await unlessAborted(capture.next(), signal);
    if (merged === null) break;
    for (let i = 0; i < merged.count; i++) {
      const [source, row] = [merged.source[i]!, merged.row[i]!];
      const batch = merged.batches[source]!;
      const reason = judge.judge(source, batch, row, number++);
      const { port } = judge;
      if (observes(source) && port >= 0) evidence.seenPorts.add(port);
      const verdict = verdicts.get(`${source}:${merged.frame[i]}`);
      const isLeft = hasLeft(reason) && observes(source);
      if (verdict === undefined && !isLeft) continue;
      const { type, ...named } = frameKey(batch, row, key, info);
      const tNs = merged.tsNs[i]! + shift;
      if (verdict !== undefined) {
        const packet = { n: verdict.n, tNs, ports: verdict.out, ...named };
        evidence.predicted.push(packet);
        evidence.typeOf.set(packet, type);
      } else {
        evidence.observed.push({ frame: merged.frame[i]!, tNs, port, key: named.key });
        evidence.leftTypes.add(type);
      }
    }
  }
  await capture.close();
  return { ...evidence, startUnixNs: capture.startUnixNs };
}
