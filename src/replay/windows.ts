/**
 * From verdicts to windows: each packet of a flow, in order, is treated right or wrong; a window is a maximal run of judged
 * packets of one flow and one kind. Causes are searched when a window opens, while the state that its packet met is at hand.
 */
import { findCause, findHeal, type IsBad } from './cause.js';
import type { ClosedWindow, Flow, OpenWindow, PolicyFlow } from './flows.js';
import { ALIKE_NO, alike, type Judgement, judge, type Treatment, type WindowKind } from './judge.js';
import type { ResolvedTreatment, Treatments } from './macPass.js';
import { hasOutput, isJudged, type PacketResult } from './packetResult.js';
import { ACTUAL, AFTER, BEFORE, type Restart, rightWorld, tablesDone } from './restart.js';
import type { Theatre } from './scene.js';
import type { PacketVerdict } from './walk.js';

/** What is said of a packet. */
export interface PacketJudgement {
  readonly treatments: Treatments | null;
  readonly kind: Judgement['kind'];
  /** Number of the window's first packet; null: in none. */
  readonly window: number | null;
}

/** Of packets treated alike in all worlds, when nobody asks for their outputs. */
const UNREMARKABLE: PacketJudgement = { treatments: null, kind: null, window: null };

export class WindowPass {
  private readonly restart: Restart;
  private readonly theatre: Theatre;
  /** Packets alike only by a flood. */
  floodedCount = 0;

  constructor(restart: Restart, theatre: Theatre) {
    this.restart = restart;
    this.theatre = theatre;
  }

  /**
   * Called per packet, when it has been walked: a packet treated alike in all worlds, of a flow without an open window, needs no
   * judging. True: it is done with.
   */
  pass(verdict: PacketVerdict): boolean {
    this.noteExposure(verdict);
    const { results, flow } = verdict;
    if (flow.open !== null || flow.waiting > 0 || !isAlike(results)) return false;
    if (areJudged(results)) flow.lastGood = verdict.number;
    return true;
  }

  /** Judges a packet that did not pass; those of a flow in replay order. `treatments`: needed where the results differ. */
  take(verdict: PacketVerdict, treatments: Treatments | null): PacketJudgement {
    const { results, flow } = verdict;
    if (!areJudged(results)) return { treatments, kind: null, window: null };
    if (!isAlike(results)) return { treatments, ...this.judgeApart(verdict, treatments!) };
    if (flow.open !== null) this.close(flow, verdict);
    flow.lastGood = verdict.number;
    return treatments === null ? UNREMARKABLE : { treatments, kind: null, window: null };
  }

  private judgeApart(
    verdict: PacketVerdict,
    treatments: Treatments,
  ): { kind: Judgement['kind']; window: number | null } {
    const { restart } = this;
    const { flow } = verdict;
    const x = treatments[ACTUAL];
    const ownBefore: ResolvedTreatment = treatments[BEFORE];
    const done = tablesDone(restart, verdict.version);
    const after = restart.judgeBefore ? ownBefore : treatments[AFTER];
    const before = done && !restart.judgeBefore ? after : ownBefore;
    const { kind, flooded } = judge(x, before, after);
    if (flooded) this.floodedCount++;
    const isPolicy = kind === 'policy' || (kind === null && alike(ownBefore, after) === ALIKE_NO);
    if (isPolicy) this.notePolicy(verdict, x, ownBefore);
    if (kind === null || kind === 'policy') {
      this.close(flow, verdict);
      flow.lastGood = verdict.number;
      return { kind: isPolicy ? 'policy' : null, window: null };
    }
    return { kind, window: this.extend(verdict, kind) };
  }

  private extend(verdict: PacketVerdict, kind: WindowKind): number {
    const { flow } = verdict;
    if (flow.open !== null && flow.open.kind !== kind) this.closeAs(flow, flow.open, verdict.tNs, null, null);
    flow.open ??= this.openWindow(verdict, kind);
    const window = flow.open;
    window.lastPacket = verdict.number;
    window.lastNs = verdict.tNs;
    window.lastVersion = verdict.version;
    window.packets++;
    window.bytes += verdict.bytes;
    return window.firstPacket;
  }

  private openWindow(verdict: PacketVerdict, kind: WindowKind): OpenWindow {
    const scene = verdict.scene!;
    const right = rightWorld(this.restart, verdict.version);
    const isBad = badness(kind, scene.results[ACTUAL]!, scene.results[right]!);
    const found = findCause(this.theatre, scene, right, isBad);
    return {
      kind,
      firstPacket: verdict.number,
      fromNs: verdict.tNs,
      lastGood: verdict.flow.lastGood,
      firstVersion: verdict.version,
      lastPacket: verdict.number,
      lastNs: verdict.tNs,
      lastVersion: verdict.version,
      packets: 0,
      bytes: 0,
      path: scene.results[ACTUAL]!.lookups,
      ...found,
    };
  }

  /** A packet treated right ends the window; what healed is searched with its header. */
  private close(flow: Flow, verdict: PacketVerdict): void {
    const window = flow.open;
    if (window === null) return;
    const { scene } = verdict;
    let healedBy = null;
    if (scene !== null) {
      const right = rightWorld(this.restart, verdict.version);
      const isBad = badness(window.kind, null, scene.results[right]!);
      const since = { packet: window.firstPacket, version: window.firstVersion };
      healedBy = findHeal(this.theatre, scene, verdict.event, since, isBad);
    }
    this.closeAs(flow, window, verdict.tNs, verdict.number, healedBy);
  }

  private closeAs(
    flow: Flow,
    window: OpenWindow,
    toNs: number,
    nextGood: number | null,
    healedBy: ClosedWindow['healedBy'],
  ): void {
    flow.closed = [...flow.closed, { ...window, toNs, open: false, nextGood, healedBy }];
    flow.open = null;
  }

  /** No more packets: what is open stays so. */
  finish(flow: Flow): void {
    const window = flow.open;
    if (window === null) return;
    flow.closed = [...flow.closed, { ...window, toNs: window.lastNs, open: true, nextGood: null, healedBy: null }];
    flow.open = null;
  }

  private notePolicy(verdict: PacketVerdict, x: Treatment, before: Treatment): void {
    const { flow } = verdict;
    flow.policy ??= { packets: 0, lost: 0, gained: 0, changed: 0, first: null };
    const { policy } = flow;
    policy.packets++;
    if (alike(x, before) !== ALIKE_NO) return;
    if (x.ports.length === 0) policy.lost++;
    else if (before.ports.length === 0) policy.gained++;
    else policy.changed++;
    policy.first ??= this.explainPolicy(verdict);
  }

  private explainPolicy(verdict: PacketVerdict): NonNullable<PolicyFlow['first']> {
    const scene = verdict.scene!;
    const mine = scene.results[ACTUAL]!;
    const found = findCause(this.theatre, scene, BEFORE, (result) => result.symbol === mine.symbol);
    return { tNs: verdict.tNs, packet: verdict.number, rule: found.rule, instead: found.instead, cause: found.cause };
  }

  /**
   * Between two packets of a flow, some version may have treated the earlier one (header and ct views as they were) otherwise,
   * and neither as the old tables nor as the last ones do.
   */
  private noteExposure(verdict: PacketVerdict): void {
    const { flow, version, results } = verdict;
    const last = flow.lastResult;
    if (last !== null && !flow.exposed && version > flow.lastVersion) {
      flow.exposed = this.isExposed(flow, last, Math.max(flow.lastVersion + 1, last.to), version);
    }
    flow.lastResult = results[ACTUAL];
    flow.lastVersion = version;
  }

  private isExposed(flow: Flow, last: PacketResult, from: number, to: number): boolean {
    if (from > to) return false;
    const { theatre, restart } = this;
    const right = [0, restart.lastVersion].map((v) => theatre.playSeen(flow.cls, last, v)?.symbol);
    for (let v = from; v <= to; ) {
      const piece = theatre.playSeen(flow.cls, last, v);
      if (piece === null) return false;
      if (piece.symbol !== last.symbol && !right.includes(piece.symbol)) return true;
      v = piece.to;
    }
    return false;
  }
}

/** The worlds put out the same, NORMAL not resolved. */
export function isAlike([actual, before, after]: PacketVerdict['results']): boolean {
  return actual.symbol === before.symbol && actual.symbol === after.symbol;
}

function areJudged([actual, before, after]: PacketVerdict['results']): boolean {
  return isJudged(actual.outcome) && isJudged(before.outcome) && isJudged(after.outcome);
}

/** The wrong treatment of a kind. Ports of NORMAL are not known at other versions, so outputs are compared as symbols. */
export function badness(kind: WindowKind, mine: PacketResult | null, right: PacketResult): IsBad {
  if (kind === 'drop') return (result) => !hasOutput(result);
  if (kind === 'leak') return hasOutput;
  return (result) =>
    result.symbol !== right.symbol && (mine === null || hasOutput(result) || result.symbol === mine.symbol);
}
