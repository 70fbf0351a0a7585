/** The switch that packets run through one after the other (packetRun.ts), as it is now. */
import type { CtStore } from '../conntrack/store.js';
import type { Tracker } from '../conntrack/tracker.js';
import type { FinTimeoutEffect, LearnEffect } from './effects.js';
import type { PipelineEnv } from './env.js';
import type { MacTable } from './mac.js';

/** One bridge as it is now. */
export interface LiveBridge {
  readonly env: PipelineEnv;
  readonly macs: MacTable;
  /** Version of the tables that a pass reads. */
  version(): number;
  /** learn acts on the tables. */
  learn(effect: LearnEffect, nowNs: number): void;
  finTimeout(effect: FinTimeoutEffect, nowNs: number): void;
}

/** Bridges of one datapath, joined by patch ports; one conntrack for all. */
export interface LiveSwitch {
  readonly bridges: ReadonlyMap<string, LiveBridge>;
  readonly tracker: Tracker;
  readonly store: CtStore;
}
