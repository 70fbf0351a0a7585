/** SCTP in Linux 6.1: net/netfilter/nf_conntrack_proto_sctp.c. Reads the chunks from the frame. */
import type { CtEntry } from './entry.js';
import { ACCEPT, INVALID } from './linuxTcp.js';
import { type CtPacket, word16, word32 } from './packet.js';
import { LT } from './timeouts.js';

/** enum sctp_conntrack; names in entry.ts. */
const NONE = 0;
const CLOSED = 1;
const ESTABLISHED = 4;
const STATES = 9;
const IV = 9;

/** Chunk types (RFC 9260 3.2). */
const DATA = 0;
const INIT = 1;
const INIT_ACK = 2;
const HEARTBEAT = 4;
const HEARTBEAT_ACK = 5;
const ABORT = 6;
const SHUTDOWN_ACK = 8;
const COOKIE_ECHO = 10;
const COOKIE_ACK = 11;
const SHUTDOWN_COMPLETE = 14;
const FLAG_T = 1;

/** Row of the table by chunk type; -1: the state stays (sctp_new_state). */
const ROW = new Int8Array(256).fill(-1);
[
  INIT,
  INIT_ACK,
  ABORT,
  7,
  SHUTDOWN_ACK,
  9,
  COOKIE_ECHO,
  COOKIE_ACK,
  SHUTDOWN_COMPLETE,
  HEARTBEAT,
  HEARTBEAT_ACK,
].forEach((type, row) => {
  ROW[type] = row;
});
const ROWS = 11;

/** sctp_conntracks: [direction][chunk][state before]; columns NO CL CW CE ES SS SR SA HS. */
const NEXT_STATE = Uint8Array.from(
  [
    [1, 1, 2, 3, 4, 1, 1, 7, 2],
    [1, 1, 2, 3, 4, 5, 6, 7, 1],
    [1, 1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 2, 3, 5, 5, 6, 7, 1],
    [7, 1, 2, 3, 4, 7, 7, 7, 7],
    [1, 1, 2, 3, 4, 5, 6, 7, 1],
    [1, 1, 3, 3, 4, 5, 6, 7, 1],
    [1, 1, 2, 4, 4, 5, 6, 7, 1],
    [1, 1, 2, 3, 4, 5, 6, 1, 1],
    [8, 1, 2, 3, 4, 5, 6, 7, 8],
    [1, 1, 2, 3, 4, 5, 6, 7, 8],
    [IV, 1, 2, 3, 4, 5, 6, 7, IV],
    [IV, 2, 2, 3, 4, 5, 6, 7, IV],
    [IV, 1, 1, 1, 1, 1, 1, 1, IV],
    [IV, 1, 2, 3, 6, 5, 6, 7, IV],
    [IV, 1, 2, 3, 4, 7, 7, 7, IV],
    [IV, 1, 2, 1, 4, 5, 6, 7, IV],
    [IV, 1, 3, 3, 4, 5, 6, 7, IV],
    [IV, 1, 2, 4, 4, 5, 6, 7, IV],
    [IV, 1, 2, 3, 4, 5, 6, 1, IV],
    [IV, 1, 2, 3, 4, 5, 6, 7, 8],
    [IV, 1, 2, 3, 4, 5, 6, 7, 4],
  ].flat(),
);

const HEADER_BYTES = 12;
/** entry.sctpFlags: a heartbeat had the wrong tag; from which direction; INIT seen of direction 0, 1. */
const F_HEARTBEAT_FAILED = 1;
const F_FAILED_REPLY = 2;
const F_INIT0 = 4;
const F_INIT1 = 8;

function nextState(direction: number, state: number, type: number): number {
  const row = ROW[type]!;
  return row < 0 ? state : NEXT_STATE[(direction * ROWS + row) * STATES + state]!;
}

/** Chunk types present; filled by `readChunks`. */
const present = new Uint8Array(256);
const chunkAt: number[] = [];

/** do_basic_checks: false if the chunks do not make sense. */
function readChunks(packet: CtPacket): boolean {
  present.fill(0);
  chunkAt.length = 0;
  let hasSingle = false;
  let at = HEADER_BYTES;
  const end = Math.min(packet.l4Bytes, packet.dataEnd - packet.l4Start);
  while (at < packet.l4Bytes && at + 4 <= end) {
    const type = packet.data[packet.l4Start + at]!;
    const length = word16(packet, at + 2);
    if (type === INIT || type === INIT_ACK || type === SHUTDOWN_COMPLETE) hasSingle = true;
    const mustBeFirst = type === COOKIE_ACK || type === COOKIE_ECHO || hasSingle;
    if ((mustBeFirst && chunkAt.length > 0) || length === 0) return false;
    present[type] = 1;
    chunkAt.push(at);
    at += (length + 3) & ~3;
  }
  return chunkAt.length > 0;
}

const tagOf = (entry: CtEntry, direction: number): number => (direction === 0 ? entry.tag0 : entry.tag1);

function setTag(entry: CtEntry, direction: number, tag: number): void {
  if (direction === 0) entry.tag0 = tag;
  else entry.tag1 = tag;
}

/** Initiate tag (RFC 9260 3.3.2), or null if the chunk is cut off. */
function initTag(packet: CtPacket, at: number): number | null {
  const end = Math.min(packet.l4Bytes, packet.dataEnd - packet.l4Start);
  return at + 20 > end ? null : word32(packet, at + 4);
}

/** nf_conntrack_sctp_packet: ACCEPT or INVALID. An entry that is not committed yet starts anew with this packet. */
export function updateSctp(entry: CtEntry, packet: CtPacket, isReply: boolean, nowNs: number): number {
  if (packet.l4Bytes < HEADER_BYTES || packet.dataEnd < packet.l4Start + HEADER_BYTES) return INVALID;
  if (!readChunks(packet)) return INVALID;
  const tag = word32(packet, 4);
  if (!entry.confirmed) {
    if (present[ABORT] || present[SHUTDOWN_COMPLETE] || present[COOKIE_ACK]) return INVALID;
    if (!start(entry, packet, tag)) return INVALID;
  }
  const direction = isReply ? 1 : 0;
  const isExempt =
    present[INIT]! |
    present[SHUTDOWN_COMPLETE]! |
    present[COOKIE_ECHO]! |
    present[ABORT]! |
    present[SHUTDOWN_ACK]! |
    present[HEARTBEAT]! |
    present[HEARTBEAT_ACK]!;
  if (!isExempt && tag !== tagOf(entry, direction)) return INVALID;

  let state: number = NONE;
  let keepsTimeout = false;
  for (const at of chunkAt) {
    const type = packet.data[packet.l4Start + at]!;
    const flags = packet.data[packet.l4Start + at + 1]!;
    const check = checkTag(entry, type, flags, tag, direction, keepsTimeout);
    if (check === TAG_BAD) return INVALID;
    if (check === TAG_IGNORED) {
      keepsTimeout = true;
      continue;
    }
    const old = entry.state;
    state = nextState(direction, old, type);
    if (state === IV) return INVALID;
    if (type === INIT || type === INIT_ACK) {
      const offered = initTag(packet, at);
      if (offered === null) return INVALID;
      if (type === INIT) noteInit(entry, direction, old, offered);
      else if (!acceptsInitAck(entry, direction, offered)) return INVALID;
      setTag(entry, 1 - direction, offered);
      if (type === INIT && state === CLOSED && old === CLOSED && entry.confirmed) keepsTimeout = true;
    }
    entry.state = state;
    if (old !== state && state === ESTABLISHED) entry.assured = true;
  }
  // Index 0 is the time-out of a new connection, that of CLOSED.
  if (!keepsTimeout) entry.expiresNs = nowNs + entry.timeouts[LT.SCTP + (state === NONE ? CLOSED : state)]!;
  return ACCEPT;
}

/** sctp_new. */
function start(entry: CtEntry, packet: CtPacket, tag: number): boolean {
  entry.tag0 = entry.tag1 = entry.sctpFlags = 0;
  entry.state = NONE;
  for (const at of chunkAt) {
    const type = packet.data[packet.l4Start + at]!;
    const state = nextState(0, NONE, type);
    if (state === NONE || state === IV) return false;
    if (type === INIT) {
      const offered = initTag(packet, at);
      if (tag !== 0 || offered === null) return false;
      entry.tag1 = offered;
    } else if (type === HEARTBEAT) entry.tag0 = tag;
    else if (type === SHUTDOWN_ACK) entry.tag1 = tag;
  }
  return true;
}

const TAG_GOOD = 0;
const TAG_BAD = 1;
const TAG_IGNORED = 2;

/** RFC 9260 8.5.1, and the heartbeats of further paths. */
function checkTag(
  entry: CtEntry,
  type: number,
  flags: number,
  tag: number,
  direction: number,
  isIgnoring: boolean,
): number {
  const own = tagOf(entry, direction);
  switch (type) {
    case INIT:
      return tag === 0 ? TAG_GOOD : TAG_BAD;
    case ABORT:
    case SHUTDOWN_COMPLETE:
      return tag === ((flags & FLAG_T) !== 0 ? tagOf(entry, 1 - direction) : own) ? TAG_GOOD : TAG_BAD;
    case COOKIE_ECHO:
      return tag === own ? TAG_GOOD : TAG_BAD;
    case COOKIE_ACK:
      entry.sctpFlags &= ~(F_INIT0 | F_INIT1);
      return TAG_GOOD;
    case HEARTBEAT:
    case HEARTBEAT_ACK:
      break;
    default:
      return TAG_GOOD;
  }
  if (own === 0) {
    setTag(entry, direction, tag);
    return TAG_GOOD;
  }
  const hasFailed = (entry.sctpFlags & F_HEARTBEAT_FAILED) !== 0;
  if (tag === own) {
    entry.sctpFlags &= ~F_HEARTBEAT_FAILED;
    return TAG_GOOD;
  }
  if (present[DATA] || isIgnoring) return TAG_BAD;
  if (type === HEARTBEAT) {
    entry.sctpFlags = (entry.sctpFlags & ~F_FAILED_REPLY) | F_HEARTBEAT_FAILED | (direction === 1 ? F_FAILED_REPLY : 0);
    return TAG_IGNORED;
  }
  const failedDirection = (entry.sctpFlags & F_FAILED_REPLY) !== 0 ? 1 : 0;
  if (!hasFailed || failedDirection === direction) return TAG_BAD;
  entry.sctpFlags &= ~F_HEARTBEAT_FAILED;
  setTag(entry, direction, tag);
  setTag(entry, 1 - direction, 0);
  return TAG_GOOD;
}

const initBit = (direction: number): number => (direction === 0 ? F_INIT0 : F_INIT1);

function noteInit(entry: CtEntry, direction: number, oldState: number, offered: number): void {
  // A stale or repeated INIT counts only if it brings another tag.
  if (oldState !== NONE && tagOf(entry, 1 - direction) === offered) return;
  const both = F_INIT0 | F_INIT1;
  if ((entry.sctpFlags & both) === both) entry.sctpFlags &= ~initBit(1 - direction);
  entry.sctpFlags |= initBit(direction);
}

function acceptsInitAck(entry: CtEntry, direction: number, offered: number): boolean {
  const known = tagOf(entry, 1 - direction);
  const hasPeerInit = (entry.sctpFlags & initBit(1 - direction)) !== 0;
  if (!hasPeerInit && known !== 0 && known !== offered) return false;
  const both = F_INIT0 | F_INIT1;
  return (entry.sctpFlags & both) !== both || known === offered;
}
