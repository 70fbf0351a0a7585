/** `--verdict-frames`: the bytes that leave, where they are not those that entered. */
import { headerBytesOf, LINK_ETHERNET } from '../capture/links.js';
import type { PacketTable } from '../packet/columns.js';
import type { EditOp } from '../pipeline/effects.js';
import { outputEdit } from '../pipeline/normal.js';
import { rewriteFrame } from '../pipeline/rewrite.js';
import type { SentEdit } from '../replay/editTrail.js';
import type { ResolvedTreatment } from '../replay/macPass.js';
import type { PacketResult } from '../replay/packetResult.js';

/** [port, frame as hex digits], by port; of frames that a snaplen cut as far as they go. */
export type SentFrame = readonly [number, string];

const NOTHING: SentEdit = { ops: [], cutAt: 0, isWhole: false };

/**
 * Outputs of a packet in one world whose frame differs from the one that entered. None for packets put together from fragments,
 * and for frames of another link type than Ethernet: those have no Ethernet header to begin with.
 */
export function sentFrames(
  { outputs, normals, sent }: PacketResult,
  treatment: ResolvedTreatment,
  chunk: PacketTable,
  row: number,
): SentFrame[] {
  const kept = chunk.frameOf(row);
  if (kept === null || (kept.linkType !== LINK_ETHERNET && headerBytesOf(kept.linkType) >= 0)) return [];
  const original = chunk.columns.originalBytes[row]!;
  const frames: SentFrame[] = [];
  const add = (port: number, edit: SentEdit, more: readonly EditOp[], maxLen: number | null): void => {
    if (edit.isWhole) return;
    const frame = frameAfter(kept.bytes, original, [...edit.ops, ...more], edit.cutAt, maxLen);
    if (frame !== null) frames.push([port, Buffer.from(frame).toString('hex')]);
  };
  outputs.forEach(({ port, maxLen }, i) => {
    add(port, sent?.outputs[i] ?? NOTHING, [], maxLen);
  });
  for (const { effect, admission, port } of treatment.normal) {
    const place = normals.indexOf(effect);
    const tags = (outputEdit(effect, admission, port) ?? []).slice(effect.edit?.length ?? 0);
    add(port.ofport, sent?.normals[place] ?? NOTHING, tags, null);
  }
  return frames.sort((a, b) => a[0] - b[0]);
}

/** null: nothing changed. */
function frameAfter(
  bytes: Uint8Array,
  originalBytes: number,
  ops: readonly EditOp[],
  cutAt: number,
  maxLen: number | null,
): Uint8Array | null {
  const frame = ops.length === 0 ? bytes : rewriteFrame(bytes, ops);
  if (maxLen === null) return ops.length === 0 ? null : frame;
  const grown = rewriteFrame(bytes, ops.slice(0, cutAt)).length - bytes.length;
  const cut = Math.max(0, originalBytes + grown - maxLen);
  if (cut === 0) return ops.length === 0 ? null : frame;
  const length = originalBytes + (frame.length - bytes.length) - cut;
  return frame.subarray(0, Math.max(0, Math.min(frame.length, length)));
}
