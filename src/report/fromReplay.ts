/** What the engine found, as the result that users get: numbers become names, indices become rule texts, times become Unix times. */

import type { LookupRecord } from '../pipeline/effects.js';
import type { CauseBy, Cause as EngineCause } from '../replay/cause.js';
import type { EffectDetail } from '../replay/effect.js';
import type { ClosedWindow, PolicyFlow } from '../replay/flows.js';
import type { ConnectionRecord, FlowRecord, ShardResult } from '../replay/records.js';
import type { Restart } from '../replay/restart.js';
import type { Timeline } from '../timeline/timeline.js';
import { formatUnixNs, NEVER } from '../util/units.js';
import type { Cause, Culprit, Flow, FlowName, ReplayResult, Summary, UnsupportedUse, Window } from './result.js';

/** Names that only the caller knows how to give. */
export interface Naming {
  readonly startUnixNs: bigint;
  readonly timeline: Timeline;
  /** Canonical text of a rule (index into the timeline). */
  rule(index: number): string;
  /** A flow-mod as the schedule writes it. */
  flowMod(step: number, mod: number): { op: string; flow: string; cookieMask?: string };
  /** A conntrack step as the schedule writes it. */
  conntrackStep(step: number): unknown;
  /** Addresses and ports of a group's direction. */
  endpoints(group: number, direction: 0 | 1): Pick<FlowName, 'proto' | 'src' | 'sport' | 'dst' | 'dport'>;
}

type FlowMod = NonNullable<Cause['flowMod']>;

const ORDER_UNKNOWN = 'which of several rules it meets hangs on the order of masks, which the dump does not tell';

export interface Described {
  readonly ambiguous: NonNullable<ReplayResult['ambiguous']>;
  readonly windows: Window[];
  readonly culprits: Culprit[];
  readonly flows: Flow[];
  readonly unsupported: UnsupportedUse[];
  readonly counts: Omit<Summary, 'packets' | 'restart' | 'judge' | 'fidelity' | 'unfinished' | 'flooded'>;
}

export class ReplayDescriber {
  private readonly naming: Naming;
  private readonly restart: Restart;
  private readonly candidates: boolean;
  private readonly batches: (number | null)[];
  /** First packets of all connections, ascending: a connection's place is its number. */
  private firstPackets: Float64Array = new Float64Array(0);

  constructor(naming: Naming, restart: Restart, candidates: boolean) {
    this.naming = naming;
    this.restart = restart;
    this.candidates = candidates;
    this.batches = batchNumbers(naming.timeline);
  }

  describe({ told, firstPackets, flowCount, unjudged, ambiguous }: ShardResult, allFlows: boolean): Described {
    this.firstPackets = firstPackets;
    const flows = told.flatMap((connection) => flowsOf(connection));
    const windows = flows.flatMap((each) => each.flow.closed.map((window) => ({ each, window })));
    windows.sort((a, b) => a.window.firstPacket - b.window.firstPacket);
    const described = windows.map(({ each, window }) => this.window(each, window));
    const worthTelling = flows.filter(({ flow }) => allFlows || isWorthTelling(flow));
    return {
      windows: described,
      culprits: culpritsOf(described),
      flows: worthTelling.map((each) => this.flow(each)),
      ambiguous: ambiguous.map(({ packet, tNs, connection, flow, either }) => ({
        packet,
        t: this.time(tNs),
        flow: this.flowName({ connection, flow }),
        why: ORDER_UNKNOWN,
        either: either.map(({ outcome, out, rule }) => ({ outcome, out: [...out], rule: this.ruleText(rule) })),
      })),
      unsupported: unjudged.unsupported.map((use) => ({
        ...use,
        rule: use.rule < 0 ? '' : this.naming.rule(use.rule),
      })),
      counts: this.counts(
        firstPackets.length,
        flowCount,
        told,
        windows.map(({ window }) => window),
      ),
    };
  }

  flowName({ connection, flow }: NamedFlow): FlowName {
    const { direction, vlan, inPort } = flow;
    return {
      connection: placeOf(this.firstPackets, connection.firstPacket) + 1,
      direction: direction === connection.original ? 'original' : 'reply',
      ...this.naming.endpoints(connection.group, direction),
      zone: connection.zone,
      vlan,
      inPort,
    };
  }

  time(tNs: number): string {
    return formatUnixNs(this.naming.startUnixNs + BigInt(Math.round(tNs)));
  }

  stepTime(step: number): string {
    return formatUnixNs(this.naming.timeline.steps[step - 1]!.t.earliest);
  }

  private window(each: NamedFlow, window: ClosedWindow): Window {
    return {
      id: window.firstPacket,
      kind: window.kind,
      flow: this.flowName(each),
      from: this.time(window.fromNs),
      to: this.time(window.toNs),
      open: window.open,
      packets: window.packets,
      bytes: window.bytes,
      firstPacket: window.firstPacket,
      lastPacket: window.lastPacket,
      lastGood: window.lastGood,
      nextGood: window.nextGood,
      versions: [window.firstVersion, window.lastVersion],
      rule: this.ruleText(window.rule),
      instead: this.ruleText(window.instead),
      path: this.path(window.path),
      cause: this.cause(window.cause),
      tableOutage: this.outage(window),
      healedBy: this.heal(window),
    };
  }

  private ruleText(index: number | null): string | null {
    return index === null || index < 0 ? null : this.naming.rule(index);
  }

  private path(lookups: readonly LookupRecord[]): string[] {
    return lookups.filter(({ rule }) => rule >= 0).map(({ rule }) => this.naming.rule(rule));
  }

  private outage({ tableOutage }: ClosedWindow): Window['tableOutage'] {
    if (tableOutage === null) return null;
    const { fromStep, toStep } = tableOutage;
    const { stepNs } = this.restart;
    return { fromStep, toStep, ns: toStep === null ? null : stepNs[toStep]! - stepNs[fromStep]! };
  }

  private heal({ healedBy }: ClosedWindow): Window['healedBy'] {
    if (healedBy === null) return null;
    const { isStep, number, tNs } = healedBy;
    return isStep ? { step: number, t: this.stepTime(number) } : { packet: number, t: this.time(tNs) };
  }

  private cause(cause: EngineCause): Cause {
    const { step, mod, effect, then, by } = cause;
    const entry = this.naming.timeline.steps[step - 1]!;
    const isConntrack = entry.kind === 'conntrack';
    return {
      step,
      t: this.stepTime(step),
      ...(isConntrack
        ? { conntrack: this.naming.conntrackStep(step) as NonNullable<Cause['conntrack']> }
        : { flowMod: mod === null ? null : this.flowMod(step, mod) }),
      batch: this.batches[step - 1] ?? null,
      effect,
      detail: this.detail(cause.detail),
      then: [...then],
      by: by === null ? null : this.by(by),
      candidates: this.candidates,
    };
  }

  private by({ isStep, number, tNs, rule, what }: CauseBy): NonNullable<Cause['by']> {
    const named = { rule: this.ruleText(rule), what };
    return isStep
      ? { step: number, t: this.stepTime(number), ...named }
      : { packet: number, t: this.time(tNs), ...named };
  }

  private flowMod(step: number, mod: number): FlowMod {
    return { n: mod, ...this.naming.flowMod(step, mod) } as FlowMod;
  }

  private detail(detail: EffectDetail | null): Cause['detail'] {
    if (detail === null) return null;
    const texts: Record<string, unknown> = { ...detail };
    if ('piece' in detail) texts['piece'] = this.naming.rule(detail.piece);
    if ('old' in detail) texts['old'] = detail.old.map((piece) => this.naming.rule(piece));
    if ('new' in detail) texts['new'] = detail.new.map((piece) => this.naming.rule(piece));
    return texts as Cause['detail'];
  }

  private flow(each: NamedFlow): Flow {
    const { flow } = each;
    return {
      flow: this.flowName(each),
      packets: flow.packetCount,
      windows: flow.closed.map((window) => window.firstPacket),
      dead: flow.dead,
      ...(flow.deadBefore ? { deadBefore: true } : {}),
      lingering: flow.lingering,
      exposed: flow.exposed,
      policy: flow.policy === null ? null : this.policy(flow.policy),
    };
  }

  private policy(policy: PolicyFlow): NonNullable<Flow['policy']> {
    const { first } = policy;
    return {
      packets: policy.packets,
      lost: policy.lost,
      gained: policy.gained,
      changed: policy.changed,
      since: first === null ? null : this.time(first.tNs),
      packet: first?.packet ?? null,
      rule: this.ruleText(first?.rule ?? null),
      instead: this.ruleText(first?.instead ?? null),
      cause: first === null ? null : this.cause(first.cause),
    };
  }

  private counts(
    connections: number,
    flowCount: number,
    told: readonly ConnectionRecord[],
    windows: readonly ClosedWindow[],
  ): Described['counts'] {
    const flows = told.flatMap((connection) => flowsOf(connection)).map(({ flow }) => flow);
    const kinds = { drop: 0, partial: 0, leak: 0, misdelivery: 0, transitional: 0 };
    for (const window of windows) kinds[window.kind]++;
    const isHit = (flow: FlowRecord | null): boolean => flow !== null && flow.closed.length > 0;
    const policies = flows.flatMap((flow) => (flow.policy === null ? [] : [flow.policy]));
    const sum = (name: 'packets' | 'lost' | 'gained' | 'changed'): number =>
      policies.reduce((total, policy) => total + policy[name], 0);
    return {
      connections,
      flows: flowCount,
      connectionsHit: told.filter((connection) => connection.flows.some(isHit)).length,
      flowsHit: flows.filter(isHit).length,
      windows: kinds,
      packetsLost: windows.reduce((total, { kind, packets }) => total + (kind === 'drop' ? packets : 0), 0),
      worstWindow: worst(windows),
      dead: flows.filter((flow) => flow.dead !== null && !flow.deadBefore).length,
      deadBefore: flows.filter((flow) => flow.deadBefore).length,
      lingering: flows.filter((flow) => flow.lingering).length,
      exposed: flows.filter((flow) => flow.exposed).length,
      policy: {
        flows: policies.length,
        packets: sum('packets'),
        lost: sum('lost'),
        gained: sum('gained'),
        changed: sum('changed'),
      },
    };
  }
}

interface NamedFlow {
  readonly connection: ConnectionRecord;
  readonly flow: FlowRecord;
}

/** The original direction first. */
function flowsOf(connection: ConnectionRecord): NamedFlow[] {
  const { flows, original } = connection;
  const inOrder = [flows[original], flows[original === 0 ? 1 : 0]];
  return inOrder.filter((flow) => flow !== null).map((flow) => ({ connection, flow }));
}

function isWorthTelling(flow: FlowRecord): boolean {
  return flow.closed.length > 0 || flow.dead !== null || flow.lingering || flow.exposed || flow.policy !== null;
}

/** Index of a value in an ascending list that holds it. */
function placeOf(list: Float64Array, value: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Most packets, then longest, then first. */
function worst(windows: readonly ClosedWindow[]): number | null {
  let best: ClosedWindow | null = null;
  for (const window of windows) {
    if (best === null || isWorse(window, best)) best = window;
  }
  return best?.firstPacket ?? null;
}

function isWorse(a: ClosedWindow, b: ClosedWindow): boolean {
  if (a.packets !== b.packets) return a.packets > b.packets;
  const [lengthA, lengthB] = [a.toNs - a.fromNs, b.toNs - b.fromNs];
  return lengthA !== lengthB ? lengthA > lengthB : a.firstPacket < b.firstPacket;
}

/** As the schedule says, else bundles counted from 1; null for single flow-mods. */
function batchNumbers({ steps }: Timeline): (number | null)[] {
  let bundles = 0;
  return steps.map((step) => {
    if (step.kind !== 'tables') return null;
    if (step.bundle) bundles++;
    return step.batch ?? (step.bundle ? bundles : null);
  });
}

/** Windows by causing step, most connections first. */
function culpritsOf(windows: readonly Window[]): Culprit[] {
  const byStep = new Map<number, Window[]>();
  for (const window of windows) {
    const step = window.cause?.step;
    if (step === undefined) continue;
    const list = byStep.get(step);
    if (list === undefined) byStep.set(step, [window]);
    else list.push(window);
  }
  const culprits = [...byStep].map(([step, list]) => culpritOf(step, list));
  return culprits.sort((a, b) => b.connections - a.connections || b.packets - a.packets || a.step - b.step);
}

function culpritOf(step: number, windows: readonly Window[]): Culprit {
  const mods = new Map<number, FlowMod>();
  const kinds = { drop: 0, partial: 0, leak: 0, misdelivery: 0, transitional: 0 };
  for (const { cause, kind } of windows) {
    kinds[kind]++;
    if (cause?.flowMod) mods.set(cause.flowMod.n, cause.flowMod);
  }
  return {
    step,
    flowMods: [...mods.values()].sort((a, b) => a.n - b.n),
    connections: new Set(windows.map(({ flow }) => flow.connection)).size,
    flows: new Set(windows.map(({ flow }) => `${flow.connection} ${flow.direction}`)).size,
    packets: windows.reduce((total, { packets }) => total + packets, 0),
    windows: kinds,
  };
}

/** Rules that exist at a version. */
export function ruleCount({ rules }: Timeline, version: number | 'last'): number {
  return rules.filter(({ from, to }) => (version === 'last' ? to === NEVER : from <= version && to > version)).length;
}
