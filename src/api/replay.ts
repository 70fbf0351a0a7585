/** `replay`: captures, tables and the record of a restart in; every drop window with its cause out. */
import { FRAME_REASONS } from '../capture/direction.js';
import { MergedCapture } from '../capture/merge.js';
import { captureProblem } from '../capture/open.js';
import type { Classifier } from '../classify/classifier.js';
import { formatEntry } from '../conntrack/text.js';
import type { ParsedDump } from '../openflow/dumpText.js';
import { Scan } from '../packet/scan.js';
import { ReplayEngine } from '../replay/engine.js';
import { classMask } from '../replay/packetClasses.js';
import { planRestart, type Restart } from '../replay/restart.js';
import { TraceReplay } from '../replay/trace.js';
import { digest } from '../report/digest.js';
import type { Naming } from '../report/fromReplay.js';
import { type Described, ReplayDescriber, ruleCount } from '../report/fromReplay.js';
import { ModelledHistograms } from '../report/histograms.js';
import { SCHEMA_VERSION } from '../report/names.js';
import type { ReplayResult } from '../report/result.js';
import type { Schedule } from '../timeline/schedule.js';
import type { Timeline } from '../timeline/timeline.js';
import type { InputError } from '../util/errors.js';
import { formatUnixNs } from '../util/units.js';
import { TOOL } from '../util/version.js';
import { frameJudge, type NamedCapture, openCaptures } from './captures.js';
import { recordHistograms } from './histogramsOf.js';
import { makeNaming } from './naming.js';
import { makeEnv, makeTracker, readEntries, readTimeline } from './replayInputs.js';
import type { FinalConntrack, ReplayOptions, ReplayOutcome } from './replayOptions.js';
import { reportedOptions, stepLines } from './reported.js';
import { InputReader, readBridge, readDump, readRestart } from './restartInputs.js';
import { VerdictLines } from './verdictLines.js';

const DAY_NS = 86_400_000_000_000n;
/** Verdict lines are handed over in pieces of about this size. */
const PIECE_CHARS = 1 << 20;

/** What several replays of one restart need not do anew: its dump and steps, the tables of all versions, what was compiled of them. */
export interface SharedTables {
  readonly before: ParsedDump;
  readonly schedule: Schedule;
  readonly timeline: Timeline;
  readonly classifier: Classifier;
}

/** `shared`: instead of the files that `options` names for the same. */
export async function replay(options: ReplayOptions, shared?: SharedTables): Promise<ReplayOutcome> {
  const reader = new InputReader();
  const bridge = readBridge(reader, options.ports ?? [], options.bridge);
  const before = shared?.before ?? readDump(reader, options.before, bridge.names);
  const captures = await openCaptures(options);
  const capture = new MergedCapture(captures.map(({ source }) => source));
  try {
    await capture.prime();
    const startUnixNs = capture.startUnixNs;
    // The trace's end is not known before it is read: times of day may lie within a day of its start.
    const span = { first: startUnixNs, last: startUnixNs + DAY_NS };
    const schedule = shared?.schedule ?? (await readRestart(reader, options, bridge, before.rules, span));
    const timeline = shared?.timeline ?? readTimeline(reader, options, bridge, before.rules, schedule);
    const restart = planRestart(timeline, (unixNs) => Number(unixNs - startUnixNs), options.judge ?? 'auto');
    const made = makeEnv(timeline, bridge, options.bridge ?? 'br-int');
    const env = shared === undefined ? made : { ...made, classifier: shared.classifier };
    const tracker = makeTracker(options);
    const entries = readEntries(reader, options.conntrackBefore, tracker);
    const engine = new ReplayEngine(restart, env, tracker, {
      reuse: options.reuse ?? true,
      resolveAll: options.onVerdicts !== undefined,
      midstream: options.midstream ?? 'strict',
      entries: entries?.entries ?? [],
    });
    const portOf = options.portOf === undefined ? null : reader.read(options.portOf);
    const judge = frameJudge(captures, { ...options, bridge, portOf, timeline });
    const scan = new Scan(capture, judge, {
      usedBits: classMask(timeline),
      verifyChecksums: options.verifyChecksums ?? false,
    });
    const interrupted = await runTrace(options, scan, engine, timeline, startUnixNs);
    const errors = captureErrors(capture);
    engine.finish();
    const warnings = [
      ...before.warnings,
      ...schedule.warnings,
      ...timeline.warnings,
      ...(entries?.warnings ?? []),
      ...captureWarnings(capture),
    ];
    return await describe({
      errors,
      options,
      reader,
      captures,
      capture,
      scan,
      engine,
      schedule,
      timeline,
      restart,
      startUnixNs,
      warnings,
      interrupted,
    });
  } finally {
    // After an abort a read may still be waiting, and closing would wait for it.
    if (options.signal?.aborted !== true) await capture.close();
  }
}

/** True: interrupted before the end. */
async function runTrace(
  options: ReplayOptions,
  scan: Scan,
  engine: ReplayEngine,
  timeline: Timeline,
  startUnixNs: bigint,
): Promise<boolean> {
  const trace = new TraceReplay(engine, scan.variants);
  const lines =
    options.onVerdicts === undefined ? null : new VerdictLines(makeNaming(timeline, scan.groups, startUnixNs));
  let text = '';
  for await (const chunk of scan.chunks()) {
    trace.take(
      chunk,
      lines === null
        ? null
        : (verdict, judgement, table, row) => {
            text += lines.lines(verdict, judgement, table, row);
          },
    );
    if (text.length > PIECE_CHARS) {
      await options.onVerdicts?.(text);
      text = '';
    }
    options.onProgress?.({ what: 'packets', done: scan.frames, total: null });
    if (options.signal?.aborted === true) return true;
  }
  if (text !== '') await options.onVerdicts?.(text);
  return false;
}

/** Captures that broke off: what was read of them counts. One of which nothing could be read ends the run. */
function captureErrors(capture: MergedCapture): InputError[] {
  const errors: InputError[] = [];
  for (const source of capture.sources) {
    const problem = captureProblem(source);
    if (problem?.severity !== 'error') continue;
    if (source.end?.packets === 0) throw problem.error;
    errors.push(problem.error);
  }
  return errors;
}

function captureWarnings(capture: MergedCapture): string[] {
  const warnings: string[] = [];
  for (const source of capture.sources) {
    const problem = captureProblem(source);
    if (problem !== null) warnings.push(problem.error.format());
  }
  if (capture.clamped > 0)
    warnings.push(`${capture.clamped} time stamps ran backwards inside a file: taken as the latest before`);
  if (capture.untimed > 0) warnings.push(`${capture.untimed} packets have no time stamp and were not replayed`);
  return warnings;
}

interface Done {
  readonly errors: readonly InputError[];
  readonly options: ReplayOptions;
  readonly reader: InputReader;
  readonly captures: readonly NamedCapture[];
  readonly capture: MergedCapture;
  readonly scan: Scan;
  readonly engine: ReplayEngine;
  readonly schedule: Schedule;
  readonly timeline: Timeline;
  readonly restart: Restart;
  readonly startUnixNs: bigint;
  readonly warnings: readonly string[];
  readonly interrupted: boolean;
}

async function describe(done: Done): Promise<ReplayOutcome> {
  const { options, scan, engine, schedule, timeline, restart, startUnixNs } = done;
  const naming = makeNaming(timeline, scan.groups, startUnixNs);
  const describer = new ReplayDescriber(naming, restart, schedule.fidelity === 'dumps');
  const described = describer.describe(engine.walker.connections, options.allFlows ?? false);
  const histograms = new ModelledHistograms();
  recordHistograms(histograms, engine, restart);
  const midstream = midstreamOf(engine, naming);
  const result: ReplayResult = {
    schemaVersion: SCHEMA_VERSION,
    tool: TOOL,
    options: reportedOptions(options),
    inputs: [...done.reader.records, ...(await Promise.all(done.captures.map(({ source }) => source.record())))],
    summary: summaryOf(done, described),
    steps: stepsOf(done),
    windows: described.windows,
    culprits: described.culprits,
    flows: described.flows,
    histograms: { modelled: histograms.toJson() },
    ...(midstream === null ? {} : { midstream }),
    warnings: [...done.warnings, ...guesses(midstream)],
    ...(done.interrupted ? { interrupted: true } : {}),
  };
  return {
    result: { ...result, digest: digest(result) },
    histograms: histograms.encode(),
    errors: done.errors,
    ...(options.entries === true ? { conntrack: finalConntrack(engine) } : {}),
  };
}

type MidstreamReport = NonNullable<ReplayResult['midstream']>;

/** Connections first seen in their middle; null: left to the tracker. */
function midstreamOf(engine: ReplayEngine, naming: Naming): MidstreamReport | null {
  const { midstream } = engine;
  if (midstream === null) return null;
  const groups = engine.groupStates();
  const guessed = [...midstream.guessed].map((number) =>
    naming.endpoints(number, groups[number]?.midstream?.originator ?? 0),
  );
  return { taken: midstream.taken, guessed };
}

function guesses(midstream: MidstreamReport | null): string[] {
  const count = midstream?.guessed.length ?? 0;
  if (count === 0) return [];
  return [
    `who opened ${count} connections is a guess, since version 0 accepts a first packet from both sides or from none: ` +
      'of TCP the side with the higher port, else the one seen first (named in the JSON report)',
  ];
}

function finalConntrack(engine: ReplayEngine): FinalConntrack {
  const entries = engine.finalEntries().map((entry) => formatEntry(entry));
  return { entries: entries.sort(), deleted: Object.fromEntries(engine.walker.deletedByStep) };
}

function summaryOf({ scan, engine, schedule, restart, timeline }: Done, described: Described): ReplayResult['summary'] {
  const notReplayed: Record<string, number> = {};
  FRAME_REASONS.forEach((reason, i) => {
    const count = scan.otherCounts[i]!;
    if (i > 0 && count > 0) notReplayed[reason] = count;
  });
  const first = timeline.steps[0];
  const last = timeline.steps.at(-1);
  return {
    packets: { replayed: scan.packets, notReplayed },
    ...described.counts,
    flooded: engine.windows.floodedCount,
    restart:
      first === undefined || last === undefined
        ? null
        : {
            from: formatUnixNs(first.t.earliest),
            to: formatUnixNs(last.t.latest),
            ns: Number(last.t.latest - first.t.earliest),
          },
    judge: restart.judgeBefore ? 'before' : 'both',
    fidelity: schedule.fidelity,
    unfinished: restart.unfinished,
  };
}

function stepsOf({ timeline, engine }: Done): ReplayResult['steps'] {
  const { steps } = timeline;
  return {
    count: steps.length,
    first: steps[0] === undefined ? null : formatUnixNs(steps[0].t.earliest),
    last: steps.length === 0 ? null : formatUnixNs(steps.at(-1)!.t.latest),
    bundles: steps.filter((step) => step.kind === 'tables' && step.bundle).length,
    rules: { before: ruleCount(timeline, 0), after: ruleCount(timeline, 'last') },
    list: stepLines(steps, engine.walker.deletedByStep),
  };
}
