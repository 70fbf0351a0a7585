/**
 * pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, blocks skipped by length, interfaces with their own
 * link type, time unit and offset. Blocks that hold no packet are read only where they matter (sections, interfaces).
 */
import type { ByteWindow } from './bytes.js';
import {
  allocateBatch,
  BATCH_ROWS,
  type CaptureEnd,
  type CaptureInterface,
  type CaptureSource,
  type EndKind,
  type RecordBatch,
} from './source.js';
import { makeTimeUnit, splitTime, type TimeUnit } from './timeUnit.js';

const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_PACKET_OBSOLETE = 2;
const BLOCK_PACKET_SIMPLE = 3;
const BLOCK_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const OPTION_NAME = 2;
const OPTION_FLAGS = 2;
const OPTION_TSRESOL = 9;
const OPTION_TSOFFSET = 14;

/** libpcap sf-pcapng.c MAX_BLOCKSIZE_DEFAULT; larger lengths are damage. */
const MAX_BLOCK_BYTES = 16 << 20;
/** `RecordBatch.iface` is 16 bits wide. */
const MAX_INTERFACES = 65_535;
/** What has to be there before a block's length can be understood (a section's byte order stands at byte 8). */
const BLOCK_HEAD_BYTES = 12;

interface Interface extends CaptureInterface {
  readonly snaplen: number;
  readonly unit: TimeUnit;
}

export function isPcapng(head: Uint8Array): boolean {
  return head.length >= 4 && head[0] === 0x0a && head[1] === 0x0d && head[2] === 0x0d && head[3] === 0x0a;
}

export class PcapngSource implements CaptureSource {
  readonly name: string;
  readonly format = 'pcapng';
  readonly interfaces: Interface[] = [];
  end: CaptureEnd | null = null;
  private readonly window: ByteWindow;
  private readonly batch: RecordBatch = allocateBatch();
  private littleEndian = true;
  /** Index in `interfaces` of the section's interface 0. */
  private sectionBase = 0;
  private packets = 0;
  private wanted = BLOCK_HEAD_BYTES;

  /** The window stands at the first byte. */
  constructor(name: string, window: ByteWindow) {
    this.name = name;
    this.window = window;
  }

  async next(): Promise<RecordBatch | null> {
    const { batch, window } = this;
    batch.count = 0;
    while (this.end === null) {
      batch.data = window.data;
      while (this.end === null && batch.count < BATCH_ROWS && this.readBlock()) {}
      if (batch.count > 0) {
        this.packets += batch.count;
        // An end found behind these packets was noted with the count before them.
        if (this.end !== null) this.end = { ...(this.end as CaptureEnd), packets: this.packets };
        return batch;
      }
      if (this.end !== null) break;
      if (window.ended) this.finishAtEnd();
      else await window.fill(this.wanted);
    }
    await this.close();
    return null;
  }

  close(): Promise<void> {
    return this.window.close();
  }

  private finishAtEnd(): void {
    const { unread, problem } = this.window;
    if (problem !== null) this.finish(problem.kind, problem.why);
    else if (unread === 0) this.finish('clean', '');
    else this.finish('cut', `block cut: ${unread} of ${this.wanted} bytes`);
  }

  private finish(kind: EndKind, why: string): false {
    this.end = { kind, why, byteOffset: this.window.offset, packets: this.packets };
    return false;
  }

  /** Consumes one whole block; false if it is not (yet) there or cannot be read. */
  private readBlock(): boolean {
    const { window } = this;
    const at = window.from;
    this.wanted = BLOCK_HEAD_BYTES;
    if (window.unread < BLOCK_HEAD_BYTES) return false;
    const { view } = window;
    // The type of a section header reads the same both ways; its length must be read in its own byte order.
    const isSection = view.getUint32(at, true) === BLOCK_SECTION;
    let { littleEndian } = this;
    if (isSection) {
      if (view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC) littleEndian = true;
      else if (view.getUint32(at + 8, false) === BYTE_ORDER_MAGIC) littleEndian = false;
      else return this.finish('corrupt', 'section header without byte-order magic');
    }
    const length = view.getUint32(at + 4, littleEndian);
    if (length < (isSection ? 28 : 12) || length % 4 !== 0) return this.finish('corrupt', `block length ${length}`);
    if (length > MAX_BLOCK_BYTES) return this.finish('corrupt', `block length ${length} is above ${MAX_BLOCK_BYTES}`);
    this.wanted = length;
    if (window.unread < length) return false;
    const trailing = view.getUint32(at + length - 4, littleEndian);
    if (trailing !== length)
      return this.finish('corrupt', `block length ${length} at its start, ${trailing} at its end`);
    this.littleEndian = littleEndian;
    if (!this.interpret(view.getUint32(at, littleEndian), at, length)) return false;
    window.from = at + length;
    return true;
  }

  private interpret(type: number, at: number, length: number): boolean {
    switch (type) {
      case BLOCK_SECTION:
        return this.readSection(at);
      case BLOCK_INTERFACE:
        return this.readInterface(at, length);
      case BLOCK_PACKET: {
        if (length < 32) return this.finish('corrupt', `packet block of ${length} bytes`);
        return this.readPacket(at, length, this.window.view.getUint32(at + 8, this.littleEndian));
      }
      case BLOCK_PACKET_OBSOLETE: {
        if (length < 32) return this.finish('corrupt', `packet block of ${length} bytes`);
        return this.readPacket(at, length, this.window.view.getUint16(at + 8, this.littleEndian));
      }
      case BLOCK_PACKET_SIMPLE:
        return this.readSimplePacket(at, length);
      default:
        return true;
    }
  }

  private readSection(at: number): boolean {
    const { view } = this.window;
    const major = view.getUint16(at + 12, this.littleEndian);
    const minor = view.getUint16(at + 14, this.littleEndian);
    // The draft, 4.1: minor 2 is to be read as 0.
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      return this.finish('refused', `pcapng version ${major}.${minor} is not one that can be read (1.0, 1.2)`);
    }
    this.sectionBase = this.interfaces.length;
    return true;
  }

  private readInterface(at: number, length: number): boolean {
    const { view, data } = this.window;
    const { littleEndian } = this;
    if (length < 20) return this.finish('corrupt', `interface block of ${length} bytes`);
    if (this.interfaces.length === MAX_INTERFACES)
      return this.finish('refused', `more than ${MAX_INTERFACES} interfaces`);
    let name: string | null = null;
    let resolution = 6;
    let offsetSeconds = 0n;
    // Options end with opt_endofopt or with the block; unknown ones are skipped.
    const end = at + length - 4;
    for (let option = at + 16; option + 4 <= end; ) {
      const code = view.getUint16(option, littleEndian);
      const bytes = view.getUint16(option + 2, littleEndian);
      const value = option + 4;
      if (code === 0) break;
      if (value + bytes > end) return this.finish('corrupt', `option ${code} of ${bytes} bytes runs past its block`);
      if (code === OPTION_NAME) name = textOption(data.subarray(value, value + bytes));
      else if (code === OPTION_TSRESOL && bytes >= 1) resolution = data[value]!;
      else if (code === OPTION_TSOFFSET && bytes >= 8) offsetSeconds = view.getBigInt64(value, littleEndian);
      option = value + ((bytes + 3) & ~3);
    }
    this.interfaces.push({
      name,
      linkType: view.getUint16(at + 8, littleEndian),
      snaplen: view.getUint32(at + 12, littleEndian),
      unit: makeTimeUnit(resolution, Number(offsetSeconds)),
    });
    return true;
  }

  /** Called per packet, allocates nothing. Enhanced and obsolete packet blocks differ in the interface number only. */
  private readPacket(at: number, length: number, number: number): boolean {
    const { view } = this.window;
    const { batch, littleEndian } = this;
    const index = this.sectionBase + number;
    const found = this.interfaces[index];
    if (found === undefined) return this.noInterface(number);
    const captured = view.getUint32(at + 20, littleEndian);
    if (captured > length - 32) return this.finish('corrupt', `captured length ${captured} runs past its block`);
    const row = batch.count;
    splitTime(found.unit, view.getUint32(at + 12, littleEndian), view.getUint32(at + 16, littleEndian), batch, row);
    const options = at + 28 + ((captured + 3) & ~3);
    batch.direction[row] = options + 8 <= at + length - 4 ? this.packetDirection(options, at + length - 4) : 0;
    this.addRow(row, at, at + 28, captured, view.getUint32(at + 24, littleEndian), index, found.linkType);
    return true;
  }

  /** No time, no interface number, no captured length: interface 0 and its snaplen tell (the draft, 4.4). */
  private readSimplePacket(at: number, length: number): boolean {
    const { batch, littleEndian } = this;
    const found = this.interfaces[this.sectionBase];
    if (length < 16) return this.finish('corrupt', `packet block of ${length} bytes`);
    if (found === undefined) return this.noInterface(0);
    const original = this.window.view.getUint32(at + 8, littleEndian);
    const captured = found.snaplen === 0 ? original : Math.min(original, found.snaplen);
    if (captured > length - 16) return this.finish('corrupt', `captured length ${captured} runs past its block`);
    const row = batch.count;
    batch.seconds[row] = 0;
    batch.nanos[row] = -1;
    batch.direction[row] = 0;
    this.addRow(row, at, at + 12, captured, original, this.sectionBase, found.linkType);
    return true;
  }

  private noInterface(number: number): false {
    const count = this.interfaces.length - this.sectionBase;
    return this.finish('corrupt', `interface ${number} of ${count}`);
  }

  private addRow(
    row: number,
    at: number,
    start: number,
    captured: number,
    original: number,
    index: number,
    linkType: number,
  ): void {
    const { batch } = this;
    batch.fileOffset[row] = this.window.base + at;
    batch.dataStart[row] = start;
    batch.capturedBytes[row] = captured;
    batch.originalBytes[row] = original;
    batch.iface[row] = index;
    batch.linkType[row] = linkType;
    batch.count = row + 1;
  }

  /** Bits 0-1 of epb_flags or pack_flags: 1 inbound, 2 outbound. */
  private packetDirection(from: number, end: number): number {
    const { view } = this.window;
    for (let option = from; option + 4 <= end; ) {
      const code = view.getUint16(option, this.littleEndian);
      const bytes = view.getUint16(option + 2, this.littleEndian);
      if (code === 0) return 0;
      if (code === OPTION_FLAGS && bytes === 4 && option + 8 <= end) {
        const flags = view.getUint32(option + 4, this.littleEndian) & 3;
        return flags === 3 ? 0 : flags;
      }
      option += 4 + ((bytes + 3) & ~3);
    }
    return 0;
  }
}

function textOption(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  const zero = text.indexOf('\0');
  return zero < 0 ? text : text.slice(0, zero);
}
