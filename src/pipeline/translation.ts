/**
 * One pass under way: what all its actions read and change (ofproto-dpif-xlate.c:struct xlate_ctx). pass.ts runs the lists;
 * the actions whose rules fill a page stand in files of their own (outputAction.ts, ctAction.ts, groupAction.ts, branches.ts,
 * actionSet.ts, freezing.ts) as functions of a translation.
 */
import { K, KEY_WORDS, PORT } from '../fields/key.js';
import type { Step } from './compile.js';
import type { Effect, Frozen, UnsupportedAction } from './effects.js';
import type { PassObserver, PipelineEnv } from './env.js';
import { PassLookups } from './passLookups.js';
import { PassPacket } from './passPacket.js';

/** ofproto-dpif-xlate.c:MAX_DEPTH, MAX_RESUBMITS; 64 kB of stack and of actions. */
export const MAX_DEPTH = 64;
export const MAX_RESUBMITS = 64 * 64;
const MAX_STACK_BYTES = 65536;

/** An error that a group's bucket keeps to itself. */
export const TOO_MANY_LABELS = 'more MPLS labels than Open vSwitch holds';

/** Where a pass begins. */
export interface PassStart {
  readonly table: number;
  /** After recirculation; null: a packet that has just entered the bridge. */
  readonly frozen: Frozen | null;
  readonly depth: number;
  readonly resubmits: number;
  /** Answers to give instead of the classifier's, by position in `lookups`: the other outcome of an ambiguous lookup. */
  readonly forced: ReadonlyMap<number, number> | null;
  /** Through a patch port after the last label was popped: nothing is looked up before the packet is parsed again. */
  readonly wasMpls: boolean;
}

export const ENTRY: PassStart = { table: 0, frozen: null, depth: 0, resubmits: 0, forced: null, wasMpls: false };

/** A pass runs to its end before the next one begins, and what it hands out are copies. */
const SCRATCH_FLOW = new Int32Array(KEY_WORDS);
const SCRATCH_BASE = new Int32Array(KEY_WORDS);

export abstract class Translation {
  readonly env: PipelineEnv;
  readonly start: PassStart;
  readonly observer: PassObserver | null;
  readonly lookups: PassLookups;
  packet: PassPacket;
  /** Of the list being filled: the pass's own, or that of a branch (branches.ts). */
  effects: Effect[] = [];
  unsupported: UnsupportedAction | null = null;
  error: string | null = null;

  /** Where the list being run stands; `rule` is -1 if in none. */
  table: number;
  rule = -1;
  depth: number;
  resubmits: number;
  /** The lists being run end here. */
  exit = false;
  actionSet: Step[] = [];
  actionSetHasGroup = false;
  /** The packet will recirculate and go on with `frozenSteps`. */
  freezing = false;
  frozenSteps: Step[] = [];
  /** The recirculation is for the datapath's hash. */
  needsHash = false;

  constructor(env: PipelineEnv, key: Int32Array, version: number, start: PassStart) {
    this.env = env;
    this.start = start;
    this.observer = env.observer ?? null;
    this.lookups = new PassLookups(env, version, start.forced);
    this.packet = new PassPacket(key, SCRATCH_FLOW, SCRATCH_BASE);
    this.packet.flow[K.actset_output] = PORT.UNSET;
    this.table = start.table;
    this.depth = start.depth;
    this.resubmits = start.resubmits;
  }

  /** Runs a list. `isLast`: nothing of the pass follows it, so a clone at its end needs no copy of the packet. */
  abstract runSteps(steps: readonly Step[], isLast: boolean): void;

  /** Looks up in a table as if the packet had come from `inPort`, and runs the rule's list. */
  abstract runTable(inPort: number, table: number, withCt: boolean, isLast: boolean): void;

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  /** OVS goes on here and this engine cannot: what follows is not judged. */
  stopUnsupported(what: string): void {
    this.unsupported ??= { rule: this.rule, what };
    this.exit = true;
  }

  /** xlate_resubmit_resource_check */
  mayDescend(): boolean {
    if (this.depth >= MAX_DEPTH) this.error = `over max translation depth ${MAX_DEPTH}`;
    else if (this.resubmits >= MAX_RESUBMITS) this.error = `over ${MAX_RESUBMITS} resubmit actions`;
    else if (this.packet.stackBytes >= MAX_STACK_BYTES) this.error = 'resubmits yielded over 64 kB of stack';
    return this.error === null;
  }
}
