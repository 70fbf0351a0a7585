/** What one world does to one packet, before NORMAL is resolved: a value shared by all packets that ran the same way. */
import { PORT } from '../fields/key.js';
import type {
  Effect,
  LookupRecord,
  NormalEffect,
  OutputEffect,
  Pass,
  PatchEffect,
  UnsupportedAction,
} from '../pipeline/effects.js';
import type { Outcome } from '../pipeline/verdict.js';
import { NEVER } from '../util/units.js';
import type { SentEdits } from './editTrail.js';
import type { ViewNode } from './passes.js';

/** What the pass after a ct(table=) saw. */
export interface CtSeen {
  readonly zone: number;
  readonly state: number;
  readonly mark: number;
  /** Number of lookups that the run had made when it saw this. */
  readonly lookups: number;
}

export interface PacketResult {
  /** Ports other than by NORMAL, sorted; with `outputs` in the same order. */
  readonly ports: readonly number[];
  readonly outputs: readonly OutputEffect[];
  /** NORMAL effects that may put out copies, in order. */
  readonly normals: readonly NormalEffect[];
  /** NORMAL effects that learn (those of passes that ended in an error too). */
  readonly learns: readonly NormalEffect[];
  /** Outputs as text with NORMAL as (vlan, destination, in port): equal text, equal treatment. */
  readonly symbol: string;
  /** Outcome if no NORMAL puts out a copy. */
  readonly outcome: Outcome;
  /** A ct() put the packet together from fragments. */
  readonly isWhole: boolean;
  readonly controllers: number;
  readonly lookups: readonly LookupRecord[];
  readonly seen: readonly CtSeen[];
  /** What each of them put into the ct words of the key (passes.ts), for playing the run again as it was seen. */
  readonly views: readonly ViewNode[];
  readonly unsupported: UnsupportedAction | null;
  readonly ambiguous: Pass['ambiguous'];
  /** The run is the same for versions in [from, to) as long as ct() shows the same. */
  readonly from: number;
  readonly to: number;
  /** Where frames are asked for and any is changed. */
  readonly sent?: SentEdits;
}

const edges = new WeakMap<PatchEffect, OutputEffect>();

/** One bridge is modelled: a patch port is its edge, what enters it has left. */
export function outputOfPatch(effect: PatchEffect): OutputEffect {
  let output = edges.get(effect);
  if (output === undefined) {
    output = { kind: 'output', port: effect.port, edit: effect.edit, maxLen: null };
    edges.set(effect, output);
  }
  return output;
}

/** Per world; the same object where the ways were the same. */
export type PacketResults = readonly [PacketResult, PacketResult, PacketResult];

export const NO_RESULT: PacketResult = {
  ports: [],
  outputs: [],
  normals: [],
  learns: [],
  symbol: '',
  outcome: 'unparsed',
  isWhole: false,
  controllers: 0,
  lookups: [],
  seen: [],
  views: [],
  unsupported: null,
  ambiguous: null,
  from: 0,
  to: NEVER,
};

/** Collects a run; `finish` gives the value. */
export class ResultBuilder {
  private readonly outputs: OutputEffect[] = [];
  private readonly normals: NormalEffect[] = [];
  private readonly learns: NormalEffect[] = [];
  private readonly lookups: LookupRecord[] = [];
  private readonly seen: CtSeen[] = [];
  private readonly views: ViewNode[] = [];
  private controllers = 0;
  private unsupported: UnsupportedAction | null = null;
  private ambiguous: Pass['ambiguous'] = null;
  private from = 0;
  private to: number = NEVER;
  held = false;
  ctDropped = false;
  isWhole = false;

  /** A pass begins: its lookups, validity and problems. */
  addPass(pass: Pass): void {
    if (pass.ambiguous !== null && this.ambiguous === null) {
      this.ambiguous = { ...pass.ambiguous, lookup: pass.ambiguous.lookup + this.lookups.length };
    }
    this.lookups.push(...pass.lookups);
    this.from = Math.max(this.from, pass.from);
    this.to = Math.min(this.to, pass.to);
    this.unsupported ??= pass.unsupported;
  }

  addSeen(zone: number, state: number, mark: number, view: ViewNode): void {
    this.views.push(view);
    this.seen.push({ zone, state, mark, lookups: this.lookups.length });
  }

  addEffect(effect: Effect, passFailed: boolean): void {
    if (effect.kind === 'normal') {
      this.learns.push(effect);
      if (!passFailed) this.normals.push(effect);
    } else if (passFailed) {
      return;
    } else if (effect.kind === 'output') {
      this.outputs.push(effect);
    } else if (effect.kind === 'patch') {
      this.outputs.push(outputOfPatch(effect));
    } else if (effect.kind === 'controller') {
      this.controllers++;
    } else {
      this.unsupported ??= coupling(effect);
    }
  }

  finish(): PacketResult {
    const outputs = [...this.outputs].sort((a, b) => a.port - b.port);
    const ports = outputs.map((output) => output.port);
    return {
      ports,
      outputs,
      normals: this.normals,
      learns: this.learns,
      symbol: [...ports, ...this.normals.map(normalText).sort()].join(' '),
      outcome: this.outcome(ports.length > 0),
      isWhole: this.isWhole,
      controllers: this.controllers,
      lookups: this.lookups,
      seen: this.seen,
      views: this.views,
      unsupported: this.unsupported,
      ambiguous: this.ambiguous,
      from: this.from,
      to: this.to,
    };
  }

  private outcome(hasOutput: boolean): Outcome {
    if (this.unsupported !== null) return 'unsupported';
    if (this.ambiguous !== null) return 'ambiguous';
    if (hasOutput) return 'delivered';
    if (this.held) return 'held';
    if (this.ctDropped) return 'ctDropped';
    return this.controllers > 0 ? 'controller' : 'dropped';
  }
}

/**
 * What ties connections to each other, so that it cannot be modelled one by one: rules that packets make or let age, and
 * mappings that depend on who came before.
 */
function coupling(effect: Effect): UnsupportedAction | null {
  if (effect.kind === 'learn') return { rule: effect.rule, what: 'learn in a replay' };
  if (effect.kind === 'finTimeout') return { rule: effect.rule, what: 'fin_timeout in a replay' };
  if (effect.kind === 'ct' && effect.nat !== null && effect.nat.kind !== null) {
    return { rule: effect.rule, what: `ct(nat(${effect.nat.kind})) in a replay` };
  }
  return null;
}

function normalText(effect: NormalEffect): string {
  const vlan = effect.vlanTci & 0x1fff;
  const port = effect.inPort === PORT.NONE ? 'none' : effect.inPort;
  return `NORMAL(${vlan},${effect.dstHigh}:${effect.dstLow >>> 0},${port})`;
}

/** Not judged, and neither opening nor closing a window. */
export function isJudged(outcome: Outcome): boolean {
  return outcome !== 'held' && outcome !== 'unsupported' && outcome !== 'unparsed' && outcome !== 'ambiguous';
}

/** Something leaves, as far as can be said without a MAC table. */
export function hasOutput(result: PacketResult): boolean {
  return result.ports.length > 0 || result.normals.length > 0;
}
