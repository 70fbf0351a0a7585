/**
 * The one thing that couples groups: NORMAL's MAC table. Walks leave NORMAL as symbols; this pass takes their packets in time
 * order, learns in each world, and resolves outputs where somebody asks for them.
 */
import type { NormalEffect } from '../pipeline/effects.js';
import type { PipelineEnv } from '../pipeline/env.js';
import { MacTable } from '../pipeline/mac.js';
import type { Admission } from '../pipeline/normal.js';
import { NS_PER_S } from '../util/units.js';
import type { Treatment } from './judge.js';
import { isJudged, type Outcome, type PacketResult } from './packetResult.js';
import { ACTUAL, AFTER, BEFORE, type World } from './restart.js';

/** A treatment with what the verdict line says of it. */
export interface ResolvedTreatment extends Treatment {
  readonly outcome: Outcome;
  readonly floods: readonly { readonly effect: NormalEffect; readonly admission: Admission }[];
}

const NOTHING: [] = [];

export class MacPass {
  /** One object while all worlds learn alike. */
  private tables: [MacTable, MacTable, MacTable];

  /** The last effect that the shared table learned from, and when. */
  private taught: NormalEffect | null = null;
  private taughtSeconds = -1;

  constructor(env: PipelineEnv) {
    const table = new MacTable(env.ports, env.config);
    this.tables = [table, table, table];
  }

  /**
   * Takes one packet: learns in every world, and resolves the outputs of those in `wanted` (the others are undefined).
   * Must be called for every packet that reached NORMAL in any world, in replay order.
   */
  take(tNs: number, results: readonly PacketResult[], wanted: readonly boolean[]): (ResolvedTreatment | undefined)[] {
    const [actual, before, after] = results as [PacketResult, PacketResult, PacketResult];
    if (!wanted[ACTUAL] && actual.learns.length === 0 && before.learns.length === 0 && after.learns.length === 0) {
      return NOTHING;
    }
    const seconds = Math.floor(tNs / NS_PER_S);
    if (!wanted[ACTUAL] && !this.isSplit && actual === before && actual === after) return this.learn(actual, seconds);
    if (!this.isSplit && !sameLearning(results)) this.split();
    const treatments: (ResolvedTreatment | undefined)[] = [];
    const worlds: readonly World[] = this.isSplit ? [ACTUAL, BEFORE, AFTER] : [ACTUAL];
    for (const world of worlds) {
      treatments[world] = this.takeIn(world, seconds, results[world]!, wanted[world]!);
    }
    if (!this.isSplit) this.resolveOthers(seconds, results, wanted, treatments);
    return treatments;
  }

  /** The usual packet: same way in all worlds. What it taught a moment ago it need not teach again. */
  private learn({ learns }: PacketResult, seconds: number): [] {
    for (let i = 0; i < learns.length; i++) {
      const effect = learns[i]!;
      if (this.taught === effect && this.taughtSeconds === seconds) continue;
      this.tables[ACTUAL].learn(effect, seconds);
      this.taught = effect;
      this.taughtSeconds = seconds;
    }
    return NOTHING;
  }

  private get isSplit(): boolean {
    return this.tables[ACTUAL] !== this.tables[BEFORE];
  }

  private split(): void {
    this.tables = [this.tables[ACTUAL], this.tables[ACTUAL].clone(), this.tables[ACTUAL].clone()];
  }

  private takeIn(world: World, seconds: number, result: PacketResult, wanted: boolean): ResolvedTreatment | undefined {
    const table = this.tables[world];
    this.taught = null;
    if (!wanted) {
      for (const effect of result.learns) table.learn(effect, seconds);
      return undefined;
    }
    const admissions = new Map<NormalEffect, Admission>();
    const ports = [...result.ports];
    let floodVlan = -1;
    const floods: { effect: NormalEffect; admission: Admission }[] = [];
    for (const effect of result.learns) {
      const admission = table.learn(effect, seconds);
      if (admission === null) continue;
      admissions.set(effect, admission);
      if (!result.normals.includes(effect)) continue;
      for (const port of table.outputs(effect, admission, seconds)) ports.push(port.ofport);
      if (!table.knows(effect, admission)) {
        floodVlan = admission.vlan;
        floods.push({ effect, admission });
      }
    }
    return finish(result, ports, floodVlan, floods);
  }

  /** Worlds that learned alike but put out otherwise (a packet with equal NORMALs and other outputs beside them). */
  private resolveOthers(
    seconds: number,
    results: readonly PacketResult[],
    wanted: readonly boolean[],
    treatments: (ResolvedTreatment | undefined)[],
  ): void {
    for (const world of [BEFORE, AFTER] as const) {
      if (!wanted[world]) continue;
      const same = results[world] === results[ACTUAL] ? treatments[ACTUAL] : undefined;
      treatments[world] = same ?? this.takeIn(world, seconds, results[world]!, true);
    }
  }

  /** Learned addresses of a world as `ovs-appctl fdb/show` lists them. */
  list(world: World, tNs: number): [number, number, string][] {
    return this.tables[world].list(Math.floor(tNs / NS_PER_S));
  }
}

function finish(
  result: PacketResult,
  ports: number[],
  floodVlan: number,
  floods: ResolvedTreatment['floods'],
): ResolvedTreatment {
  ports.sort((a, b) => a - b);
  const isOpen = result.outcome === 'dropped' || result.outcome === 'controller' || result.outcome === 'held';
  const outcome: Outcome = isOpen && ports.length > 0 ? 'delivered' : result.outcome;
  return { ports, symbol: result.symbol, floodVlan, vlan: -1, judged: isJudged(outcome), outcome, floods };
}

function sameLearning(results: readonly PacketResult[]): boolean {
  const first = results[ACTUAL]!;
  for (const other of results) if (other !== first && !sameEffects(first.learns, other.learns)) return false;
  return true;
}

function sameEffects(a: readonly NormalEffect[], b: readonly NormalEffect[]): boolean {
  return a.length === b.length && a.every((effect, i) => sameNormal(effect, b[i]!));
}

function sameNormal(a: NormalEffect, b: NormalEffect): boolean {
  return (
    a === b ||
    (a.inPort === b.inPort &&
      a.vlanTci === b.vlanTci &&
      a.vlanTpid === b.vlanTpid &&
      a.srcHigh === b.srcHigh &&
      a.srcLow === b.srcLow &&
      a.dstHigh === b.dstHigh &&
      a.dstLow === b.dstLow)
  );
}
