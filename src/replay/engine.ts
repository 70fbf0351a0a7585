/**
 * A trace through the schedule: packets in, judgements and windows out. Groups are independent, so each packet is walked in its
 * own group's state; what couples them (MAC tables, windows' order) is done behind the walk, in replay order.
 */
import type { CtEntry } from '../conntrack/entry.js';
import type { Tracker } from '../conntrack/tracker.js';
import type { PipelineEnv } from '../pipeline/env.js';
import { tuplePart } from './entryKey.js';
import { endFlow } from './flowEnd.js';
import type { Flow } from './flows.js';
import { Midstream } from './midstream.js';
import { PacketClasses } from './packetClasses.js';
import { ACTUAL, type Restart, VersionCursor } from './restart.js';
import { Theatre } from './scene.js';
import { StartEntries } from './startEntries.js';
import { GroupState, type PacketVerdict, Walker, type WalkPacket } from './walk.js';
import { WindowPass } from './windows.js';
import { WorldRunner } from './worldRun.js';

export interface EngineOptions {
  /** Reuse passes; false must not change anything but the time it takes. */
  readonly reuse: boolean;
  /** Results tell how frames are rewritten; default false. */
  readonly frames?: boolean;
  /** `established`: connections first seen in their middle are taken as such. */
  readonly midstream: 'established' | 'strict';
  /** Entries at the start of the trace (time 0). */
  readonly entries: readonly CtEntry[];
}

export class ReplayEngine {
  readonly restart: Restart;
  readonly classes: PacketClasses;
  readonly walker: Walker;
  readonly windows: WindowPass;
  readonly midstream: Midstream | null;
  private readonly entries: StartEntries;
  private readonly theatre: Theatre;
  private readonly cursor: VersionCursor;
  private readonly groups: GroupState[] = [];
  /** Of start entries that no packet asked for. */
  private readonly unseen = new GroupState(-1);
  /** Time of the latest packet. */
  private lastNs = 0;

  constructor(restart: Restart, env: PipelineEnv, tracker: Tracker, options: EngineOptions) {
    this.restart = restart;
    this.classes = new PacketClasses(restart.timeline);
    const runner = new WorldRunner(env, tracker, this.classes.viewBits, options.reuse, options.frames ?? false);
    this.theatre = new Theatre(restart, runner);
    this.midstream = options.midstream === 'established' ? new Midstream(runner) : null;
    this.entries = new StartEntries(options.entries);
    this.walker = new Walker(restart, runner, { keepEnds: restart.judgeBefore, midstream: this.midstream });
    this.windows = new WindowPass(restart, this.theatre);
    this.cursor = new VersionCursor(restart);
  }

  /** Called per packet, in replay order; fills in its `version` and `tuplePart`. The verdict is filled anew for the next. */
  walk(packet: WalkPacket): PacketVerdict {
    this.lastNs = packet.tNs;
    packet.version = this.cursor.moveTo(packet.tNs);
    packet.tuplePart = tuplePart(packet.key, packet.info);
    return this.walker.walk(this.groupOf(packet), packet);
  }

  /** The state that a packet finds, without walking it; its version and tuple part are given. */
  find(packet: WalkPacket): GroupState {
    const group = this.groupOf(packet);
    this.walker.prepare(group, packet);
    return group;
  }

  private groupOf({ group: number, key, info }: WalkPacket): GroupState {
    let group = this.groups[number];
    if (group === undefined) {
      group = new GroupState(number);
      for (const entry of this.entries.take(key, info)) group.stores[ACTUAL].insert(entry);
      this.groups[number] = group;
    }
    return group;
  }

  /** The trace is over: steps that are left act on the entries, open windows stay open, flows are asked how they ended. */
  finish(): void {
    for (const entry of this.entries.rest()) this.unseen.stores[ACTUAL].insert(entry);
    this.walker.applyDeletions(this.unseen, this.restart.lastVersion);
    for (const group of this.groups)
      if (group !== undefined) this.walker.applyDeletions(group, this.restart.lastVersion);
    for (const { flows } of this.walker.connections) {
      for (const flow of flows) if (flow !== null) this.finishFlow(flow);
    }
  }

  /** Entries of `actual` that live when the last packet and step are through. */
  finalEntries(): CtEntry[] {
    const { stepNs, lastVersion } = this.restart;
    const nowNs = Math.max(this.lastNs, stepNs[lastVersion]!);
    return [this.unseen, ...this.groups].flatMap((group) => group?.stores[ACTUAL].entries(nowNs) ?? []);
  }

  /** Groups that a packet was seen of, by number. */
  groupStates(): readonly GroupState[] {
    return this.groups;
  }

  private finishFlow(flow: Flow): void {
    this.windows.finish(flow);
    if (flow.windows > 0) flow.exposed = false;
    endFlow(this.theatre, flow);
  }
}
