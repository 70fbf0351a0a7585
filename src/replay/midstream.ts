/**
 * Connections first seen in their middle (`--midstream established`): taken as committed, replied, liberal and unmarked in each
 * zone that version 0 names for them, in all worlds. Who opened a connection: the side from which version 0 accepts a first
 * packet; if it accepts both or none, the one with the higher port, and such connections are listed.
 */
import { establishedEntry } from '../conntrack/midstream.js';
import { CtPacket, fillCtPacket, TCP_ACK, TCP_SYN } from '../conntrack/packet.js';
import { CtStore } from '../conntrack/store.js';
import { isIcmp, PROTO_TCP } from '../conntrack/tuple.js';
import { K } from '../fields/key.js';
import { hasOutput } from './packetResult.js';
import { ACTUAL } from './restart.js';
import type { GroupState, WalkPacket } from './walk.js';
import type { WorldRunner } from './worldRun.js';

/** A connection needs few; a pipeline that names a new zone at every play would never end. */
const ZONES_MAX = 8;

/** What is known of a group taken as established. */
export interface MidstreamState {
  /** Does version 0 accept a first packet from this direction? null: none seen of it yet. */
  readonly accepts: [boolean | null, boolean | null];
  /** Port of each direction's sender, 0 where there is none. */
  readonly ports: [number, number];
  /** Direction that opened it. */
  originator: 0 | 1;
  /** False: its first packet seen may be its first; the tracker makes of it what it will. */
  readonly isTaken: boolean;
}

export class Midstream {
  private readonly runner: WorldRunner;
  private readonly packet = new CtPacket();
  /** Groups taken as established. */
  taken = 0;
  /** Groups that either side may have opened: who did is a guess. */
  readonly guessed = new Set<number>();

  constructor(runner: WorldRunner) {
    this.runner = runner;
  }

  /** Called for a packet before it is walked, as long as the worlds are one. */
  prepare(group: GroupState, packet: WalkPacket): void {
    const { midstream } = group;
    if (midstream === undefined) group.midstream = this.begin(group, packet);
    else if (midstream !== null && midstream.accepts[packet.direction] === null)
      this.reconsider(group, midstream, packet);
  }

  private begin(group: GroupState, packet: WalkPacket): MidstreamState | null {
    const { key } = packet;
    const isIp = key[K.dl_type] === 0x0800 || key[K.dl_type] === 0x86dd;
    if (!isIp || group.stores[ACTUAL].size > 0) return null;
    const proto = key[K.nw_proto]!;
    const isTcp = proto === PROTO_TCP;
    if (isTcp && (key[K.tcp_flags]! & (TCP_SYN | TCP_ACK)) === TCP_SYN) return null;
    const accepts = this.acceptsNew(packet);
    const ports: [number, number] = [0, 0];
    ports[packet.direction] = key[K.tp_src]!;
    ports[1 - packet.direction] = key[K.tp_dst]!;
    const other = packet.direction === 0 ? 1 : 0;
    // Without flags, what version 0 accepts as a first packet may well be one.
    const isTaken = isTcp || !accepts;
    const state: MidstreamState = {
      accepts: [null, null],
      ports,
      originator: isTaken ? other : packet.direction,
      isTaken,
    };
    state.accepts[packet.direction] = accepts;
    if (!isTaken) return state;
    if (accepts) state.originator = higherPort(ports, packet.direction);
    const isReply = state.originator !== packet.direction;
    const store = this.storeWithZones(new CtStore(), packet, isReply);
    if (store.size === 0) return null;
    if (!isTcp && !isIcmp(proto) && !hasOutput(this.play(packet, store.clone()))) return null;
    group.stores = [store, store, store];
    this.taken++;
    if (accepts) this.guessed.add(group.number);
    return state;
  }

  /** The first packet of the other side: now both tests can be held against each other. */
  private reconsider(group: GroupState, state: MidstreamState, packet: WalkPacket): void {
    const mine = this.acceptsNew(packet);
    state.accepts[packet.direction] = mine;
    const theirs = state.accepts[packet.direction === 0 ? 1 : 0]!;
    if (!state.isTaken) {
      if (mine) this.guessed.add(group.number);
      return;
    }
    const other = packet.direction === 0 ? 1 : 0;
    const originator = mine === theirs ? higherPort(state.ports, other) : mine ? packet.direction : other;
    if (mine === theirs) this.guessed.add(group.number);
    else this.guessed.delete(group.number);
    const isReply = originator !== packet.direction;
    const isTurned = originator !== state.originator;
    state.originator = originator;
    const store = this.storeWithZones(isTurned ? new CtStore() : group.stores[ACTUAL], packet, isReply);
    if (!isTurned) return;
    group.stores = [store, store, store];
    for (const connection of group.connections) connection.original = originator;
  }

  /** Would version 0 accept a first packet of a connection from here? */
  private acceptsNew(packet: WalkPacket): boolean {
    const { key } = packet;
    const flags = key[K.tcp_flags]!;
    key[K.tcp_flags] = TCP_SYN;
    const isAccepted = hasOutput(this.play(packet, new CtStore()));
    key[K.tcp_flags] = flags;
    return isAccepted;
  }

  private play(packet: WalkPacket, store: CtStore): ReturnType<WorldRunner['run']> {
    return this.runner.run(packet.cls, packet.key, packet.info, 0, packet.tNs, store);
  }

  /** Puts an entry into each zone that the packet meets on its way; entries made can lead to further zones. */
  private storeWithZones(store: CtStore, packet: WalkPacket, isReply: boolean): CtStore {
    const known = new Set(store.entries(packet.tNs).map((entry) => entry.zone));
    for (let i = 0; i < ZONES_MAX; i++) {
      const seen = this.play(packet, store.clone()).seen.find(({ zone }) => !known.has(zone));
      if (seen === undefined) break;
      known.add(seen.zone);
      fillCtPacket(packet.key, packet.info, this.packet);
      store.insert(establishedEntry(this.runner.tracker, seen.zone, this.packet, isReply, packet.tNs));
    }
    return store;
  }
}

/** `tie`: who it is when the ports are equal. */
function higherPort(ports: readonly [number, number], tie: 0 | 1): 0 | 1 {
  return ports[0] === ports[1] ? tie : ports[0] > ports[1] ? 0 : 1;
}
