/**
 * TupleMerge frozen and written out as a program: one block of source per table, masks and sizes as constants, chains
 * copied one after the other. Functions stay far below the size at which V8 stops optimising (60 KiB of bytecode,
 * `--max-optimized-bytecode-size`), so there may be several.
 */
import { type FilterClassifier, type FilterSet, PACKED, packFilters } from './filters.js';
import { TupleMerge } from './tupleMerge.js';
import { NO_ENTRY, type TupleTable } from './tuples.js';

/** A block takes about 500 bytes of bytecode. */
const TABLES_PER_FUNCTION = 40;
/** Set in the filter number of the last record of a chain. */
const LAST = 1 << 31;

type Part = (src: number, dst: number, sport: number, dport: number, proto: number, found: number) => number;

export class TupleMergeCode implements FilterClassifier {
  private readonly parts: Part[] = [];
  private readonly only: Part | null;

  constructor(set: FilterSet) {
    const merged = new TupleMerge(set);
    const tables = merged.store.tables.filter((table) => table.count > 0);
    const layout = layOut(merged, tables, packFilters(set));
    for (let i = 0; i < tables.length; i += TABLES_PER_FUNCTION)
      this.parts.push(makePart(tables.slice(i, i + TABLES_PER_FUNCTION), layout));
    this.only = this.parts.length === 1 ? this.parts[0]! : null;
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    let found = 0x7fffffff;
    if (this.only !== null) found = this.only(src, dst, sport, dport, proto, found);
    else for (let i = 0; i < this.parts.length; i++) found = this.parts[i]!(src, dst, sport, dport, proto, found);
    return found === 0x7fffffff ? -1 : found;
  }
}

interface Layout {
  /** By table and slot: place of the chain in `records`, 0 none. */
  readonly heads: Int32Array;
  readonly firstHead: ReadonlyMap<TupleTable, number>;
  readonly records: Int32Array;
}

function layOut({ store }: TupleMerge, tables: readonly TupleTable[], packed: Int32Array): Layout {
  const heads = new Int32Array(tables.reduce((sum, table) => sum + table.heads.length, 0));
  const records = new Int32Array(PACKED + tables.reduce((sum, table) => sum + table.count, 0) * PACKED);
  const firstHead = new Map<TupleTable, number>();
  let head = 0;
  let at = PACKED;
  for (const table of tables) {
    firstHead.set(table, head);
    for (const first of table.heads) {
      if (first !== NO_ENTRY) heads[head] = at;
      for (let entry: number = first; entry !== NO_ENTRY; entry = store.next[entry]!, at += PACKED) {
        const from = store.filterOf[entry]! * PACKED;
        records.set(packed.subarray(from, from + PACKED), at);
        if (store.next[entry] === NO_ENTRY) records[at + 7]! |= LAST;
      }
      head++;
    }
  }
  return { heads, firstHead, records };
}

function makePart(tables: readonly TupleTable[], { heads, firstHead, records }: Layout): Part {
  const blocks = tables.map((table) => block(table, firstHead.get(table)!));
  const source = `return function lookup(src, dst, sport, dport, proto, found) {
    let at = 0, word = 0, number = 0, hash = 0;
    const ports = (sport << 16) | dport;
    ${blocks.join('\n')}
    return found;
  };`;
  return new Function('heads', 'records', source)(heads, records) as Part;
}

/** The hash is that of networkHash() and addPorts(); masks of 0 vanish from it. */
function block({ tuple, best, shift }: TupleTable, first: number): string {
  const terms = [
    masked('src', tuple.srcMask, 0x9e3779b1),
    masked('dst', tuple.dstMask, 0x85ebca6b),
    tuple.protoMask === 0 ? '' : `Math.imul(proto, ${0x27d4eb2f | 0})`,
  ].filter((term) => term !== '');
  const ports = masked('ports', tuple.portMask, 0xc2b2ae35);
  return `if (found <= ${best}) return found;
    hash = ${terms.length === 0 ? '0' : `(${terms.join(' + ')}) | 0`};
    hash = Math.imul((hash ^ (hash >>> 15)) ${ports === '' ? '' : `+ ${ports}`}, ${0x2c1b3c6d | 0});
    at = heads[${first} + (hash >>> ${shift})];
    if (at !== 0) for (;;) {
      word = records[at + 6];
      number = records[at + 7];
      if ((number & 0x7fffffff) >= found) break;
      if ((((src ^ records[at]) & records[at + 1]) | ((dst ^ records[at + 2]) & records[at + 3])
          | ((proto ^ (word >>> 8)) & word & 0xff)) === 0) {
        word = records[at + 4];
        if ((sport - (word & 0xffff)) >>> 0 <= word >>> 16) {
          word = records[at + 5];
          if ((dport - (word & 0xffff)) >>> 0 <= word >>> 16) { found = number & 0x7fffffff; break; }
        }
      }
      if (number < 0) break;
      at += ${PACKED};
    }`;
}

function masked(name: string, mask: number, factor: number): string {
  if (mask === 0) return '';
  return `Math.imul(${mask === -1 ? name : `${name} & ${mask}`}, ${factor | 0})`;
}
