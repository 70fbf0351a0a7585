/** What of a frame stays the same on its way through a bridge, as text to compare by. */

import type { RecordBatch } from '../capture/source.js';
import { K } from '../fields/key.js';
import { ETH_IP, ETH_IPV6 } from '../fields/protocols.js';
import { extractPacket } from '../packet/extract.js';
import type { PacketInfo } from '../packet/packetInfo.js';

/** Headers and the first bytes of the payload: enough to tell segments apart, and within a usual snaplen. */
const BYTES = 64;

export interface FrameKey {
  /** Ethertype, length and first bytes of the network packet without TTL and header checksum. */
  readonly key: string;
  readonly type: number;
  /** Unordered addresses, protocol and ports. */
  readonly conversation: string;
}

/** `key` and `info` are scratch. */
export function frameKey(batch: RecordBatch, row: number, key: Int32Array, info: PacketInfo): FrameKey {
  const start = batch.dataStart[row]!;
  const [captured, original] = [batch.capturedBytes[row]!, batch.originalBytes[row]!];
  extractPacket(batch.data, start, captured, original, batch.linkType[row]!, key, info);
  const type = key[K.dl_type]!;
  const from = Math.max(0, info.l3Offset);
  const bytes = Buffer.from(batch.data.subarray(start + from, start + Math.min(captured, from + BYTES)));
  let length = original - from;
  if (type === ETH_IP && bytes.length >= 20) {
    // Padding to the minimum length of a frame may come or go.
    length = bytes.readUInt16BE(2);
    bytes[8] = 0;
    bytes.writeUInt16BE(0, 10);
  } else if (type === ETH_IPV6 && bytes.length >= 8) {
    length = 40 + bytes.readUInt16BE(4);
    bytes[7] = 0;
  }
  const packet = bytes.subarray(0, Math.min(bytes.length, length));
  return { key: `${type}:${length}:${packet.toString('latin1')}`, type, conversation: conversationOf(key) };
}

function conversationOf(key: Int32Array): string {
  const words = (from: number, count: number) => key.subarray(from, from + count).join('.');
  const isV6 = key[K.dl_type] === ETH_IPV6;
  const hasPorts = [6, 17, 132].includes(key[K.nw_proto]!);
  const port = (word: number) => (hasPorts ? `:${key[word]}` : '');
  const ends = [
    `${isV6 ? words(K.ipv6_src, 4) : words(K.nw_src, 1)}${port(K.tp_src)}`,
    `${isV6 ? words(K.ipv6_dst, 4) : words(K.nw_dst, 1)}${port(K.tp_dst)}`,
  ];
  return `${key[K.dl_type]} ${key[K.nw_proto]} ${ends.sort().join(' ')}`;
}
