/**
 * Five-tuple filter sets and the interface of their classifiers, for research on classifiers: prefixes, port ranges,
 * a protocol or any; the first filter that fits wins. General OpenFlow tables have classifier.ts.
 *
 * A filter is its place in the set; the set is columns, addresses as int32 (larger numbers would be heap objects in V8).
 */

export interface FilterSet {
  readonly count: number;
  /** Addresses; bits below the prefix are 0. */
  readonly src: Int32Array;
  readonly srcBits: Uint8Array;
  readonly dst: Int32Array;
  readonly dstBits: Uint8Array;
  /** Ranges include both ends. */
  readonly sportFrom: Uint16Array;
  readonly sportTo: Uint16Array;
  readonly dportFrom: Uint16Array;
  readonly dportTo: Uint16Array;
  /** 0..255, ANY_PROTO: every protocol. */
  readonly proto: Int16Array;
}

export const ANY_PROTO = -1;

/** Headers as columns. */
export interface HeaderTrace {
  readonly count: number;
  readonly src: Int32Array;
  readonly dst: Int32Array;
  readonly sport: Uint16Array;
  readonly dport: Uint16Array;
  readonly proto: Uint8Array;
}

/** What a filter set is compiled to. Every method gives the same answers. */
export interface FilterClassifier {
  /** Called per packet, allocates nothing. `src`, `dst` are int32. The first filter that fits, -1: none. */
  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number;
}

/** A classifier that filters can be taken out of and put back into. Filters are those of its set. */
export interface UpdatableClassifier extends FilterClassifier {
  insert(filter: number): void;
  remove(filter: number): void;
}

export function emptyFilters(count: number): FilterSet {
  return {
    count,
    src: new Int32Array(count),
    srcBits: new Uint8Array(count),
    dst: new Int32Array(count),
    dstBits: new Uint8Array(count),
    sportFrom: new Uint16Array(count),
    sportTo: new Uint16Array(count),
    dportFrom: new Uint16Array(count),
    dportTo: new Uint16Array(count),
    proto: new Int16Array(count),
  };
}

export function emptyHeaders(count: number): HeaderTrace {
  return {
    count,
    src: new Int32Array(count),
    dst: new Int32Array(count),
    sport: new Uint16Array(count),
    dport: new Uint16Array(count),
    proto: new Uint8Array(count),
  };
}

/** The mask of a prefix length, 0..32. */
export function prefixMask(bits: number): number {
  return bits === 0 ? 0 : -1 << (32 - bits);
}

/** Words of a packed filter; half a cache line. */
export const PACKED = 8;

/**
 * Filters as records for testing one header: src, srcMask, dst, dstMask, source ports, destination ports (from | width << 16),
 * protocol (value << 8 | mask), number of the filter.
 */
export function packFilters(set: FilterSet): Int32Array<ArrayBuffer> {
  const packed = new Int32Array(set.count * PACKED);
  for (let i = 0, at = 0; i < set.count; i++, at += PACKED) {
    packed[at] = set.src[i]!;
    packed[at + 1] = prefixMask(set.srcBits[i]!);
    packed[at + 2] = set.dst[i]!;
    packed[at + 3] = prefixMask(set.dstBits[i]!);
    packed[at + 4] = packRange(set.sportFrom[i]!, set.sportTo[i]!);
    packed[at + 5] = packRange(set.dportFrom[i]!, set.dportTo[i]!);
    packed[at + 6] = packProto(set.proto[i]!);
    packed[at + 7] = i;
  }
  return packed;
}

export const packRange = (from: number, to: number): number => from | ((to - from) << 16);
export const packProto = (proto: number): number => (proto === ANY_PROTO ? 0 : (proto << 8) | 0xff);

/** Does the packed filter at `at` fit? Called per candidate. */
export function fits(
  packed: Int32Array,
  at: number,
  src: number,
  dst: number,
  sport: number,
  dport: number,
  proto: number,
): boolean {
  const protoWord = packed[at + 6]!;
  const differs =
    ((src ^ packed[at]!) & packed[at + 1]!) |
    ((dst ^ packed[at + 2]!) & packed[at + 3]!) |
    ((proto ^ (protoWord >>> 8)) & protoWord & 0xff);
  if (differs !== 0) return false;
  const sports = packed[at + 4]!;
  const dports = packed[at + 5]!;
  return (sport - (sports & 0xffff)) >>> 0 <= sports >>> 16 && (dport - (dports & 0xffff)) >>> 0 <= dports >>> 16;
}
