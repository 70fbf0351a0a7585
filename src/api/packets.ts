/** The packets of one capture with their header fields, as `dropwindow packets` prints them. */
import { linkTypeName } from '../capture/links.js';
import { captureProblem, openCapture } from '../capture/open.js';
import type { CaptureSource, RecordBatch } from '../capture/source.js';
import { K, KEY_WORDS, PORT } from '../fields/key.js';
import { formatFlowKey } from '../fields/packetText.js';
import { extractPacket } from '../packet/extract.js';
import { packetFields } from '../packet/packetFields.js';
import { PacketInfo } from '../packet/packetInfo.js';
import type { PacketLine } from '../report/result.js';
import { unlessAborted } from '../util/abort.js';
import { formatUnixNs } from '../util/units.js';
import type { RunOptions } from './replayOptions.js';

/** A packet as `packets` gives it; `flow` is what `ovs-ofctl parse-pcap` prints. */
export interface ReadPacket {
  readonly line: PacketLine;
  readonly flow: string;
}

export interface PacketsOptions extends RunOptions {
  readonly reader?: 'native' | 'pcap-parser';
  readonly onWarning?: (text: string) => void;
}

/**
 * The packets of one capture (`-`: standard input), in the order of the file. What can be read is given first; then
 * InputError where the file is damaged or no capture. One that is merely cut at its end is a warning.
 */
export async function* packets(path: string, options: PacketsOptions = {}): AsyncGenerator<ReadPacket> {
  const { signal, onProgress, onWarning, reader } = options;
  const source = await openCapture(path, reader === undefined ? {} : { reader });
  const key = new Int32Array(KEY_WORDS);
  // What ovs-ofctl parse-pcap says of a packet without a known port (utilities/ovs-ofctl.c:ofctl_parse_pcap).
  key[K.in_port] = PORT.NONE;
  const info = new PacketInfo();
  let n = 0;
  try {
    const next = () => unlessAborted(source.next(), signal);
    for (let batch = await next(); batch !== null; batch = await next()) {
      for (let row = 0; row < batch.count; row++) yield describePacket(source, batch, row, ++n, key, info);
      onProgress?.({ what: 'packets', done: n, total: null });
    }
    const problem = captureProblem(source);
    if (problem?.severity === 'error') throw problem.error;
    if (problem !== null) onWarning?.(`${problem.error.format()}; the packets before it were read`);
  } finally {
    // After an abort a read may still be waiting, and closing would wait for it.
    if (signal?.aborted !== true) await source.close();
  }
}

function describePacket(
  source: CaptureSource,
  batch: RecordBatch,
  row: number,
  n: number,
  key: Int32Array,
  info: PacketInfo,
): ReadPacket {
  const { data, linkType, nanos } = batch;
  const [bytes, captured] = [batch.originalBytes[row]!, batch.capturedBytes[row]!];
  const parsed = extractPacket(data, batch.dataStart[row]!, captured, bytes, linkType[row]!, key, info);
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
