/**
 * One group of packets through the schedule: three worlds, one shared state until they differ ("forked late").
 *
 * The fate of a connection hangs on its own packets and on the tables, not on other connections; so a group is walked alone,
 * in time order, with its own conntrack entries. What does couple groups, MAC learning, is left as symbols in the results.
 */
import { deleteEntries } from '../conntrack/deletion.js';
import { type CtEntry, firstDifference } from '../conntrack/entry.js';
import { CtStore } from '../conntrack/store.js';
import { K } from '../fields/key.js';
import type { PacketInfo } from '../packet/packetInfo.js';
import { type EntryEvent, EntryHistory } from './entryHistory.js';
import { type EntryKey, entryOf } from './entryKey.js';
import { Connection, Flow } from './flows.js';
import type { Midstream, MidstreamState } from './midstream.js';
import type { PacketResult } from './packetResult.js';
import type { PacketClass } from './passes.js';
import { ACTUAL, AFTER, BEFORE, type ConntrackDeletion, type Restart, versionOf } from './restart.js';
import { keepInfo, type Scene } from './scene.js';
import { type LogEvent, StateLog } from './stateLog.js';
import type { WorldRunner } from './worldRun.js';

/** A packet of the group, as the walk takes it. */
export interface WalkPacket {
  /** From 1, over all captures, in replay order. */
  readonly number: number;
  readonly tNs: number;
  /** Version of `actual`. */
  readonly version: number;
  /** Side of the group's endpoint pair that sent it. */
  readonly direction: 0 | 1;
  readonly cls: PacketClass;
  /** Its own flow key; filled anew for each packet, like `info`. */
  readonly key: Int32Array;
  /** Filled anew for each packet; copied where it is kept. */
  readonly info: PacketInfo;
  readonly inPort: number;
  /** entryKey.ts:tuplePart. */
  readonly tuplePart: number;
}

/** What the walk found out about a packet. */
export interface PacketVerdict {
  readonly number: number;
  readonly tNs: number;
  readonly version: number;
  readonly bytes: number;
  readonly inPort: number;
  readonly flow: Flow;
  /** Per world; the same object where the ways were the same. */
  readonly results: readonly [PacketResult, PacketResult, PacketResult];
  /** Only where worlds differ, or did shortly before. */
  readonly scene: Scene | null;
  /** This packet in the group's past, to find what healed. */
  readonly event: LogEvent | null;
}

/** Everything kept of a group between its packets. */
export class GroupState {
  /** Per world; one object while they are alike. */
  stores: [CtStore, CtStore, CtStore];
  /** Index of the next deletion to apply. */
  deletionsDone = 0;
  /** The current incarnations, by entry (-1: no zone). */
  readonly connections = new Map<EntryKey, Connection>();
  readonly history = new EntryHistory();
  /** Taken as established in its middle; null: not, undefined: not asked yet. */
  midstream: MidstreamState | null | undefined;
  /** Set while a flow of the group may be in a window. */
  log: StateLog | null = null;

  /** Number of the group. */
  readonly number: number;

  constructor(number: number) {
    this.number = number;
    const store = new CtStore();
    this.stores = [store, store, store];
  }

  get forked(): boolean {
    return this.stores[ACTUAL] !== this.stores[BEFORE] || this.stores[ACTUAL] !== this.stores[AFTER];
  }
}

export interface WalkOptions {
  /** Keep the state after each packet: needed when flows are judged by `before` at the end. */
  readonly keepEnds: boolean;
  /** Connections first seen in their middle are established ones; null: what the tracker makes of them. */
  readonly midstream: Midstream | null;
}

export class Walker {
  private readonly restart: Restart;
  private readonly runner: WorldRunner;
  private readonly options: WalkOptions;
  /** First step of any kind: before it the worlds are one. */
  private readonly firstChange: number;
  /** Entries that each deletion removed from `actual`, by step. */
  readonly deletedByStep: Map<number, number> = new Map();
  /** In order of first packet within each group. */
  readonly connections: Connection[] = [];

  constructor(restart: Restart, runner: WorldRunner, options: WalkOptions) {
    this.restart = restart;
    this.runner = runner;
    this.options = options;
    const firstDeletion = restart.deletions[0]?.step ?? Number.POSITIVE_INFINITY;
    this.firstChange = Math.min(restart.firstTableStep || Number.POSITIVE_INFINITY, firstDeletion);
  }

  walk(group: GroupState, packet: WalkPacket): PacketVerdict {
    const { version, tNs } = packet;
    this.applyDeletions(group, version);
    if (!group.forked) this.options.midstream?.prepare(group, packet);
    const found = foundEntries(group, tNs);
    if (version < this.firstChange) return this.walkAsOne(group, packet, found);
    return this.walkApart(group, packet, found);
  }

  /** Conntrack steps up to `version`, at their own times. */
  applyDeletions(group: GroupState, version: number): void {
    const { deletions } = this.restart;
    while (group.deletionsDone < deletions.length && deletions[group.deletionsDone]!.step <= version) {
      this.applyDeletion(group, deletions[group.deletionsDone]!);
      group.deletionsDone++;
    }
  }

  private applyDeletion(group: GroupState, deletion: ConntrackDeletion): void {
    const { test, tNs, step } = deletion;
    if (group.stores[ACTUAL].size === 0 && !group.forked) return;
    const old = group.stores;
    const next: [CtStore, CtStore, CtStore] = group.forked
      ? (old.map((store) => store.clone()) as [CtStore, CtStore, CtStore])
      : [old[ACTUAL].clone(), old[ACTUAL], old[ACTUAL].clone()];
    const removed = deleteEntries(next[ACTUAL], test, tNs);
    if (removed.length > 0) this.deletedByStep.set(step, (this.deletedByStep.get(step) ?? 0) + removed.length);
    let changed = removed.length > 0;
    if (deletion.worlds === 'all') {
      if (!group.forked) next[BEFORE] = next[AFTER] = next[ACTUAL];
      else
        for (const world of [BEFORE, AFTER] as const)
          changed = deleteEntries(next[world], test, tNs).length > 0 || changed;
    }
    if (!changed) return;
    group.stores = next;
    const event: EntryEvent = { isStep: true, number: step, tNs, scene: null };
    if (group.forked) group.history.record(event, old, next, tNs);
    group.log?.add({ isStep: true, number: step, tNs, version: step, found: old[ACTUAL].clone() });
  }

  /** Before the first step: version 0 in all worlds. */
  private walkAsOne(group: GroupState, packet: WalkPacket, found: FoundEntries): PacketVerdict {
    const store = group.stores[ACTUAL];
    const result = this.runner.run(packet.cls, packet.key, packet.info, 0, packet.tNs, store);
    const flow = this.flowOf(group, packet, [result, result, result], found);
    if (this.options.keepEnds) keepEnd(flow, packet, [store.clone()]);
    else flow.lastEnd = null;
    return verdict(packet, flow, [result, result, result], null, null);
  }

  private walkApart(group: GroupState, packet: WalkPacket, found: FoundEntries): PacketVerdict {
    const { restart } = this;
    const { version, tNs } = packet;
    const wasForked = group.forked;
    const old = wasForked
      ? (group.stores.map((store) => store.clone()) as [CtStore, CtStore, CtStore])
      : shared(group.stores[ACTUAL].clone());
    const results = this.runWorlds(group, packet, old, versionOf(restart, AFTER, version));
    const flow = this.flowOf(group, packet, results, found);

    const isForked = group.forked;
    const differs =
      results[ACTUAL].symbol !== results[BEFORE].symbol || results[ACTUAL].symbol !== results[AFTER].symbol;
    let scene: Scene | null = null;
    if (differs || isForked || wasForked || group.log !== null) {
      scene = {
        number: packet.number,
        tNs,
        version,
        cls: packet.cls,
        key: Int32Array.from(packet.key),
        tuplePart: packet.tuplePart,
        info: keepInfo(packet.info),
        stores: old,
        results,
        history: group.history.clone(),
      };
    }
    if (differs) group.log ??= new StateLog();
    if (isForked) {
      group.history.record({ isStep: false, number: packet.number, tNs, scene }, old, group.stores, tNs);
      this.joinIfAlike(group, tNs);
    }
    const event = group.log?.add({ isStep: false, number: packet.number, tNs, version, found: old[ACTUAL] }) ?? null;
    flow.isSuspect = differs;
    if (group.log !== null && !hasSuspect(group)) group.log = null;
    if (isForked || this.options.keepEnds)
      keepEnd(
        flow,
        packet,
        group.stores.map((store) => store.clone()),
      );
    else flow.lastEnd = null;
    return verdict(packet, flow, results, scene, event);
  }

  /** Runs the packet in all worlds; forks the group's state if they leave different entries behind. */
  private runWorlds(
    group: GroupState,
    packet: WalkPacket,
    old: readonly CtStore[],
    afterVersion: number,
  ): [PacketResult, PacketResult, PacketResult] {
    const { cls, key, info, tNs, version } = packet;
    const run = (v: number, store: CtStore): PacketResult => this.runner.run(cls, key, info, v, tNs, store);
    const { stores } = group;
    if (group.forked) return [run(version, stores[ACTUAL]), run(0, stores[BEFORE]), run(afterVersion, stores[AFTER])];

    const actual = run(version, stores[ACTUAL]);
    const holdsAt = (v: number): boolean => v >= actual.from && v < actual.to;
    if (holdsAt(0) && holdsAt(afterVersion)) return [actual, actual, actual];
    const beforeStore = holdsAt(0) ? stores[ACTUAL] : old[ACTUAL]!.clone();
    const before = holdsAt(0) ? actual : run(0, beforeStore);
    const afterIsBefore = afterVersion === 0;
    const afterStore = holdsAt(afterVersion) ? stores[ACTUAL] : afterIsBefore ? beforeStore : old[ACTUAL]!.clone();
    const after = holdsAt(afterVersion) ? actual : afterIsBefore ? before : run(afterVersion, afterStore);
    const isSame = sameStores(stores[ACTUAL], beforeStore, tNs) && sameStores(stores[ACTUAL], afterStore, tNs);
    if (!isSame) {
      const own = (store: CtStore, taken: CtStore[]): CtStore => (taken.includes(store) ? store.clone() : store);
      const forBefore = own(beforeStore, [stores[ACTUAL]]);
      group.stores = [stores[ACTUAL], forBefore, own(afterStore, [stores[ACTUAL], forBefore])];
    }
    return [actual, before, after];
  }

  /** Entries that have become alike again (or are gone) are one state again. */
  private joinIfAlike(group: GroupState, tNs: number): void {
    const [actual, before, after] = group.stores;
    if (!sameStores(actual, before, tNs) || !sameStores(actual, after, tNs)) return;
    group.stores = [actual, actual, actual];
    group.history.clear();
  }

  /** The connection and flow that the packet belongs to: zone, orientation and incarnation of `before`. */
  private flowOf(group: GroupState, packet: WalkPacket, results: readonly PacketResult[], found: FoundEntries): Flow {
    const seen = results[BEFORE]!.seen[0] ?? results[ACTUAL]!.seen[0] ?? results[AFTER]!.seen[0];
    const zone = seen?.zone ?? null;
    const key = zone === null ? NO_ENTRY : zone + packet.tuplePart;
    const entry = zone === null ? null : entryOf(group.stores[BEFORE], key, packet.tNs);
    let connection = group.connections.get(key);
    if (connection?.hadEntry) {
      const foundNs = found.get(key);
      const isReplaced = entry !== null && foundNs !== undefined && entry.createdNs !== foundNs;
      if (foundNs === undefined || isReplaced) connection = undefined;
    }
    if (connection === undefined) {
      connection = new Connection(group.number, packet.number, zone, key, packet.direction);
      group.connections.set(key, connection);
      this.connections.push(connection);
    }
    if (entry !== null && !connection.hadEntry) {
      connection.hadEntry = true;
      connection.original = isOriginal(entry, packet.key) ? packet.direction : packet.direction === 0 ? 1 : 0;
    }
    const known = connection.flows[packet.direction];
    const flow = known ?? new Flow(connection, packet.direction, vlanOf(packet.key), packet.inPort, packet.cls);
    connection.flows[packet.direction] = flow;
    flow.packetCount++;
    return flow;
  }
}

/** When the entries that `before` has were made; keys without a live entry are missing. */
type FoundEntries = Map<EntryKey, number>;
const NO_ENTRY: EntryKey = -1;
const NONE_FOUND: FoundEntries = new Map();

function foundEntries(group: GroupState, tNs: number): FoundEntries {
  const store = group.stores[BEFORE];
  if (store.size === 0) return NONE_FOUND;
  const found: FoundEntries = new Map();
  for (const key of group.connections.keys()) {
    const entry = key === NO_ENTRY ? null : entryOf(store, key, tNs);
    if (entry !== null) found.set(key, entry.createdNs);
  }
  return found;
}

function hasSuspect(group: GroupState): boolean {
  for (const { flows } of group.connections.values()) if (flows[0]?.isSuspect || flows[1]?.isSuspect) return true;
  return false;
}

function shared(store: CtStore): [CtStore, CtStore, CtStore] {
  return [store, store, store];
}

/** Would every later packet meet the same? */
function sameStores(a: CtStore, b: CtStore, tNs: number): boolean {
  if (a === b) return true;
  const mine = a.entries(tNs);
  const theirs = b.entries(tNs);
  if (mine.length !== theirs.length) return false;
  return mine.every((entry, i) => {
    const other = theirs[i]!;
    return entry.zone === other.zone && firstDifference(entry, other) === null;
  });
}

/** Does the packet travel in the entry's original direction? Addresses and ports of a group's packets tell. */
function isOriginal(entry: CtEntry, key: Int32Array): boolean {
  const { original, proto } = entry;
  const isIpv4 = entry.family === 4;
  const src = isIpv4 ? key[K.nw_src] : key[K.ipv6_src];
  const dst = isIpv4 ? key[K.nw_dst] : key[K.ipv6_dst];
  if (original.src0 !== src || original.dst0 !== dst) return false;
  if (!isIpv4) for (let i = 1; i < 4; i++) if (wordOf(original, i) !== key[K.ipv6_src + i]) return false;
  const isIcmp = proto === 1 || proto === 58;
  if (isIcmp) return original.dport >> 8 === key[K.tp_src];
  return original.sport === key[K.tp_src] && original.dport === key[K.tp_dst];
}

function wordOf(tuple: { src1: number; src2: number; src3: number }, i: number): number {
  return i === 1 ? tuple.src1 : i === 2 ? tuple.src2 : tuple.src3;
}

/** VLAN id of the tag that the packet came with. */
function vlanOf(key: Int32Array): number | null {
  const tci = key[K.vlan_tci]!;
  return tci === 0 ? null : tci & 0xfff;
}

function keepEnd(flow: Flow, packet: WalkPacket, stores: readonly CtStore[]): void {
  const all = stores.length === 1 ? shared(stores[0]!) : (stores as [CtStore, CtStore, CtStore]);
  flow.lastEnd = {
    number: packet.number,
    tNs: packet.tNs,
    version: packet.version,
    cls: packet.cls,
    key: Int32Array.from(packet.key),
    tuplePart: packet.tuplePart,
    info: keepInfo(packet.info),
    stores: all,
    results: [],
    history: new EntryHistory(),
  };
}

function verdict(
  packet: WalkPacket,
  flow: Flow,
  results: PacketVerdict['results'],
  scene: Scene | null,
  event: LogEvent | null,
): PacketVerdict {
  const { number, tNs, version, inPort } = packet;
  return { number, tNs, version, bytes: packet.info.originalBytes, inPort, flow, results, scene, event };
}
