/** `trace`: one packet, at one version, rule by rule, in each world. */
import { MergedCapture } from '../capture/merge.js';
import { parseCtState } from '../cases/ctState.js';
import type { Classifier } from '../classify/classifier.js';
import { CompiledClassifier } from '../classify/compiled.js';
import { CtStore } from '../conntrack/store.js';
import { Tracker } from '../conntrack/tracker.js';
import { formatFlowKey } from '../fields/packetText.js';
import { parseTraceFlow } from '../openflow/traceFlow.js';
import type { PipelineEnv } from '../pipeline/env.js';
import { MacTable } from '../pipeline/mac.js';
import { runPacket } from '../pipeline/packetRun.js';
import { possibleOutcomes } from '../replay/outcomes.js';
import { PacketClasses } from '../replay/packetClasses.js';
import type { PacketResult } from '../replay/packetResult.js';
import { PacketClass } from '../replay/passes.js';
import { ACTUAL, AFTER, BEFORE, type Restart, versionOf, type World } from '../replay/restart.js';
import { makeEnv, type ReplaySetup, setupRestart } from '../replay/setup.js';
import { WorldRunner } from '../replay/worldRun.js';
import { SCHEMA_VERSION } from '../report/names.js';
import type { Timeline } from '../timeline/timeline.js';
import { UsageError } from '../util/errors.js';
import { parseTime, type TraceSpan } from '../util/time.js';
import { formatUnixNs } from '../util/units.js';
import { TOOL } from '../util/version.js';
import { frameJudge, openCaptures } from './captures.js';
import { readAhead } from './readAhead.js';
import { type InputOptions, readSetup, readTables, spanFrom } from './replayInputs.js';
import { type ReachedPacket, replayTo } from './replayTo.js';
import { type Bridge, InputReader, readBridge } from './restartInputs.js';
import type { TraceResult, TraceWorld } from './traceResult.js';
import { TreeBuilder } from './traceTree.js';
import { NormalOutputs, WorldTeller } from './traceWorlds.js';

/** What `replay` is given, and which packet. */
export interface TraceOptions extends InputOptions {
  readonly captures?: readonly string[];
  /** Number of a replayed packet, from 1. */
  readonly packet?: number;
  /** Or a packet as flow text, as `ofproto/trace` takes it. */
  readonly flow?: string;
  /** ct_state that each ct(table=) in turn leads to; default `trk|new`, of a replayed packet what its connection shows. */
  readonly ctNext?: readonly string[];
  /** The tables of this version, or at this time, instead of the packet's own. */
  readonly version?: number;
  readonly at?: string;
}

const WORLD_NAMES: Readonly<Record<World, TraceWorld['world']>> = {
  [ACTUAL]: 'actual',
  [BEFORE]: 'before',
  [AFTER]: 'after',
};

/** UsageError for options that do not fit together, InputError for files that cannot be read and for flow text. */
export async function trace(options: TraceOptions): Promise<TraceResult> {
  const { packet, flow, version, at } = options;
  if ((packet === undefined) === (flow === undefined)) {
    throw new UsageError('what is to be traced?', 'give --packet N and captures, or one FLOW');
  }
  if (version !== undefined && at !== undefined) throw new UsageError('--version and --at say the same: give one');
  return flow === undefined ? tracePacket(options, packet!) : traceFlow(options, flow);
}

async function tracePacket(options: TraceOptions, number: number): Promise<TraceResult> {
  if (options.ctNext !== undefined) {
    throw new UsageError('--ct-next is for a FLOW', 'of a replayed packet the connection is known');
  }
  const captures = await openCaptures({ ...options, captures: options.captures ?? [] });
  const capture = new MergedCapture(captures.map(({ source }) => source));
  try {
    await capture.prime();
    const { startUnixNs } = capture;
    const stage = await setUp(options, spanFrom(startUnixNs));
    const { setup, classifier, bridge, timeline, reader } = stage;
    const portOf = options.portOf === undefined ? null : reader.read(options.portOf);
    const { inputs, cooked } = await readAhead(options, captures, { ...options, bridge, portOf, timeline });
    const judge = frameJudge(captures, inputs);
    const verify = options.verifyChecksums ?? false;
    const reached = await replayTo(number, capture, judge, cooked, setup, classifier, verify, options.signal);
    const restart = setupRestart(setup);
    const version = chosenVersion(options, stage) ?? reached.version;
    const worlds: World[] = timeline.steps.length === 0 ? [ACTUAL] : [ACTUAL, BEFORE, AFTER];
    return {
      ...heading(stage),
      packet: {
        n: number,
        file: captures[reached.file]!.source.name,
        frame: reached.frame,
        t: formatUnixNs(startUnixNs + BigInt(reached.tNs)),
        version: reached.version,
      },
      flow: formatFlowKey(reached.key),
      worlds: worlds.map((world) => packetInWorld(stage, reached, world, versionOf(restart, world, version))),
    };
  } finally {
    await capture.close();
  }
}

function packetInWorld({ env, setup }: Stage, reached: ReachedPacket, world: World, version: number): TraceWorld {
  const { key, info, tNs } = reached;
  const store = reached.stores[world]!;
  const observer = new TreeBuilder(env.ruleAt);
  const tracker = new Tracker(setup.conntrack, setup.tracker);
  const { viewBits } = new PacketClasses(setup.timeline);
  const watched = new WorldRunner({ ...env, observer }, tracker, viewBits, false);
  const result = watched.run(new PacketClass(key), key, info, version, tNs, store.clone());
  const ports = new NormalOutputs(reached.macs[world]!, tNs, true);
  const teller = new WorldTeller(env);
  const either =
    result.ambiguous === null
      ? []
      : possibleOutcomes(new WorldRunner(env, tracker, viewBits, false), { key, info, tNs, store }, version);
  return teller.tell({
    world: WORLD_NAMES[world],
    version,
    passes: observer.passes,
    ports,
    ctFrom: () => 'replay',
    ...outcomeOf(result, ports),
    controller: result.controllers,
    unsupported: result.unsupported?.what ?? null,
    either: either.map((each) => ({
      ...outcomeOf(each.result, ports),
      rule: each.rule === null || each.rule < 0 ? null : teller.rule(each.rule),
    })),
  });
}

function outcomeOf(result: PacketResult, normal: NormalOutputs): { outcome: string; out: number[] } {
  const out = [...result.ports, ...result.normals.flatMap((effect) => normal.of(effect))].sort((a, b) => a - b);
  const isOpen = result.outcome === 'dropped' || result.outcome === 'controller' || result.outcome === 'held';
  return { outcome: isOpen && out.length > 0 ? 'delivered' : result.outcome, out };
}

async function traceFlow(options: TraceOptions, flow: string): Promise<TraceResult> {
  if ((options.captures ?? []).length > 0) throw new UsageError('a FLOW needs no capture', 'or is --packet N missing?');
  const stage = await setUp(options, null);
  const { bridge, timeline } = stage;
  const key = parseTraceFlow(flow, bridge.names);
  const ctNext = (options.ctNext ?? []).map(parseCtState);
  const last = timeline.lastVersion;
  const chosen = chosenVersion(options, stage);
  const worlds: [World, number][] =
    chosen === null
      ? last === 0
        ? [[BEFORE, 0]]
        : [
            [BEFORE, 0],
            [AFTER, last],
          ]
      : [[ACTUAL, chosen]];
  return {
    ...heading(stage),
    packet: null,
    flow: formatFlowKey(key),
    worlds: worlds.map(([world, version]) => flowInWorld(stage, key, ctNext, world, version)),
  };
}

function flowInWorld(
  { env, setup }: Stage,
  key: Int32Array,
  ctNext: readonly number[],
  world: World,
  version: number,
): TraceWorld {
  const observer = new TreeBuilder(env.ruleAt);
  const macs = new MacTable(env.ports, env.config);
  const nothing = (): void => {};
  const live = { env: { ...env, observer }, macs, version: () => version, learn: nothing, finTimeout: nothing };
  const verdict = runPacket(
    {
      bridges: new Map([[env.bridge, live]]),
      tracker: new Tracker(setup.conntrack, setup.tracker),
      store: new CtStore(),
    },
    { bridge: env.bridge, key, frame: null, originalBytes: 0, ctNext },
    0,
  );
  return new WorldTeller(env).tell({
    world: WORLD_NAMES[world],
    version,
    passes: observer.passes,
    ports: new NormalOutputs(macs, 0, false),
    ctFrom: (fork) => (fork < ctNext.length ? 'ct-next' : 'default'),
    outcome: verdict.outcome,
    out: verdict.outputs.map(({ port }) => port).sort((a, b) => a - b),
    controller: verdict.controller,
    unsupported: verdict.unsupported?.what ?? null,
    either: [],
  });
}

interface Stage {
  readonly reader: InputReader;
  readonly bridge: Bridge;
  readonly timeline: Timeline;
  readonly setup: ReplaySetup;
  readonly classifier: Classifier;
  readonly restart: Restart;
  readonly span: TraceSpan | null;
  /** One bridge is modelled: its patch ports are its edge. */
  readonly env: PipelineEnv;
  readonly warnings: readonly string[];
}

/** `span` null: there is no trace. */
async function setUp(options: TraceOptions, span: TraceSpan | null): Promise<Stage> {
  const reader = new InputReader();
  const bridge = readBridge(reader, options.ports ?? [], options.bridge);
  const { before, schedule, timeline } = await readTables(reader, options, bridge, span);
  const { setup, warnings } = readSetup(reader, options, bridge, timeline, span?.first ?? 0n);
  const classifier = new CompiledClassifier(timeline);
  const edges = bridge.ports.map(({ peer: _, ...port }) => port);
  return {
    reader,
    bridge,
    timeline,
    setup,
    classifier,
    restart: setupRestart(setup),
    span,
    env: makeEnv(timeline, edges, setup.bridge, classifier),
    warnings: [...before.warnings, ...schedule.warnings, ...timeline.warnings, ...warnings],
  };
}

/** As `--version` or `--at` says; null: neither is given. A step at a time acts before what happens at it. */
function chosenVersion({ version, at }: TraceOptions, { timeline, span }: Stage): number | null {
  if (at !== undefined) {
    const unixNs = parseTime(at, span);
    return timeline.steps.filter(({ t }) => t.earliest <= unixNs).length;
  }
  if (version === undefined) return null;
  if (version > timeline.lastVersion) {
    throw new UsageError(`there is no version ${version}`, `the last one is ${timeline.lastVersion}`);
  }
  return version;
}

function heading({
  env,
  bridge,
  timeline,
  warnings,
}: Stage): Pick<TraceResult, 'schemaVersion' | 'tool' | 'bridge' | 'portNames' | 'steps' | 'warnings'> {
  return {
    schemaVersion: SCHEMA_VERSION,
    tool: TOOL,
    bridge: env.bridge,
    portNames: Object.fromEntries(bridge.names.byNumber),
    steps: timeline.steps.map(({ t }) => formatUnixNs(t.earliest)),
    warnings,
  };
}
