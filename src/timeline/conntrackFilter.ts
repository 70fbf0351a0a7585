/** `"conntrack":{"delete":{…}}` and `"conntrack":"flush"` of a schedule, in and out. */
import { isIP } from 'node:net';
import type { Fields } from './jsonLine.js';
import type { ConntrackFilter } from './schedule.js';

const KEYS = ['zone', 'proto', 'src', 'dst', 'sport', 'dport', 'mark', 'markMask', 'dir'];

/** IANA protocol numbers of the names that `conntrack` prints. */
export const PROTO_NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  icmpv6: 58,
  icmp6: 58,
  sctp: 132,
  udplite: 136,
};

/** Reads the key `conntrack`; null is a flush. */
export function readFilter(fields: Fields): ConntrackFilter | null {
  const node = fields.node('conntrack');
  if (node?.kind === 'string') {
    if (node.text === 'flush') return null;
    throw fields.error('conntrack', `"conntrack" is {"delete":{…}} or "flush", not "${node.text}"`);
  }
  const change = fields.object('conntrack');
  change?.only(['delete']);
  const filter = change?.object('delete') ?? null;
  if (filter === null) throw fields.error('conntrack', '"conntrack" is {"delete":{…}} or "flush"');
  filter.only(KEYS);
  const [mark, markMask] = readMark(filter);
  const read: { -readonly [K in keyof ConntrackFilter]: ConntrackFilter[K] | null } = {
    zone: filter.integer('zone', 0, 0xffff),
    proto: readProto(filter),
    src: readAddress(filter, 'src'),
    dst: readAddress(filter, 'dst'),
    sport: filter.integer('sport', 0, 0xffff),
    dport: filter.integer('dport', 0, 0xffff),
    mark,
    markMask: markMask ?? readU32(filter, 'markMask'),
    dir: filter.oneOf('dir', ['orig', 'reply', 'any'] as const),
  };
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== null));
}

/** The value of the key `conntrack`. */
export function filterToJson(filter: ConntrackFilter | null): unknown {
  if (filter === null) return 'flush';
  const { mark, markMask, ...rest } = filter;
  const hex = (value: number) => `0x${(value >>> 0).toString(16)}`;
  const marks = {
    ...(mark !== undefined && { mark: hex(mark) }),
    ...(markMask !== undefined && { markMask: hex(markMask) }),
  };
  return { delete: { ...rest, ...marks } };
}

function readProto(filter: Fields): number | null {
  if (filter.node('proto')?.kind !== 'string') return filter.integer('proto', 0, 255);
  const name = filter.oneOf('proto', Object.keys(PROTO_NUMBERS));
  return name === null ? null : PROTO_NUMBERS[name]!;
}

function readAddress(filter: Fields, key: string): string | null {
  const text = filter.string(key);
  if (text !== null && isIP(text) === 0) throw filter.error(key, `not an address: "${text}"`);
  return text;
}

/** `"0x1"`, `1`, or `"0x1/0xff"` as `conntrack -D -m` takes it. */
function readMark(filter: Fields): [number | null, number | null] {
  const node = filter.node('mark');
  if (node?.kind !== 'string' || !node.text.includes('/')) return [readU32(filter, 'mark'), null];
  const parts = node.text.split('/').map(u32);
  if (parts.length !== 2 || parts.includes(null)) throw filter.error('mark', `not a mark: "${node.text}"`);
  return parts as [number, number];
}

function readU32(filter: Fields, key: string): number | null {
  const node = filter.node(key);
  if (node === null) return null;
  const value = node.kind === 'string' || node.kind === 'number' ? u32(node.text) : null;
  if (value === null) throw filter.error(key, `"${key}" is a 32-bit number`);
  return value;
}

function u32(text: string): number | null {
  const value = /^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(text) ? Number(text) : Number.NaN;
  return value <= 0xffffffff ? value : null;
}
