/**
 * Reads entries that somebody dumped: `conntrack -L` in all its forms, `ovs-appctl dpctl/dump-conntrack` with -m and -s.
 * A dump has no windows and sequence numbers: they are taken from the connection's next packets (midstream.ts).
 */
import { parseIpv4, parseIpv6Address } from '../fields/addressText.js';
import { InputError, type Place } from '../util/errors.js';
import { NS_PER_S } from '../util/units.js';
import { CtEntry, OVS_TCP, SCTP_NAMES } from './entry.js';
import { prepareUnknownTcp, timeoutIndexOf } from './midstream.js';
import { LINUX_TCP_BY_NAME, linuxStateOf, OVS_TCP_BY_NAME, PROTO_NAMES } from './text.js';
import type { Tracker } from './tracker.js';
import { type CtTuple, inverseIcmpType, isIcmp, PROTO_ICMP, PROTO_SCTP, PROTO_TCP } from './tuple.js';

export interface ParsedEntries {
  readonly entries: CtEntry[];
  readonly warnings: string[];
}

/** A line taken apart; tuples as name to value, flags as `[ASSURED]`. */
interface Line {
  proto: number;
  timeoutS: number | null;
  states: string[];
  tuples: Map<string, string>[];
  flags: Set<string>;
  fields: Map<string, string>;
}

/** @throws InputError with file and line for what is no entry. Lines that are empty or comments of the tools are skipped. */
export function parseEntries(text: string, file: string, tracker: Tracker, atNs: number): ParsedEntries {
  const entries: CtEntry[] = [];
  const warnings: string[] = [];
  let unknownReplies = 0;
  text.split('\n').forEach((raw, i) => {
    const line = raw.trim();
    // conntrack prints its summary on stderr, which many a file has too.
    if (line === '' || line.startsWith('#') || line.startsWith('conntrack v')) return;
    const place = { file, line: i + 1 };
    const isDpctl = line.includes(',orig=(');
    const parsed = isDpctl ? splitDpctl(line, place) : splitConntrack(line, place);
    const entry = toEntry(parsed, tracker, atNs, place);
    if (isDpctl && tracker.isLinux && !parsed.fields.has('status') && parsed.states.length === 0) unknownReplies++;
    entries.push(entry);
  });
  if (unknownReplies > 0) {
    warnings.push(`${file}: ${unknownReplies} entries do not say if a reply was seen, taken as replied (dump with -m)`);
  }
  return { entries, warnings };
}

const PROTO_NUMBERS = new Map([...PROTO_NAMES].map(([number, name]) => [name, number]));

function protoOf(name: string, place: Place): number {
  const known = PROTO_NUMBERS.get(name) ?? (/^[0-9]{1,3}$/.test(name) ? Number(name) : undefined);
  if (known === undefined || known > 255) throw new InputError(`unknown protocol ${name}`, place);
  return known;
}

/** `tcp,orig=(…),reply=(…),zone=5,…,protoinfo=(…)` */
function splitDpctl(text: string, place: Place): Line {
  const line: Line = {
    proto: protoOf(text.slice(0, text.indexOf(',')), place),
    timeoutS: null,
    states: [],
    tuples: [],
    flags: new Set(),
    fields: new Map(),
  };
  let at = text.indexOf(',');
  while (at >= 0 && at < text.length) {
    const equals = text.indexOf('=', at);
    if (equals < 0) break;
    const name = text.slice(at + 1, equals);
    const isGroup = text[equals + 1] === '(';
    let end = isGroup ? text.indexOf(')', equals) : text.indexOf(',', equals);
    if (isGroup && end < 0) throw new InputError('missing )', place);
    if (end < 0) end = text.length;
    const value = text.slice(equals + (isGroup ? 2 : 1), end);
    if (name === 'orig' || name === 'reply') line.tuples.push(pairs(value));
    else if (name === 'protoinfo') {
      const info = pairs(value);
      for (const key of ['state', 'state_orig', 'state_reply']) if (info.has(key)) line.states.push(info.get(key)!);
    } else line.fields.set(name, value);
    at = isGroup ? text.indexOf(',', end) : end;
  }
  for (const flag of line.fields.get('status')?.split('|') ?? []) line.flags.add(flag);
  if (line.fields.has('timeout')) line.timeoutS = wholeNumber(line.fields.get('timeout')!, place);
  return line;
}

const pairs = (text: string): Map<string, string> =>
  new Map(
    text.split(',').map((part): [string, string] => {
      const equals = part.indexOf('=');
      return [part.slice(0, equals), part.slice(equals + 1)];
    }),
  );

/** `[ipv4 2] tcp 6 [431998] [ESTABLISHED] src=… dst=… [UNREPLIED] src=… … mark=0 zone=5 use=1` */
function splitConntrack(text: string, place: Place): Line {
  const words = text.split(/\s+/);
  if (words[0] === 'ipv4' || words[0] === 'ipv6') words.splice(0, 2);
  const line: Line = {
    proto: 0,
    timeoutS: null,
    states: [],
    tuples: [],
    flags: new Set(),
    fields: new Map(),
  };
  const number = words[1];
  if (number === undefined || !/^[0-9]{1,3}$/.test(number)) throw new InputError('not a conntrack entry', place);
  line.proto = Number(number);
  for (const word of words.slice(2)) {
    const equals = word.indexOf('=');
    if (/^[0-9]+$/.test(word)) line.timeoutS = wholeNumber(word, place);
    else if (word.startsWith('[')) line.flags.add(word.replace(/[[\]]/g, ''));
    else if (equals < 0) line.states.push(word);
    else {
      const name = word.slice(0, equals);
      if (name === 'src') line.tuples.push(new Map());
      const tuple = line.tuples.at(-1);
      // `id` is that of an ICMP tuple first, then that of the entry.
      const isOfTuple = TUPLE_FIELDS.has(name) && !(name === 'id' && (!isIcmp(line.proto) || tuple?.has('id')));
      (isOfTuple && tuple !== undefined ? tuple : line.fields).set(name, word.slice(equals + 1));
    }
  }
  if (line.flags.has('UNREPLIED')) line.flags.delete('SEEN_REPLY');
  else line.flags.add('SEEN_REPLY');
  return line;
}

const TUPLE_FIELDS = new Set([
  'src',
  'dst',
  'sport',
  'dport',
  'type',
  'code',
  'id',
  'srckey',
  'dstkey',
  'packets',
  'bytes',
]);

function wholeNumber(text: string, place: Place): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InputError(`${text} is not a number`, place);
  return value;
}

function toEntry(line: Line, tracker: Tracker, atNs: number, place: Place): CtEntry {
  const [original, reply] = line.tuples;
  if (original === undefined || reply === undefined) throw new InputError('an entry has two tuples', place);
  const zone = wholeNumber(line.fields.get('zone') ?? '0', place);
  if (zone > 0xffff) throw new InputError(`zone ${zone} is above 65535`, place);
  const entry = new CtEntry(tracker.timeoutsOf(zone));
  entry.zone = zone;
  entry.proto = line.proto;
  entry.family = original.get('src')?.includes(':') ? 6 : 4;
  readTuple(original, entry, entry.original, place);
  readTuple(reply, entry, entry.reply, place);
  // The userspace dump prints ICMP replies' codes as 0 too; types must mirror each other to be one connection.
  if (isIcmp(entry.proto) && inverseIcmpType(entry.proto, entry.original.dport >> 8) < 0) {
    throw new InputError(`ICMP type ${entry.original.dport >> 8} has no reply`, place);
  }
  noteNat(entry);
  entry.mark = Number(readBigInt(line.fields.get('mark') ?? '0', place) & 0xffff_ffffn) | 0;
  readLabel(line.fields.get('labels') ?? '0', entry, place);
  entry.helper = line.fields.get('helper') ?? '';
  entry.confirmed = true;
  entry.createdNs = atNs;
  const isSilent = !line.flags.has('SEEN_REPLY') && (line.flags.size > 0 || line.fields.has('status'));
  entry.seenReply = tracker.isLinux ? !isSilent : true;
  entry.assured = line.flags.has('ASSURED');
  readState(line, entry, tracker, place);
  const seconds = line.timeoutS;
  entry.expiresNs = atNs + (seconds === null ? entry.timeouts[timeoutIndexOf(entry, tracker)]! : seconds * NS_PER_S);
  return entry;
}

function readTuple(values: Map<string, string>, entry: CtEntry, tuple: CtTuple, place: Place): void {
  const src = address(values.get('src') ?? '', entry.family, place);
  const dst = address(values.get('dst') ?? '', entry.family, place);
  [tuple.src0, tuple.src1, tuple.src2, tuple.src3] = src;
  [tuple.dst0, tuple.dst1, tuple.dst2, tuple.dst3] = dst;
  const number = (name: string): number => Number(readBigInt(values.get(name) ?? '0', place));
  if (isIcmp(entry.proto)) {
    tuple.sport = number('id');
    tuple.dport = (number('type') << 8) | number('code');
    return;
  }
  tuple.sport = values.has('srckey') ? number('srckey') : number('sport');
  tuple.dport = values.has('dstkey') ? number('dstkey') : number('dport');
}

function address(text: string, family: number, place: Place): [number, number, number, number] {
  if (family === 4) {
    const parsed = parseIpv4(text);
    if (typeof parsed === 'string') throw new InputError(parsed, place);
    return [Number(BigInt.asIntN(32, parsed.value)), 0, 0, 0];
  }
  const value = parseIpv6Address(text);
  if (value === null) throw new InputError(`${text}: invalid IPv6 address`, place);
  const word = (i: number): number => Number(BigInt.asIntN(32, value >> BigInt(96 - 32 * i)));
  return [word(0), word(1), word(2), word(3)];
}

function readBigInt(text: string, place: Place): bigint {
  if (!/^(0x[0-9a-fA-F]+|[0-9]+)$/.test(text)) throw new InputError(`${text} is not a number`, place);
  return BigInt(text);
}

/** Hex as OVS prints it; `conntrack -o labels` prints names, which only its own configuration can tell apart. */
function readLabel(text: string, entry: CtEntry, place: Place): void {
  const value = readBigInt(text, place);
  entry.label0 = Number(BigInt.asIntN(32, value >> 96n));
  entry.label1 = Number(BigInt.asIntN(32, value >> 64n));
  entry.label2 = Number(BigInt.asIntN(32, value >> 32n));
  entry.label3 = Number(BigInt.asIntN(32, value));
}

/** NAT shows in a reply tuple that is not the original one turned round. */
function noteNat(entry: CtEntry): void {
  const { original, reply } = entry;
  const hasSource =
    original.src0 !== reply.dst0 ||
    original.src1 !== reply.dst1 ||
    original.src2 !== reply.dst2 ||
    original.src3 !== reply.dst3 ||
    (!isIcmp(entry.proto) && original.sport !== reply.dport);
  const hasDestination =
    original.dst0 !== reply.src0 ||
    original.dst1 !== reply.src1 ||
    original.dst2 !== reply.src2 ||
    original.dst3 !== reply.src3 ||
    (!isIcmp(entry.proto) && original.dport !== reply.sport);
  entry.nat = (hasSource ? 1 : 0) | (hasDestination ? 2 : 0);
  entry.natChosen = entry.nat === 0 ? 0 : 3;
}

function readState(line: Line, entry: CtEntry, tracker: Tracker, place: Place): void {
  const [first, second] = line.states;
  if (entry.proto === PROTO_SCTP && tracker.isLinux && first !== undefined) {
    entry.state = Math.max(SCTP_NAMES.indexOf(first), 0);
    return;
  }
  if (entry.proto !== PROTO_TCP) {
    if (!tracker.isLinux) entry.state = 2;
    else if (entry.proto !== PROTO_ICMP && entry.assured) entry.streamNs = entry.createdNs - 1;
    return;
  }
  if (first === undefined) throw new InputError('a TCP entry needs its state', place);
  if (tracker.isLinux) {
    const own = LINUX_TCP_BY_NAME.get(first);
    const ovs = OVS_TCP_BY_NAME.get(first);
    // Both name ESTABLISHED, SYN_SENT, LAST_ACK …; where the kernel has no such name it is OVS's word for one.
    const state = own ?? (ovs === undefined ? undefined : linuxStateOf(ovs));
    if (state === undefined) throw new InputError(`unknown TCP state ${first}`, place);
    prepareUnknownTcp(entry, tracker, state, state);
    if (state === 3 && !line.flags.has('ASSURED')) entry.assured = entry.seenReply && line.flags.size === 0;
    return;
  }
  const state = OVS_TCP_BY_NAME.get(first) ?? ovsStateOfLinux(first);
  if (state === undefined) throw new InputError(`unknown TCP state ${first}`, place);
  if (second !== undefined) prepareUnknownTcp(entry, tracker, state, OVS_TCP_BY_NAME.get(second) ?? state);
  else prepareUnknownTcp(entry, tracker, ...bothStates(state, line.timeoutS));
}

const ovsStateOfLinux = (name: string): number | undefined =>
  ({ FIN_WAIT: OVS_TCP.CLOSING, CLOSE: OVS_TCP.TIME_WAIT, SYN_SENT2: OVS_TCP.SYN_SENT })[name];

/** Both peers' states where only the higher one is printed (ct-dpif.c:ct_dpif_format_protoinfo_tcp). */
function bothStates(state: number, timeoutS: number | null): [number, number] {
  if (state === OVS_TCP.SYN_SENT) return [OVS_TCP.SYN_SENT, OVS_TCP.CLOSED];
  if (state === OVS_TCP.CLOSING) return [OVS_TCP.CLOSING, OVS_TCP.ESTABLISHED];
  // TIME_WAIT stands for FIN_WAIT_2 too. More than 45 s to go: only one side has closed.
  if (state === OVS_TCP.TIME_WAIT && timeoutS !== null && timeoutS > 45)
    return [OVS_TCP.FIN_WAIT_2, OVS_TCP.ESTABLISHED];
  return [state, state];
}
