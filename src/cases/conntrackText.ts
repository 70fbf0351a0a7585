/** Connections as `ovs-appctl dpctl/dump-conntrack` writes them, without counters (lib/ct-dpif.c:ct_dpif_format_entry). */
import type { CtEntry } from '../conntrack/entry.js';
import { stateText } from '../conntrack/entry.js';
import type { CtStore } from '../conntrack/store.js';
import type { CtTuple } from '../conntrack/tuple.js';
import { formatIpv4, formatIpv6 } from '../fields/addressText.js';
import type { CaseConntrackFilter } from './caseFormat.js';

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'icmp',
  2: 'igmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  58: 'icmpv6',
  132: 'sctp',
  136: 'udplite',
};

const protocolName = (proto: number): string => PROTOCOLS[proto] ?? String(proto);

/** Both peers have a state in the userspace tracker; the dump shows the later one, some of them under one name. */
const TCP_STATES = [
  'CLOSED',
  'LISTEN',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'CLOSE_WAIT',
  'FIN_WAIT_1',
  'CLOSING',
  'LAST_ACK',
  'FIN_WAIT_2',
  'TIME_WAIT',
];

function shownState(entry: CtEntry): string {
  const states = stateText(entry).split('/');
  const latest = states.reduce((a, b) => (TCP_STATES.indexOf(a) >= TCP_STATES.indexOf(b) ? a : b));
  // lib/ct-dpif.c:coalesce_tcp_state
  if (latest === 'FIN_WAIT_2') return 'TIME_WAIT';
  return latest === 'SYN_RECV' ? 'ESTABLISHED' : latest;
}

function address(entry: CtEntry, tuple: CtTuple, side: 'src' | 'dst'): string {
  const words =
    side === 'src'
      ? [tuple.src0, tuple.src1, tuple.src2, tuple.src3]
      : [tuple.dst0, tuple.dst1, tuple.dst2, tuple.dst3];
  if (entry.family === 4) return formatIpv4(BigInt(words[0]! >>> 0));
  return formatIpv6(words.reduce((value, word) => (value << 32n) | BigInt(word >>> 0), 0n));
}

/** src, dst and then ports, or id, type and code of ICMP. */
export function tupleParts(entry: CtEntry, tuple: CtTuple): Record<string, string> {
  const parts: Record<string, string> = { src: address(entry, tuple, 'src'), dst: address(entry, tuple, 'dst') };
  if (entry.proto === 1 || entry.proto === 58) {
    parts['id'] = String(tuple.sport);
    parts['type'] = String(tuple.dport >> 8);
    parts['code'] = String(tuple.dport & 0xff);
  } else {
    parts['sport'] = String(tuple.sport);
    parts['dport'] = String(tuple.dport);
  }
  return parts;
}

function tupleText(entry: CtEntry, tuple: CtTuple): string {
  return Object.entries(tupleParts(entry, tuple))
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

export function labelOf(entry: CtEntry): bigint {
  return [entry.label0, entry.label1, entry.label2, entry.label3].reduce(
    (label, word) => (label << 32n) | BigInt(word >>> 0),
    0n,
  );
}

export function entryText(entry: CtEntry): string {
  let text = `${protocolName(entry.proto)},orig=(${tupleText(entry, entry.original)}),reply=(${tupleText(entry, entry.reply)})`;
  if (entry.zone !== 0) text += `,zone=${entry.zone}`;
  if (entry.mark !== 0) text += `,mark=${entry.mark >>> 0}`;
  const label = labelOf(entry);
  if (label !== 0n) text += `,labels=0x${label.toString(16)}`;
  if (entry.proto === 6) text += `,protoinfo=(state=${shownState(entry)})`;
  return text;
}

/** Removes the entries that have all that is given; returns how many. */
export function deleteEntries(store: CtStore, filter: CaseConntrackFilter, nowNs: number): number {
  const wanted = (['src', 'dst', 'sport', 'dport'] as const).filter((name) => filter[name] !== undefined);
  const fits = (entry: CtEntry, tuple: CtTuple): boolean => {
    const parts = tupleParts(entry, tuple);
    return wanted.every((name) => parts[name] === String(filter[name]));
  };
  const [mark, markMask] = markFilter(filter.mark);
  const doomed = store.entries(nowNs).filter((entry) => {
    if (filter.zone !== undefined && entry.zone !== Number(filter.zone)) return false;
    if (filter.proto !== undefined && protocolName(entry.proto) !== String(filter.proto).toLowerCase()) return false;
    if (((entry.mark ^ mark) & markMask) !== 0) return false;
    const tuples = { orig: [entry.original], reply: [entry.reply], any: [entry.original, entry.reply] };
    return wanted.length === 0 || tuples[filter.dir ?? 'orig'].some((tuple) => fits(entry, tuple));
  });
  for (const entry of doomed) store.remove(entry);
  return doomed.length;
}

/** `0x1`, `0x1/0x1`. */
function markFilter(mark: string | number | undefined): [number, number] {
  if (mark === undefined) return [0, 0];
  const [value, mask] = String(mark).split('/');
  return [Number(value) | 0, mask === undefined ? -1 : Number(mask) | 0];
}
