/**
 * The scan: records of the merged captures to chunks of the packet table. Per record: at which port and whether it
 * entered, header fields, group, variant. What is not replayed is counted by reason and can be looked at.
 */
import { FRAME, FRAME_REASONS, type FrameJudge, type FrameReason } from '../capture/direction.js';
import { LINK_ETHERNET } from '../capture/links.js';
import type { MergedCapture } from '../capture/merge.js';
import type { RecordBatch } from '../capture/source.js';
import { K, KEY_WORDS } from '../fields/key.js';
import { verifyChecksums } from './checksums.js';
import { PacketTable, ROW_HEADERS_CUT, ROW_ICMP_ERROR } from './columns.js';
import { CookedFrames, isCooked } from './cooked.js';
import { extractPacket, VLAN_LIMIT } from './extract.js';
import { Groups } from './groups.js';
import { PacketInfo } from './packetInfo.js';
import { VariantTable } from './variants.js';

export interface ScanOptions {
  /** KEY_WORDS masks: the bits of the key that anything looks at (see variants.ts). */
  readonly usedBits: Int32Array;
  /** Default: checksums count as valid. */
  readonly verifyChecksums?: boolean;
  /** Keep all frame bytes in the table, for rewritten frames. */
  readonly keepFrames?: boolean;
  /** Rows per chunk. */
  readonly rows?: number;
  /** Gives cooked frames their destination address. Default: one that knows no station yet. */
  readonly cooked?: CookedFrames;
  /** Called for each frame that is replayed. `tsNs` as in the table. */
  readonly onEntered?: (tsNs: number, batch: RecordBatch, row: number) => void;
  /** Called for each frame that is not replayed: evidence of what left. `tsNs` as in the table. */
  readonly onOther?: (
    reason: FrameReason,
    port: number,
    tsNs: number,
    source: number,
    batch: RecordBatch,
    row: number,
  ) => void;
}

export class Scan {
  readonly groups = new Groups();
  readonly variants: VariantTable;
  /** Frames that are not replayed, by FRAME reason. */
  readonly otherCounts = new Float64Array(FRAME_REASONS.length);
  /** Frames with an IPv4 total length of 0 (segmentation offload), accepted. */
  zeroLengths = 0;
  /** Frames whose headers the snaplen cut (ROW_HEADERS_CUT). */
  headersCut = 0;
  /** Replayed frames so far. */
  packets = 0;
  /** All frames so far. */
  frames = 0;
  /** Link types that could not be understood, with the number of frames. */
  readonly unknownLinks = new Map<number, number>();
  readonly cooked: CookedFrames;
  private readonly capture: MergedCapture;
  private readonly judge: FrameJudge;
  private readonly options: ScanOptions;
  /** Rows of the chunk with fragments that came before their first one, and the number of their datagram. */
  private readonly early: { row: number; waiting: number }[] = [];
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly info = new PacketInfo();
  /** Last variant of (group, direction), -1 none. */
  private lastVariant = new Int32Array(2048).fill(-1);

  constructor(capture: MergedCapture, judge: FrameJudge, options: ScanOptions) {
    this.capture = capture;
    this.judge = judge;
    this.options = options;
    this.cooked = options.cooked ?? new CookedFrames();
    this.variants = new VariantTable(options.usedBits, this.groups);
    this.info.acceptZeroLength = true;
    this.info.ownsKey = true;
  }

  /** Chunks in time order. `recycle`: give the same table each time, when the caller is done with it before it goes on. */
  async *chunks(recycle = true): AsyncGenerator<PacketTable> {
    let table = new PacketTable(this.options.rows);
    for (let batch = await this.capture.next(); batch !== null; batch = await this.capture.next()) {
      for (let row = 0; row < batch.count; ) {
        row = this.scanRows(batch.batches, batch.source, batch.row, batch.tsNs, batch.frame, row, batch.count, table);
        if (!table.isFull) continue;
        yield table;
        this.early.length = 0;
        this.groups.forgetEarly();
        if (recycle) table.clear();
        else table = new PacketTable(this.options.rows);
      }
    }
    if (table.count > 0) yield table;
  }

  /** Fills the table from the merged rows [from, to) until it is full; returns the first row that is left. */
  private scanRows(
    batches: readonly RecordBatch[],
    sources: Uint16Array,
    rows: Uint32Array,
    times: Float64Array,
    frames: Float64Array,
    from: number,
    to: number,
    table: PacketTable,
  ): number {
    let i = from;
    for (; i < to && !table.isFull; i++) {
      const source = sources[i]!;
      const batch = batches[source]!;
      const row = rows[i]!;
      const reason = this.scanFrame(source, batch, row, table);
      if (reason === FRAME.ENTERED) {
        const at = table.count - 1;
        table.columns.tsNs[at] = times[i]!;
        table.columns.packet[at] = this.frames - 1;
        table.columns.file[at] = source;
        table.columns.frame[at] = frames[i]!;
        this.options.onEntered?.(times[i]!, batch, row);
      } else {
        this.otherCounts[reason]!++;
        this.options.onOther?.(reason, this.judge.port, times[i]!, source, batch, row);
      }
    }
    return i;
  }

  /** Called per frame, allocates nothing but growing tables. */
  private scanFrame(source: number, batch: RecordBatch, row: number, table: PacketTable): FrameReason {
    const { key, info, groups } = this;
    const reason = this.judge.judge(source, batch, row, this.frames++);
    let linkType = batch.linkType[row]!;
    let isRead = false;
    if (isCooked(linkType) && this.cooked.take(batch, row, this.judge, reason, key, info)) {
      linkType = LINK_ETHERNET;
      isRead = true;
    }
    if (reason !== FRAME.ENTERED) return reason;
    if (batch.nanos[row]! < 0) return FRAME.NO_TIME;
    if (!isRead && !this.extract(batch, row, linkType)) {
      this.unknownLinks.set(linkType, (this.unknownLinks.get(linkType) ?? 0) + 1);
      return FRAME.LINK_UNKNOWN;
    }
    key[K.in_port] = this.judge.port;
    if (this.options.verifyChecksums === true) verifyChecksums(info, key);
    if (info.zeroLength) this.zeroLengths++;
    const at = table.add(key, info, linkType, this.options.keepFrames === true);
    const group = groups.numberOf(key, info);
    const { columns } = table;
    if (columns.bits[at]! & ROW_HEADERS_CUT) this.headersCut++;
    columns.group[at] = group;
    columns.direction[at] = groups.direction;
    if (groups.isError) columns.bits[at] = columns.bits[at]! | ROW_ICMP_ERROR;
    columns.variant[at] = this.variantOf(group * 2 + groups.direction);
    if (groups.waiting >= 0) this.early.push({ row: at, waiting: groups.waiting });
    if (groups.arrived >= 0) this.moveEarly(groups.arrived, group, table);
    this.packets++;
    return FRAME.ENTERED;
  }

  private extract(
    { data, dataStart, capturedBytes, originalBytes }: RecordBatch,
    row: number,
    linkType: number,
  ): boolean {
    const { key, info } = this;
    const [start, captured] = [dataStart[row]!, capturedBytes[row]!];
    return extractPacket(data, start, captured, originalBytes[row]!, linkType, key, info, VLAN_LIMIT);
  }

  /** The first fragment tells the group of those that came before it. */
  private moveEarly(arrived: number, group: number, table: PacketTable): void {
    for (const { row, waiting } of this.early) {
      if (waiting !== arrived) continue;
      table.columns.group[row] = group;
      table.columns.direction[row] = this.groups.direction;
    }
  }

  private variantOf(flow: number): number {
    if (flow >= this.lastVariant.length) {
      const larger = new Int32Array(this.lastVariant.length * 2).fill(-1);
      larger.set(this.lastVariant);
      this.lastVariant = larger;
    }
    const variant = this.variants.intern(this.key, this.groups.mode, this.lastVariant[flow]!);
    this.lastVariant[flow] = variant;
    return variant;
  }
}
