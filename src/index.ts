/**
 * The library: typed, promise-based functions that do what the commands do.
 * Long ones take an AbortSignal and report progress; results are plain data (see report/result.ts).
 *
 * Each function loads what it needs when it is called, so that asking for one costs nothing for the others.
 */

import type { BenchClassifierOptions, BenchReport, BenchRunOptions } from './api/bench.js';
import type { CaseFileResult } from './api/cases.js';
import type { CompareOptions } from './api/compare.js';
import type { FlowFileOptions, FlowLine, FlowsOptions, ParsedFlows } from './api/flows.js';
import type { PacketsOptions, ReadPacket } from './api/packets.js';
import type { ReplayOptions, ReplayOutcome, RunOptions } from './api/replayOptions.js';
import type { ScheduleOptions } from './api/schedule.js';
import type { TraceOptions } from './api/trace.js';
import type { TraceResult } from './api/traceResult.js';
import type { HistogramFile } from './report/histograms.js';
import type { SchemaName } from './report/names.js';
import type { CompareResult } from './report/result.js';
import type { Schedule } from './timeline/schedule.js';

export type { BenchClassifierOptions, BenchReport, BenchRunOptions } from './api/bench.js';
export type { BenchMachine, BenchRow } from './api/benchRun.js';
export type { CaseDifference, CaseFileResult } from './api/cases.js';
export type { CompareOptions } from './api/compare.js';
export type { FlowFileOptions, FlowLine, FlowsOptions, ParsedFlows } from './api/flows.js';
export type { PacketsOptions, ReadPacket } from './api/packets.js';
export type { FinalConntrack, Progress, ReplayOptions, ReplayOutcome, RunOptions } from './api/replayOptions.js';
export type { ScheduleOptions } from './api/schedule.js';
export type { TraceOptions } from './api/trace.js';
export type * from './api/traceResult.js';
export { traceText } from './api/traceText.js';
export { compareText } from './report/compareText.js';
export { canonicalJson, digest } from './report/digest.js';
export { FAIL_ON, type FailOn, holding } from './report/failOn.js';
export type { HistogramFile } from './report/histograms.js';
export { jsonText } from './report/json.js';
export { KINDS, MODELLED, OUTCOMES, SCHEMA_NAMES, SCHEMA_VERSION, type SchemaName } from './report/names.js';
export type * from './report/result.js';
export { type TextOptions, textReport } from './report/text.js';
export type { Schedule } from './timeline/schedule.js';
export { DefectError, InputError, type Place, UnsupportedError, UsageError } from './util/errors.js';

/**
 * The packets of one capture (`-`: standard input), in the order of the file. What can be read is given first; then
 * InputError where the file is damaged or no capture. One that is merely cut at its end is a warning.
 */
export async function* packets(path: string, options?: PacketsOptions): AsyncGenerator<ReadPacket> {
  yield* (await import('./api/packets.js')).packets(path, options);
}

/** Flow text or a dump, line by line; a bad line is an entry of `errors`, the rest is read all the same. */
export async function parseFlows(text: string, options?: FlowsOptions): Promise<ParsedFlows> {
  return (await import('./api/flows.js')).parseFlows(text, options);
}

/** The same of a file, `-` is standard input. */
export async function readFlows(path: string, options?: FlowFileOptions): Promise<ParsedFlows> {
  return (await import('./api/flows.js')).readFlows(path, options);
}

/** A flow as `dropwindow flows --json` prints it. */
export async function flowToJson(flow: FlowLine): Promise<Record<string, unknown>> {
  return (await import('./api/flows.js')).flowToJson(flow);
}

/** A restart out of whatever recorded it. InputError for a bad file, UsageError where the sources do not fit together. */
export async function loadRestart(options: ScheduleOptions): Promise<Schedule> {
  return (await import('./api/schedule.js')).loadRestart(options);
}

/**
 * Replays captures through the tables before a restart and the restart itself. InputError and UsageError for what cannot be
 * read; an aborted run gives what was done so far, marked `interrupted`.
 */
export async function replay(options: ReplayOptions): Promise<ReplayOutcome> {
  return (await import('./api/replay.js')).replay(options);
}

/** One packet, of a trace or as flow text, explained rule by rule in each world. InputError and UsageError as `replay`. */
export async function trace(options: TraceOptions): Promise<TraceResult> {
  return (await import('./api/trace.js')).trace(options);
}

/** A schedule as NDJSON, which reads back the same. */
export async function writeSchedule(schedule: Schedule): Promise<string> {
  return (await import('./timeline/scheduleNdjson.js')).writeSchedule(schedule);
}

/** Runs every case of a file (JSON Lines, `-`: standard input). InputError where the file is none of cases. */
export async function testCases(path: string): Promise<CaseFileResult> {
  return (await import('./api/cases.js')).testCases(path);
}

/** A saved result held against what was seen. InputError where its inputs are missing or others. */
export async function compare(path: string, options: CompareOptions): Promise<CompareResult> {
  return (await import('./api/compare.js')).compare(path, options);
}

/** The histograms of a replay as files: .hgrm, .hlog and JSON each. */
export async function histogramFiles({ result, histograms, measured }: ReplayOutcome): Promise<HistogramFile[]> {
  const times = result.inputs.flatMap(({ first, last }) => [first, last]).filter((t) => t != null);
  const seconds = times.map(Number);
  const [from, to] = seconds.length === 0 ? [0, 0] : [Math.min(...seconds), Math.max(...seconds)];
  return (await import('./report/histograms.js')).histogramFiles(histograms, measured, from, to);
}

/** The demo incident told in words. */
export async function demo(options?: RunOptions): Promise<string> {
  return (await import('./api/demo.js')).demo(options);
}

/** Folder with the files of the demo incident. */
export async function incidentFolder(): Promise<string> {
  return (await import('./api/demo.js')).INCIDENT;
}

/** The JSON Schema of a result or of a line of a format. */
export async function jsonSchema(name: SchemaName): Promise<Record<string, unknown>> {
  return (await import('./report/schemas.js')).jsonSchema(name);
}

/** Classifiers on a filter set or OpenFlow tables, each in a process of its own. UsageError for options that do not fit together. */
export async function benchClassifier(options: BenchClassifierOptions): Promise<BenchReport> {
  return (await import('./api/bench.js')).benchClassifier(options);
}

/** Captures to headers and connection numbers, by both readers. */
export async function benchScan(captures: readonly string[], options?: BenchRunOptions): Promise<BenchReport> {
  return (await import('./api/bench.js')).benchScan(captures, options);
}

/** The whole replay, reading included. */
export async function benchReplay(replayed: ReplayOptions, options?: BenchRunOptions): Promise<BenchReport> {
  return (await import('./api/bench.js')).benchReplay(replayed, options);
}

/** A benchmark report as text or Markdown. */
export async function benchText(report: BenchReport, markdown = false): Promise<string> {
  return (await import('./api/benchText.js')).benchText(report, markdown);
}
