/**
 * A prediction held against what was seen. The result's own replay is run again from its inputs, whose digests must be
 * those of the result, so that every packet's fate is known, not only what the report lists.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { MergedCapture } from '../capture/merge.js';
import { openCapture } from '../capture/open.js';
import { SCHEMA_VERSION } from '../report/names.js';
import { type CompareResult, type Input, type ReplayResult, replayResult } from '../report/result.js';
import { unixNs } from '../report/words.js';
import { InputError, UsageError } from '../util/errors.js';
import { readInputFile, textOf } from '../util/inputFile.js';
import { formatUnixNs } from '../util/units.js';
import { TOOL } from '../util/version.js';
import { openCaptures } from './captures.js';
import { sha256OfFile } from './captureTally.js';
import { compareEntries } from './compareEntries.js';
import { readFrames, type Verdict } from './frameEvidence.js';
import { type Mismatch, matchFrames } from './matchFrames.js';
import { readAhead } from './readAhead.js';
import { replay } from './replay.js';
import { readTables, spanFrom } from './replayInputs.js';
import type { ReplayOptions, RunOptions } from './replayOptions.js';
import { isFileList, isFileOption } from './reported.js';
import { InputReader, readBridge } from './restartInputs.js';

export interface CompareOptions extends RunOptions {
  /** Captures in which frames leave the bridge (those of the result, or others), or one dump of conntrack entries. */
  readonly observed: readonly string[];
  /** Where the result's inputs lie; default: the working folder, then the folder of the result. */
  readonly inputs?: string;
}

/** InputError where a file is missing or is not the one that the result was made from. */
export async function compare(path: string, options: CompareOptions): Promise<CompareResult> {
  const result = readResult(path);
  const again = optionsOf(result, path, options);
  const head = {
    schemaVersion: SCHEMA_VERSION,
    tool: TOOL,
    options: { observed: options.observed.map((file) => basename(file)) },
    inputs: result.inputs,
  } as const;
  if (options.observed.length === 0) throw new UsageError('nothing was observed', 'give --observed');
  const isCapture = await Promise.all(options.observed.map(looksLikeCapture));
  if (isCapture.every((is) => is)) return { ...head, ...(await compareFrames(result, again, options)) };
  if (options.observed.length > 1) throw new UsageError('captures and one dump of conntrack entries cannot be mixed');
  const outcome = await replay({ ...again, entries: true });
  return {
    ...head,
    ...compareEntries(outcome.conntrack!.entries, readInputFile(options.observed[0]!), again.conntrack),
  };
}

function readResult(path: string): ReplayResult {
  const file = readInputFile(path);
  let value: unknown;
  try {
    value = JSON.parse(textOf(file));
  } catch (error) {
    throw new InputError(`not JSON: ${(error as Error).message}`, { file: file.name });
  }
  const parsed = replayResult.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path: where, message } = parsed.error.issues[0]!;
  throw new InputError(
    `no result of replay: ${where.join('.')}: ${message}`,
    { file: file.name },
    'it is what replay --format json writes',
  );
}

/** The options that the result was made with, its files found again. */
function optionsOf(result: ReplayResult, path: string, { inputs, signal, onProgress }: CompareOptions): ReplayOptions {
  const folders = inputs === undefined ? ['.', dirname(path)] : [inputs];
  const find = (name: string): string => {
    const at = name.indexOf('=');
    const isNamed = at > 0;
    const file = isNamed ? name.slice(at + 1) : name;
    const record = result.inputs.find((input) => input.name === file);
    const found = folders.map((folder) => join(folder, file)).find((candidate) => existsSync(candidate));
    if (record === undefined || found === undefined) {
      throw new InputError(
        `its input ${file} is not here`,
        { file: path },
        'say with --inputs in which folder it lies',
      );
    }
    return isNamed ? `${name.slice(0, at + 1)}${found}` : found;
  };
  const again: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(result.options)) {
    if (isFileOption(name)) again[name] = find(value as string);
    else if (isFileList(name)) again[name] = (value as string[]).map(find);
    else again[name] = value;
  }
  return { ...(again as unknown as ReplayOptions), ...(signal && { signal }), ...(onProgress && { onProgress }) };
}

async function looksLikeCapture(path: string): Promise<boolean> {
  const source = await openCapture(path);
  await source.close();
  return source.format !== 'unknown';
}

type Compared = Pick<CompareResult, 'evidence' | 'compared' | 'agreed' | 'disagreements' | 'warnings'>;

async function compareFrames(result: ReplayResult, again: ReplayOptions, options: CompareOptions): Promise<Compared> {
  const verdicts = new Map<string, Verdict>();
  const onVerdicts = (text: string) => {
    for (const line of text.split('\n')) {
      if (!line.startsWith('{"n"')) continue;
      const { n, file, frame, out } = JSON.parse(line) as Verdict & { file: number; frame: number };
      verdicts.set(`${file}:${frame}`, { n, out });
    }
  };
  const { result: now } = await replay({ ...again, onVerdicts });
  checkInputs(result.inputs, now.inputs);
  const { inputs, trace } = await judgeInputs(again);
  const known = new Set(now.inputs.map(({ sha256 }) => sha256));
  const digests = await Promise.all(options.observed.map(sha256OfFile));
  const others = options.observed.filter((_, i) => !known.has(digests[i]!));
  const observedNames = new Set(options.observed.map((path) => basename(path)));
  const captures = await openCaptures(again);
  const isObserved = again.captures.map((capture) =>
    observedNames.has(basename(capture.slice(capture.indexOf('=') + 1))),
  );
  const frames = await readFrames(captures, inputs, verdicts, (i) => isObserved[i]!, null, options.signal);
  if (others.length > 0) {
    const opened = await openCaptures({ captures: others });
    const more = await readFrames(opened, { ...inputs, portOf: null }, new Map(), () => true, trace, options.signal);
    for (const frame of more.observed) frames.observed.push(frame);
    frames.observed.sort((a, b) => a.tNs - b.tNs);
    for (const port of more.seenPorts) frames.seenPorts.add(port);
    for (const type of more.leftTypes) frames.leftTypes.add(type);
  }
  const asked = frames.predicted.filter((packet) => frames.leftTypes.has(frames.typeOf.get(packet)!));
  const mismatches = matchFrames(asked, frames.observed, frames.seenPorts);
  const wrong = new Set(mismatches.flatMap((mismatch) => (mismatch.kind === 'unknown' ? [] : [mismatch.packet.n])));
  const skipped = frames.predicted.length - asked.length;
  const silent = `${skipped} packets are of types of which no frame was seen to leave: taken as not captured`;
  return {
    evidence: 'frames',
    compared: asked.length,
    agreed: asked.length - wrong.size,
    disagreements: describeMismatches(mismatches, now, trace),
    warnings: skipped === 0 ? [] : [silent],
  };
}

/** What tells frames apart, read once more; `trace`: start of the trace. */
async function judgeInputs(again: ReplayOptions) {
  const reader = new InputReader();
  const bridge = readBridge(reader, again.ports ?? [], again.bridge);
  const captures = await openCaptures(again);
  const merged = new MergedCapture(captures.map(({ source }) => source));
  await merged.prime();
  const trace = merged.startUnixNs;
  const { timeline } = await readTables(reader, again, bridge, spanFrom(trace));
  const portOf = again.portOf === undefined ? null : reader.read(again.portOf);
  const { inputs } = await readAhead(again, captures, { ...again, bridge, portOf, timeline });
  await merged.close();
  return { inputs, trace };
}

function checkInputs(then: readonly Input[], now: readonly Input[]): void {
  for (const input of then) {
    const same = now.find(({ name, sha256 }) => name === input.name && sha256 === input.sha256);
    if (same === undefined) {
      throw new InputError('is not the file that the result was made from (its digest is another)', {
        file: input.name,
      });
    }
  }
}

/** Longest distance from a step at which a packet may be in flight, or be judged by a cached flow. */
const BRACKET_NS = 1e9;

function describeMismatches(
  mismatches: readonly Mismatch[],
  result: ReplayResult,
  trace: bigint,
): CompareResult['disagreements'] {
  const steps = (result.steps.list ?? []).map((step, i) => ({
    ...step,
    number: i + 1,
    tNs: Number(unixNs(step.t) - trace),
  }));
  const explainedBy = new Map<string, number>();
  const inOrder = mismatches.map((mismatch) => ({
    mismatch,
    tNs: mismatch.kind === 'unknown' ? mismatch.frame.tNs : mismatch.packet.tNs,
  }));
  inOrder.sort((a, b) => a.tNs - b.tNs);
  return inOrder.map(({ mismatch, tNs }) => {
    const t = formatUnixNs(trace + BigInt(Math.round(tNs)));
    if (mismatch.kind === 'unknown') {
      const { port, frame } = mismatch.frame;
      return {
        what: 'frame',
        t,
        predicted: 'nothing like it entered',
        observed: `left at port ${port} (frame ${frame})`,
      };
    }
    const { packet } = mismatch;
    const near = steps.filter((step) => step.kind !== 'conntrack' && Math.abs(step.tNs - tNs) <= BRACKET_NS);
    const step = near.sort((a, b) => Math.abs(a.tNs - tNs) - Math.abs(b.tNs - tNs))[0];
    const earlier = explainedBy.get(packet.conversation);
    let explained: string | undefined;
    if (step !== undefined) explained = `${distance(tNs - step.tNs)} step ${step.number}`;
    else if (earlier !== undefined) explained = `follows packet ${earlier}`;
    if (explained !== undefined && earlier === undefined) explainedBy.set(packet.conversation, packet.n);
    const ports = packet.ports.length === 0 ? 'dropped' : `leaves at port ${packet.ports.join(', ')}`;
    const observed =
      mismatch.kind === 'missing'
        ? `not seen at port ${mismatch.port}`
        : `left at port ${mismatch.frame.port} (frame ${mismatch.frame.frame})`;
    return {
      what: 'packet',
      packet: packet.n,
      t,
      predicted: ports,
      observed,
      ...(explained === undefined ? {} : { explained }),
    };
  });
}

const distance = (ns: number) => `${(Math.abs(ns) / 1e6).toFixed(0)} ms ${ns < 0 ? 'before' : 'after'}`;
