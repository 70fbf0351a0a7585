/**
 * When the entries of two worlds came to differ: for each attribute of the entry, the last event (packet or conntrack step)
 * that changed it in one of the two such that they differ (ARCHITECTURE.md, "Cause").
 */
import { ATTRIBUTES, type CtAttribute, type CtEntry, sameAttribute } from '../conntrack/entry.js';
import type { CtStore } from '../conntrack/store.js';
import { type EntryKey, entryOf, keyOfEntry } from './entryKey.js';
import { ACTUAL, AFTER, BEFORE, type World } from './restart.js';
import type { Scene } from './scene.js';

/** A packet or a step that acted on an entry. `scene` of a packet: as it found things. */
export interface EntryEvent {
  readonly isStep: boolean;
  /** Packet or step number. */
  readonly number: number;
  readonly tNs: number;
  readonly scene: Scene | null;
}

/** An event, what it changed, and in which world: `actual`, or else the one that it is held against. */
export interface AttributeEvent {
  readonly event: EntryEvent;
  readonly attribute: CtAttribute;
  readonly inActual: boolean;
}

/** What is known of one entry: last event per attribute, for `actual` against `before` and against `after`. */
type EntryEvents = Record<typeof BEFORE | typeof AFTER, Map<CtAttribute, AttributeEvent>>;

export class EntryHistory {
  private readonly entries = new Map<EntryKey, EntryEvents>();

  /** Event for this attribute, or the latest one of any attribute if it has none (an entry that expired is no event). */
  find(key: EntryKey, right: World, attribute: CtAttribute): AttributeEvent | null {
    const events = this.entries.get(key)?.[right === AFTER ? AFTER : BEFORE];
    if (events === undefined) return null;
    const exact = events.get(attribute);
    if (exact !== undefined) return exact;
    let latest: AttributeEvent | null = null;
    for (const each of events.values()) if (latest === null || each.event.tNs > latest.event.tNs) latest = each;
    return latest;
  }

  /** After an event: `old` and `now` are the stores of all worlds before and after it. */
  record(event: EntryEvent, old: readonly CtStore[], now: readonly CtStore[], nowNs: number): void {
    for (const key of keysOf(old, now, nowNs)) {
      const oldEntries = old.map((store) => entryOf(store, key, nowNs));
      const newEntries = now.map((store) => entryOf(store, key, nowNs));
      for (const other of [BEFORE, AFTER] as const) this.recordPair(key, other, event, oldEntries, newEntries);
    }
  }

  clear(): void {
    this.entries.clear();
  }

  /** Independent copy: a scene keeps what was known when it happened. */
  clone(): EntryHistory {
    const copy = new EntryHistory();
    for (const [key, events] of this.entries) {
      copy.entries.set(key, { [BEFORE]: new Map(events[BEFORE]), [AFTER]: new Map(events[AFTER]) });
    }
    return copy;
  }

  private recordPair(
    key: EntryKey,
    other: typeof BEFORE | typeof AFTER,
    event: EntryEvent,
    old: readonly (CtEntry | null)[],
    now: readonly (CtEntry | null)[],
  ): void {
    const [mine, theirs] = [now[ACTUAL] ?? null, now[other] ?? null];
    const [oldMine, oldTheirs] = [old[ACTUAL] ?? null, old[other] ?? null];
    for (const attribute of ATTRIBUTES) {
      if (agree(attribute, mine, theirs)) {
        this.entries.get(key)?.[other].delete(attribute);
        continue;
      }
      const inActual = !agree(attribute, oldMine, mine);
      const inOther = !agree(attribute, oldTheirs, theirs);
      // A packet that moves both on (a window, say) did not make them differ if they differed before.
      const isCause = inActual !== inOther || (inActual && agree(attribute, oldMine, oldTheirs));
      if (isCause) this.eventsOf(key)[other].set(attribute, { event, attribute, inActual });
    }
  }

  private eventsOf(key: EntryKey): EntryEvents {
    let events = this.entries.get(key);
    if (events === undefined) {
      events = { [BEFORE]: new Map(), [AFTER]: new Map() };
      this.entries.set(key, events);
    }
    return events;
  }
}

/** Of an entry that comes or goes, everything but mark and label changes. */
export function agree(attribute: CtAttribute, a: CtEntry | null, b: CtEntry | null): boolean {
  if (attribute === 'mark' || attribute === 'label') return sameAttribute(attribute, a, b);
  return (a === null) === (b === null) && sameAttribute(attribute, a, b);
}

function keysOf(old: readonly CtStore[], now: readonly CtStore[], nowNs: number): Set<EntryKey> {
  const keys = new Set<EntryKey>();
  for (const store of [...old, ...now]) for (const entry of store.entries(nowNs)) keys.add(keyOfEntry(entry));
  return keys;
}
