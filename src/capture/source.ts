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

export interface CaptureInterface {
  readonly name: string | null;
  readonly linkType: number;
}

export interface CaptureSource {
  readonly name: string;
  readonly format: 'pcap' | 'pcapng';
  /** Grows while reading (pcapng). */
  readonly interfaces: readonly CaptureInterface[];
  /** Next batch, or null at the end; then `end` says how. */
  next(): Promise<RecordBatch | null>;
  readonly end: CaptureEnd | null;
  close(): Promise<void>;
}
