/**
 * TupleMerge (Daly et al., TNET 2019), online form: a filter goes into the first table whose tuple is no finer than its own
 * and whose chain has room; else into a new table with a relaxed tuple, so that later neighbours fit too. Few tables, one
 * probe each, visited best first until none can be better. Filters may come and go.
 */
import { type FilterSet, fits, PACKED, packFilters, prefixMask, type UpdatableClassifier } from './filters.js';
import { addPorts, NO_ENTRY, networkHash, type Tuple, TupleTable, TupleTables, tupleName } from './tuples.js';

/** So many filters may meet in one chain before another table is tried (the paper's collision limit; 4 is worse, 20 no better). */
const CHAIN_MAX = 10;

export class TupleMerge implements UpdatableClassifier {
  readonly set: FilterSet;
  readonly store: TupleTables;
  private readonly packed: Int32Array;
  private readonly tableOf: (TupleTable | null)[] = [];
  private readonly byTuple = new Map<string, TupleTable>();

  constructor(set: FilterSet) {
    this.set = set;
    this.store = new TupleTables(set.count);
    this.packed = packFilters(set);
    for (let filter = 0; filter < set.count; filter++) this.insert(filter);
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const { packed } = this;
    const { tables, filterOf, next } = this.store;
    const ports = (sport << 16) | dport;
    let found = 0x7fffffff;
    for (let t = 0; t < tables.length; t++) {
      const table = tables[t]!;
      if (table.best >= found) break;
      const { srcMask, dstMask, portMask, protoMask } = table;
      const hash = addPorts(networkHash(src & srcMask, dst & dstMask, proto & protoMask), ports & portMask);
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
    const table = this.tableFor(filter);
    this.store.insert(table, filter, this.hashIn(table, filter));
    this.tableOf[filter] = table;
  }

  remove(filter: number): void {
    const table = this.tableOf[filter] ?? null;
    if (table === null) return;
    this.store.remove(table, filter, this.hashIn(table, filter));
    this.tableOf[filter] = null;
  }

  /** The hash under which the table holds the filter. */
  private hashIn(table: TupleTable, filter: number): number {
    const { packed } = this;
    const at = filter * PACKED;
    const network = networkHash(
      packed[at]! & table.srcMask,
      packed[at + 2]! & table.dstMask,
      (packed[at + 6]! >>> 8) & table.protoMask,
    );
    const ports = (packed[at + 4]! << 16) | (packed[at + 5]! & 0xffff);
    return addPorts(network, ports & table.portMask);
  }

  private tableFor(filter: number): TupleTable {
    const { packed, store } = this;
    const { tables } = store;
    const at = filter * PACKED;
    const [srcMask, dstMask, protoMask] = [packed[at + 1]!, packed[at + 3]!, packed[at + 6]! & 0xff];
    // Ports count where a filter names a single one.
    const portMask = (packed[at + 4]! >>> 16 === 0 ? 0xffff0000 : 0) | (packed[at + 5]! >>> 16 === 0 ? 0xffff : 0);
    for (let t = 0; t < tables.length; t++) {
      const table = tables[t]!;
      const tooFine =
        (table.srcMask & ~srcMask) |
        (table.dstMask & ~dstMask) |
        (table.portMask & ~portMask) |
        (table.protoMask & ~protoMask);
      if (tooFine === 0 && store.chainLength(table, this.hashIn(table, filter)) < CHAIN_MAX) return table;
    }
    const tuple = { srcMask, dstMask, portMask, protoMask };
    for (const relaxed of relaxations(tuple, this.set.srcBits[filter]!, this.set.dstBits[filter]!)) {
      const table = this.newTable(relaxed);
      if (table !== null) return table;
    }
    return this.byTuple.get(tupleName(tuple))!;
  }

  private newTable(tuple: Tuple): TupleTable | null {
    const name = tupleName(tuple);
    if (this.byTuple.has(name)) return null;
    const table = new TupleTable(tuple);
    this.store.tables.push(table);
    this.byTuple.set(name, table);
    return table;
  }
}

/**
 * Tuples for a new table, coarse ones first; a finer one is for filters that found the chains of the coarser full. Addresses
 * tell most: with enough of them ports and protocol are left out at first.
 */
function relaxations(tuple: Tuple, srcBits: number, dstBits: number): Tuple[] {
  const addresses = (round: (bits: number) => number): Pick<Tuple, 'srcMask' | 'dstMask'> => ({
    srcMask: prefixMask(round(srcBits)),
    dstMask: prefixMask(round(dstBits)),
  });
  const withPorts = { portMask: tuple.portMask, protoMask: 0 };
  const withoutPorts = { portMask: 0, protoMask: 0 };
  const start = srcBits + dstBits >= 32 ? withoutPorts : withPorts;
  return [
    { ...addresses(coarse), ...start },
    { ...addresses(fine), ...start },
    { ...addresses(fine), ...withPorts },
    tuple,
  ];
}

const coarse = (bits: number): number => (bits >= 24 ? 20 : bits >= 16 ? 16 : bits >= 8 ? 8 : 0);
const fine = (bits: number): number => Math.min(28, bits & ~3);
