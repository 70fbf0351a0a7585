/** Opens a capture by content: what the first bytes say counts, never the file's name. */
import { InputError } from '../util/errors.js';
import { type ByteReader, ByteWindow, memoryBytes, openFileBytes, prepend, streamBytes } from './bytes.js';
import { gunzipBytes } from './gzip.js';
import { isPcap, PCAP_HEADER_BYTES, PcapSource, readPcapHeader } from './pcap.js';
import { isPcapng, PcapngSource } from './pcapng.js';
import { PcapParserSource } from './pcapParserReader.js';
import type { CaptureEnd, CaptureSource, EndKind } from './source.js';

export interface OpenOptions {
  /** Which reader takes records apart; pcap-parser can do classic pcap only. Default native. */
  reader?: 'native' | 'pcap-parser';
}

/**
 * What to tell the user about the way a capture ended: null if it ended well. A cut file is worth a warning, since all
 * whole packets were read; the rest is an error that names packet and offset.
 */
export function captureProblem(source: CaptureSource): { severity: 'warning' | 'error'; error: InputError } | null {
  const { end, name } = source;
  if (end === null || end.kind === 'clean') return null;
  if (end.kind === 'unknown' || end.kind === 'refused' || end.kind === 'empty') {
    return { severity: 'error', error: new InputError(end.why, { file: name }) };
  }
  const place = { file: name, packet: end.packets + 1, byteOffset: end.byteOffset };
  return { severity: end.kind === 'cut' ? 'warning' : 'error', error: new InputError(end.why, place) };
}

/** `-` is standard input. A file that is no capture gives a source without packets whose `end` says what it is. */
export async function openCapture(path: string, options: OpenOptions = {}): Promise<CaptureSource> {
  const bytes = path === '-' ? streamBytes(process.stdin) : await openFileBytes(path);
  return openBytes(path === '-' ? 'standard input' : path, bytes, options);
}

export function openCaptureBytes(name: string, bytes: Uint8Array, options: OpenOptions = {}): Promise<CaptureSource> {
  return openBytes(name, memoryBytes(bytes), options);
}

const GZIP = [0x1f, 0x8b];

async function openBytes(name: string, bytes: ByteReader, options: OpenOptions): Promise<CaptureSource> {
  let reader = bytes;
  let head = await readHead(reader);
  if (startsWith(head, GZIP)) {
    reader = gunzipBytes(prepend(head, reader));
    head = await readHead(reader);
    if (startsWith(head, GZIP)) return nothing(name, reader, 'refused', 'gzip inside gzip');
  }
  if (head.length === 0) {
    const { problem } = reader;
    if (problem !== null) return nothing(name, reader, problem.kind, problem.why);
    return nothing(name, reader, 'empty', 'the file has 0 bytes');
  }
  const viaParser = options.reader === 'pcap-parser';
  if (isPcapng(head) && viaParser) {
    return nothing(name, reader, 'refused', 'pcap-parser cannot read pcapng; use the native reader');
  }
  if (isPcapng(head)) return new PcapngSource(name, new ByteWindow(prepend(head, reader)));
  if (isPcap(head)) {
    if (head.length < PCAP_HEADER_BYTES) {
      return nothing(name, reader, 'cut', `file header cut: ${head.length} of ${PCAP_HEADER_BYTES} bytes`);
    }
    if (viaParser) return new PcapParserSource(name, readPcapHeader(head), head, reader);
    const window = new ByteWindow(prepend(head, reader));
    await window.fill(PCAP_HEADER_BYTES);
    window.from = PCAP_HEADER_BYTES;
    return new PcapSource(name, readPcapHeader(head), window);
  }
  return nothing(name, reader, 'unknown', `no capture file: ${whatItIs(head)}`);
}

async function readHead(reader: ByteReader): Promise<Uint8Array> {
  const head = new Uint8Array(PCAP_HEADER_BYTES);
  let length = 0;
  while (length < head.length) {
    const count = await reader.read(head, length);
    if (count === 0) break;
    length += count;
  }
  return head.subarray(0, length);
}

function startsWith(head: Uint8Array, bytes: readonly number[]): boolean {
  return head.length >= bytes.length && bytes.every((byte, i) => head[i] === byte);
}

const OTHERS: readonly [readonly number[], string][] = [
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd data; unpack it first (zstd -d)'],
  [[0x04, 0x22, 0x4d, 0x18], 'lz4 data; unpack it first (lz4 -d)'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], 'xz data; unpack it first (xz -d)'],
  [[0x42, 0x5a, 0x68], 'bzip2 data; unpack it first (bzip2 -d)'],
  [[0x50, 0x4b, 0x03, 0x04], 'a zip archive; unpack it first'],
  [[0x73, 0x6e, 0x6f, 0x6f, 0x70, 0x00], 'a Solaris snoop file; convert it first (editcap -F pcapng)'],
];

function whatItIs(head: Uint8Array): string {
  const other = OTHERS.find(([bytes]) => startsWith(head, bytes));
  if (other !== undefined) return other[1];
  const magic = Array.from(head.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `the first bytes are ${magic}`;
}

async function nothing(name: string, reader: ByteReader, kind: EndKind, why: string): Promise<CaptureSource> {
  await reader.close();
  const end: CaptureEnd = { kind, byteOffset: 0, why, packets: 0 };
  return { name, format: 'unknown', interfaces: [], end, next: async () => null, close: async () => {} };
}
