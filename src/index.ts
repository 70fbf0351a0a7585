/**
 * The library: typed, promise-based functions that do what the commands do.
 * Long ones take an AbortSignal and report progress; results are plain data (see report/result.ts).
 */

import { linkTypeName } from './capture/links.js';
import { openCapture } from './capture/open.js';
import type { CaptureSource, RecordBatch } from './capture/source.js';
import { K, KEY_WORDS, PORT } from './fields/key.js';
import { formatFlowKey } from './fields/packetText.js';
import { extractPacket } from './packet/extract.js';
import { packetFields } from './packet/packetFields.js';
import { PacketInfo } from './packet/packetInfo.js';
import type { EncodedHistograms, EncodedMeasured } from './report/histograms.js';
import type { SchemaName } from './report/names.js';
import type { PacketLine, ReplayResult } from './report/result.js';
import { unlessAborted } from './util/abort.js';
import { InputError } from './util/errors.js';
import { formatUnixNs } from './util/units.js';

export { canonicalJson, digest } from './report/digest.js';
export { FAIL_ON, type FailOn, holding } from './report/failOn.js';
export { jsonText } from './report/json.js';
export { KINDS, MODELLED, OUTCOMES, SCHEMA_NAMES, SCHEMA_VERSION, type SchemaName } from './report/names.js';
export type * from './report/result.js';
export { type TextOptions, textReport } from './report/text.js';
export { DefectError, InputError, type Place, UnsupportedError, UsageError } from './util/errors.js';

/** The JSON Schema of a result or of a line of a format. */
export async function jsonSchema(name: SchemaName): Promise<Record<string, unknown>> {
  // Loaded when asked for: zod costs more time than a whole `packets` of a small capture.
  return (await import('./report/schemas.js')).jsonSchema(name);
}

/** How far a long function is. `total` is null where it cannot be known beforehand. */
export interface Progress {
  readonly what: string;
  readonly done: number;
  readonly total: number | null;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * What `replay` is given. Files are paths, `-` is standard input; times and durations are texts as on the command line
 * (`12:35:12`, ISO 8601, Unix seconds, `+2.5s`), because times of day need the trace's date.
 */
export interface ReplayOptions extends RunOptions {
  /** pcap or pcapng, merged by time; `NAME=FILE` names the port that a whole file entered by. */
  readonly captures: readonly string[];
  /** Flow dump before the restart; its line order is the switch's mask order. */
  readonly before: string;
  /** When that was dumped: steps already in it are skipped. */
  readonly beforeAt?: string;
  /** `dump-flows cookie=X/-1` of the same moment. */
  readonly cookieDumps?: readonly string[];
  /** Records of the restart, of one kind. Neither `changes` nor `after`: no restart. */
  readonly changes?: readonly string[];
  /** Kind of `changes`, where it is not recognised by content. */
  readonly changesFormat?: string;
  /** Instead of `changes`: dumps taken afterwards, in order, each with the time in `dumpedAt` at the same place. */
  readonly after?: readonly string[];
  readonly dumpedAt?: readonly string[];
  /** How a restart known by dumps only was installed: `batch=100,gap=20ms,order=dump`. */
  readonly install?: string;
  /** Name or datapath id, where an OpenFlow capture or dump holds several bridges. */
  readonly bridge?: string;
  /** When the first step happens; default as recorded. */
  readonly start?: string;
  readonly ports?: readonly string[];
  readonly portOf?: string;
  readonly direction?: 'auto' | 'in' | 'all';
  /** `linux`, `linux-6.1`, `ovs-userspace` or `ovs-userspace-3.1`. */
  readonly conntrack?: string;
  readonly conntrackBefore?: string;
  readonly conntrackEvents?: readonly string[];
  readonly conntrackMax?: number;
  /** `name=value`. */
  readonly sysctl?: readonly string[];
  readonly midstream?: 'established' | 'strict';
  readonly reader?: 'native' | 'pcap-parser';
  readonly workers?: number;
  /** Bytes. */
  readonly memory?: number;
  readonly verifyChecksums?: boolean;
  /** What the engine cannot execute is an UnsupportedError instead of an outcome. */
  readonly strict?: boolean;
  readonly judge?: 'auto' | 'both' | 'before';
  /** Flows without anything to tell, too. */
  readonly allFlows?: boolean;
  /** Takes verdict lines (NDJSON with line ends, several at a time), in the order of packets. */
  readonly onVerdicts?: (text: string) => void | Promise<void>;
  readonly verdictFrames?: boolean;
  /** Measure the engine's service time. */
  readonly profile?: boolean;
}

export interface ReplayOutcome {
  readonly result: ReplayResult;
  readonly histograms: EncodedHistograms;
  readonly measured?: EncodedMeasured;
}

/** A packet as `packets` gives it; `flow` is what `ovs-ofctl parse-pcap` prints. */
export interface ReadPacket {
  readonly line: PacketLine;
  readonly flow: string;
}

/**
 * The packets of one capture (`-`: standard input) with their header fields, in the order of the file.
 * What can be read is given first; then InputError where the file is damaged or no capture. A capture that is merely cut
 * at its end is not an error: `onWarning` says so.
 */
export async function* packets(
  path: string,
  options: RunOptions & { onWarning?: (text: string) => void } = {},
): AsyncGenerator<ReadPacket> {
  const source = await openCapture(path);
  const key = new Int32Array(KEY_WORDS);
  // What ovs-ofctl parse-pcap says of a packet without a known port (utilities/ovs-ofctl.c:ofctl_parse_pcap).
  key[K.in_port] = PORT.NONE;
  let n = 0;
  try {
    const next = () => unlessAborted(source.next(), options.signal);
    for (let batch = await next(); batch !== null; batch = await next()) {
      for (let row = 0; row < batch.count; row++) yield describePacket(source, batch, row, ++n, key);
      options.onProgress?.({ what: 'packets', done: n, total: null });
    }
    checkEnd(source, options.onWarning);
  } finally {
    // After an abort a read may still be waiting, and closing would wait for it.
    if (options.signal?.aborted !== true) await source.close();
  }
}

const packetInfo = new PacketInfo();

function describePacket(
  source: CaptureSource,
  batch: RecordBatch,
  row: number,
  n: number,
  key: Int32Array,
): ReadPacket {
  const { data, linkType, nanos } = batch;
  const [bytes, captured] = [batch.originalBytes[row]!, batch.capturedBytes[row]!];
  const parsed = extractPacket(data, batch.dataStart[row]!, captured, bytes, linkType[row]!, key, packetInfo);
  const ns = BigInt(batch.seconds[row]!) * 1_000_000_000n + BigInt(nanos[row]!);
  const name = source.interfaces[batch.iface[row]!]?.name ?? null;
  const line: PacketLine = {
    n,
    t: nanos[row]! < 0 ? null : formatUnixNs(ns),
    bytes,
    captured,
    ...(name === null ? {} : { interface: name }),
    ...(parsed ? packetFields(key) : { unparsed: linkTypeName(linkType[row]!) }),
  };
  return { line, flow: formatFlowKey(key) };
}

/** Turns the way a capture ended into nothing, a warning or an InputError. */
function checkEnd({ name, end }: CaptureSource, onWarning?: (text: string) => void): void {
  if (end === null || end.kind === 'clean') return;
  const place = { file: name, packet: end.packets + 1, byteOffset: end.byteOffset };
  if (end.kind === 'cut' && end.packets > 0) {
    onWarning?.(new InputError(`${end.why}; the packets before it were read`, place).format());
    return;
  }
  if (end.kind === 'cut' || end.kind === 'corrupt') throw new InputError(end.why, place);
  throw new InputError(end.why, { file: name });
}
