/**
 * One tracked connection. All state is numbers, so that the walk updates it in place and two worlds can be compared
 * attribute by attribute. Both profiles use this class; what a field means differs where said so.
 */

import type { Timeouts } from './timeouts.js';
import { CtTuple, copyTuple, PROTO_SCTP, PROTO_TCP, tuplesEqual } from './tuple.js';

/** nf_conntrack_tcp.h:enum tcp_conntrack. */
export const LINUX_TCP = {
  NONE: 0,
  SYN_SENT: 1,
  SYN_RECV: 2,
  ESTABLISHED: 3,
  FIN_WAIT: 4,
  CLOSE_WAIT: 5,
  LAST_ACK: 6,
  TIME_WAIT: 7,
  CLOSE: 8,
  SYN_SENT2: 9,
} as const;

/** OVS lib/ct-dpif.h:enum ct_dpif_tcp_state. */
export const OVS_TCP = {
  CLOSED: 0,
  LISTEN: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  ESTABLISHED: 4,
  CLOSE_WAIT: 5,
  FIN_WAIT_1: 6,
  CLOSING: 7,
  LAST_ACK: 8,
  FIN_WAIT_2: 9,
  TIME_WAIT: 10,
} as const;

/** nf_conntrack_tcp.h:IP_CT_TCP_FLAG_*; the userspace profile uses WINDOW_SCALE and BE_LIBERAL ("scale unknown"). */
export const TCPF = {
  WINDOW_SCALE: 0x01,
  SACK_PERM: 0x02,
  CLOSE_INIT: 0x04,
  BE_LIBERAL: 0x08,
  DATA_UNACKNOWLEDGED: 0x10,
  MAXACK_SET: 0x20,
  EXP_CHALLENGE_ACK: 0x40,
  SIMULTANEOUS_OPEN: 0x80,
  /** Ours, OVS profile: taken from a dump, sequence numbers come from this side's next packet. */
  NUMBERS_UNKNOWN: 0x100,
} as const;

/** What is known of the sender of one direction. Sequence numbers are int32, compared modulo 2^32. */
export class TcpPeer {
  /** OVS_TCP of this peer; linux: unused, the state is that of the entry. */
  state = 0;
  /** Highest sequence number sent: `seqlo` of OVS, `td_end` of linux. */
  end = 0;
  /** Highest it may send: `seqhi`, `td_maxend`. */
  maxEnd = 0;
  /** Largest window it announced: `max_win` (16 bits, unscaled), `td_maxwin` (scaled). */
  maxWindow = 0;
  /** Highest acknowledgement it sent, linux only: `td_maxack`. */
  maxAck = 0;
  scale = 0;
  flags = 0;
}

/** linux: the last packet of the connection that moved the state (`struct ip_ct_tcp`). */
export class TcpLast {
  direction = 0;
  index = 0;
  seq = 0;
  ack = 0;
  end = 0;
  window = 0;
  scale = 0;
  flags = 0;
  retransmissions = 0;
}

export const NAT_SRC = 1;
export const NAT_DST = 2;

export class CtEntry {
  zone = 0;
  /** 4 or 6. */
  family = 4;
  proto = 0;
  readonly original = new CtTuple();
  readonly reply = new CtTuple();
  mark = 0;
  /** Most significant word first, like K.ct_label. */
  label0 = 0;
  label1 = 0;
  label2 = 0;
  label3 = 0;
  /**
   * linux TCP: LINUX_TCP; linux SCTP: see linuxSctp.ts. OVS, not TCP: packets seen, 0 first, 1 several of one direction,
   * 2 both directions (conntrack-other.c; ICMP knows 0 and 2).
   */
  state = 0;
  createdNs = 0;
  /** Dead from this moment on. */
  expiresNs = 0;
  seenReply = false;
  assured = false;
  /** linux: committed. OVS makes entries only by commit, there it is always true. */
  confirmed = false;
  /** NAT_SRC, NAT_DST: what the connection's packets are rewritten by. */
  nat = 0;
  /** linux: kinds of mapping already chosen, null mappings too (IPS_NAT_DONE). OVS: not 0 if the reply tuple is translated. */
  natChosen = 0;
  /** linux UDP: traffic both ways later than this makes it a stream. */
  streamNs = 0;
  /** linux SCTP: verification tags of both directions, and flags. */
  tag0 = 0;
  tag1 = 0;
  sctpFlags = 0;
  /** Helper of the commit (`ftp`, `tftp`), not executed: '' none. */
  helper = '';
  /** The time-outs of the policy that held when it was made. */
  timeouts: Timeouts;
  peer0: TcpPeer | null = null;
  peer1: TcpPeer | null = null;
  last: TcpLast | null = null;
  /** CtStore: position in its list, -1 when not stored. */
  slot = -1;

  constructor(timeouts: Timeouts) {
    this.timeouts = timeouts;
  }

  clone(): CtEntry {
    const copy = new CtEntry(this.timeouts);
    copy.copyFrom(this);
    return copy;
  }

  /** Everything but the place in a store; allocates only where this entry has no peers yet. */
  copyFrom(other: CtEntry): void {
    copyTuple(other.original, this.original);
    copyTuple(other.reply, this.reply);
    this.timeouts = other.timeouts;
    this.zone = other.zone;
    this.family = other.family;
    this.proto = other.proto;
    this.mark = other.mark;
    this.label0 = other.label0;
    this.label1 = other.label1;
    this.label2 = other.label2;
    this.label3 = other.label3;
    this.state = other.state;
    this.createdNs = other.createdNs;
    this.expiresNs = other.expiresNs;
    this.seenReply = other.seenReply;
    this.assured = other.assured;
    this.confirmed = other.confirmed;
    this.nat = other.nat;
    this.natChosen = other.natChosen;
    this.streamNs = other.streamNs;
    this.tag0 = other.tag0;
    this.tag1 = other.tag1;
    this.sctpFlags = other.sctpFlags;
    this.helper = other.helper;
    this.peer0 = other.peer0 && copyPeer(other.peer0, this.peer0 ?? new TcpPeer());
    this.peer1 = other.peer1 && copyPeer(other.peer1, this.peer1 ?? new TcpPeer());
    this.last = other.last && copyLast(other.last, this.last ?? new TcpLast());
  }
}

function copyPeer(from: TcpPeer, to: TcpPeer): TcpPeer {
  to.state = from.state;
  to.end = from.end;
  to.maxEnd = from.maxEnd;
  to.maxWindow = from.maxWindow;
  to.maxAck = from.maxAck;
  to.scale = from.scale;
  to.flags = from.flags;
  return to;
}

function copyLast(from: TcpLast, to: TcpLast): TcpLast {
  to.direction = from.direction;
  to.index = from.index;
  to.seq = from.seq;
  to.ack = from.ack;
  to.end = from.end;
  to.window = from.window;
  to.scale = from.scale;
  to.flags = from.flags;
  to.retransmissions = from.retransmissions;
  return to;
}

/** The attributes in the order in which a cause looks for a difference. */
export const ATTRIBUTES = ['mark', 'existence', 'orientation', 'label', 'state', 'windows', 'timeout'] as const;
export type CtAttribute = (typeof ATTRIBUTES)[number];

const samePeer = (a: TcpPeer | null, b: TcpPeer | null): boolean =>
  a === b ||
  (a !== null &&
    b !== null &&
    a.end === b.end &&
    a.maxEnd === b.maxEnd &&
    a.maxWindow === b.maxWindow &&
    a.maxAck === b.maxAck &&
    a.scale === b.scale &&
    a.flags === b.flags);

function sameState(a: CtEntry, b: CtEntry): boolean {
  return (
    a.state === b.state &&
    a.seenReply === b.seenReply &&
    a.assured === b.assured &&
    a.nat === b.nat &&
    (a.peer0?.state ?? 0) === (b.peer0?.state ?? 0) &&
    (a.peer1?.state ?? 0) === (b.peer1?.state ?? 0) &&
    a.tag0 === b.tag0 &&
    a.tag1 === b.tag1 &&
    a.sctpFlags === b.sctpFlags
  );
}

function sameWindows(a: CtEntry, b: CtEntry): boolean {
  const x = a.last;
  const y = b.last;
  return (
    samePeer(a.peer0, b.peer0) &&
    samePeer(a.peer1, b.peer1) &&
    a.streamNs === b.streamNs &&
    (x === y ||
      (x !== null &&
        y !== null &&
        x.direction === y.direction &&
        x.index === y.index &&
        x.seq === y.seq &&
        x.ack === y.ack &&
        x.end === y.end &&
        x.window === y.window &&
        x.scale === y.scale &&
        x.flags === y.flags &&
        x.retransmissions === y.retransmissions))
  );
}

/**
 * Does the attribute agree between the entry of one world and that of another (null: none)? An entry that is missing in
 * one of them has mark 0, label 0 and no state; `orientation`, `windows` and `timeout` are compared of two entries only.
 */
export function sameAttribute(attribute: CtAttribute, a: CtEntry | null, b: CtEntry | null): boolean {
  switch (attribute) {
    case 'existence':
      return (a === null) === (b === null);
    case 'mark':
      return (a?.mark ?? 0) === (b?.mark ?? 0);
    case 'label':
      return (
        (a?.label0 ?? 0) === (b?.label0 ?? 0) &&
        (a?.label1 ?? 0) === (b?.label1 ?? 0) &&
        (a?.label2 ?? 0) === (b?.label2 ?? 0) &&
        (a?.label3 ?? 0) === (b?.label3 ?? 0)
      );
    case 'orientation':
      return a === null || b === null || (tuplesEqual(a.original, b.original) && tuplesEqual(a.reply, b.reply));
    case 'state':
      return a === null || b === null ? a === b : sameState(a, b);
    case 'windows':
      return a === null || b === null || sameWindows(a, b);
    case 'timeout':
      return a === null || b === null || (a.expiresNs === b.expiresNs && a.timeouts === b.timeouts);
  }
}

/** First attribute that differs, null: the two will treat every later packet alike. */
export function firstDifference(a: CtEntry | null, b: CtEntry | null): CtAttribute | null {
  for (const attribute of ATTRIBUTES) if (!sameAttribute(attribute, a, b)) return attribute;
  return null;
}

/** enum sctp_conntrack. */
export const SCTP_NAMES = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
];
const LINUX_TCP_NAMES = Object.keys(LINUX_TCP);
const OVS_TCP_NAMES = Object.keys(OVS_TCP);

/** State by its name: `ESTABLISHED`, userspace `ESTABLISHED/SYN_SENT` of both peers; '' if it has none. */
export function stateText(entry: CtEntry, isLinux: boolean): string {
  if (entry.proto === PROTO_SCTP && isLinux) return SCTP_NAMES[entry.state] ?? '';
  if (entry.proto !== PROTO_TCP) return '';
  if (isLinux) return LINUX_TCP_NAMES[entry.state] ?? '';
  return `${OVS_TCP_NAMES[entry.peer0?.state ?? 0]}/${OVS_TCP_NAMES[entry.peer1?.state ?? 0]}`;
}
