/** The line that `ovs-ofctl parse-pcap` prints for a key, as far as captures need it (lib/flow.c:flow_format, lib/match.c). */
import { K } from '../../src/fields/key.js';

export const mac = (key: Int32Array, at: number): string =>
  [
    key[at]! >>> 8,
    key[at]! & 255,
    key[at + 1]! >>> 24,
    (key[at + 1]! >>> 16) & 255,
    (key[at + 1]! >>> 8) & 255,
    key[at + 1]! & 255,
  ]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(':');

export const ip4 = (word: number): string =>
  [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.');

/** inet_ntop: the longest run of at least two zero groups becomes "::". */
export function ip6(key: Int32Array, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 4; i++) groups.push(key[at + i]! >>> 16, key[at + i]! & 0xffff);
  let best = 0;
  let bestAt = -1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > best) [best, bestAt] = [n, i];
  }
  const hex = (part: number[]): string => part.map((g) => g.toString(16)).join(':');
  if (best < 2) return hex(groups);
  if (bestAt === 0 && (best === 6 || (best === 5 && groups[5] === 0xffff))) {
    return `::${best === 5 ? 'ffff:' : ''}${ip4(key[at + 3]!)}`;
  }
  return `${hex(groups.slice(0, bestAt))}::${hex(groups.slice(bestAt + best))}`;
}

const TCP_FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns'];

function tcpFlags(flags: number): string {
  if (flags === 0) return '0';
  const names = TCP_FLAGS.filter((_, bit) => flags & (1 << bit));
  const rest = flags & 0xe00;
  return [...names, ...(rest ? [`[${rest.toString(16)}]`] : [])].join('|');
}

function tag(key: Int32Array, word: number, suffix: string): string {
  const tci = key[word]!;
  if (!(tci & 0x1000)) return `vlan_tci${suffix}=0x0000`;
  return `dl_vlan${suffix}=${tci & 0xfff},dl_vlan_pcp${suffix}=${tci >>> 13}`;
}

const UPPER: Record<number, string> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

export function parsePcapText(key: Int32Array): string {
  const type = key[K.dl_type]!;
  const proto = key[K.nw_proto]!;
  const v6 = type === 0x86dd;
  const parts: string[] = ['in_port=ANY'];
  const mpls = type === 0x8847 || type === 0x8848;
  let name = '';
  if (type === 0x0800 || v6) {
    name = UPPER[proto] ?? (proto === (v6 ? 58 : 1) ? 'icmp' : '');
    name = name === '' ? (v6 ? 'ipv6' : 'ip') : name + (v6 ? '6' : '');
  } else if (type === 0x0806) name = 'arp';
  else if (type === 0x8035) name = 'rarp';
  else if (mpls) name = type === 0x8847 ? 'mpls' : 'mplsm';
  if (name !== '') parts.unshift(name);
  parts.push(tag(key, K.vlan_tci, ''));
  if (key[K.vlan_tci]! !== 0) parts.push(tag(key, K.vlan_tci1, '1'));
  parts.push(`dl_src=${mac(key, K.dl_src)}`, `dl_dst=${mac(key, K.dl_dst)}`);
  if (name === '') parts.push(`dl_type=0x${type.toString(16).padStart(4, '0')}`);
  if (name === 'arp' || name === 'rarp') {
    parts.push(`arp_spa=${ip4(key[K.nw_src]!)}`, `arp_tpa=${ip4(key[K.nw_dst]!)}`, `arp_op=${proto}`);
    parts.push(`arp_sha=${mac(key, K.arp_sha)}`, `arp_tha=${mac(key, K.arp_tha)}`);
  }
  if (mpls) {
    const lse = key[K.mpls_lse]!;
    parts.push(
      `mpls_label=${lse >>> 12}`,
      `mpls_tc=${(lse >>> 9) & 7}`,
      `mpls_ttl=${lse & 255}`,
      `mpls_bos=${(lse >>> 8) & 1}`,
    );
    for (let i = 1; i < 3; i++)
      if (key[K.mpls_lse + i]! !== 0) parts.push(`mpls_lse${i}=${key[K.mpls_lse + i]! >>> 0}`);
  }
  if (v6) {
    parts.push(`ipv6_src=${ip6(key, K.ipv6_src)}`, `ipv6_dst=${ip6(key, K.ipv6_dst)}`);
    parts.push(`ipv6_label=0x${key[K.ipv6_label]!.toString(16).padStart(5, '0')}`);
  } else if (type === 0x0800) parts.push(`nw_src=${ip4(key[K.nw_src]!)}`, `nw_dst=${ip4(key[K.nw_dst]!)}`);
  if (type === 0x0800 || v6) {
    if (name === 'ip' || name === 'ipv6') parts.push(`nw_proto=${proto}`);
    const frag = key[K.nw_frag]!;
    parts.push(`nw_tos=${key[K.nw_tos]! & 0xfc}`, `nw_ecn=${key[K.nw_tos]! & 3}`, `nw_ttl=${key[K.nw_ttl]!}`);
    parts.push(`nw_frag=${frag & 2 ? 'later' : frag & 1 ? 'first' : 'no'}`);
    if (!(frag & 2)) pushTransport(key, name, parts);
  }
  return parts.join(',');
}

function pushTransport(key: Int32Array, name: string, parts: string[]): void {
  const proto = key[K.nw_proto]!;
  const [source, target] = [key[K.tp_src]!, key[K.tp_dst]!];
  if (name.startsWith('icmp')) {
    parts.push(`icmp_type=${source}`, `icmp_code=${target}`);
    if (name === 'icmp6' && target === 0 && (source === 135 || source === 136)) {
      parts.push(
        `nd_target=${ip6(key, K.nd_target)}`,
        `nd_sll=${mac(key, K.arp_sha)}`,
        `nd_tll=${mac(key, K.arp_tha)}`,
      );
    }
  } else if (UPPER[proto] !== undefined || (proto === 2 && name === 'ip')) {
    parts.push(`tp_src=${source}`, `tp_dst=${target}`);
    if (proto === 6) parts.push(`tcp_flags=${tcpFlags(key[K.tcp_flags]!)}`);
  }
}
