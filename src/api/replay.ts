/** `replay`: captures, tables and the record of a restart in; every drop window with its cause out. */
import { FRAME_REASONS } from '../capture/direction.js';
import { MergedCapture } from '../capture/merge.js';
import { captureProblem } from '../capture/open.js';
import type { Classifier } from '../classify/classifier.js';
import { CompiledClassifier } from '../classify/compiled.js';
import { Scan } from '../packet/scan.js';
import { classMask } from '../replay/packetClasses.js';
import type { ShardResult } from '../replay/records.js';
import type { Restart } from '../replay/restart.js';
import { type ReplaySetup, setupRestart } from '../replay/setup.js';
import { digest } from '../report/digest.js';
import type { Naming } from '../report/fromReplay.js';
import { type Described, ReplayDescriber, ruleCount } from '../report/fromReplay.js';
import { ModelledHistograms } from '../report/histograms.js';
import { SCHEMA_VERSION } from '../report/names.js';
import type { ReplayResult } from '../report/result.js';
import type { ChannelTimings } from '../timeline/channelTimings.js';
import type { Schedule } from '../timeline/schedule.js';
import type { InputError } from '../util/errors.js';
import { formatUnixNs } from '../util/units.js';
import { TOOL } from '../util/version.js';
import { frameJudge, type NamedCapture, openCaptures } from './captures.js';
import type { CaptureTally } from './captureTally.js';
import { ForwardingTimes } from './forwardingTimes.js';
import { recordHistograms, recordTimings, serviceTime } from './histogramsOf.js';
import { makeNaming } from './naming.js';
import { cookedWarnings, readAhead } from './readAhead.js';
import { type RestartTables, readSetup, readTables, spanFrom } from './replayInputs.js';
import type { ReplayOptions, ReplayOutcome } from './replayOptions.js';
import { reportedOptions, stepLines } from './reported.js';
import { InputReader, readBridge } from './restartInputs.js';
import { runTrace } from './runTrace.js';

/** What several replays of one restart need not do anew: its tables, and what was compiled of them. */
export interface SharedTables extends RestartTables {
  readonly classifier: Classifier;
}

/** `shared`: instead of the files that `options` names for the same. */
export async function replay(options: ReplayOptions, shared?: SharedTables): Promise<ReplayOutcome> {
  const reader = new InputReader();
  const bridge = readBridge(reader, options.ports ?? [], options.bridge);
  const histograms = new ModelledHistograms();
  const forwarding = new ForwardingTimes(histograms);
  const captures = await openCaptures(options);
  const capture = new MergedCapture(captures.map(({ source }) => source));
  try {
    await capture.prime();
    const { startUnixNs } = capture;
    const onTimings = (timings: ChannelTimings) => recordTimings(histograms, timings);
    const { before, schedule, timeline } =
      shared ?? (await readTables(reader, options, bridge, spanFrom(startUnixNs), onTimings));
    const classifier = shared?.classifier ?? new CompiledClassifier(timeline);
    const { setup, warnings: ofSetup } = readSetup(reader, options, bridge, timeline, startUnixNs);
    const portOf = options.portOf === undefined ? null : reader.read(options.portOf);
    const ahead = await readAhead(options, captures, { ...options, bridge, portOf, timeline });
    const judge = frameJudge(captures, ahead.inputs);
    const scan = new Scan(capture, judge, {
      usedBits: classMask(timeline),
      verifyChecksums: options.verifyChecksums ?? false,
      keepFrames: options.verdictFrames ?? false,
      cooked: ahead.cooked,
      onEntered: forwarding.onEntered,
      onOther: forwarding.onOther,
    });
    const { found, interrupted, overBudget } = await runTrace(options, scan, setup, classifier);
    const errors = captureErrors(capture);
    const warnings = [
      ...before.warnings,
      ...schedule.warnings,
      ...timeline.warnings,
      ...ofSetup,
      ...captureWarnings(capture),
      ...cookedWarnings(ahead),
      ...(overBudget ? [`stopped at packet ${scan.packets}: more memory in use than --memory allows`] : []),
    ];
    return await describe({
      errors,
      options,
      reader,
      captures,
      scan,
      found,
      schedule,
      setup,
      histograms,
      warnings,
      interrupted,
    });
  } finally {
    // After an abort a read may still be waiting, and closing would wait for it.
    if (options.signal?.aborted !== true) await capture.close();
  }
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
  readonly captures: readonly NamedCapture<CaptureTally>[];
  readonly scan: Scan;
  readonly found: ShardResult;
  readonly schedule: Schedule;
  readonly setup: ReplaySetup;
  readonly histograms: ModelledHistograms;
  readonly warnings: readonly string[];
  readonly interrupted: boolean;
}

async function describe(done: Done): Promise<ReplayOutcome> {
  const { options, scan, found, schedule, setup, histograms } = done;
  const restart = setupRestart(setup);
  const naming = makeNaming(setup.timeline, scan.groups, setup.startUnixNs);
  const describer = new ReplayDescriber(naming, restart, schedule.fidelity === 'dumps');
  const described = describer.describe(found, setup.allFlows);
  recordHistograms(histograms, found, restart);
  const measured = serviceTime(found);
  const midstream = setup.midstream === 'strict' ? null : midstreamOf(found, naming);
  const result: ReplayResult = {
    schemaVersion: SCHEMA_VERSION,
    tool: TOOL,
    options: reportedOptions(options),
    inputs: [...done.reader.records, ...(await Promise.all(done.captures.map(({ source }) => source.record())))],
    summary: summaryOf(done, described, restart),
    steps: stepsOf(done),
    windows: described.windows,
    culprits: described.culprits,
    flows: described.flows,
    histograms: {
      modelled: histograms.toJson(),
      ...(measured === null ? {} : { measured: { serviceNs: measured.toJson() } }),
    },
    ...(described.ambiguous.length === 0 ? {} : { ambiguous: described.ambiguous }),
    ...(described.unsupported.length === 0 ? {} : { unsupported: described.unsupported }),
    ...(midstream === null ? {} : { midstream }),
    warnings: [...done.warnings, ...guesses(midstream)],
    ...(done.interrupted ? { interrupted: true } : {}),
  };
  return {
    result: { ...result, digest: digest(result) },
    histograms: histograms.encode(),
    ...(measured === null ? {} : { measured: measured.encode() }),
    errors: done.errors,
    ...(found.entries === null
      ? {}
      : { conntrack: { entries: found.entries, deleted: Object.fromEntries(found.deleted) } }),
  };
}

type MidstreamReport = NonNullable<ReplayResult['midstream']>;

/** Connections first seen in their middle. */
function midstreamOf({ midstream: { taken, guessed } }: ShardResult, naming: Naming): MidstreamReport {
  return { taken, guessed: guessed.map(({ group, originator }) => naming.endpoints(group, originator)) };
}

function guesses(midstream: MidstreamReport | null): string[] {
  const count = midstream?.guessed.length ?? 0;
  if (count === 0) return [];
  return [
    `who opened ${count} connections is a guess, since version 0 accepts a first packet from both sides or from none: ` +
      'of TCP the side with the higher port, else the one seen first (named in the JSON report)',
  ];
}

function summaryOf(
  { scan, found, schedule, setup: { timeline } }: Done,
  described: Described,
  restart: Restart,
): ReplayResult['summary'] {
  const { outcomes } = found.unjudged;
  const notReplayed: Record<string, number> = {};
  FRAME_REASONS.forEach((reason, i) => {
    const count = scan.otherCounts[i]!;
    if (i > 0 && count > 0) notReplayed[reason] = count;
  });
  const first = timeline.steps[0];
  const last = timeline.steps.at(-1);
  return {
    packets: {
      replayed: scan.packets,
      notReplayed,
      ...(outcomes.length === 0 ? {} : { outcomes: Object.fromEntries(outcomes) }),
    },
    ...described.counts,
    flooded: found.floodedCount,
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

function stepsOf({ found, setup: { timeline } }: Done): ReplayResult['steps'] {
  const { steps } = timeline;
  return {
    count: steps.length,
    first: steps[0] === undefined ? null : formatUnixNs(steps[0].t.earliest),
    last: steps.length === 0 ? null : formatUnixNs(steps.at(-1)!.t.latest),
    bundles: steps.filter((step) => step.kind === 'tables' && step.bundle).length,
    rules: { before: ruleCount(timeline, 0), after: ruleCount(timeline, 'last') },
    list: stepLines(steps, new Map(found.deleted)),
  };
}
