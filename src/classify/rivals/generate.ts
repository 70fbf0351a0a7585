/**
 * Filter sets and header traces out of a seed: for everybody who has no ClassBench at hand. The kinds differ in what makes
 * classifiers slow: `acl` has specific addresses and single ports, `fw` open addresses and port ranges, `ipc` many
 * combinations of prefix lengths.
 */
import { Prng } from '../../util/prng.js';
import { ANY_PROTO, emptyFilters, emptyHeaders, type FilterSet, type HeaderTrace, prefixMask } from './filters.js';

export const FILTER_KINDS = ['acl', 'fw', 'ipc'] as const;
export type FilterKind = (typeof FILTER_KINDS)[number];

/** How many filters a size has. */
export const FILTER_SIZES = { S: 1000, M: 10_000, L: 100_000 } as const;
export type SizeName = keyof typeof FILTER_SIZES;

interface Shape {
  /** Prefix lengths to choose from, source and destination. */
  readonly src: readonly number[];
  readonly dst: readonly number[];
  /** Of 16: how often a port is any, a range; else it is a single one. */
  readonly sport: readonly [number, number];
  readonly dport: readonly [number, number];
}

const SHAPES: Readonly<Record<FilterKind, Shape>> = {
  acl: { src: [16, 24, 28, 32, 32], dst: [24, 27, 30, 32, 32, 32], sport: [15, 1], dport: [2, 2] },
  fw: { src: [0, 0, 8, 16, 24, 32], dst: [0, 8, 16, 24, 32, 32], sport: [8, 5], dport: [4, 6] },
  ipc: {
    src: [0, 8, 14, 16, 19, 22, 24, 27, 30, 32],
    dst: [0, 9, 12, 16, 18, 21, 24, 26, 29, 32],
    sport: [10, 2],
    dport: [8, 2],
  },
};

const RANGES: readonly (readonly [number, number])[] = [
  [0, 1023],
  [1024, 65535],
  [6000, 6063],
  [8000, 8999],
  [32768, 60999],
];

/** The same arguments give the same set. */
export function makeFilters(kind: FilterKind, count: number, seed: number): FilterSet {
  const prng = new Prng(seed);
  const shape = SHAPES[kind];
  const set = emptyFilters(count);
  // Addresses are neighbours of earlier ones, so that prefixes nest and repeat as in real sets.
  const networks = Array.from({ length: Math.max(8, count >> 5) }, () => prng.u32() | 0);
  const address = (): number => prng.pick(networks) ^ (prng.u32() >>> (16 + prng.below(16)));
  const port = ([any, range]: readonly [number, number]): readonly [number, number] => {
    const draw = prng.below(16);
    if (draw < any) return [0, 0xffff];
    if (draw < any + range) return prng.pick(RANGES);
    const single = prng.below(4) > 0 ? prng.pick([22, 25, 53, 80, 110, 143, 161, 443, 1521, 3306]) : prng.below(65536);
    return [single, single];
  };
  for (let i = 0; i < count; i++) {
    set.srcBits[i] = prng.pick(shape.src);
    set.dstBits[i] = prng.pick(shape.dst);
    set.src[i] = address() & prefixMask(set.srcBits[i]!);
    set.dst[i] = address() & prefixMask(set.dstBits[i]!);
    set.proto[i] = prng.pick([6, 6, 6, 17, 17, 1, ANY_PROTO]);
    const [sports, dports] = [port(shape.sport), port(shape.dport)];
    [set.sportFrom[i], set.sportTo[i]] = sports as [number, number];
    [set.dportFrom[i], set.dportTo[i]] = dports as [number, number];
  }
  return set;
}

/**
 * Headers for a set: each is drawn from a random filter, in each field one of its ends or a random point; 2 % are random in
 * all fields. `flows`: so many are drawn, and then picked with probability 1 / rank (a trace with locality).
 */
export function makeHeaders(set: FilterSet, count: number, seed: number, flows = 0): HeaderTrace {
  const prng = new Prng(seed);
  const drawn = emptyHeaders(flows > 0 ? flows : count);
  for (let i = 0; i < drawn.count; i++) drawHeader(prng, set, drawn, i);
  if (flows === 0) return drawn;
  const headers = emptyHeaders(count);
  for (let i = 0; i < count; i++) {
    // Inverse of the sum of 1 / rank, which is a logarithm.
    const flow = Math.min(flows - 1, Math.floor((flows + 1) ** (prng.u32() / 0x1_0000_0000)) - 1);
    headers.src[i] = drawn.src[flow]!;
    headers.dst[i] = drawn.dst[flow]!;
    headers.sport[i] = drawn.sport[flow]!;
    headers.dport[i] = drawn.dport[flow]!;
    headers.proto[i] = drawn.proto[flow]!;
  }
  return headers;
}

function drawHeader(prng: Prng, set: FilterSet, out: HeaderTrace, i: number): void {
  if (set.count === 0 || prng.below(50) === 0) {
    out.src[i] = prng.u32();
    out.dst[i] = prng.u32();
    out.sport[i] = prng.below(65536);
    out.dport[i] = prng.below(65536);
    out.proto[i] = prng.pick([1, 6, 17]);
    return;
  }
  const filter = prng.below(set.count);
  out.src[i] = set.src[filter]! | (~prefixMask(set.srcBits[filter]!) & hostBits(prng));
  out.dst[i] = set.dst[filter]! | (~prefixMask(set.dstBits[filter]!) & hostBits(prng));
  out.sport[i] = pointOf(prng, set.sportFrom[filter]!, set.sportTo[filter]!);
  out.dport[i] = pointOf(prng, set.dportFrom[filter]!, set.dportTo[filter]!);
  out.proto[i] = set.proto[filter]! < 0 ? prng.pick([1, 6, 17]) : set.proto[filter]!;
}

function hostBits(prng: Prng): number {
  const draw = prng.below(4);
  return draw === 0 ? 0 : draw === 1 ? -1 : prng.u32();
}

function pointOf(prng: Prng, from: number, to: number): number {
  const draw = prng.below(4);
  return draw === 0 ? from : draw === 1 ? to : from + prng.below(to - from + 1);
}
