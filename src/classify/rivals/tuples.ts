/**
 * Hash tables by tuple, for tuple space search and TupleMerge: all filters of a table are hashed under the same masks.
 * Entries hang in chains sorted by filter, so the first one that fits ends the chain. An entry is not compared with
 * the masked header: the filter itself is tested, which is exact whatever the hash did.
 */

/** The masks of one table. */
export interface Tuple {
  readonly srcMask: number;
  readonly dstMask: number;
  /** Source port mask << 16 | destination port mask. */
  readonly portMask: number;
  /** 0xff or 0. */
  readonly protoMask: number;
}

export const tupleName = (tuple: Tuple): string =>
  `${tuple.srcMask},${tuple.dstMask},${tuple.portMask},${tuple.protoMask}`;

export const NO_ENTRY = -1;

export class TupleTable {
  readonly tuple: Tuple;
  /** First entry by slot; the slot is the upper bits of the hash. */
  heads = new Int32Array(8).fill(NO_ENTRY);
  shift = 29;
  count = 0;
  /** No filter of the table is better than this one. Not tightened when filters go, until the table is empty. */
  best = 0x7fffffff;

  /** The tuple once more: fields of one shape, whatever object the tuple came in. */
  readonly srcMask: number;
  readonly dstMask: number;
  readonly portMask: number;
  readonly protoMask: number;

  constructor(tuple: Tuple) {
    this.tuple = tuple;
    this.srcMask = tuple.srcMask;
    this.dstMask = tuple.dstMask;
    this.portMask = tuple.portMask;
    this.protoMask = tuple.protoMask;
  }
}

/** Of the network layer only: what OVS's staged lookup asks first (lib/classifier.c, "Staged Lookup"). */
export function networkHash(src: number, dst: number, proto: number): number {
  const h = Math.imul(src, 0x9e3779b1) + Math.imul(dst, 0x85ebca6b) + Math.imul(proto, 0x27d4eb2f);
  return h ^ (h >>> 15);
}

/** Goes on from the network hash; the upper bits are good. */
export function addPorts(hash: number, ports: number): number {
  return Math.imul(hash + Math.imul(ports, 0xc2b2ae35), 0x2c1b3c6d);
}

/** Entry storage and chains shared by all tables of one classifier. */
export class TupleTables<T extends TupleTable = TupleTable> {
  /** By what is best in them. */
  readonly tables: T[] = [];
  filterOf: Int32Array;
  hashOf: Int32Array;
  next: Int32Array;
  private used = 0;
  private free = NO_ENTRY;

  constructor(expected: number) {
    const size = Math.max(16, expected);
    this.filterOf = new Int32Array(size);
    this.hashOf = new Int32Array(size);
    this.next = new Int32Array(size);
  }

  insert(table: T, filter: number, hash: number): void {
    if (table.count >= table.heads.length) this.grow(table);
    const entry = this.newEntry();
    this.filterOf[entry] = filter;
    this.hashOf[entry] = hash;
    this.link(table, entry);
    table.count++;
    if (filter < table.best) {
      table.best = filter;
      this.moveUp(table);
    }
  }

  remove(table: T, filter: number, hash: number): void {
    const { filterOf, next } = this;
    const slot = hash >>> table.shift;
    let before = NO_ENTRY;
    let entry = table.heads[slot]!;
    while (entry !== NO_ENTRY && filterOf[entry] !== filter) {
      before = entry;
      entry = next[entry]!;
    }
    if (entry === NO_ENTRY) return;
    if (before === NO_ENTRY) table.heads[slot] = next[entry]!;
    else next[before] = next[entry]!;
    next[entry] = this.free;
    this.free = entry;
    table.count--;
    if (table.count > 0) return;
    table.best = 0x7fffffff;
    this.tables.sort((a, b) => a.best - b.best);
  }

  chainLength(table: TupleTable, hash: number): number {
    let length = 0;
    for (let entry = table.heads[hash >>> table.shift]!; entry !== NO_ENTRY; entry = this.next[entry]!) length++;
    return length;
  }

  private newEntry(): number {
    if (this.free !== NO_ENTRY) {
      const entry = this.free;
      this.free = this.next[entry]!;
      return entry;
    }
    if (this.used === this.next.length) {
      this.filterOf = doubled(this.filterOf);
      this.hashOf = doubled(this.hashOf);
      this.next = doubled(this.next);
    }
    return this.used++;
  }

  private link(table: TupleTable, entry: number): void {
    const { filterOf, next } = this;
    const filter = filterOf[entry]!;
    const slot = this.hashOf[entry]! >>> table.shift;
    let before = NO_ENTRY;
    let after = table.heads[slot]!;
    while (after !== NO_ENTRY && filterOf[after]! < filter) {
      before = after;
      after = next[after]!;
    }
    next[entry] = after;
    if (before === NO_ENTRY) table.heads[slot] = entry;
    else next[before] = entry;
  }

  private grow(table: TupleTable): void {
    const old = table.heads;
    table.heads = new Int32Array(old.length * 4).fill(NO_ENTRY);
    table.shift -= 2;
    for (const head of old) {
      for (let entry = head; entry !== NO_ENTRY; ) {
        const after = this.next[entry]!;
        this.link(table, entry);
        entry = after;
      }
    }
  }

  private moveUp(table: T): void {
    const { tables } = this;
    let at = tables.indexOf(table);
    for (; at > 0 && tables[at - 1]!.best > table.best; at--) tables[at] = tables[at - 1]!;
    tables[at] = table;
  }
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
