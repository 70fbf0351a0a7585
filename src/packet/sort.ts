/** Counting sort of a chunk by group: the walk then goes through one group at a time, its packets still in time order. */

export class GroupOrder {
  /** Number of groups in the chunk. */
  count = 0;
  /** Group numbers, in order of first appearance in the chunk. */
  readonly groups: Uint32Array;
  /** Rows of groups[i]: `rows[starts[i] .. starts[i + 1])`. */
  readonly starts: Uint32Array;
  readonly rows: Uint32Array;
  /** Group to its place in `groups` + 1, 0: not in this chunk. Only what a chunk touches is set, and reset. */
  private places = new Uint32Array(1024);

  constructor(rows: number) {
    this.groups = new Uint32Array(rows);
    this.starts = new Uint32Array(rows + 1);
    this.rows = new Uint32Array(rows);
  }

  /** Sorts rows [0, count) by `group`; `groupCount`: upper bound of the group numbers. Linear in `count`. */
  sort(group: Uint32Array, count: number, groupCount: number): void {
    const { groups, starts, rows } = this;
    if (groupCount > this.places.length) this.places = new Uint32Array(Math.max(groupCount, this.places.length * 2));
    const { places } = this;
    let distinct = 0;
    for (let row = 0; row < count; row++) {
      const place = places[group[row]!]!;
      if (place === 0) {
        groups[distinct] = group[row]!;
        starts[distinct] = 1;
        places[group[row]!] = ++distinct;
      } else starts[place - 1]!++;
    }
    let sum = 0;
    for (let i = 0; i < distinct; i++) {
      const size = starts[i]!;
      starts[i] = sum;
      sum += size;
    }
    for (let row = 0; row < count; row++) rows[starts[places[group[row]!]! - 1]!++] = row;
    // Each start has moved to its end: shift them back by one place.
    for (let i = distinct; i > 0; i--) starts[i] = starts[i - 1]!;
    starts[0] = 0;
    for (let i = 0; i < distinct; i++) places[groups[i]!] = 0;
    this.count = distinct;
  }
}
