/** Entries as text: as `ovs-appctl dpctl/dump-conntrack` prints them (lib/ct-dpif.c:ct_dpif_format_entry). */
import { formatIpv4, formatIpv6 } from '../fields/addressText.js';
import { NS_PER_S } from '../util/units.js';
import { type CtEntry, LINUX_TCP, NAT_DST, NAT_SRC, OVS_TCP, stateText, TCPF } from './entry.js';
import { type CtTuple, isIcmp, PROTO_SCTP, PROTO_TCP } from './tuple.js';

/** lib/ct-dpif.c:ct_dpif_format_ipproto. */
export const PROTO_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [2, 'igmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [58, 'icmpv6'],
  [132, 'sctp'],
  [136, 'udplite'],
]);

export interface EntryTextOptions {
  /** `-m` */
  readonly verbose?: boolean;
  /** `-s`: with the remaining time-out, at this time; packet counters are not kept. */
  readonly nowNs?: number;
  /** `status=` of the kernel; userspace always prints 0. */
  readonly isLinux?: boolean;
}

/** One line of a dump. */
export function formatEntry(entry: CtEntry, options: EntryTextOptions = {}): string {
  const { verbose = false, nowNs } = options;
  let text = PROTO_NAMES.get(entry.proto) ?? String(entry.proto);
  text += `,orig=(${formatTuple(entry.original, entry.family, entry.proto)})`;
  text += `,reply=(${formatTuple(entry.reply, entry.family, entry.proto)})`;
  if (verbose) text += ',id=0';
  if (entry.zone !== 0) text += `,zone=${entry.zone}`;
  if (verbose) text += `,status=${options.isLinux ? joinFlags(statusFlags(entry)) : '0'}`;
  if (nowNs !== undefined) text += `,timeout=${Math.max(Math.floor((entry.expiresNs - nowNs) / NS_PER_S), 0)}`;
  if (entry.mark !== 0) text += `,mark=${entry.mark >>> 0}`;
  const label = labelOf(entry);
  if (label !== 0n) text += `,labels=0x${label.toString(16)}`;
  if (entry.proto === PROTO_TCP) text += `,protoinfo=(${verbose ? verboseTcp(entry) : `state=${tcpState(entry)}`})`;
  if (entry.proto === PROTO_SCTP && options.isLinux) {
    text += `,protoinfo=(state=${stateText(entry, true)},vtag_orig=${entry.tag0 >>> 0},vtag_reply=${entry.tag1 >>> 0})`;
  }
  if (entry.helper !== '') text += `,helper=${entry.helper}`;
  return text;
}

/** `src=…,dst=…,sport=…,dport=…`, ICMP `id=…,type=…,code=…` (ct_dpif_format_tuple). */
export function formatTuple(tuple: CtTuple, family: number, proto: number): string {
  const [src, dst] = addressesOf(tuple, family);
  const l4 = isIcmp(proto)
    ? `id=${tuple.sport},type=${tuple.dport >> 8},code=${tuple.dport & 0xff}`
    : `sport=${tuple.sport},dport=${tuple.dport}`;
  return `src=${src},dst=${dst},${l4}`;
}

export function addressesOf(tuple: CtTuple, family: number): [src: string, dst: string] {
  const { src0, src1, src2, src3, dst0, dst1, dst2, dst3 } = tuple;
  if (family === 4) return [formatIpv4(BigInt(src0 >>> 0)), formatIpv4(BigInt(dst0 >>> 0))];
  return [formatIpv6(joinWords(src0, src1, src2, src3)), formatIpv6(joinWords(dst0, dst1, dst2, dst3))];
}

const joinWords = (...words: number[]): bigint => words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);

export const labelOf = (entry: CtEntry): bigint => joinWords(entry.label0, entry.label1, entry.label2, entry.label3);

/** IPS_* bits that a dump shows, in ct-dpif's order. */
export function statusFlags(entry: CtEntry): string[] {
  const flags: string[] = [];
  if (entry.seenReply) flags.push('SEEN_REPLY');
  if (entry.assured) flags.push('ASSURED');
  if (entry.confirmed) flags.push('CONFIRMED');
  if ((entry.nat & NAT_SRC) !== 0) flags.push('SRC_NAT');
  if ((entry.nat & NAT_DST) !== 0) flags.push('DST_NAT');
  if ((entry.natChosen & NAT_SRC) !== 0) flags.push('SRC_NAT_DONE');
  if ((entry.natChosen & NAT_DST) !== 0) flags.push('DST_NAT_DONE');
  return flags;
}

const joinFlags = (flags: readonly string[]): string => (flags.length === 0 ? '0' : flags.join('|'));

const OVS_NAMES = Object.keys(OVS_TCP);

/** lib/netlink-conntrack.c:nl_ct_tcp_state_to_dpif. */
const FROM_LINUX: readonly number[] = [
  OVS_TCP.CLOSED,
  OVS_TCP.SYN_SENT,
  OVS_TCP.SYN_RECV,
  OVS_TCP.ESTABLISHED,
  OVS_TCP.FIN_WAIT_1,
  OVS_TCP.CLOSE_WAIT,
  OVS_TCP.LAST_ACK,
  OVS_TCP.TIME_WAIT,
  OVS_TCP.CLOSING,
  OVS_TCP.SYN_SENT,
];

function ovsStates(entry: CtEntry): [number, number] {
  if (entry.last === null) return [entry.peer0?.state ?? 0, entry.peer1?.state ?? 0];
  const state = FROM_LINUX[entry.state] ?? 0;
  return [state, state];
}

/** lib/ct-dpif.c:coalesce_tcp_state: one state for both sides. */
function tcpState(entry: CtEntry): string {
  const state = Math.max(...ovsStates(entry));
  if (state === OVS_TCP.FIN_WAIT_2) return 'TIME_WAIT';
  return state === OVS_TCP.SYN_RECV ? 'ESTABLISHED' : OVS_NAMES[state]!;
}

function verboseTcp(entry: CtEntry): string {
  const [original, reply] = ovsStates(entry);
  const { peer0, peer1 } = entry;
  let text = `state_orig=${OVS_NAMES[original]},state_reply=${OVS_NAMES[reply]}`;
  if ((peer0?.scale ?? 0) !== 0 || (peer1?.scale ?? 0) !== 0) {
    text += `,wscale_orig=${peer0?.scale ?? 0},wscale_reply=${peer1?.scale ?? 0}`;
  }
  return `${text},flags_orig=${tcpFlags(peer0?.flags ?? 0)},flags_reply=${tcpFlags(peer1?.flags ?? 0)}`;
}

/** CT_DPIF_TCPF_*; later bits of the kernel are not shown. */
const SHOWN = ['WINDOW_SCALE', 'SACK_PERM', 'CLOSE_INIT', 'BE_LIBERAL', 'DATA_UNACKNOWLEDGED', 'MAXACK_SET'] as const;

function tcpFlags(flags: number): string {
  return joinFlags(SHOWN.filter((name) => (flags & TCPF[name]) !== 0));
}

/** Names as `conntrack -L` knows them, to the number of the state. */
export const LINUX_TCP_BY_NAME: ReadonlyMap<string, number> = new Map(Object.entries(LINUX_TCP));
export const OVS_TCP_BY_NAME: ReadonlyMap<string, number> = new Map(Object.entries(OVS_TCP));
export const linuxStateOf = (ovsState: number): number => Math.max(FROM_LINUX.indexOf(ovsState), 0);
