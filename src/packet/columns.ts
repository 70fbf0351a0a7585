/**
 * The packet table: one chunk of packets as columns in one SharedArrayBuffer, what the walk reads per packet.
 * Everything that the header variant holds is not repeated here. 69 bytes per row.
 *
 * Most packets are plain: their columns and variant say all that conntrack asks. Packets with SACK blocks, ICMP
 * errors, fragments, damaged headers and a few more keep their bytes and are taken apart again when
 * they are loaded. Whether a row keeps its bytes never changes what load() gives.
 */
import { FRAG_ANY, K } from '../fields/key.js';
import { areHeadersCut } from './cut.js';
import { extractPacket, VLAN_LIMIT } from './extract.js';
import type { HeaderLoader } from './headers.js';
import { isIcmpError } from './inner.js';
import type { PacketInfo } from './packetInfo.js';
import { ETH_IPV4, IP_ICMP, IP_ICMPV6, IP_TCP, IP_UDP } from './protocols.js';

/** Bits of `bits`. */
export const ROW_BAD_L3_CHECKSUM = 1;
export const ROW_BAD_L4_CHECKSUM = 2;
/** IPv4 total length 0 was taken as "to the end of the frame". */
export const ROW_ZERO_LENGTH = 4;
/** An ICMP error in the group of its inner packet. */
export const ROW_ICMP_ERROR = 8;
export const ROW_SACK_PERMITTED = 16;
/** Headers cut by the snaplen: parsed with zeros for the rest, not to be judged. */
export const ROW_HEADERS_CUT = 32;

/** Above the IP header that many bytes are kept of a packet, of a fragment all. */
const KEPT_ABOVE_L4 = 640;
/** In front of kept bytes: their number and the link type. */
const KEPT_HEAD_WORDS = 2;

export interface PacketColumns {
  /** Nanoseconds since the start of the trace. */
  readonly tsNs: Float64Array;
  /** Number in merged order, from 0. */
  readonly packet: Float64Array;
  /** Which capture. */
  readonly file: Uint16Array;
  /** Number in its file, from 1. */
  readonly frame: Uint32Array;
  readonly inPort: Uint16Array;
  readonly group: Uint32Array;
  /** 0: from the lower endpoint of the group, 1: from the other. */
  readonly direction: Uint8Array;
  readonly variant: Uint32Array;
  readonly originalBytes: Uint32Array;
  readonly l3Offset: Uint16Array;
  readonly l4Offset: Uint16Array;
  readonly l4Bytes: Uint32Array;
  readonly payloadBytes: Uint32Array;
  readonly tcpSeq: Uint32Array;
  readonly tcpAck: Uint32Array;
  readonly tcpWindow: Uint16Array;
  readonly tcpFlags: Uint16Array;
  readonly icmpId: Uint16Array;
  /** Window scale option, -1: none. */
  readonly tcpScale: Int8Array;
  readonly bits: Uint8Array;
  /** Place in `kept`, -1: a plain packet. */
  readonly keptAt: Int32Array;
}

/** Sum of the columns' widths. */
const ROW_BYTES = 2 * 8 + 9 * 4 + 7 * 2 + 3;

/** Rows of a chunk: its columns stay in the L2 cache while it is walked. */
export const CHUNK_ROWS = 1 << 14;

export class PacketTable {
  /** Number of rows in use. */
  count = 0;
  readonly rows: number;
  /** The columns' memory: hand it to another thread and rebuild the table there with PacketTable.from(). */
  readonly buffer: SharedArrayBuffer;
  readonly columns: PacketColumns;
  /** Bytes of packets that are not plain. */
  kept: Uint8Array;
  keptBytes = 0;

  constructor(rows = CHUNK_ROWS, buffer = new SharedArrayBuffer(rows * ROW_BYTES)) {
    this.rows = rows;
    this.buffer = buffer;
    this.columns = makeColumns(buffer, rows);
    this.kept = new Uint8Array(new SharedArrayBuffer(1 << 16));
  }

  /** The same table in another thread, from what a message carried. */
  static from(parts: { rows: number; count: number; buffer: SharedArrayBuffer; kept: Uint8Array }): PacketTable {
    const table = new PacketTable(parts.rows, parts.buffer);
    table.count = parts.count;
    table.kept = parts.kept;
    return table;
  }

  get isFull(): boolean {
    return this.count === this.rows;
  }

  clear(): void {
    this.count = 0;
    this.keptBytes = 0;
  }

  /**
   * Called per packet: appends a row for what extractPacket() filled in; returns it. The caller sets tsNs, packet, file,
   * frame. `keepAll`: keep the bytes of plain packets too, for rewritten frames.
   */
  add(key: Int32Array, info: PacketInfo, linkType: number, keepAll: boolean): number {
    const { columns } = this;
    const row = this.count++;
    columns.inPort[row] = key[K.in_port]!;
    columns.originalBytes[row] = info.originalBytes;
    columns.l3Offset[row] = info.l3Offset;
    columns.l4Offset[row] = info.l4Offset;
    columns.l4Bytes[row] = info.l4Bytes;
    columns.payloadBytes[row] = info.payloadBytes;
    columns.tcpSeq[row] = info.tcpSeq;
    columns.tcpAck[row] = info.tcpAck;
    columns.tcpWindow[row] = info.tcpWindow;
    columns.icmpId[row] = info.icmpId;
    columns.tcpScale[row] = info.tcpScale;
    columns.tcpFlags[row] = key[K.tcp_flags]!;
    columns.bits[row] =
      (info.l3ChecksumOk ? 0 : ROW_BAD_L3_CHECKSUM) |
      (info.l4ChecksumOk ? 0 : ROW_BAD_L4_CHECKSUM) |
      (info.zeroLength ? ROW_ZERO_LENGTH : 0) |
      (info.sackPermitted ? ROW_SACK_PERMITTED : 0) |
      (areHeadersCut(info, key) ? ROW_HEADERS_CUT : 0);
    columns.keptAt[row] = keepAll
      ? this.keep(info, linkType, info.capturedBytes)
      : this.keepIfNeeded(key, info, linkType);
    return row;
  }

  private keepIfNeeded(key: Int32Array, info: PacketInfo, linkType: number): number {
    if (isPlain(key, info)) return -1;
    const isFragment = (key[K.nw_frag]! & FRAG_ANY) !== 0;
    const wanted = isFragment || info.l4Offset < 0 ? info.capturedBytes : info.l4Offset + KEPT_ABOVE_L4;
    return this.keep(info, linkType, Math.min(wanted, info.capturedBytes));
  }

  private keep(info: PacketInfo, linkType: number, bytes: number): number {
    const at = (this.keptBytes + 3) & ~3;
    const needed = at + KEPT_HEAD_WORDS * 4 + bytes;
    if (needed > this.kept.length) {
      const larger = new Uint8Array(new SharedArrayBuffer(Math.max(needed, this.kept.length * 2)));
      larger.set(this.kept);
      this.kept = larger;
    }
    const { kept } = this;
    writeWord(kept, at, bytes);
    writeWord(kept, at + 4, linkType);
    const { data, start } = info;
    // Most are some tens of bytes: a loop is quicker than a view for set().
    for (let i = 0, to = at + KEPT_HEAD_WORDS * 4; i < bytes; i++) kept[to + i] = data[start + i]!;
    this.keptBytes = needed;
    return at;
  }

  /**
   * Called per packet of a walk: key and info as the extraction gave them, as far as the variants say that anything looks
   * at them. The flow's tuple comes from its group, the rest from its variant. Frame bytes are there for rows that keep them; for others `info.capturedBytes` is 0.
   */
  load(row: number, headers: HeaderLoader, key: Int32Array, info: PacketInfo): void {
    const { columns } = this;
    const bits = columns.bits[row]!;
    info.acceptZeroLength = (bits & ROW_ZERO_LENGTH) !== 0;
    if (columns.keptAt[row]! >= 0) this.loadKept(row, key, info);
    else this.loadPlain(row, info);
    headers.load(columns.variant[row]!, columns.group[row]!, columns.direction[row]!, key);
    key[K.tcp_flags] = columns.tcpFlags[row]!;
    info.l3ChecksumOk = (bits & ROW_BAD_L3_CHECKSUM) === 0;
    info.l4ChecksumOk = (bits & ROW_BAD_L4_CHECKSUM) === 0;
    info.zeroLength = (bits & ROW_ZERO_LENGTH) !== 0;
  }

  /** Bytes and link type of a row that keeps them (`keepAll`: all of it), else null. A view: copy what is to last. */
  frameOf(row: number): { bytes: Uint8Array; linkType: number } | null {
    const at = this.columns.keptAt[row]!;
    if (at < 0) return null;
    const start = at + KEPT_HEAD_WORDS * 4;
    const bytes = this.kept.subarray(start, start + readWord(this.kept, at));
    return { bytes, linkType: readWord(this.kept, at + 4) };
  }

  private loadKept(row: number, key: Int32Array, info: PacketInfo): void {
    const { kept, columns } = this;
    const at = columns.keptAt[row]!;
    const bytes = readWord(kept, at);
    const start = at + KEPT_HEAD_WORDS * 4;
    extractPacket(kept, start, bytes, columns.originalBytes[row]!, readWord(kept, at + 4), key, info, VLAN_LIMIT);
  }

  private loadPlain(row: number, info: PacketInfo): void {
    const { columns } = this;
    const l4Offset = columns.l4Offset[row]!;
    info.data = NO_BYTES;
    info.start = 0;
    info.capturedBytes = 0;
    info.originalBytes = columns.originalBytes[row]!;
    info.l3Offset = columns.l3Offset[row]!;
    info.l4Offset = l4Offset === NO_OFFSET ? -1 : l4Offset;
    if (info.l3Offset === NO_OFFSET) info.l3Offset = -1;
    info.l4Bytes = columns.l4Bytes[row]!;
    info.payloadBytes = columns.payloadBytes[row]!;
    info.tcpSeq = columns.tcpSeq[row]!;
    info.tcpAck = columns.tcpAck[row]!;
    info.tcpWindow = columns.tcpWindow[row]!;
    info.icmpId = columns.icmpId[row]!;
    info.tcpScale = columns.tcpScale[row]!;
    info.tcpSackEdge = 0;
    info.hasSack = false;
    info.sackPermitted = (columns.bits[row]! & ROW_SACK_PERMITTED) !== 0;
    info.l4Malformed = false;
    info.fragmentId = 0;
    info.fragmentOffset = 0;
    info.moreFragments = false;
  }
}

const NO_BYTES = new Uint8Array(0);
/** -1 in a 16-bit column. */
const NO_OFFSET = 0xffff;

/** Called per packet: do the columns say all that conntrack may ask? */
function isPlain(key: Int32Array, info: PacketInfo): boolean {
  if (info.l4Offset < 0) return info.l3Offset < NO_OFFSET;
  if (info.l4Malformed || key[K.nw_frag] !== 0 || info.l4Offset >= NO_OFFSET) return false;
  switch (key[K.nw_proto]) {
    case IP_TCP:
      // Scales that do not fit the column are damage.
      return !info.hasSack && info.tcpScale <= 127;
    case IP_UDP:
      // The trackers look whether there is a checksum at all (conntrack.c:check_l4_udp).
      return key[K.dl_type] === ETH_IPV4 || hasUdpSum(info);
    case IP_ICMP:
    case IP_ICMPV6:
      return !isIcmpError(key);
    default:
      // GRE, UDP-Lite, DCCP and SCTP: the kernel reads on in their bytes.
      return false;
  }
}

function hasUdpSum(info: PacketInfo): boolean {
  const at = info.start + info.l4Offset;
  return info.l4Offset + 8 <= info.capturedBytes && (info.data[at + 6] !== 0 || info.data[at + 7] !== 0);
}

/** Widest first, so that every column is aligned. A literal: objects put together key by key are slow to read. */
function makeColumns(buffer: SharedArrayBuffer, rows: number): PacketColumns {
  let at = 0;
  const place = (bytes: number): number => {
    at += bytes * rows;
    return at - bytes * rows;
  };
  return {
    tsNs: new Float64Array(buffer, place(8), rows),
    packet: new Float64Array(buffer, place(8), rows),
    frame: new Uint32Array(buffer, place(4), rows),
    group: new Uint32Array(buffer, place(4), rows),
    variant: new Uint32Array(buffer, place(4), rows),
    originalBytes: new Uint32Array(buffer, place(4), rows),
    l4Bytes: new Uint32Array(buffer, place(4), rows),
    payloadBytes: new Uint32Array(buffer, place(4), rows),
    tcpSeq: new Uint32Array(buffer, place(4), rows),
    tcpAck: new Uint32Array(buffer, place(4), rows),
    keptAt: new Int32Array(buffer, place(4), rows),
    file: new Uint16Array(buffer, place(2), rows),
    inPort: new Uint16Array(buffer, place(2), rows),
    l3Offset: new Uint16Array(buffer, place(2), rows),
    l4Offset: new Uint16Array(buffer, place(2), rows),
    tcpWindow: new Uint16Array(buffer, place(2), rows),
    tcpFlags: new Uint16Array(buffer, place(2), rows),
    icmpId: new Uint16Array(buffer, place(2), rows),
    direction: new Uint8Array(buffer, place(1), rows),
    bits: new Uint8Array(buffer, place(1), rows),
    tcpScale: new Int8Array(buffer, place(1), rows),
  };
}

function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
