/** What every capture reader yields: batches of records over one buffer, as columns. */

export type EndKind = 'clean' | 'cut' | 'corrupt' | 'empty' | 'refused' | 'unknown';

/** How a file ended. `byteOffset`: where the record or block starts that cannot be read (uncompressed data). */
export interface CaptureEnd {
  readonly kind: EndKind;
  readonly byteOffset: number;
  readonly why: string;
  readonly packets: number;
}

/** Records of one read block. Row i is valid until the next batch is asked for. Arrays may be longer than `count`. */
export interface RecordBatch {
  count: number;
  /** Bytes that the offsets point into. */
  data: Uint8Array;
  dataStart: Uint32Array;
  capturedBytes: Uint32Array;
  originalBytes: Uint32Array;
  /** Unix seconds (double: whole seconds, may be negative with if_tsoffset) and nanoseconds; -1 ns: no time (SPB). */
  seconds: Float64Array;
  nanos: Int32Array;
  linkType: Uint16Array;
  /** pcapng: index into `CaptureSource.interfaces`; pcap: 0. */
  iface: Uint16Array;
  /** pcapng EPB flags: 0 none, 1 inbound, 2 outbound. */
  direction: Uint8Array;
  /** Byte offset of the record or block in the (uncompressed) file. */
  fileOffset: Float64Array;
}

/** Rows per batch: small enough that the columns stay in the L2 cache. */
export const BATCH_ROWS = 1 << 14;

export function allocateBatch(rows = BATCH_ROWS): RecordBatch {
  return {
    count: 0,
    data: new Uint8Array(0),
    dataStart: new Uint32Array(rows),
    capturedBytes: new Uint32Array(rows),
    originalBytes: new Uint32Array(rows),
    seconds: new Float64Array(rows),
    nanos: new Int32Array(rows),
    linkType: new Uint16Array(rows),
    iface: new Uint16Array(rows),
    direction: new Uint8Array(rows),
    fileOffset: new Float64Array(rows),
  };
}

export interface CaptureInterface {
  readonly name: string | null;
  readonly linkType: number;
}

export interface CaptureSource {
  readonly name: string;
  /** 'unknown' for what is no capture: then the first `next()` is null and `end` says what it is. */
  readonly format: 'pcap' | 'pcapng' | 'unknown';
  /** Grows while reading (pcapng). */
  readonly interfaces: readonly CaptureInterface[];
  /** Next batch, or null at the end; then `end` says how. */
  next(): Promise<RecordBatch | null>;
  readonly end: CaptureEnd | null;
  /** Needed only by who stops before the end: there the source closes itself. May be called again. */
  close(): Promise<void>;
}
