/**
 * The read side of groups and variants: from their numbers back to the words of a flow key. All of it is shared memory,
 * so a thread that walks packets needs nothing but these references (again whenever a table has grown).
 */
import { K } from '../fields/key.js';

/** How much of a packet's header its group says: nothing (no IP, ICMP errors, later fragments), or the tuple. */
export const TUPLE_NONE = 0;
/** Addresses and protocol. */
export const TUPLE_ADDRESSES = 1;
/** Ports too. */
export const TUPLE_PORTS = 2;

/** Words of a group's key: IPv4 low, high, ports, protocol; others low 4, high 4, ports or in port, protocol and tags. */
export const NARROW_WORDS = 4;
export const WIDE_WORDS = 10;

export interface HeaderParts {
  /** Indices of the key's words that a variant holds. Behind them it holds the tuple mode. */
  readonly usedWords: Int32Array;
  readonly variantWords: Int32Array;
  /** Per group: entry in `narrowWords`, or ~entry in `wideWords`. */
  readonly groupEntries: Int32Array;
  readonly narrowWords: Int32Array;
  readonly wideWords: Int32Array;
}

/** What a packet table needs to give back a row's key. */
export interface HeaderLoader {
  load(variant: number, group: number, direction: number, key: Int32Array): void;
}

/** A loader over parts that came from another thread. */
export function headerLoader(parts: HeaderParts): HeaderLoader {
  return { load: (variant, group, direction, key) => loadHeader(parts, variant, group, direction, key) };
}

/**
 * Called per packet, allocates nothing: writes packet words and in_port into the key. Bits that nothing uses may be 0.
 */
export function loadHeader(
  parts: HeaderParts,
  variant: number,
  group: number,
  direction: number,
  key: Int32Array,
): void {
  const { usedWords, variantWords } = parts;
  const used = usedWords.length;
  const at = variant * (used + 1);
  key.fill(0, K.dl_src, K.PACKET_END);
  for (let i = 0; i < used; i++) key[usedWords[i]!] = variantWords[at + i]!;
  const mode = variantWords[at + used]!;
  if (mode === TUPLE_NONE) return;
  const entry = parts.groupEntries[group]!;
  const ports = entry >= 0 ? loadNarrow(parts, entry, direction, key) : loadWide(parts, ~entry, direction, key);
  if (mode !== TUPLE_PORTS) return;
  key[K.tp_src] = direction === 0 ? ports >>> 16 : ports & 0xffff;
  key[K.tp_dst] = direction === 0 ? ports & 0xffff : ports >>> 16;
}

function loadNarrow({ narrowWords }: HeaderParts, entry: number, direction: number, key: Int32Array): number {
  const at = entry * NARROW_WORDS;
  key[K.nw_src] = narrowWords[at + direction]!;
  key[K.nw_dst] = narrowWords[at + 1 - direction]!;
  key[K.nw_proto] = narrowWords[at + 3]! & 0xff;
  return narrowWords[at + 2]!;
}

function loadWide({ wideWords }: HeaderParts, entry: number, direction: number, key: Int32Array): number {
  const at = entry * WIDE_WORDS;
  for (let i = 0; i < 4; i++) {
    key[K.ipv6_src + i] = wideWords[at + direction * 4 + i]!;
    key[K.ipv6_dst + i] = wideWords[at + (1 - direction) * 4 + i]!;
  }
  key[K.nw_proto] = wideWords[at + 9]! & 0xff;
  return wideWords[at + 8]!;
}
