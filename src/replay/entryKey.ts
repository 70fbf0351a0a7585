/**
 * Which entry of a group's store a packet belongs to. A group has one pair of endpoints, so the zone tells, but for ICMP:
 * there the request's direction and type are part of the tuple (both sides may ping with the same id).
 */
import type { CtEntry } from '../conntrack/entry.js';
import { CtPacket, fillCtPacket } from '../conntrack/packet.js';
import type { CtStore } from '../conntrack/store.js';
import { type CtTuple, inverseIcmpType, isIcmp } from '../conntrack/tuple.js';
import { K } from '../fields/key.js';
import type { PacketInfo } from '../packet/packetInfo.js';

/** Numbers an entry within its group: zone in the low 16 bits. */
export type EntryKey = number;

const ZONES = 0x10000;
/** Requests whose replies have another type (conntrack/tuple.ts). */
const REPLY_TYPES = new Set([0, 14, 16, 18, 129, 140]);

const scratch = new CtPacket();

/** The part of the key that is not the zone: 0 but for connections of ICMP. */
export function tuplePart(key: Int32Array, info: PacketInfo): number {
  const isIp = key[K.dl_type] === 0x0800 || key[K.dl_type] === 0x86dd;
  if (!isIp || !isIcmp(key[K.nw_proto]!)) return 0;
  fillCtPacket(key, info, scratch);
  return partOf(scratch.proto, scratch.tuple);
}

function partOf(proto: number, tuple: CtTuple): number {
  if (!isIcmp(proto)) return 0;
  const type = tuple.dport >> 8;
  const isReply = REPLY_TYPES.has(type);
  const request = isReply ? inverseIcmpType(proto, type) : type;
  const fromLower = isLower(tuple) !== isReply;
  return ZONES * (1 + request * 2 + (fromLower ? 0 : 1));
}

function isLower(tuple: CtTuple): boolean {
  const { src0, src1, src2, src3, dst0, dst1, dst2, dst3 } = tuple;
  if (src0 !== dst0) return src0 < dst0;
  if (src1 !== dst1) return src1 < dst1;
  return src2 !== dst2 ? src2 < dst2 : src3 < dst3;
}

export function keyOfEntry(entry: CtEntry): EntryKey {
  return entry.zone + partOf(entry.proto, entry.original);
}

/** Called per packet: the newest live entry with this key; null: none. */
export function entryOf(store: CtStore, key: EntryKey, nowNs: number): CtEntry | null {
  const zone = key % ZONES;
  for (let i = store.size - 1; i >= 0; i--) {
    const entry = store.at(i);
    if (entry.zone === zone && entry.expiresNs > nowNs && (key < ZONES || keyOfEntry(entry) === key)) return entry;
  }
  return null;
}
