/**
 * Classic pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of 16 (modified: 24) bytes and data, no way to
 * resynchronise. The magic number alone decides byte order, resolution and record header, as libpcap does.
 */
import type { ByteWindow } from './bytes.js';
import {
  allocateBatch,
  type CaptureEnd,
  type CaptureInterface,
  type CaptureSource,
  type EndKind,
  type RecordBatch,
} from './source.js';

export const PCAP_HEADER_BYTES = 24;

/** libpcap MAXIMUM_SNAPLEN: the only sane bound, since the header's snaplen limits nothing (CAPTURE_FACTS section 1). */
export const MAX_CAPTURED_BYTES = 262_144;

export interface PcapHeader {
  readonly littleEndian: boolean;
  /** Nanoseconds per unit of the fraction field: 1 or 1000. */
  readonly fractionNs: number;
  readonly recordHeaderBytes: number;
  readonly major: number;
  readonly minor: number;
  readonly snaplen: number;
  readonly linkType: number;
  /** Why this file cannot be read, though it is pcap. */
  readonly refusal: string | null;
}

const MAGIC_US = 0xa1b2c3d4;
const MAGIC_NS = 0xa1b23c4d;
const MAGIC_MODIFIED = 0xa1b2cd34;

/** Recognises the magic number; null if these are not the first bytes of a pcap file. */
export function isPcap(head: Uint8Array): boolean {
  return head.length >= 4 && byteOrder(head) !== null;
}

function byteOrder(head: Uint8Array): { magic: number; littleEndian: boolean } | null {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(0, littleEndian);
    if (magic === MAGIC_US || magic === MAGIC_NS || magic === MAGIC_MODIFIED) return { magic, littleEndian };
  }
  return null;
}

/** Reads the file header from 24 bytes that isPcap() accepts. */
export function readPcapHeader(head: Uint8Array): PcapHeader {
  const order = byteOrder(head);
  if (order === null || head.length < PCAP_HEADER_BYTES) throw new RangeError('no pcap header');
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const { magic, littleEndian } = order;
  const major = view.getUint16(4, littleEndian);
  const minor = view.getUint16(6, littleEndian);
  const network = view.getUint32(20, littleEndian);
  let refusal: string | null = null;
  // libpcap sf-pcap.c: 2.4 and older minors, no other major.
  if (major !== 2 || minor > 4) refusal = `pcap version ${major}.${minor} is not one that can be read (2.0 to 2.4)`;
  // pcap draft, 4: bits 28-31 FCS length, valid if bit 26; the others between are reserved.
  else if (network & 0x0bff0000) refusal = `reserved bits of the link type field are set (0x${network.toString(16)})`;
  return {
    littleEndian,
    fractionNs: magic === MAGIC_NS ? 1 : 1000,
    recordHeaderBytes: magic === MAGIC_MODIFIED ? 24 : 16,
    major,
    minor,
    snaplen: view.getUint32(16, littleEndian),
    linkType: network & 0xffff,
    refusal,
  };
}

export class PcapSource implements CaptureSource {
  readonly name: string;
  readonly format = 'pcap';
  readonly header: PcapHeader;
  readonly interfaces: readonly CaptureInterface[];
  end: CaptureEnd | null = null;
  private readonly window: ByteWindow;
  private readonly batch: RecordBatch = allocateBatch();
  private packets = 0;

  /** The window stands behind the file header. */
  constructor(name: string, header: PcapHeader, window: ByteWindow) {
    this.name = name;
    this.header = header;
    this.window = window;
    this.interfaces = [{ name: null, linkType: header.linkType }];
    this.batch.linkType.fill(header.linkType);
    if (header.refusal !== null) this.finish('refused', header.refusal, 0);
  }

  async next(): Promise<RecordBatch | null> {
    const { batch, window, header } = this;
    while (this.end === null) {
      window.from = scanRecords(window.data, window.view, window.from, window.to, window.base, header, batch);
      if (batch.count > 0) {
        this.packets += batch.count;
        return batch;
      }
      this.examineEnd();
      if (this.end === null) await window.fill(MAX_CAPTURED_BYTES + header.recordHeaderBytes);
    }
    await this.close();
    return null;
  }

  close(): Promise<void> {
    return this.window.close();
  }

  /** Called when no whole record stands at `from`: an absurd length ends the file, and so does the end of the bytes. */
  private examineEnd(): void {
    const { window, header } = this;
    const whole = window.unread >= header.recordHeaderBytes;
    const captured = whole ? capturedLength(window.view, window.from, header) : 0;
    if (captured > MAX_CAPTURED_BYTES) {
      this.finish('corrupt', `captured length ${captured} is above ${MAX_CAPTURED_BYTES}`);
    } else if (window.ended) {
      const { unread, problem } = window;
      if (problem !== null) this.finish(problem.kind, problem.why);
      else if (unread === 0) this.finish('clean', '');
      else if (!whole) this.finish('cut', `record header cut: ${unread} of ${header.recordHeaderBytes} bytes`);
      else this.finish('cut', `record data cut: ${unread - header.recordHeaderBytes} of ${captured} bytes`);
    }
  }

  private finish(kind: EndKind, why: string, byteOffset = this.window.offset): void {
    this.end = { kind, why, byteOffset, packets: this.packets };
  }
}

function capturedLength(view: DataView, at: number, header: PcapHeader): number {
  const first = view.getUint32(at + 8, header.littleEndian);
  const second = view.getUint32(at + 12, header.littleEndian);
  return isSwapped(header.minor, first, second) ? second : first;
}

/** libpcap sf-pcap.c: minor versions before 3 had the original length first; with 3 the smaller one is the captured length. */
function isSwapped(minor: number, first: number, second: number): boolean {
  return minor < 3 || (minor === 3 && first > second);
}

/** Called per block: fills `batch` with the whole records in data[from .. to) and returns where the rest begins. */
function scanRecords(
  data: Uint8Array,
  view: DataView,
  from: number,
  to: number,
  base: number,
  header: PcapHeader,
  batch: RecordBatch,
): number {
  const { littleEndian, fractionNs, recordHeaderBytes, minor } = header;
  const { dataStart, capturedBytes, originalBytes, seconds, nanos, fileOffset } = batch;
  const rows = dataStart.length;
  const fractionLimit = 1_000_000_000 / fractionNs;
  batch.data = data;
  let at = from;
  let row = 0;
  while (row < rows && at + recordHeaderBytes <= to) {
    let captured = view.getUint32(at + 8, littleEndian);
    let original = view.getUint32(at + 12, littleEndian);
    if (minor < 4 && isSwapped(minor, captured, original)) {
      const first = captured;
      captured = original;
      original = first;
    }
    const start = at + recordHeaderBytes;
    if (captured > MAX_CAPTURED_BYTES || start + captured > to) break;
    let second = view.getUint32(at, littleEndian);
    let fraction = view.getUint32(at + 4, littleEndian);
    // Fractions of a second and more occur; they are taken literally (CAPTURE_FACTS section 1).
    if (fraction >= fractionLimit) {
      second += Math.floor(fraction / fractionLimit);
      fraction %= fractionLimit;
    }
    seconds[row] = second;
    nanos[row] = fraction * fractionNs;
    capturedBytes[row] = captured;
    originalBytes[row] = original;
    dataStart[row] = start;
    fileOffset[row] = base + at;
    row++;
    at = start + captured;
  }
  batch.count = row;
  return at;
}
