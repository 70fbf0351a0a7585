/**
 * The entries of one tracker: the whole switch in a time-ordered run, one group of packets in a transposed replay.
 *
 * Few entries (a group has one or two) are a list, searched from the newest; more than LIST_MAX also go into a hash map by
 * both tuples. An entry whose time is over is not found and is removed when met (OVS conntrack.c:conn_key_lookup, kernel
 * nf_conntrack_core.c:nf_ct_gc_expired), so it makes no difference when a sweep would come by.
 */
import type { CtEntry } from './entry.js';
import { FragmentQueues } from './fragments.js';
import { type CtTuple, hashTuple, tuplesEqual } from './tuple.js';

const LIST_MAX = 12;

/** In limits by zone: all zones without a limit of their own. */
export const DEFAULT_ZONE = -1;

export class CtStore {
  private readonly list: CtEntry[] = [];
  private index: Map<number, CtEntry[]> | null = null;
  private queues: FragmentQueues | null = null;
  /** Direction of the tuple that the last `find` met. */
  foundReply = false;

  get size(): number {
    return this.list.length;
  }

  /** Fragments that wait for the rest of their packet. */
  get fragments(): FragmentQueues {
    this.queues ??= new FragmentQueues();
    return this.queues;
  }

  /** Some fragment waits for the rest of its packet. */
  holdsFragments(nowNs: number): boolean {
    return this.queues !== null && !this.queues.isEmpty(nowNs);
  }

  /** True: no entry and no fragment is left, the store may be dropped. */
  isIdle(nowNs: number): boolean {
    this.removeExpired(nowNs);
    return this.list.length === 0 && !this.holdsFragments(nowNs);
  }

  /** Called per packet, allocates nothing. The entry with this tuple in one of its directions; sets `foundReply`. */
  find(zone: number, proto: number, family: number, tuple: CtTuple, nowNs: number): CtEntry | null {
    const candidates = this.index === null ? this.list : this.index.get(hashTuple(tuple, proto, zone));
    if (candidates === undefined) return null;
    for (let i = candidates.length - 1; i >= 0; i--) {
      const entry = candidates[i]!;
      if (entry.zone !== zone || entry.proto !== proto || entry.family !== family) continue;
      const isOriginal = tuplesEqual(entry.original, tuple);
      if (!isOriginal && !tuplesEqual(entry.reply, tuple)) continue;
      if (entry.expiresNs <= nowNs) {
        this.remove(entry);
        return this.find(zone, proto, family, tuple, nowNs);
      }
      this.foundReply = !isOriginal;
      return entry;
    }
    return null;
  }

  /** Entry `i` in order of insertion, dead ones included. */
  at(i: number): CtEntry {
    return this.list[i]!;
  }

  insert(entry: CtEntry): void {
    entry.slot = this.list.length;
    this.list.push(entry);
    if (this.index !== null) this.addToIndex(entry);
    else if (this.list.length > LIST_MAX) {
      this.index = new Map();
      for (const each of this.list) this.addToIndex(each);
    }
  }

  /** Nothing happens if the entry is not (any more) in this store. */
  remove(entry: CtEntry): void {
    if (entry.slot < 0 || this.list[entry.slot] !== entry) return;
    const last = this.list.pop()!;
    if (last !== entry) {
      this.list[entry.slot] = last;
      last.slot = entry.slot;
    }
    entry.slot = -1;
    if (this.index !== null) {
      this.removeFromIndex(entry, entry.original);
      this.removeFromIndex(entry, entry.reply);
    }
  }

  has(entry: CtEntry): boolean {
    return entry.slot >= 0 && this.list[entry.slot] === entry;
  }

  removeExpired(nowNs: number): void {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const entry = this.list[i]!;
      if (entry.expiresNs <= nowNs) this.remove(entry);
    }
  }

  /** Live entries; the order is that of the list and means nothing. */
  entries(nowNs: number): CtEntry[] {
    return this.list.filter((entry) => entry.expiresNs > nowNs);
  }

  /** Live entries, of one zone if given. Walks the list: meant for limits and reports. */
  count(nowNs: number, zone?: number): number {
    let count = 0;
    for (const entry of this.list) if (entry.expiresNs > nowNs && (zone === undefined || entry.zone === zone)) count++;
    return count;
  }

  /** Fragments wait here. */
  get hasFragments(): boolean {
    return this.queues !== null;
  }

  /** Independent copy: entries are copied too, fragments that wait are shared as values. */
  clone(): CtStore {
    const copy = new CtStore();
    for (const entry of this.list) copy.insert(entry.clone());
    if (this.queues !== null) copy.queues = this.queues.clone();
    return copy;
  }

  clear(): void {
    for (const entry of this.list) entry.slot = -1;
    this.list.length = 0;
    this.index = null;
  }

  private addToIndex(entry: CtEntry): void {
    const index = this.index!;
    const original = hashTuple(entry.original, entry.proto, entry.zone);
    const reply = hashTuple(entry.reply, entry.proto, entry.zone);
    addTo(index, original, entry);
    if (reply !== original) addTo(index, reply, entry);
  }

  private removeFromIndex(entry: CtEntry, tuple: CtTuple): void {
    const hash = hashTuple(tuple, entry.proto, entry.zone);
    const bucket = this.index!.get(hash);
    const at = bucket?.indexOf(entry) ?? -1;
    if (bucket === undefined || at < 0) return;
    bucket.splice(at, 1);
    if (bucket.length === 0) this.index!.delete(hash);
  }
}

function addTo(index: Map<number, CtEntry[]>, hash: number, entry: CtEntry): void {
  const bucket = index.get(hash);
  if (bucket === undefined) index.set(hash, [entry]);
  else bucket.push(entry);
}
