/**
 * The OpenFlow channel in a capture: TCP connections put together again and cut into messages.
 *
 * Borders of segments and of messages have nothing to do with each other, so each direction of each connection is a byte
 * stream first (RFC 9293 3.4: sequence numbers modulo 2^32; what was sent again is taken once, what comes early waits) and
 * a row of messages second. A message is complete with the frame that makes its last byte readable, at that frame's time.
 * A hole that nothing fills is an error with its place; after it the stream is taken up again at the next segment that
 * begins with a message, because senders start segments with messages whenever they pause.
 */
import { InputError } from '../util/errors.js';
import { type CapturedFrame, type TcpSegment, tcpSegmentOf } from './tcpSegment.js';
import { messageHeader, messageSender } from './wireHeader.js';

export type Role = 'switch' | 'controller';

/** One OpenFlow message, bytes copied out of the capture (only the header where `keepBody` said so). */
export interface ChannelMessage {
  /** Index into `Channel.connections`. */
  readonly connection: number;
  readonly from: Role;
  /** Frame that completes it, and that frame's time in ns since 1970. */
  readonly frame: number;
  readonly t: bigint;
  readonly bytes: Uint8Array;
}

/**
 * gap: bytes are not in the capture; captured-short: the frame was cut by the snapshot length; incomplete: the stream ends
 * inside a message; not-openflow: something else speaks on an OpenFlow port; encrypted: TLS does; bad-length: a header's length is below 8, the
 * direction cannot be read further; no-message-start: the capture begins inside a message.
 */
export type ChannelErrorKind =
  | 'gap'
  | 'captured-short'
  | 'incomplete'
  | 'not-openflow'
  | 'encrypted'
  | 'bad-length'
  | 'no-message-start';

export interface ChannelError {
  readonly connection: number;
  readonly from: Role;
  /** Frame at which it shows. */
  readonly frame: number;
  readonly kind: ChannelErrorKind;
  /** Missing bytes (gap, captured-short), bytes left over (incomplete), the length given (bad-length), else 0. */
  readonly bytes: number;
}

export interface ChannelConnection {
  /** `192.0.2.20:41000`: the end that opened the connection, or that spoke first. */
  readonly client: string;
  readonly server: string;
  readonly controller: string;
  /** The capture holds the beginning (SYN). */
  readonly sawStart: boolean;
}

export interface Channel {
  readonly connections: readonly ChannelConnection[];
  /** In order of completion. */
  readonly messages: readonly ChannelMessage[];
  /** By connection, then by frame. */
  readonly errors: readonly ChannelError[];
}

/** IANA port of OpenFlow, and the one before it. A stream on another port is taken only if it looks like OpenFlow. */
const OPENFLOW_PORTS = new Set([6653, 6633]);
/** What may wait behind a hole before the hole counts as lost. */
const HELD_BYTES_MAX = 1 << 20;
const HELD_SEGMENTS_MAX = 4096;
const HEADER_BYTES = 8;
/** Enough for every header (vendor statistics have the longest). */
const KEPT_HEADER_BYTES = 24;
const CONNECTIONS_MAX = 100_000;

interface RawMessage {
  connection: number;
  side: 0 | 1;
  frame: number;
  t: bigint;
  bytes: Uint8Array;
}

interface RawError {
  side: 0 | 1;
  frame: number;
  kind: ChannelErrorKind;
  bytes: number;
}

interface Stamp {
  readonly frame: number;
  readonly t: bigint;
}

interface HeldSegment extends Stamp {
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** Bytes of this segment that the capture cut off. */
  readonly missing: number;
}

/** start: nothing read yet; aligned: `pending` begins with a message; lost: waiting for a segment that does; dead: given up. */
type StreamState = 'start' | 'aligned' | 'lost' | 'dead';

/** One direction of one connection. */
class Stream {
  private next: number | null = null;
  private sawStart = false;
  private state: StreamState = 'start';
  /** Bytes in order that are no whole message yet; joined only when a message can be complete. */
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private wantedBytes = HEADER_BYTES;
  private readonly held: HeldSegment[] = [];
  private heldBytes = 0;
  /** The last segment in order was cut: the hole behind it is its fault. */
  private cut: HeldSegment | null = null;
  private lastFrame = 0;
  /** Version of the last message, 0 before the first. */
  private version = 0;
  private readonly openflowPort: boolean;
  private readonly emit: (stamp: Stamp, bytes: Uint8Array) => void;
  private readonly fail: (frame: number, kind: ChannelErrorKind, bytes: number) => void;

  constructor(openflowPort: boolean, emit: Stream['emit'], fail: Stream['fail']) {
    this.openflowPort = openflowPort;
    this.emit = emit;
    this.fail = fail;
  }

  get started(): boolean {
    return this.next !== null;
  }

  syn(seq: number): void {
    this.next = (seq + 1) >>> 0;
    this.sawStart = true;
  }

  segment(stamp: Stamp, segment: TcpSegment): void {
    if (this.state === 'dead' || segment.payloadBytes === 0) return;
    this.next ??= segment.seq;
    const missing = segment.payloadBytes - segment.payload.length;
    const ahead = (segment.seq - this.next) | 0;
    if (ahead > 0) this.hold(stamp, segment, missing);
    else this.take(stamp, segment.payload, -ahead, missing);
    this.drain(stamp);
    if (this.heldBytes > HELD_BYTES_MAX || this.held.length > HELD_SEGMENTS_MAX) this.giveUpHole();
  }

  /** The capture ends here. */
  finish(): void {
    while (this.held.length > 0 && this.state !== 'dead') this.giveUpHole();
    if (this.state === 'dead') return;
    if (this.cut !== null) this.fail(this.cut.frame, 'captured-short', this.cut.missing);
    else if (this.pendingBytes > 0) this.fail(this.lastFrame, 'incomplete', this.pendingBytes);
  }

  private hold(stamp: Stamp, segment: TcpSegment, missing: number): void {
    const bytes = segment.payload.slice();
    let at = this.held.length;
    while (at > 0 && ((this.held[at - 1]!.seq - segment.seq) | 0) > 0) at--;
    this.held.splice(at, 0, { ...stamp, seq: segment.seq, bytes, missing });
    this.heldBytes += bytes.length;
  }

  /** Appends what is new of a segment that begins `skip` bytes before the next byte wanted. */
  private take(stamp: Stamp, bytes: Uint8Array, skip: number, missing: number): void {
    if (skip > bytes.length || (skip === bytes.length && missing === 0)) return;
    const fresh = bytes.subarray(skip);
    this.next = (this.next! + fresh.length) >>> 0;
    this.cut = missing > 0 ? { ...stamp, seq: this.next, bytes: fresh, missing } : null;
    if (fresh.length > 0) this.append(stamp, fresh);
  }

  /** Takes the held segments that follow without a hole; `stamp` is the frame that made them readable. */
  private drain(stamp: Stamp): void {
    while (this.held.length > 0 && this.state !== 'dead') {
      const first = this.held[0]!;
      const ahead = (first.seq - this.next!) | 0;
      if (ahead > 0) return;
      this.held.shift();
      this.heldBytes -= first.bytes.length;
      this.take(first.frame > stamp.frame ? first : stamp, first.bytes, -ahead, first.missing);
    }
  }

  /** Nothing will fill the hole before the first held segment: says so and goes on behind it. */
  private giveUpHole(): void {
    const first = this.held[0]!;
    const missing = (first.seq - this.next!) | 0;
    if (this.cut !== null) this.fail(this.cut.frame, 'captured-short', this.cut.missing);
    else this.fail(first.frame, 'gap', missing);
    this.cut = null;
    this.next = first.seq;
    this.state = 'lost';
    this.wait([]);
    // Segment by segment, each with its own frame: they were there in time, only the hole was not.
    while (this.held.length > 0 && this.held[0]!.seq === this.next) {
      const segment = this.held.shift()!;
      this.heldBytes -= segment.bytes.length;
      this.take(segment, segment.bytes, 0, segment.missing);
      if ((this.state as StreamState) === 'dead') return;
    }
    this.drain(first);
  }

  private append(stamp: Stamp, bytes: Uint8Array): void {
    this.lastFrame = stamp.frame;
    if (this.state === 'start' && !this.begin(stamp, bytes)) return;
    if (this.state === 'lost') {
      if (!this.beginsWithMessages(bytes)) return;
      this.state = 'aligned';
    }
    this.pending.push(bytes.slice());
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= this.wantedBytes) this.cutMessages(stamp, join(this.pending, this.pendingBytes));
  }

  /** Judges the first bytes of the stream. False: they are not taken. */
  private begin(stamp: Stamp, bytes: Uint8Array): boolean {
    if (this.beginsWithMessages(bytes) || (this.sawStart && greets(bytes))) {
      this.state = 'aligned';
      return true;
    }
    const encrypted = isTls(bytes);
    const foreign = this.sawStart || encrypted;
    this.fail(stamp.frame, encrypted ? 'encrypted' : foreign ? 'not-openflow' : 'no-message-start', 0);
    if (foreign) this.kill();
    else this.state = 'lost';
    return false;
  }

  private cutMessages(stamp: Stamp, buffer: Uint8Array): void {
    let at = 0;
    let wanted = HEADER_BYTES;
    while (buffer.length - at >= HEADER_BYTES) {
      const length = (buffer[at + 2]! << 8) | buffer[at + 3]!;
      if (length < HEADER_BYTES) {
        this.fail(stamp.frame, 'bad-length', length);
        this.kill();
        return;
      }
      if (buffer.length - at < length) {
        wanted = length;
        break;
      }
      this.version = buffer[at]!;
      this.emit(stamp, buffer.slice(at, at + length));
      at += length;
    }
    this.wait(at === buffer.length ? [] : [buffer.slice(at)], wanted);
  }

  private wait(pending: Uint8Array[], wantedBytes = HEADER_BYTES): void {
    this.pending = pending;
    this.pendingBytes = pending[0]?.length ?? 0;
    this.wantedBytes = wantedBytes;
  }

  /** Are the bytes a row of messages that OVS knows, up to their end or into one more? */
  private beginsWithMessages(bytes: Uint8Array): boolean {
    let at = 0;
    while (bytes.length - at >= 8) {
      const header = messageHeader(bytes.subarray(at));
      if (header === null || header.error !== null || header.version < 1 || header.version > 6) return false;
      if (this.version !== 0 && header.version !== this.version) return false;
      at += header.length;
    }
    // On any other port a chance likeness must not make a stream OpenFlow: the row has to end with the segment.
    return at > 0 && (this.openflowPort || at === bytes.length);
  }

  private kill(): void {
    this.state = 'dead';
    this.wait([]);
    this.held.length = 0;
    this.heldBytes = 0;
  }
}

class Connection {
  readonly client: string;
  readonly server: string;
  readonly sawStart: boolean;
  readonly isn: number;
  readonly openflowPort: boolean;
  readonly errors: RawError[] = [];
  readonly streams: readonly [Stream, Stream];
  messageCount = 0;
  /** Side that is the controller, once a message tells. */
  controllerSide: 0 | 1 | null = null;

  constructor(index: number, segment: TcpSegment, messages: RawMessage[], keepBody: KeepBody) {
    const answer = segment.syn && segment.ack;
    this.client = answer ? segment.destination : segment.source;
    this.server = answer ? segment.source : segment.destination;
    this.sawStart = segment.syn;
    this.isn = segment.seq;
    this.openflowPort = OPENFLOW_PORTS.has(segment.sourcePort) || OPENFLOW_PORTS.has(segment.destinationPort);
    const stream = (side: 0 | 1): Stream =>
      new Stream(
        this.openflowPort,
        ({ frame, t }, bytes) => {
          this.messageCount++;
          const sender = messageSender(bytes);
          if (sender !== null) this.controllerSide ??= sender === 'controller' ? side : side === 0 ? 1 : 0;
          const kept = keepBody(bytes) ? bytes : bytes.slice(0, KEPT_HEADER_BYTES);
          messages.push({ connection: index, side, frame, t, bytes: kept });
        },
        (frame, kind, bytes) => this.errors.push({ side, frame, kind, bytes }),
      );
    this.streams = [stream(0), stream(1)];
  }

  /** Without a message that tells: the end on an OpenFlow port, else the one that listens. */
  roleOf(side: 0 | 1): Role {
    const listens = OPENFLOW_PORTS.has(portOf(this.client)) && !OPENFLOW_PORTS.has(portOf(this.server)) ? 0 : 1;
    return side === (this.controllerSide ?? listens) ? 'controller' : 'switch';
  }
}

/** Is the body of this message wanted? */
export type KeepBody = (message: Uint8Array) => boolean;

/** Collects the frames of one capture, in its order, and gives the OpenFlow messages in them. */
export class ChannelReader {
  private readonly keepBody: KeepBody;
  private readonly connections: Connection[] = [];
  private readonly byEnds = new Map<string, Connection>();
  private readonly messages: RawMessage[] = [];

  /** `keepBody`: messages that it denies are kept as their first 24 bytes, so that floods of packet-ins cost little. */
  constructor(keepBody: KeepBody = () => true) {
    this.keepBody = keepBody;
  }

  /** Throws InputError when there are more connections than a channel capture can sensibly have. */
  push(frame: CapturedFrame): void {
    const segment = tcpSegmentOf(frame);
    if (segment === null) return;
    const ends =
      segment.source < segment.destination
        ? `${segment.source} ${segment.destination}`
        : `${segment.destination} ${segment.source}`;
    let connection = this.byEnds.get(ends);
    if (connection === undefined || opensAnew(connection, segment)) {
      if (connection === undefined && !segment.syn && segment.payloadBytes === 0) return;
      if (this.connections.length === CONNECTIONS_MAX)
        throw new InputError(
          `more than ${CONNECTIONS_MAX} TCP connections`,
          { packet: frame.frame },
          'keep only the OpenFlow channel, for instance with tcpdump -w OUT tcp port 6653',
        );
      connection = new Connection(this.connections.length, segment, this.messages, this.keepBody);
      this.connections.push(connection);
      this.byEnds.set(ends, connection);
    }
    const stream = connection.streams[segment.source === connection.client ? 0 : 1];
    // The initial sequence number counts once; a SYN sent again changes nothing.
    if (segment.syn && !stream.started) stream.syn(segment.seq);
    else if (!segment.syn) stream.segment(frame, segment);
  }

  /** Call once, after the last frame. Connections that turned out not to be OpenFlow, on other ports, are left out. */
  finish(): Channel {
    for (const connection of this.connections) for (const stream of connection.streams) stream.finish();
    const kept = this.connections.filter((connection) => connection.openflowPort || connection.messageCount > 0);
    const indexOf = new Map(kept.map((connection, index) => [connection, index]));
    const messages = this.messages.map((raw, order) => ({ raw, order }));
    // Messages behind a hole were found late; their frames tell where they belong.
    messages.sort((a, b) => a.raw.frame - b.raw.frame || a.order - b.order);
    return {
      connections: kept.map((connection) => ({
        client: connection.client,
        server: connection.server,
        controller: connection.roleOf(0) === 'controller' ? connection.client : connection.server,
        sawStart: connection.sawStart,
      })),
      messages: messages.map(({ raw }) => {
        const connection = this.connections[raw.connection]!;
        const from = connection.roleOf(raw.side);
        return { connection: indexOf.get(connection)!, from, frame: raw.frame, t: raw.t, bytes: raw.bytes };
      }),
      errors: kept.flatMap((connection, index) =>
        connection.errors
          .toSorted((a, b) => a.frame - b.frame)
          .map(({ side, frame, kind, bytes }) => ({
            connection: index,
            from: connection.roleOf(side),
            frame,
            kind,
            bytes,
          })),
      ),
    };
  }
}

/** A SYN with another initial number on known ends: the ports are used again. */
function opensAnew(connection: Connection, segment: TcpSegment): boolean {
  return segment.syn && !segment.ack && (!connection.sawStart || segment.seq !== connection.isn);
}

/** A connection opens with HELLO, or with an error about it, of whatever version (one byte of it is enough). */
function greets(bytes: Uint8Array): boolean {
  const [version, type = 0] = bytes;
  return version! >= 1 && version! <= 15 && type <= 1;
}

/** A TLS record: handshake or data, version 3.x (RFC 8446 5.1). */
const isTls = (bytes: Uint8Array): boolean => (bytes[0] === 0x16 || bytes[0] === 0x17) && bytes[1] === 3;

function join(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function portOf(end: string): number {
  return Number(end.slice(end.lastIndexOf(':') + 1));
}
