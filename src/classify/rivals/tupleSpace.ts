/**
 * Tuple space search as in Open vSwitch (lib/classifier.c): a hash table per mask, best first; port ranges are split into
 * masks; a table is skipped when the prefix tries say that no prefix of its length fits the addresses, or when its index
 * over the network layer (staged lookup) has nothing. Filters may come and go.
 */
import { type FilterSet, fits, PACKED, packFilters, prefixMask, type UpdatableClassifier } from './filters.js';
import { PrefixTrie } from './prefixTrie.js';
import { addPorts, NO_ENTRY, networkHash, type Tuple, TupleTable, TupleTables, tupleName } from './tuples.js';

/** A table with what decides early that it has nothing. */
class StagedTable extends TupleTable {
  /** Entries by the upper bits of their network hash, as many slots as the table has. */
  stage = new Uint32Array(8);
  stageShift = 29;
  /** As PrefixTrie.lengths(); 0 where the addresses do not count. */
  readonly srcBit: number;
  readonly dstBit: number;

  constructor(tuple: Tuple) {
    super(tuple);
    this.srcBit = lengthBit(tuple.srcMask);
    this.dstBit = lengthBit(tuple.dstMask);
  }
}

/** The length of a prefix mask as PrefixTrie.lengths() tells it: bit n - 1 for n bits. */
const lengthBit = (mask: number): number => (mask === 0 ? 0 : 1 << Math.clz32(mask & -mask));

export class TupleSpace implements UpdatableClassifier {
  private readonly set: FilterSet;
  private readonly packed: Int32Array;
  private readonly store: TupleTables<StagedTable>;
  private readonly byTuple = new Map<string, StagedTable>();
  private readonly srcTrie = new PrefixTrie();
  private readonly dstTrie = new PrefixTrie();

  constructor(set: FilterSet) {
    this.set = set;
    this.packed = packFilters(set);
    this.store = new TupleTables(set.count);
    for (let filter = 0; filter < set.count; filter++) this.insert(filter);
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const { packed } = this;
    const { tables, filterOf, next } = this.store;
    const ports = (sport << 16) | dport;
    const srcLengths = this.srcTrie.lengths(src);
    const dstLengths = this.dstTrie.lengths(dst);
    let found = 0x7fffffff;
    for (let t = 0; t < tables.length; t++) {
      const table = tables[t]!;
      if (table.best >= found) break;
      if (((table.srcBit & ~srcLengths) | (table.dstBit & ~dstLengths)) !== 0) continue;
      const { srcMask, dstMask, portMask, protoMask } = table;
      const network = networkHash(src & srcMask, dst & dstMask, proto & protoMask);
      if (table.stage[network >>> table.stageShift] === 0) continue;
      const hash = addPorts(network, ports & portMask);
      for (let entry = table.heads[hash >>> table.shift]!; entry !== NO_ENTRY; entry = next[entry]!) {
        const filter = filterOf[entry]!;
        if (filter >= found) break;
        if (!fits(packed, filter * PACKED, src, dst, sport, dport, proto)) continue;
        found = filter;
        break;
      }
    }
    return found === 0x7fffffff ? -1 : found;
  }

  insert(filter: number): void {
    const { set } = this;
    this.srcTrie.add(set.src[filter]!, set.srcBits[filter]!);
    this.dstTrie.add(set.dst[filter]!, set.dstBits[filter]!);
    this.eachPiece(filter, (table, network, hash) => {
      this.store.insert(table, filter, hash);
      if (table.shift !== table.stageShift) this.restage(table);
      else table.stage[network >>> table.stageShift]!++;
    });
  }

  remove(filter: number): void {
    const { set } = this;
    this.srcTrie.remove(set.src[filter]!, set.srcBits[filter]!);
    this.dstTrie.remove(set.dst[filter]!, set.dstBits[filter]!);
    this.eachPiece(filter, (table, network, hash) => {
      this.store.remove(table, filter, hash);
      table.stage[network >>> table.stageShift]!--;
    });
  }

  /** The masked entries that a filter is split into: (masks of the source ports) x (masks of the destination ports). */
  private eachPiece(filter: number, visit: (table: StagedTable, network: number, hash: number) => void): void {
    const { set } = this;
    for (const [sport, sportMask] of splitRange(set.sportFrom[filter]!, set.sportTo[filter]!)) {
      for (const [dport, dportMask] of splitRange(set.dportFrom[filter]!, set.dportTo[filter]!)) {
        const table = this.tableOf(filter, (sportMask << 16) | dportMask);
        const network = this.networkOf(table, filter);
        visit(table, network, addPorts(network, (sport << 16) | dport));
      }
    }
  }

  private tableOf(filter: number, portMask: number): StagedTable {
    const { set } = this;
    const srcMask = prefixMask(set.srcBits[filter]!);
    const dstMask = prefixMask(set.dstBits[filter]!);
    const tuple = { srcMask, dstMask, portMask, protoMask: set.proto[filter]! < 0 ? 0 : 0xff };
    const name = tupleName(tuple);
    let table = this.byTuple.get(name);
    if (table === undefined) {
      table = new StagedTable(tuple);
      this.store.tables.push(table);
      this.byTuple.set(name, table);
    }
    return table;
  }

  private networkOf({ tuple }: StagedTable, filter: number): number {
    return networkHash(this.set.src[filter]!, this.set.dst[filter]!, this.set.proto[filter]! & tuple.protoMask);
  }

  private restage(table: StagedTable): void {
    const { filterOf, next } = this.store;
    table.stage = new Uint32Array(table.heads.length);
    table.stageShift = table.shift;
    for (const head of table.heads)
      for (let entry: number = head; entry !== NO_ENTRY; entry = next[entry]!)
        table.stage[this.networkOf(table, filterOf[entry]!) >>> table.stageShift]!++;
  }
}

/** [value, mask] of the fewest aligned blocks that make up the range, 16 bits. */
export function splitRange(from: number, to: number): (readonly [number, number])[] {
  const pieces: (readonly [number, number])[] = [];
  for (let at = from; at <= to; ) {
    let size = at === 0 ? 0x10000 : at & -at;
    while (at + size - 1 > to) size >>= 1;
    pieces.push([at, 0x10000 - size]);
    at += size;
  }
  return pieces;
}
