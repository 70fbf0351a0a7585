/** What a shard is made from: plain values, so that a thread can be given them. */
import type { BridgePort } from '../capture/ports.js';
import type { Classifier } from '../classify/classifier.js';
import { parseEntries } from '../conntrack/parseEntries.js';
import { Tracker, type TrackerOptions } from '../conntrack/tracker.js';
import { PORT } from '../fields/key.js';
import { DEFAULT_BRIDGE_CONFIG, type PipelineEnv, type PipelinePort, type VlanMode } from '../pipeline/env.js';
import type { Timeline } from '../timeline/timeline.js';
import { ReplayEngine } from './engine.js';
import { type Judge, planRestart, type Restart } from './restart.js';

export interface ReplaySetup {
  readonly timeline: Timeline;
  /** Unix time of time 0 of the trace. */
  readonly startUnixNs: bigint;
  readonly judge: Judge;
  readonly bridge: string;
  readonly ports: readonly BridgePort[];
  /** Profile of the tracker. */
  readonly conntrack: string;
  readonly tracker: TrackerOptions;
  /** Text of `--conntrack-before`; null: none. */
  readonly entries: { readonly name: string; readonly text: string } | null;
  readonly midstream: 'established' | 'strict';
  readonly reuse: boolean;
  /** Every packet is told of, not only what differs. */
  readonly tellAll: boolean;
  /** Flows without anything to tell, too. */
  readonly allFlows: boolean;
  /** Conntrack entries at the end, too. */
  readonly finalEntries: boolean;
  /** Measure the time per packet. */
  readonly profile: boolean;
  /** Rewritten frames are told of. */
  readonly frames: boolean;
}

export function setupRestart({ timeline, startUnixNs, judge }: ReplaySetup): Restart {
  return planRestart(timeline, (unixNs) => Number(unixNs - startUnixNs), judge);
}

export function setupEngine(setup: ReplaySetup, classifier: Classifier): ReplayEngine {
  const { timeline, conntrack, tracker: options, entries, midstream, reuse, frames } = setup;
  const tracker = new Tracker(conntrack, options);
  const known = entries === null ? [] : parseEntries(entries.text, entries.name, tracker, 0).entries;
  const env = makeEnv(timeline, setup.ports, setup.bridge, classifier);
  return new ReplayEngine(setupRestart(setup), env, tracker, { reuse, frames, midstream, entries: known });
}

export function makeEnv(
  timeline: Timeline,
  bridgePorts: readonly BridgePort[],
  name: string,
  classifier: Classifier,
): PipelineEnv {
  const ports = new Map(bridgePorts.map((port) => [port.ofport, pipelinePort(port)]));
  // Every bridge has its own internal port, a trunk of all VLANs, listed or not.
  if (!ports.has(PORT.LOCAL)) ports.set(PORT.LOCAL, pipelinePort({ name, ofport: PORT.LOCAL }));
  return {
    bridge: name,
    classifier,
    ruleAt: (index) => timeline.rules[index]!.rule,
    ports,
    groups: new Map(),
    config: DEFAULT_BRIDGE_CONFIG,
  };
}

function pipelinePort(port: BridgePort): PipelinePort {
  return {
    name: port.name,
    ofport: port.ofport,
    tag: port.tag ?? null,
    trunks: port.trunks ?? null,
    vlanMode: (port.vlanMode as VlanMode | undefined) ?? null,
    peer: port.peer ?? null,
    noFlood: false,
    noForward: false,
  };
}
