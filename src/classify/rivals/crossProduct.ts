/**
 * The five-tuple form of the compiled conjunctive-match trie: both addresses become classes (the longest prefix that fits
 * tells all that fit), and what the two classes have in common is found out when a header first brings them together
 * ("on-demand crossproducting": Srinivasan et al., SIGCOMM 1998). The product is never built.
 *
 *   (source class, destination class) -> a list of candidates by ports and protocol, shared by all pairs that have the same;
 *   a long list -> (list, source port class, destination port class, protocol) -> the answer
 *
 * A known pair costs two interval searches, one probe and a look through few candidates, however many filters there are.
 */
import { type FilterClassifier, type FilterSet, packProto, packRange, prefixMask } from './filters.js';
import { IntervalMap } from './intervalMap.js';
import { QuadTable } from './quadTable.js';

/** Candidate: source ports, destination ports (packed), protocol (packed), filter; the last one of a list fits everything. */
const CANDIDATE = 4;
/** Longer lists are asked once per class of ports. */
const SHORT_MAX = 6;
/** So many pairs and answers are remembered; then it starts anew. */
const REMEMBERED_MAX = 1 << 20;

interface Address {
  readonly map: IntervalMap;
  /** By class: the prefixes that fit, numbers. */
  readonly fitting: readonly (readonly number[])[];
  /** By filter: number of its prefix. */
  readonly prefixOf: Int32Array;
}

export class CrossProduct implements FilterClassifier {
  private readonly set: FilterSet;
  private readonly src: Address;
  private readonly dst: Address;
  private readonly sportClass: Uint16Array;
  private readonly dportClass: Uint16Array;
  /** Filters by (source prefix, destination prefix), ascending. */
  private readonly byPrefixes = new Map<number, number[]>();
  private readonly pairs = new QuadTable();
  private readonly answers = new QuadTable();
  private candidates = new Int32Array(1 << 12);
  private end = 0;
  private readonly listByContent = new Map<string, number>();

  constructor(set: FilterSet) {
    this.set = set;
    this.src = makeAddress(set.src, set.srcBits);
    this.dst = makeAddress(set.dst, set.dstBits);
    this.sportClass = portClasses(set.sportFrom, set.sportTo);
    this.dportClass = portClasses(set.dportFrom, set.dportTo);
    for (let filter = 0; filter < set.count; filter++) {
      const key = this.pairKey(this.src.prefixOf[filter]!, this.dst.prefixOf[filter]!);
      const list = this.byPrefixes.get(key);
      if (list === undefined) this.byPrefixes.set(key, [filter]);
      else list.push(filter);
    }
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const srcClass = this.src.map.find(src);
    const dstClass = this.dst.map.find(dst);
    let list = this.pairs.get(srcClass, dstClass, 0);
    if (list === -1) list = this.meet(srcClass, dstClass);
    if (list >= 0) return this.firstOf(list, sport, dport, proto);
    const ports = (this.sportClass[sport]! << 16) | this.dportClass[dport]!;
    const answer = this.answers.get(list, ports, proto);
    return answer === -1 ? this.ask(list, sport, dport, proto) : answer - 1;
  }

  private firstOf(list: number, sport: number, dport: number, proto: number): number {
    const { candidates } = this;
    for (let at = list; ; at += CANDIDATE) {
      const sports = candidates[at]!;
      const dports = candidates[at + 1]!;
      const protoWord = candidates[at + 2]!;
      if (
        (sport - (sports & 0xffff)) >>> 0 <= sports >>> 16 &&
        (dport - (dports & 0xffff)) >>> 0 <= dports >>> 16 &&
        ((proto ^ (protoWord >>> 8)) & protoWord & 0xff) === 0
      )
        return candidates[at + 3]!;
    }
  }

  /** Looks through a long list (`~list - 1`) and remembers the answer, plus one, for all ports of these classes. */
  private ask(list: number, sport: number, dport: number, proto: number): number {
    const answer = this.firstOf(~list - 1, sport, dport, proto);
    if (this.answers.count > REMEMBERED_MAX) this.answers.clear();
    this.answers.set(list, (this.sportClass[sport]! << 16) | this.dportClass[dport]!, proto, answer + 1);
    return answer;
  }

  /** The list of a pair that comes for the first time. */
  private meet(srcClass: number, dstClass: number): number {
    const { set } = this;
    const filters: number[] = [];
    for (const srcPrefix of this.src.fitting[srcClass]!)
      for (const dstPrefix of this.dst.fitting[dstClass]!) {
        const list = this.byPrefixes.get(this.pairKey(srcPrefix, dstPrefix));
        if (list !== undefined) for (const filter of list) filters.push(filter);
      }
    filters.sort((a, b) => a - b);
    const kept: number[] = [];
    for (const filter of filters) {
      if (kept.some((better) => coversPorts(set, better, filter))) continue;
      kept.push(filter);
    }
    if (this.pairs.count > REMEMBERED_MAX) this.pairs.clear();
    const list = this.listOf(kept);
    this.pairs.set(srcClass, dstClass, 0, list);
    return list;
  }

  /** Place of the list; of a long one `~(place + 1)`, which is never -1. */
  private listOf(filters: readonly number[]): number {
    const content = filters.join();
    const known = this.listByContent.get(content);
    if (known !== undefined) return known;
    const place = this.end;
    for (const filter of filters) {
      const { sportFrom, sportTo, dportFrom, dportTo, proto } = this.set;
      this.add(
        packRange(sportFrom[filter]!, sportTo[filter]!),
        packRange(dportFrom[filter]!, dportTo[filter]!),
        packProto(proto[filter]!),
        filter,
      );
    }
    this.add(packRange(0, 0xffff), packRange(0, 0xffff), packProto(-1), -1);
    const list = filters.length > SHORT_MAX ? ~(place + 1) : place;
    this.listByContent.set(content, list);
    return list;
  }

  private add(sports: number, dports: number, proto: number, filter: number): void {
    if (this.end === this.candidates.length) {
      const larger = new Int32Array(this.end * 2);
      larger.set(this.candidates);
      this.candidates = larger;
    }
    this.candidates[this.end] = sports;
    this.candidates[this.end + 1] = dports;
    this.candidates[this.end + 2] = proto;
    this.candidates[this.end + 3] = filter;
    this.end += CANDIDATE;
  }

  private pairKey(srcPrefix: number, dstPrefix: number): number {
    return srcPrefix * 0x200000 + dstPrefix;
  }
}

/** Does every header of these addresses that fits the second filter fit the first one too? */
function coversPorts(set: FilterSet, first: number, second: number): boolean {
  return (
    set.sportFrom[first]! <= set.sportFrom[second]! &&
    set.sportTo[first]! >= set.sportTo[second]! &&
    set.dportFrom[first]! <= set.dportFrom[second]! &&
    set.dportTo[first]! >= set.dportTo[second]! &&
    (set.proto[first]! < 0 || set.proto[first] === set.proto[second])
  );
}

/** Classes of an address: between the ends of two neighbouring prefixes the same ones fit. */
function makeAddress(values: Int32Array, bits: Uint8Array): Address {
  const numbers = new Map<number, number>();
  const prefixes: { from: number; to: number }[] = [];
  const prefixOf = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const from = values[i]! >>> 0;
    const key = from * 64 + bits[i]!;
    let number = numbers.get(key);
    if (number === undefined) {
      number = prefixes.push({ from, to: from + (~prefixMask(bits[i]!) >>> 0) + 1 }) - 1;
      numbers.set(key, number);
    }
    prefixOf[i] = number;
  }
  const order = prefixes
    .map((_, i) => i)
    .sort((a, b) => prefixes[a]!.from - prefixes[b]!.from || prefixes[b]!.to - prefixes[a]!.to);
  // Class 0: no prefix fits. Prefixes nest, so those open at a place are a stack, and the innermost one is the class.
  const fitting: number[][] = [[]];
  const starts = [0];
  const classes = [0];
  const stack: { cls: number; to: number }[] = [];
  const begin = (at: number, cls: number): void => {
    if (starts[starts.length - 1] === at) {
      classes[classes.length - 1] = cls;
      return;
    }
    starts.push(at);
    classes.push(cls);
  };
  const closeUpTo = (at: number): void => {
    while (stack.length > 0 && stack[stack.length - 1]!.to <= at) {
      const { to } = stack.pop()!;
      if (to < 0x1_0000_0000) begin(to, stack[stack.length - 1]?.cls ?? 0);
    }
  };
  for (const number of order) {
    const { from, to } = prefixes[number]!;
    closeUpTo(from);
    const cls = fitting.push([...fitting[stack[stack.length - 1]?.cls ?? 0]!, number]) - 1;
    begin(from, cls);
    stack.push({ cls, to });
  }
  closeUpTo(0x1_0000_0000);
  return { map: new IntervalMap(starts, classes), fitting, prefixOf };
}

/** By port: the number of its interval between ends of ranges. */
function portClasses(from: Uint16Array, to: Uint16Array): Uint16Array {
  const isStart = new Uint8Array(0x10001);
  for (let i = 0; i < from.length; i++) {
    isStart[from[i]!] = 1;
    isStart[to[i]! + 1] = 1;
  }
  const classes = new Uint16Array(0x10000);
  let cls = 0;
  for (let port = 0; port < 0x10000; port++) {
    if (port > 0 && isStart[port] === 1) cls++;
    classes[port] = cls;
  }
  return classes;
}
