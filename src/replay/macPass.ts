/**
 * The one thing that couples groups: NORMAL's MAC table. Walks leave NORMAL as symbols; this pass takes their packets in time
 * order, learns in each world, and resolves outputs where somebody asks for them.
 */
import type { NormalEffect } from '../pipeline/effects.js';
import type { PipelineEnv, PipelinePort } from '../pipeline/env.js';
import { MacTable } from '../pipeline/mac.js';
import type { Admission } from '../pipeline/normal.js';
import type { Outcome } from '../pipeline/verdict.js';
import { NS_PER_S } from '../util/units.js';
import type { Treatment } from './judge.js';
import { isJudged, type PacketResult, type PacketResults } from './packetResult.js';
import { ACTUAL, AFTER, BEFORE, WORLDS, type World } from './restart.js';

/** A treatment with what the verdict line says of it. */
export interface ResolvedTreatment extends Treatment {
  readonly outcome: Outcome;
  /** Copies that NORMAL sends. */
  readonly normal: readonly {
    readonly effect: NormalEffect;
    readonly admission: Admission;
    readonly port: PipelinePort;
  }[];
  readonly floods: readonly { readonly effect: NormalEffect; readonly admission: Admission }[];
}

/** Per world. */
export type Treatments = readonly [ResolvedTreatment, ResolvedTreatment, ResolvedTreatment];

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
   * Takes one packet: learns in every world, and resolves the outputs in all of them if they are asked for.
   * Must be called for every packet that reached NORMAL in any world, in replay order.
   */
  take(tNs: number, results: PacketResults, isWanted: boolean): Treatments | null {
    const [actual, before, after] = results;
    const seconds = Math.floor(tNs / NS_PER_S);
    if (!isWanted && !this.isSplit && actual === before && actual === after) {
      this.learn(actual, seconds);
      return null;
    }
    if (!this.isSplit && !sameLearning(results)) this.split();
    if (!isWanted) {
      const worlds: readonly World[] = this.isSplit ? WORLDS : [ACTUAL];
      for (const world of worlds) this.teach(world, seconds, results[world]);
      return null;
    }
    const first = this.resolve(ACTUAL, seconds, actual);
    // One table for all: what the same result teaches again changes nothing within the packet.
    const of = (world: World, result: PacketResult): ResolvedTreatment =>
      !this.isSplit && result === actual ? first : this.resolve(world, seconds, result);
    return [first, of(BEFORE, before), of(AFTER, after)];
  }

  /** The usual packet: same way in all worlds. What it taught a moment ago it need not teach again. */
  private learn({ learns }: PacketResult, seconds: number): void {
    for (let i = 0; i < learns.length; i++) {
      const effect = learns[i]!;
      if (this.taught === effect && this.taughtSeconds === seconds) continue;
      this.tables[ACTUAL].learn(effect, seconds);
      this.taught = effect;
      this.taughtSeconds = seconds;
    }
  }

  private get isSplit(): boolean {
    return this.tables[ACTUAL] !== this.tables[BEFORE];
  }

  private split(): void {
    this.tables = [this.tables[ACTUAL], this.tables[ACTUAL].clone(), this.tables[ACTUAL].clone()];
  }

  private teach(world: World, seconds: number, { learns }: PacketResult): void {
    this.taught = null;
    for (const effect of learns) this.tables[world].learn(effect, seconds);
  }

  private resolve(world: World, seconds: number, result: PacketResult): ResolvedTreatment {
    const table = this.tables[world];
    this.taught = null;
    const ports = [...result.ports];
    const normal: { effect: NormalEffect; admission: Admission; port: PipelinePort }[] = [];
    const floods: { effect: NormalEffect; admission: Admission }[] = [];
    for (const effect of result.learns) {
      const admission = table.learn(effect, seconds);
      if (admission === null) continue;
      if (!result.normals.includes(effect)) continue;
      for (const port of table.outputs(effect, admission, seconds)) {
        ports.push(port.ofport);
        normal.push({ effect, admission, port });
      }
      if (!table.knows(effect, admission)) floods.push({ effect, admission });
    }
    return finish(result, ports, floods, normal);
  }

  /** Outcome and ports of a result in a world by what it has learned; teaches nothing. */
  peek(world: World, tNs: number, result: PacketResult): { outcome: Outcome; out: readonly number[] } {
    const table = this.tables[world];
    const seconds = Math.floor(tNs / NS_PER_S);
    const ports = [...result.ports];
    for (const effect of result.normals) {
      const admission = table.admit(effect);
      if (admission !== null) ports.push(...table.outputs(effect, admission, seconds).map(({ ofport }) => ofport));
    }
    const { outcome, ports: out } = finish(result, ports, [], []);
    return { outcome, out };
  }

  /** A copy of what a world has learned so far. */
  tableOf(world: World): MacTable {
    return this.tables[world].clone();
  }

  /** Learned addresses of a world as `ovs-appctl fdb/show` lists them. */
  list(world: World, tNs: number): [number, number, string][] {
    return this.tables[world].list(Math.floor(tNs / NS_PER_S));
  }
}

function finish(
  result: PacketResult,
  ports: number[],
  floods: ResolvedTreatment['floods'],
  normal: ResolvedTreatment['normal'],
): ResolvedTreatment {
  ports.sort((a, b) => a - b);
  const isOpen = result.outcome === 'dropped' || result.outcome === 'controller' || result.outcome === 'held';
  const outcome: Outcome = isOpen && ports.length > 0 ? 'delivered' : result.outcome;
  const { symbol, isWhole } = result;
  const isFlood = floods.length > 0;
  return { ports, symbol, isFlood, isWhole, judged: isJudged(outcome), outcome, floods, normal };
}

function sameLearning(results: PacketResults): boolean {
  const first = results[ACTUAL];
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
