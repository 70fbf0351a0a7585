/**
 * `--reader pcap-parser`: the npm package of that name behind the same interface, as a second opinion on classic pcap.
 * The package says nothing when a file is cut and gathers a whole file when a length is absurd, so its input is fed piece
 * by piece, every byte is accounted for, and the feeding stops at the first record that cannot be.
 */
import { EventEmitter } from 'node:events';
import { type PacketHeader, type Parser, parse } from 'pcap-parser';
import type { ByteReader } from './bytes.js';
import { MAX_CAPTURED_BYTES, PCAP_HEADER_BYTES, type PcapHeader } from './pcap.js';
import {
  allocateBatch,
  type CaptureEnd,
  type CaptureInterface,
  type CaptureSource,
  type EndKind,
  type RecordBatch,
} from './source.js';

const RECORD_HEADER_BYTES = 16;
/** Fewer records than a batch has rows fit into a piece and what was left of the one before. */
const PIECE_BYTES = 1 << 16;

/** Why pcap-parser cannot read such a file, or null. It takes old minor versions, but mixes up their lengths. */
export function pcapParserRefusal(header: PcapHeader): string | null {
  if (header.refusal !== null) return header.refusal;
  const advice = '; use the native reader';
  if (header.minor !== 4) return `pcap-parser cannot read pcap version ${header.major}.${header.minor}${advice}`;
  if (header.recordHeaderBytes !== RECORD_HEADER_BYTES) return `pcap-parser cannot read modified pcap${advice}`;
  return null;
}

export class PcapParserSource implements CaptureSource {
  readonly name: string;
  readonly format = 'pcap';
  readonly interfaces: readonly CaptureInterface[];
  end: CaptureEnd | null = null;
  private readonly reader: ByteReader;
  private readonly header: PcapHeader;
  private readonly batch: RecordBatch = allocateBatch();
  private readonly input = new ManualStream();
  private readonly parser: Parser;
  /** The header whose data are awaited. */
  private pending: PacketHeader | null = null;
  private failure: string | null = null;
  private packets = 0;
  private fedBytes = 0;
  /** Bytes of the file header and of all whole records. */
  private usedBytes = PCAP_HEADER_BYTES;
  private filled = 0;

  constructor(name: string, header: PcapHeader, head: Uint8Array, reader: ByteReader) {
    this.name = name;
    this.header = header;
    this.reader = reader;
    this.interfaces = [{ name: null, linkType: header.linkType }];
    this.batch.linkType.fill(header.linkType);
    this.batch.data = new Uint8Array(PIECE_BYTES * 2 + MAX_CAPTURED_BYTES);
    this.parser = parse(this.input);
    this.parser.on('packetHeader', (record) => {
      this.pending = record;
    });
    this.parser.on('packet', (packet) => this.add(packet.header, packet.data));
    this.parser.on('error', (error) => {
      this.failure = error.message;
    });
    const refusal = pcapParserRefusal(header);
    if (refusal !== null) this.finish('refused', refusal, 0);
    else this.feed(withMicrosecondMagic(head, header));
  }

  async next(): Promise<RecordBatch | null> {
    const { batch } = this;
    batch.count = 0;
    this.filled = 0;
    while (this.end === null) {
      const piece = new Uint8Array(PIECE_BYTES);
      const count = await this.reader.read(piece, 0);
      if (count > 0) this.feed(piece.subarray(0, count));
      if (count === 0 || this.isAbsurd() || this.failure !== null) this.examineEnd();
      if (batch.count > 0) return batch;
    }
    await this.close();
    return null;
  }

  close(): Promise<void> {
    return this.reader.close();
  }

  private feed(bytes: Uint8Array): void {
    this.fedBytes += bytes.length;
    this.input.emit('data', Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  private isAbsurd(): boolean {
    return this.pending !== null && this.pending.capturedLength > MAX_CAPTURED_BYTES;
  }

  private add(record: PacketHeader, bytes: Uint8Array): void {
    this.pending = null;
    if (record.capturedLength > MAX_CAPTURED_BYTES) {
      // The whole absurd record happened to lie in one piece: nothing behind it counts.
      this.pending = record;
      return;
    }
    if (this.failure !== null || this.end !== null) return;
    const { batch, header } = this;
    const row = batch.count++;
    const limit = 1_000_000_000 / header.fractionNs;
    const fraction = record.timestampMicroseconds;
    batch.data.set(bytes, this.filled);
    batch.dataStart[row] = this.filled;
    this.filled += bytes.length;
    batch.seconds[row] = record.timestampSeconds + Math.floor(fraction / limit);
    batch.nanos[row] = (fraction % limit) * header.fractionNs;
    batch.capturedBytes[row] = record.capturedLength;
    batch.originalBytes[row] = record.originalLength;
    batch.fileOffset[row] = this.usedBytes;
    this.usedBytes += RECORD_HEADER_BYTES + record.capturedLength;
    this.packets++;
  }

  private examineEnd(): void {
    const rest = this.fedBytes - this.usedBytes;
    const { problem } = this.reader;
    if (this.failure !== null) this.finish('corrupt', `pcap-parser: ${this.failure}`);
    else if (this.isAbsurd()) {
      const captured = this.pending?.capturedLength;
      this.finish('corrupt', `captured length ${captured} is above ${MAX_CAPTURED_BYTES}`);
    } else if (problem !== null) this.finish(problem.kind, problem.why);
    else if (rest === 0) this.finish('clean', '');
    else if (this.pending === null) this.finish('cut', `record header cut: ${rest} of ${RECORD_HEADER_BYTES} bytes`);
    else {
      const { capturedLength } = this.pending;
      this.finish('cut', `record data cut: ${rest - RECORD_HEADER_BYTES} of ${capturedLength} bytes`);
    }
  }

  private finish(kind: EndKind, why: string, byteOffset = this.usedBytes): void {
    this.end = { kind, why, byteOffset, packets: this.packets };
  }
}

/** pcap-parser knows the microsecond magic only; with it, its "microseconds" are whatever the fraction field holds. */
function withMicrosecondMagic(head: Uint8Array, header: PcapHeader): Uint8Array {
  const copy = head.slice(0, PCAP_HEADER_BYTES);
  new DataView(copy.buffer).setUint32(0, 0xa1b2c3d4, header.littleEndian);
  return copy;
}

/** A stream that gives data only when told to. */
class ManualStream extends EventEmitter {
  pause(): void {}
  resume(): void {}
}
