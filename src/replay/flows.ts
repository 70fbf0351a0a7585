/**
 * What the report names: connections (zone, tuple, incarnation) and their two flows, with the windows found so far.
 * Directions here are those of the group (0 and 1); which of them is `original` is known once `before` has an entry.
 */

import type { LookupRecord } from '../pipeline/effects.js';
import type { Cause, Heal, TableOutage } from './cause.js';
import type { EntryKey } from './entryKey.js';
import type { WindowKind } from './judge.js';
import type { PacketResult } from './packetResult.js';
import type { PacketClass } from './passes.js';
import type { Scene } from './scene.js';

export interface OpenWindow {
  readonly kind: WindowKind;
  readonly firstPacket: number;
  readonly fromNs: number;
  readonly lastGood: number | null;
  readonly firstVersion: number;
  lastPacket: number;
  lastNs: number;
  lastVersion: number;
  packets: number;
  bytes: number;
  /** Lookups of `actual`'s first bad packet. */
  readonly path: readonly LookupRecord[];
  /** The deciding rule and what stood in its place, -1 a table miss; null: nothing parted. */
  readonly rule: number | null;
  readonly instead: number | null;
  readonly cause: Cause;
  readonly tableOutage: TableOutage | null;
}

export interface ClosedWindow extends Readonly<OpenWindow> {
  readonly toNs: number;
  readonly open: boolean;
  readonly nextGood: number | null;
  readonly healedBy: Heal | null;
}

/** A flow that the two policies treat otherwise. */
export interface PolicyFlow {
  packets: number;
  lost: number;
  gained: number;
  changed: number;
  /** The first packet that was not treated as `before` treats it. */
  first: {
    readonly tNs: number;
    readonly packet: number;
    readonly rule: number | null;
    readonly instead: number | null;
    readonly cause: Cause;
  } | null;
}

export type DeadReason = 'rules' | 'mark' | 'no-entry' | 'state';

const NO_WINDOWS: readonly ClosedWindow[] = [];

/** One direction of a connection. */
export class Flow {
  readonly connection: Connection;
  readonly direction: 0 | 1;
  /** Of the first packet. */
  readonly vlan: number | null;
  readonly inPort: number;
  readonly cls: PacketClass;
  packetCount = 0;
  /** Its last packet was treated differently in some world (NORMAL not resolved). */
  isSuspect = false;
  lastGood: number | null = null;
  /** Packets of it that wait to be judged. */
  waiting = 0;
  open: OpenWindow | null = null;
  closed: readonly ClosedWindow[] = NO_WINDOWS;
  policy: PolicyFlow | null = null;
  exposed = false;
  dead: DeadReason | null = null;
  /** It was so before the restart already. */
  deadBefore = false;
  lingering = false;
  /** Its last packet with the state that it left behind; null where the worlds do not differ. */
  lastEnd: Scene | null = null;
  /** Its last packet as it went, to ask what other versions would have done with it. */
  lastResult: PacketResult | null = null;
  lastVersion = 0;

  constructor(connection: Connection, direction: 0 | 1, vlan: number | null, inPort: number, cls: PacketClass) {
    this.connection = connection;
    this.direction = direction;
    this.vlan = vlan;
    this.inPort = inPort;
    this.cls = cls;
  }

  get windows(): number {
    return this.closed.length + (this.open === null ? 0 : 1);
  }
}

export class Connection {
  readonly group: number;
  readonly firstPacket: number;
  /** Of the first ct() of `before`; null: it met none. */
  readonly zone: number | null;
  /** Its entry in the stores of the group; -1 without a zone. */
  readonly entryKey: EntryKey;
  /** Direction of the group that is `original`. */
  original: 0 | 1;
  /** `before` had an entry for it: the next packet without one begins a new incarnation. */
  hadEntry = false;
  /** When the entry that the packet in hand finds was made, -1: it finds none. */
  foundNs = -1;
  readonly flows: [Flow | null, Flow | null] = [null, null];

  constructor(group: number, firstPacket: number, zone: number | null, entryKey: EntryKey, direction: 0 | 1) {
    this.entryKey = entryKey;
    this.group = group;
    this.firstPacket = firstPacket;
    this.zone = zone;
    this.original = direction;
  }
}
