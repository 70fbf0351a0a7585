/**
 * One group of packets through the schedule: three worlds, one shared state until they differ ("forked late").
 *
 * The fate of a connection hangs on its own packets and on the tables, not on other connections; so a group is walked alone,
 * in time order, with its own conntrack entries. What does couple groups, MAC learning, is left as symbols in the results.
 */
import { deleteEntries } from '../conntrack/deletion.js';
import { type CtEntry, firstDifference } from '../conntrack/entry.js';
import { CtStore } from '../conntrack/store.js';
import { StoreUndo } from '../conntrack/undo.js';
import { K } from '../fields/key.js';
import type { PacketInfo } from '../packet/packetInfo.js';
import { type EntryEvent, EntryHistory } from './entryHistory.js';
import { type EntryKey, entryOf } from './entryKey.js';
import { Connection, Flow } from './flows.js';
import type { Midstream, MidstreamState } from './midstream.js';
import { AMBIGUOUS_MAX, type PossibleOutcome, possibleOutcomes } from './outcomes.js';
import { hasOutput, NO_RESULT, type PacketResult } from './packetResult.js';
import type { PacketClass } from './passes.js';
import { ACTUAL, AFTER, BEFORE, type ConntrackDeletion, type Restart, versionOf } from './restart.js';
import { keepInfo, type Scene } from './scene.js';
import { type LogEvent, StateLog } from './stateLog.js';
import type { WorldRunner } from './worldRun.js';

/** A packet of the group, as the walk takes it; one object, filled anew for each. */
export interface WalkPacket {
  /** From 1, over all captures, in replay order. */
  number: number;
  tNs: number;
  /** Version of `actual`. */
  version: number;
  /** Number of its group. */
  group: number;
  /** Side of the group's endpoint pair that sent it. */
  direction: 0 | 1;
  cls: PacketClass;
  /** Its own flow key. */
  key: Int32Array;
  info: PacketInfo;
  inPort: number;
  /** entryKey.ts:tuplePart. */
  tuplePart: number;
}

/** What the walk found out about a packet; one object, filled anew for each. */
export interface PacketVerdict {
  number: number;
  tNs: number;
  version: number;
  bytes: number;
  inPort: number;
  flow: Flow;
  /** Per world; the same object where the ways were the same. */
  readonly results: [PacketResult, PacketResult, PacketResult];
  /** Only where worlds differ, or did shortly before. */
  scene: Scene | null;
  /** This packet in the group's past, to find what healed. */
  event: LogEvent | null;
  /** Where `actual` is ambiguous: every possible outcome. */
  either: readonly PossibleOutcome[] | null;
}

/** Everything kept of a group between its packets. */
export class GroupState {
  /** Per world; one object while they are alike. */
  stores: [CtStore, CtStore, CtStore];
  /** Index of the next deletion to apply. */
  deletionsDone = 0;
  /** The current incarnations; nearly always one. */
  readonly connections: Connection[] = [];
  /** When the entries came to differ; null: never yet. */
  history: EntryHistory | null = null;
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
  private readonly undo = new StoreUndo();
  private readonly verdict: PacketVerdict = {
    number: 0,
    tNs: 0,
    version: 0,
    bytes: 0,
    inPort: 0,
    flow: null as unknown as Flow,
    results: [NO_RESULT, NO_RESULT, NO_RESULT],
    scene: null,
    event: null,
    either: null,
  };
  /** Of so many ambiguous packets the outcomes are still found out. */
  outcomesLeft = AMBIGUOUS_MAX;

  constructor(restart: Restart, runner: WorldRunner, options: WalkOptions) {
    this.restart = restart;
    this.runner = runner;
    this.options = options;
    const firstDeletion = restart.deletions[0]?.step ?? Number.POSITIVE_INFINITY;
    this.firstChange = Math.min(restart.firstTableStep || Number.POSITIVE_INFINITY, firstDeletion);
  }

  walk(group: GroupState, packet: WalkPacket): PacketVerdict {
    this.prepare(group, packet);
    noteFound(group, packet.tNs);
    if (packet.version < this.firstChange) return this.walkAsOne(group, packet);
    return this.walkApart(group, packet);
  }

  /** Brings the group's state to where the packet finds it. */
  prepare(group: GroupState, packet: WalkPacket): void {
    if (group.deletionsDone < this.restart.deletions.length) this.applyDeletions(group, packet.version);
    if (this.options.midstream !== null && !group.forked) this.options.midstream.prepare(group, packet);
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
    if (group.forked) this.historyOf(group).record(event, old, next, tNs);
    group.log?.add({ isStep: true, number: step, tNs, version: step, found: old[ACTUAL].clone() });
  }

  /** Before the first step: version 0 in all worlds. */
  private walkAsOne(group: GroupState, packet: WalkPacket): PacketVerdict {
    const store = group.stores[ACTUAL];
    // Only where the order of masks is not known can a packet be ambiguous.
    if (!this.restart.timeline.orderKnown) this.undo.take(store);
    const result = this.runner.run(packet.cls, packet.key, packet.info, 0, packet.tNs, store);
    this.setResults(result, result, result);
    this.findOutcomes(packet, null);
    const flow = this.flowOf(group, packet);
    flow.lastEnd = this.keepsEnd() ? endOf(packet, shared(store.clone())) : null;
    return this.say(packet, flow, null, null);
  }

  /** The state behind a packet is kept where flows are judged by `before` at the end, or a mark may have killed it before the restart. */
  private keepsEnd(): boolean {
    return this.options.keepEnds || isRefusedMarked(this.verdict.results[BEFORE]);
  }

  private walkApart(group: GroupState, packet: WalkPacket): PacketVerdict {
    const { version } = packet;
    const { results } = this.verdict;
    const wasForked = group.forked;
    const old = this.runWorlds(group, packet, versionOf(this.restart, AFTER, version));
    this.findOutcomes(packet, old);
    const flow = this.flowOf(group, packet);
    const isForked = group.forked;
    const differs =
      results[ACTUAL].symbol !== results[BEFORE].symbol || results[ACTUAL].symbol !== results[AFTER].symbol;
    if (!differs && !isForked && !wasForked && group.log === null) {
      flow.isSuspect = false;
      flow.lastEnd = this.keepsEnd() ? endOf(packet, shared(group.stores[ACTUAL].clone())) : null;
      return this.say(packet, flow, null, null);
    }
    return this.sayApart(group, packet, flow, old ?? shared(this.undo.restore()), differs);
  }

  /** Worlds differ, or did just now: the packet's scene is kept. */
  private sayApart(
    group: GroupState,
    packet: WalkPacket,
    flow: Flow,
    old: [CtStore, CtStore, CtStore],
    differs: boolean,
  ): PacketVerdict {
    const { number, version, tNs } = packet;
    const scene: Scene = {
      ...keptPacket(packet),
      stores: old,
      results: [...this.verdict.results],
      history: group.history?.clone() ?? new EntryHistory(),
    };
    if (differs) group.log ??= new StateLog();
    const isForked = group.forked;
    if (isForked) {
      this.historyOf(group).record({ isStep: false, number, tNs, scene }, old, group.stores, tNs);
      this.joinIfAlike(group, tNs);
    }
    const event = group.log?.add({ isStep: false, number, tNs, version, found: old[ACTUAL] }) ?? null;
    flow.isSuspect = differs;
    if (group.log !== null && !hasSuspect(group)) group.log = null;
    flow.lastEnd =
      isForked || this.keepsEnd()
        ? endOf(
            packet,
            group.stores.map((store) => store.clone()),
          )
        : null;
    return this.say(packet, flow, scene, event);
  }

  /**
   * Runs the packet in all worlds; forks the group's state if they leave different entries behind. Returns the stores as they
   * were, or null: one store, which `undo` remembers.
   */
  private runWorlds(group: GroupState, packet: WalkPacket, afterVersion: number): [CtStore, CtStore, CtStore] | null {
    const { cls, key, info, tNs, version } = packet;
    const { stores } = group;
    if (group.forked) {
      const old: [CtStore, CtStore, CtStore] = [stores[ACTUAL].clone(), stores[BEFORE].clone(), stores[AFTER].clone()];
      this.setResults(
        this.runner.run(cls, key, info, version, tNs, stores[ACTUAL]),
        this.runner.run(cls, key, info, 0, tNs, stores[BEFORE]),
        this.runner.run(cls, key, info, afterVersion, tNs, stores[AFTER]),
      );
      return old;
    }
    this.undo.take(stores[ACTUAL]);
    const actual = this.runner.run(cls, key, info, version, tNs, stores[ACTUAL]);
    if (actual.from <= 0 && afterVersion < actual.to) {
      this.setResults(actual, actual, actual);
      return null;
    }
    const twins = afterVersion === 0 ? null : this.runner.twins(cls, afterVersion);
    if (twins !== null) {
      this.setResults(actual, twins.before, twins.after);
      return null;
    }
    return this.runOthers(group, packet, actual, afterVersion);
  }

  /** `actual` ran on the group's only store; the other worlds run on copies of what it was, and keep them if they differ. */
  private runOthers(
    group: GroupState,
    packet: WalkPacket,
    actual: PacketResult,
    afterVersion: number,
  ): [CtStore, CtStore, CtStore] {
    const { cls, key, info, tNs } = packet;
    const mine = group.stores[ACTUAL];
    const old = this.undo.restore();
    const beforeStore = old.clone();
    const before = this.runner.run(cls, key, info, 0, tNs, beforeStore);
    const afterStore = afterVersion === 0 ? beforeStore.clone() : old.clone();
    const after = afterVersion === 0 ? before : this.runner.run(cls, key, info, afterVersion, tNs, afterStore);
    const isSame = sameStores(mine, beforeStore, tNs) && sameStores(mine, afterStore, tNs);
    if (!isSame) group.stores = [mine, beforeStore, afterStore];
    this.setResults(actual, before, after);
    return shared(old);
  }

  /** `old`: stores as the packet found them, null: `undo` remembers. */
  private findOutcomes({ key, info, tNs, version }: WalkPacket, old: readonly CtStore[] | null): void {
    const { verdict } = this;
    verdict.either = null;
    if (verdict.results[ACTUAL].ambiguous === null || this.outcomesLeft === 0) return;
    this.outcomesLeft--;
    const store = old === null ? this.undo.restore() : old[ACTUAL]!;
    verdict.either = possibleOutcomes(this.runner, { key, info, tNs, store }, version);
  }

  private setResults(actual: PacketResult, before: PacketResult, after: PacketResult): void {
    const { results } = this.verdict;
    results[ACTUAL] = actual;
    results[BEFORE] = before;
    results[AFTER] = after;
  }

  private say(packet: WalkPacket, flow: Flow, scene: Scene | null, event: LogEvent | null): PacketVerdict {
    const { verdict } = this;
    verdict.number = packet.number;
    verdict.tNs = packet.tNs;
    verdict.version = packet.version;
    verdict.bytes = packet.info.originalBytes;
    verdict.inPort = packet.inPort;
    verdict.flow = flow;
    verdict.scene = scene;
    verdict.event = event;
    return verdict;
  }

  private historyOf(group: GroupState): EntryHistory {
    group.history ??= new EntryHistory();
    return group.history;
  }

  /** Entries that have become alike again (or are gone) are one state again. */
  private joinIfAlike(group: GroupState, tNs: number): void {
    const [actual, before, after] = group.stores;
    if (!sameStores(actual, before, tNs) || !sameStores(actual, after, tNs)) return;
    group.stores = [actual, actual, actual];
    group.history = null;
  }

  /** The connection and flow that the packet belongs to: zone, orientation and incarnation of `before`. */
  private flowOf(group: GroupState, packet: WalkPacket): Flow {
    const { results } = this.verdict;
    const { direction, tNs } = packet;
    const seen = results[BEFORE].seen[0] ?? results[ACTUAL].seen[0] ?? results[AFTER].seen[0];
    const zone = seen === undefined ? null : seen.zone;
    const key = zone === null ? NO_ENTRY : zone + packet.tuplePart;
    const entry = zone === null ? null : entryOf(group.stores[BEFORE], key, tNs);
    let connection = connectionWith(group, key);
    if (connection === null || isOver(connection, entry)) {
      if (connection !== null) group.connections.splice(group.connections.indexOf(connection), 1);
      connection = new Connection(group.number, packet.number, zone, key, direction);
      group.connections.push(connection);
      this.connections.push(connection);
    }
    if (entry !== null && !connection.hadEntry) {
      connection.hadEntry = true;
      connection.original = isOriginal(entry, packet.key) ? direction : direction === 0 ? 1 : 0;
    }
    let flow = connection.flows[direction];
    if (flow === null) {
      flow = new Flow(connection, direction, vlanOf(packet.key), packet.inPort, packet.cls);
      connection.flows[direction] = flow;
    }
    flow.packetCount++;
    return flow;
  }
}

const NO_ENTRY: EntryKey = -1;

/** Called per packet, before it is run: which entries of `before` it will find. */
function noteFound(group: GroupState, tNs: number): void {
  const { connections } = group;
  for (let i = 0; i < connections.length; i++) {
    const connection = connections[i]!;
    if (!connection.hadEntry) continue;
    const entry = entryOf(group.stores[BEFORE], connection.entryKey, tNs);
    connection.foundNs = entry === null ? NOT_FOUND : entry.createdNs;
  }
}

const NOT_FOUND = -1;

function connectionWith(group: GroupState, key: EntryKey): Connection | null {
  const { connections } = group;
  for (let i = 0; i < connections.length; i++) if (connections[i]!.entryKey === key) return connections[i]!;
  return null;
}

/** `before` had an entry, and found none for this packet or put another one in its place: a new incarnation. */
function isOver({ hadEntry, foundNs }: Connection, entry: CtEntry | null): boolean {
  return hadEntry && (foundNs === NOT_FOUND || (entry !== null && entry.createdNs !== foundNs));
}

/** Called per packet: nothing leaves, and some ct() showed a mark. */
function isRefusedMarked(result: PacketResult): boolean {
  if (hasOutput(result)) return false;
  const { seen } = result;
  for (let i = 0; i < seen.length; i++) if (seen[i]!.mark !== 0) return true;
  return false;
}

function hasSuspect(group: GroupState): boolean {
  for (const { flows } of group.connections) if (flows[0]?.isSuspect || flows[1]?.isSuspect) return true;
  return false;
}

function shared(store: CtStore): [CtStore, CtStore, CtStore] {
  return [store, store, store];
}

/** Would every later packet meet the same? */
function sameStores(a: CtStore, b: CtStore, tNs: number): boolean {
  if (a === b) return true;
  // Fragments that wait are not compared: until they are gone the worlds stay apart.
  if (a.holdsFragments(tNs) || b.holdsFragments(tNs)) return false;
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

/** A packet's own part of a scene, copied. */
function keptPacket(packet: WalkPacket): Omit<Scene, 'stores' | 'results' | 'history'> {
  const { number, tNs, version, cls, tuplePart } = packet;
  return { number, tNs, version, cls, tuplePart, key: Int32Array.from(packet.key), info: keepInfo(packet.info) };
}

/** The packet with the state that it left behind. */
function endOf(packet: WalkPacket, stores: readonly CtStore[]): Scene {
  return { ...keptPacket(packet), stores, results: [], history: new EntryHistory() };
}
