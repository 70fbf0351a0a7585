/**
 * What happened to a group while one of its flows was treated wrong: packets and conntrack steps, each with the state it found,
 * newest first, as a linked list, so that whoever holds an event sees the past of that moment whatever comes later.
 */
import type { CtStore } from '../conntrack/store.js';

export interface LogEvent {
  readonly isStep: boolean;
  /** Packet or step number. */
  readonly number: number;
  readonly tNs: number;
  /** Version of `actual` at that moment. */
  readonly version: number;
  /** Entries of `actual` as it found them. */
  readonly found: CtStore;
  previous: LogEvent | null;
}

/** How far back a search goes: a connection that stays dead goes on for ever, what healed it is among the latest events. */
export const EVENTS_MAX = 512;

export class StateLog {
  private newest: LogEvent | null = null;
  /** Newest event of the last full stretch: what lies before it is cut off when the next stretch is full. */
  private stretch: LogEvent | null = null;
  private count = 0;

  add(event: Omit<LogEvent, 'previous'>): LogEvent {
    this.newest = { ...event, previous: this.newest };
    this.count++;
    if (this.count === EVENTS_MAX) {
      if (this.stretch !== null) this.stretch.previous = null;
      this.stretch = this.newest;
      this.count = 0;
    }
    return this.newest;
  }
}
