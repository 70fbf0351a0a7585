/**
 * The order in which OVS visits the masks of one table: a copy of what lib/pvector.c does, because that order decides ties.
 *
 * `published` is what lookups and iterators see; changes that cannot be made in place go to a copy (`pending`) that a later
 * publish() sorts and puts in its place. Which changes need a copy depends on the room of the list, so that is kept too.
 */

interface Entry<T> {
  readonly item: T;
  priority: number;
}

interface List<T> {
  readonly entries: Entry<T>[];
  /** Entries that fit without a new copy (pvector_impl.allocated). */
  readonly room: number;
}

/** lib/pvector.c:PVECTOR_EXTRA_ALLOC */
const EXTRA_ROOM = 4;

function copyOf<T>(list: List<T>): List<T> {
  return {
    entries: list.entries.map((entry) => ({ item: entry.item, priority: entry.priority })),
    room: list.entries.length + EXTRA_ROOM,
  };
}

export class MaskOrder<T> {
  private published: List<T> = { entries: [], room: EXTRA_ROOM };
  private pending: List<T> | null = null;
  /** Grows whenever the published order changes. */
  revision = 0;

  /** What lookups, loose selections and dumps walk, first one first. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const entry of this.published.entries) yield entry.item;
  }

  /** The same, with the priority that the list holds for each. */
  *withPriorities(): IterableIterator<readonly [T, number]> {
    for (const entry of this.published.entries) yield [entry.item, entry.priority];
  }

  get length(): number {
    return this.published.entries.length;
  }

  /** pvector_insert(): at the end of the published list if order and room allow it, else at the end of the copy. */
  insert(item: T, priority: number): void {
    const { entries, room } = this.published;
    const last = entries[entries.length - 1];
    if (this.pending === null && entries.length < room && (last === undefined || priority <= last.priority)) {
      entries.push({ item, priority });
      this.revision++;
      return;
    }
    if (this.pending === null) this.pending = copyOf(this.published);
    else if (this.pending.entries.length === this.pending.room) this.pending = copyOf(this.pending);
    this.pending.entries.push({ item, priority });
  }

  /** pvector_remove(): the last entry takes the place of the one that goes. */
  remove(item: T): void {
    this.pending ??= copyOf(this.published);
    const { entries } = this.pending;
    const at = entries.findIndex((entry) => entry.item === item);
    const last = entries.pop()!;
    if (at < entries.length) entries[at] = last;
  }

  /** pvector_change_priority(): in place while the list stays sorted, else in the copy. */
  changePriority(item: T, priority: number): void {
    let list = this.pending ?? this.published;
    const at = list.entries.findIndex((entry) => entry.item === item);
    const old = list.entries[at]!.priority;
    const before = list.entries[at - 1];
    const after = list.entries[at + 1];
    const moves =
      (priority > old && before !== undefined && priority > before.priority) ||
      (priority < old && after !== undefined && priority < after.priority);
    if (moves && this.pending === null) {
      this.pending = copyOf(this.published);
      list = this.pending;
    }
    list.entries[at]!.priority = priority;
  }

  /** pvector_publish(): highest priority first; equals stay as they are (glibc's qsort is a stable merge sort here). */
  publish(): void {
    if (this.pending === null) return;
    this.pending.entries.sort((a, b) => b.priority - a.priority);
    this.published = this.pending;
    this.pending = null;
    this.revision++;
  }
}
