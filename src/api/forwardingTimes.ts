/**
 * How long the bridge took, from captures of both sides: a frame that entered, and the same frame where it left. Frames are
 * recognised by their network packet without TTL and header checksum; one that the bridge rewrote further is not. Of equal
 * frames the last one that entered before counts.
 *
 * Looks at nothing before the first frame that left, so a one-sided capture costs nothing.
 */
import { type FrameReason, hasLeft } from '../capture/direction.js';
import { etherTypeOf, headerBytesOf, LINK_ETHERNET } from '../capture/links.js';
import type { RecordBatch } from '../capture/source.js';
import { ETH_IP, ETH_IPV6 } from '../fields/protocols.js';
import { u16 } from '../util/bytesAt.js';

/** No frame is looked for longer than this. */
const LONGEST_NS = 2e9;
const FRAMES_MAX = 1 << 17;
/** Headers and the beginning of the payload, within a usual snaplen. */
const BYTES = 64;

const ETH_VLAN = 0x8100;
const ETH_QINQ = 0x88a8;

export interface ForwardingSink {
  record(name: 'forwardingNs', ns: number): void;
}

export class ForwardingTimes {
  private readonly sink: ForwardingSink;
  private isTwoSided = false;
  /** When a frame entered, by its hash; oldest first. */
  private readonly entered = new Map<number, number>();

  constructor(sink: ForwardingSink) {
    this.sink = sink;
  }

  /** For `ScanOptions.onEntered`. */
  readonly onEntered = (tsNs: number, batch: RecordBatch, row: number): void => {
    if (!this.isTwoSided) return;
    const { entered } = this;
    const hash = frameHash(batch, row);
    entered.delete(hash);
    entered.set(hash, tsNs);
    for (const [first, sinceNs] of entered) {
      if (entered.size <= FRAMES_MAX && tsNs - sinceNs <= LONGEST_NS) break;
      entered.delete(first);
    }
  };

  /** For `ScanOptions.onOther`. */
  readonly onOther = (
    reason: FrameReason,
    _port: number,
    tsNs: number,
    _source: number,
    batch: RecordBatch,
    row: number,
  ): void => {
    if (!hasLeft(reason)) return;
    this.isTwoSided = true;
    const sinceNs = this.entered.get(frameHash(batch, row));
    if (sinceNs !== undefined && tsNs >= sinceNs && tsNs - sinceNs <= LONGEST_NS)
      this.sink.record('forwardingNs', tsNs - sinceNs);
  };
}

/** 53 bits over the network packet as it is on both sides of a bridge. */
function frameHash(batch: RecordBatch, row: number): number {
  const { data } = batch;
  const start = batch.dataStart[row]!;
  const end = start + batch.capturedBytes[row]!;
  const linkType = batch.linkType[row]!;
  let at = start + Math.max(0, headerBytesOf(linkType));
  let type = 0;
  if (linkType === LINK_ETHERNET) {
    at = start + 14;
    type = u16(data, start + 12, end);
    while ((type === ETH_VLAN || type === ETH_QINQ) && at < end) {
      type = u16(data, at + 2, end);
      at += 4;
    }
  } else type = etherTypeOf(linkType, data, start, end);
  const isIpv4 = type === ETH_IP;
  const isIpv6 = type === ETH_IPV6;
  let to = Math.min(end, at + BYTES);
  // Padding to the minimum length of a frame may come or go. Length 0: segmentation offload, no padding.
  const ipBytes = isIpv4 ? u16(data, at + 2, end) : isIpv6 ? u16(data, at + 4, end) : 0;
  if (ipBytes > 0) to = Math.min(to, at + ipBytes + (isIpv6 ? 40 : 0));
  let low = 0x811c9dc5 ^ type;
  let high = 0x9747b28c;
  for (let i = at; i < to; i++) {
    const place = i - at;
    if (isIpv4 ? place === 8 || place === 10 || place === 11 : isIpv6 && place === 7) continue;
    low = Math.imul(low ^ data[i]!, 0x01000193);
    high = Math.imul(high ^ data[i]! ^ (low >>> 15), 0x85ebca6b);
  }
  return (high >>> 11) * 0x1_0000_0000 + (low >>> 0);
}
