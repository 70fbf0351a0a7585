/** The state of a small store before a packet, kept without allocating, for the rare case that somebody needs it afterwards. */
import { CtEntry } from './entry.js';
import { CtStore } from './store.js';

export class StoreUndo {
  private readonly kept: CtEntry[] = [];
  private count = 0;
  /** A store with fragments or many entries is cloned at once. */
  private cloned: CtStore | null = null;

  /** Called per packet: remembers the store as it is. */
  take(store: CtStore): void {
    this.cloned = null;
    this.count = store.size;
    if (store.hasFragments || store.size > 2) {
      this.cloned = store.clone();
      return;
    }
    for (let i = 0; i < store.size; i++) {
      const entry = store.at(i);
      let copy = this.kept[i];
      if (copy === undefined) {
        copy = new CtEntry(entry.timeouts);
        this.kept[i] = copy;
      }
      copy.copyFrom(entry);
    }
  }

  /** A store of its own with what `take` saw. */
  restore(): CtStore {
    if (this.cloned !== null) return this.cloned.clone();
    const store = new CtStore();
    for (let i = 0; i < this.count; i++) store.insert(this.kept[i]!.clone());
    return store;
  }
}
