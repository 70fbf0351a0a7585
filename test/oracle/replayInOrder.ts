/**
 * The replay as one would write it without a thought of speed: packet by packet in time order, three complete switches, each
 * with one table of connections and one of addresses, the linear classifier, and the definitions of windows (WINDOWS.md of the
 * reference data) taken word by word. It shares the pipeline of one packet with the product, none of its replay.
 */
import { compileFilter, deleteEntries } from '../../src/conntrack/deletion.js';
import type { CtEntry } from '../../src/conntrack/entry.js';
import { CtStore } from '../../src/conntrack/store.js';
import { addressesOf, PROTO_NAMES } from '../../src/conntrack/text.js';
import type { Tracker } from '../../src/conntrack/tracker.js';
import { isIcmp } from '../../src/conntrack/tuple.js';
import type { NormalEffect } from '../../src/pipeline/effects.js';
import type { PipelinePort } from '../../src/pipeline/env.js';
import type { LiveSwitch } from '../../src/pipeline/liveSwitch.js';
import { MacTable } from '../../src/pipeline/mac.js';
import type { Admission } from '../../src/pipeline/normal.js';
import { packetInput, runPacket } from '../../src/pipeline/packetRun.js';
import type { Verdict } from '../../src/pipeline/verdict.js';
import { labelOf } from './randomTraffic.js';
import type { WorldInput, WorldPacket } from './worldInput.js';

export interface OrderedOptions {
  readonly judgeBefore: boolean;
  readonly tracker: Tracker;
}

export interface OrderedPacket {
  readonly number: number;
  /** actual, before, after: ports in ascending order, and `state zone mark` of each pass after a ct(). */
  readonly ports: readonly (readonly number[])[];
  readonly ct: readonly (readonly string[])[];
  readonly outcomes: readonly string[];
  readonly kind: string | null;
  /** First packet of its connection. */
  readonly connection: number;
}

export interface OrderedWindow {
  readonly kind: string;
  readonly first: number;
  readonly last: number;
  readonly packets: number;
  readonly open: boolean;
  readonly toNs: number;
}

export interface OrderedResult {
  readonly packets: readonly OrderedPacket[];
  readonly windows: readonly OrderedWindow[];
}

/** What NORMAL did with a packet in one world. */
interface NormalUse {
  readonly symbol: string;
  readonly ports: readonly number[];
  readonly isFlood: boolean;
}

/** The address table of a switch, telling what it was asked. */
class WatchedMacs extends MacTable {
  uses: NormalUse[] = [];

  override outputs(effect: NormalEffect, admission: Admission, seconds: number): readonly PipelinePort[] {
    const ports = super.outputs(effect, admission, seconds);
    const symbol = `NORMAL(${effect.vlanTci & 0x1fff},${effect.dstHigh}:${effect.dstLow >>> 0},${effect.inPort})`;
    this.uses.push({ symbol, ports: ports.map((port) => port.ofport), isFlood: !this.knows(effect, admission) });
    return ports;
  }
}

/** One world. */
class Switch {
  readonly store = new CtStore();
  readonly macs: WatchedMacs;
  private readonly live: LiveSwitch;

  constructor(input: WorldInput, tracker: Tracker, version: () => number) {
    const { env } = input;
    this.macs = new WatchedMacs(env.ports, env.config);
    const never = (): never => {
      throw new Error('no rule here learns');
    };
    const bridge = { env, macs: this.macs, version, learn: never, finTimeout: never };
    this.live = { bridges: new Map([[env.bridge, bridge]]), tracker, store: this.store };
  }

  run(packet: WorldPacket): Treatment {
    this.macs.uses = [];
    const verdict = runPacket(this.live, packetInput('br0', packet.inPort, packet.frame), packet.tNs);
    return treatmentOf(verdict, this.macs.uses);
  }
}

interface Treatment {
  readonly verdict: Verdict;
  readonly ports: readonly number[];
  /** Ports that NORMAL did not choose, and what NORMAL was asked. */
  readonly symbol: string;
  /** `port frame` of each copy, if NORMAL flooded; null: it did not. */
  readonly flood: readonly string[] | null;
  readonly copies: readonly string[];
}

function treatmentOf(verdict: Verdict, uses: readonly NormalUse[]): Treatment {
  const ports = verdict.outputs.map(({ port }) => port).sort((a, b) => a - b);
  const copies = verdict.outputs.map(({ port, frame }) => `${port} ${Buffer.from(frame!).toString('hex')}`);
  const others = [...ports];
  for (const port of uses.flatMap((use) => use.ports)) others.splice(others.indexOf(port), 1);
  const symbol = [...others, ...uses.map((use) => use.symbol).sort()].join(' ');
  return { verdict, ports, symbol, flood: uses.some((use) => use.isFlood) ? copies : null, copies };
}

/** "Alike: equal ports; or equal with NORMAL written as ...; or one is a flood and the other a non-empty part of it". */
function alike(x: Treatment, y: Treatment): boolean {
  if (String(x.ports) === String(y.ports) || x.symbol === y.symbol) return true;
  const isPartOf = (part: Treatment, whole: Treatment): boolean => {
    if (whole.flood === null || part.copies.length === 0) return false;
    const left = [...whole.flood];
    return part.copies.every((copy) => left.includes(copy) && left.splice(left.indexOf(copy), 1).length === 1);
  };
  return isPartOf(x, y) || isPartOf(y, x);
}

/** The table of kinds. */
function kindOf(x: Treatment, b: Treatment, a: Treatment): string | null {
  if (!alike(b, a)) return alike(x, b) || alike(x, a) ? 'policy' : 'transitional';
  if (alike(x, b)) return null;
  if (x.ports.length === 0) return 'drop';
  if (b.ports.length === 0) return 'leak';
  return x.ports.every((port) => b.ports.includes(port)) ? 'partial' : 'misdelivery';
}

const UNJUDGED = ['held', 'unsupported', 'unparsed', 'ambiguous'];

interface RunningWindow {
  readonly kind: string;
  readonly first: number;
  last: number;
  lastNs: number;
  packets: number;
}

interface Connection {
  readonly first: number;
  hadEntry: boolean;
  readonly open: [RunningWindow | null, RunningWindow | null];
}

export function replayInOrder(input: WorldInput, options: OrderedOptions): OrderedResult {
  return new OrderedReplay(input, options).run();
}

class OrderedReplay {
  private readonly input: WorldInput;
  private readonly options: OrderedOptions;
  private readonly switches: readonly [Switch, Switch, Switch];
  private readonly tableSteps: readonly number[];
  private version = 0;
  private readonly connections = new Map<string, Connection>();
  private readonly windows: OrderedWindow[] = [];

  constructor(input: WorldInput, options: OrderedOptions) {
    this.input = input;
    this.options = options;
    const { steps, lastVersion } = input.timeline;
    this.tableSteps = steps.flatMap((step, i) => (step.kind === 'tables' ? [i + 1] : []));
    const first = this.tableSteps[0] ?? Number.POSITIVE_INFINITY;
    const make = (version: () => number): Switch => new Switch(input, options.tracker, version);
    this.switches = [make(() => this.version), make(() => 0), make(() => (this.version >= first ? lastVersion : 0))];
  }

  run(): OrderedResult {
    const packets = this.input.packets.map((packet) => {
      this.stepsUntil(packet.tNs);
      return this.packet(packet);
    });
    for (const { open } of this.connections.values()) for (const window of open) this.finish(window);
    for (const window of this.lost) this.finish(window);
    this.windows.sort((a, b) => a.first - b.first);
    return { packets, windows: this.windows };
  }

  private stepsUntil(tNs: number): void {
    const { stepNs, timeline } = this.input;
    while (this.version < timeline.lastVersion && stepNs[this.version + 1]! <= tNs) {
      this.version++;
      const step = timeline.steps[this.version - 1]!;
      if (step.kind !== 'conntrack') continue;
      const test = step.filter === null ? null : compileFilter(step.filter);
      for (const each of step.worlds === 'all' ? this.switches : [this.switches[0]])
        deleteEntries(each.store, test, stepNs[this.version]!);
    }
  }

  private packet(packet: WorldPacket): OrderedPacket {
    const entriesBefore = labelledEntries(this.switches[1].store, packet.tNs);
    const treatments = this.switches.map((each) => each.run(packet)) as [Treatment, Treatment, Treatment];
    const connection = this.connectionOf(packet, treatments, entriesBefore);
    const outcomes = treatments.map(({ verdict }) => verdict.outcome);
    return {
      number: packet.number,
      ports: treatments.map(({ ports }) => ports),
      ct: treatments.map(({ verdict }) => verdict.ct.map(({ state, zone, mark }) => `${state} ${zone} ${mark}`)),
      outcomes,
      kind: outcomes.some((outcome) => UNJUDGED.includes(outcome)) ? null : this.judge(packet, connection, treatments),
      connection: connection.first,
    };
  }

  private judge(packet: WorldPacket, connection: Connection, treatments: readonly Treatment[]): string | null {
    const [x, ownBefore, ownAfter] = treatments as [Treatment, Treatment, Treatment];
    const { judgeBefore } = this.options;
    const isDone = this.version >= (this.tableSteps.at(-1) ?? Number.POSITIVE_INFINITY);
    const a = judgeBefore ? ownBefore : ownAfter;
    const b = isDone && !judgeBefore ? ownAfter : ownBefore;
    let kind = kindOf(x, b, a);
    const isWindow = kind !== null && kind !== 'policy';
    // "after the last table step too, there by the B of `before`"
    if (kind === null && !alike(ownBefore, a)) kind = 'policy';
    this.note(packet, connection.open, isWindow ? kind : null);
    return kind;
  }

  /** "A maximal run of judged packets of one flow and one kind." */
  private note(packet: WorldPacket, open: Connection['open'], kind: string | null): void {
    const { side } = packet.label;
    const window = open[side];
    if (window !== null && window.kind !== kind) {
      const { first, last, packets } = window;
      this.windows.push({ kind: window.kind, first, last, packets, open: false, toNs: packet.tNs });
      open[side] = null;
    }
    if (kind === null) return;
    open[side] ??= { kind, first: packet.number, last: 0, lastNs: 0, packets: 0 };
    const running = open[side];
    running.last = packet.number;
    running.lastNs = packet.tNs;
    running.packets++;
  }

  private finish(window: RunningWindow | null): void {
    if (window === null) return;
    const { kind, first, last, packets, lastNs } = window;
    this.windows.push({ kind, first, last, packets, open: true, toNs: lastNs });
  }

  /** Windows of connections that another one with the same tuple has followed. */
  private readonly lost: RunningWindow[] = [];

  private connectionOf(
    packet: WorldPacket,
    treatments: readonly Treatment[],
    entriesBefore: ReadonlyMap<string, CtEntry>,
  ): Connection {
    const seen = [1, 0, 2].map((world) => treatments[world]!.verdict.ct[0]).find((ct) => ct !== undefined);
    const { group, requester } = packet.label;
    const key = seen === undefined ? group : entryLabel(seen.zone, group, requester);
    const found = entriesBefore.get(key);
    const createdNs = found?.createdNs;
    const now = labelledEntries(this.switches[1].store, packet.tNs).get(key);
    const createdNow = now?.createdNs;
    let connection = this.connections.get(key);
    if (connection?.hadEntry && (found === undefined || (now !== undefined && createdNow !== createdNs))) {
      this.lost.push(...connection.open.filter((window) => window !== null));
      connection = undefined;
    }
    if (connection === undefined) {
      connection = { first: packet.number, hadEntry: false, open: [null, null] };
      this.connections.set(key, connection);
    }
    if (now !== undefined) connection.hadEntry = true;
    return connection;
  }
}

const entryLabel = (zone: number, group: string, requester: string): string => `${zone} ${group} ${requester}`;

/** Live entries by zone and tuple, as packets are labelled. */
function labelledEntries(store: CtStore, nowNs: number): Map<string, CtEntry> {
  return new Map(
    store.entries(nowNs).map((entry) => {
      const { original, family, proto, zone } = entry;
      const [src, dst] = addressesOf(original, family);
      const isPing = isIcmp(proto);
      const mine = `${src}:${original.sport}`;
      const theirs = `${dst}:${isPing ? original.sport : original.dport}`;
      const { group } = labelOf(PROTO_NAMES.get(proto)!, mine, theirs);
      return [entryLabel(zone, group, isPing ? mine : ''), entry];
    }),
  );
}
