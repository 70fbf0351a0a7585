/**
 * Dense match (a value and a mask per key word) to text, as Open vSwitch prints matches of rules and flows of packets
 * (lib/match.c:match_format). Which words of a packet show: packetText.ts.
 */
import { readField } from './access.js';
import { formatIpv4Masked, formatIpv6Masked, formatMacMasked, MAC_ONES } from './addressText.js';
import { formatFragment, formatPacketType, hex, ones } from './fieldText.js';
import { CT_STATE_FLAGS, formatFlags, TCP_FLAGS, TUNNEL_FLAGS } from './flagText.js';
import { K, VLAN_CFI } from './key.js';
import { formatPort, type PortNames } from './portText.js';
import {
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLS_MCAST,
  ETH_NSH,
  ETH_RARP,
  PROTO_ICMP,
  PROTO_ICMPV6,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PT_NS_ETHERTYPE,
} from './protocols.js';
import { DEFAULT_TLV_MAP, type TlvMap } from './tunMetadata.js';

const DEFAULT_PRIORITY = 32768;
const IPV4_WORDS: Readonly<Record<number, string>> = {
  [PROTO_ICMP]: 'icmp',
  [PROTO_TCP]: 'tcp',
  [PROTO_UDP]: 'udp',
  [PROTO_SCTP]: 'sctp',
};
const IPV6_WORDS: Readonly<Record<number, string>> = {
  [PROTO_ICMPV6]: 'icmp6',
  [PROTO_TCP]: 'tcp6',
  [PROTO_UDP]: 'udp6',
  [PROTO_SCTP]: 'sctp6',
};
const TYPE_WORDS: Readonly<Record<number, string>> = {
  [ETH_ARP]: 'arp',
  [ETH_RARP]: 'rarp',
  [ETH_MPLS]: 'mpls',
  [ETH_MPLS_MCAST]: 'mplsm',
};

export interface FormatOptions {
  readonly ports?: PortNames | null;
  readonly tlvMap?: TlvMap;
  /** Printed in front unless it is 32768. */
  readonly priority?: number;
}

/** Collects `name=value` parts from a dense match. */
class MatchPrinter {
  readonly parts: string[] = [];
  private readonly value: Int32Array;
  private readonly mask: Int32Array;

  constructor(value: Int32Array, mask: Int32Array) {
    this.value = value;
    this.mask = mask;
  }

  v(word: number): number {
    return this.value[word]! >>> 0;
  }

  m(word: number): number {
    return this.mask[word]! >>> 0;
  }

  add(text: string): void {
    this.parts.push(text);
  }

  wide(words: readonly number[] | number, count: number, from: Int32Array): bigint {
    let bits = 0n;
    for (let i = 0; i < count; i++) {
      const word = typeof words === 'number' ? words + i : words[i]!;
      bits = (bits << 32n) | BigInt(from[word]! >>> 0);
    }
    return bits;
  }

  /** `0x5`, `0x5/0xf`: one word. */
  hex32(name: string, word: number): void {
    if (this.m(word) === 0) return;
    const mask = this.m(word) === 0xffffffff ? '' : `/${hex(this.m(word))}`;
    this.add(`${name}=${hex(this.v(word))}${mask}`);
  }

  hexWide(name: string, word: number, count: number): void {
    const mask = this.wide(word, count, this.mask);
    if (mask === 0n) return;
    const full = mask === ones(4 * count);
    this.add(`${name}=${hex(this.wide(word, count, this.value))}${full ? '' : `/${hex(mask)}`}`);
  }

  /** Decimal when exact, else `0x../0x..` with `width` hex digits at least. */
  decimal(name: string, word: number, full: number, width = 0): void {
    const mask = this.m(word);
    if (mask === 0) return;
    const digits = (bits: number): string => `0x${bits.toString(16).padStart(width, '0')}`;
    this.add(mask === full ? `${name}=${this.v(word)}` : `${name}=${digits(this.v(word))}/${digits(mask)}`);
  }

  ipv4(name: string, word: number): void {
    if (this.m(word) === 0) return;
    this.add(`${name}=${formatIpv4Masked(BigInt(this.v(word)), BigInt(this.m(word)))}`);
  }

  ipv6(name: string, word: number): void {
    const mask = this.wide(word, 4, this.mask);
    if (mask !== 0n) this.add(`${name}=${formatIpv6Masked(this.wide(word, 4, this.value), mask)}`);
  }

  mac(name: string, word: number): void {
    const mask = this.wide(word, 2, this.mask);
    if (mask !== 0n) this.add(`${name}=${formatMacMasked(this.wide(word, 2, this.value), mask & MAC_ONES)}`);
  }
}

/** The Ethernet type that decides what follows: of packet_type (1,type) where that is matched, else dl_type. */
export function effectiveType(value: Int32Array, mask: Int32Array): number {
  const packetType = value[K.packet_type]! >>> 0;
  if (mask[K.packet_type] === -1 && packetType >>> 16 === PT_NS_ETHERTYPE) return packetType & 0xffff;
  return value[K.dl_type]!;
}

function printContext(p: MatchPrinter, ports: PortNames | null): void {
  p.hex32('pkt_mark', K.pkt_mark);
  p.hex32('recirc_id', K.recirc_id);
  p.hex32('dp_hash', K.dp_hash);
  if (p.m(K.conj_id) !== 0) p.add(`conj_id=${p.v(K.conj_id)}`);
  if (p.m(K.skb_priority) !== 0) p.add(`skb_priority=${hex(p.v(K.skb_priority))}`);
  if (p.m(K.actset_output) !== 0) p.add(`actset_output=${formatPort(p.v(K.actset_output), ports)}`);
  if (p.m(K.ct_state) !== 0) p.add(`ct_state=${formatFlags(p.v(K.ct_state), p.m(K.ct_state), 0xff, CT_STATE_FLAGS)}`);
  p.decimal('ct_zone', K.ct_zone, 0xffff);
  p.hex32('ct_mark', K.ct_mark);
  p.hexWide('ct_label', K.ct_label, 4);
  p.ipv4('ct_nw_src', K.ct_nw_src);
  p.ipv6('ct_ipv6_src', K.ct_ipv6_src);
  p.ipv4('ct_nw_dst', K.ct_nw_dst);
  p.ipv6('ct_ipv6_dst', K.ct_ipv6_dst);
  if (p.m(K.ct_nw_proto) !== 0) {
    p.add(`ct_nw_proto=${p.v(K.ct_nw_proto)}`);
    p.decimal('ct_tp_src', K.ct_tp_src, 0xffff);
    p.decimal('ct_tp_dst', K.ct_tp_dst, 0xffff);
  }
}

/** The protocol word; says whether it covers dl_type and nw_proto. */
function printProtocol(p: MatchPrinter, type: number): { type: boolean; proto: boolean } {
  if (p.m(K.dl_type) === 0) return { type: false, proto: false };
  if (type === ETH_IP || type === ETH_IPV6) {
    const plain = type === ETH_IP ? 'ip' : 'ipv6';
    const word = p.m(K.nw_proto) === 0 ? plain : (type === ETH_IP ? IPV4_WORDS : IPV6_WORDS)[p.v(K.nw_proto)];
    p.add(word ?? plain);
    return { type: true, proto: word !== undefined };
  }
  const word = TYPE_WORDS[type];
  if (word !== undefined) p.add(word);
  return { type: word !== undefined, proto: false };
}

function printTunnel(p: MatchPrinter, value: Int32Array, mask: Int32Array, map: TlvMap): void {
  p.hexWide('tun_id', K.tun_id, 2);
  p.ipv4('tun_src', K.tun_src);
  p.ipv4('tun_dst', K.tun_dst);
  p.ipv6('tun_ipv6_src', K.tun_ipv6_src);
  p.ipv6('tun_ipv6_dst', K.tun_ipv6_dst);
  p.decimal('tun_gbp_id', K.tun_gbp_id, 0xffff);
  // From here on the masks of partly matched fields are not shown (format_flow_tunnel).
  if (p.m(K.tun_gbp_flags) !== 0) p.add(`tun_gbp_flags=${hex(p.v(K.tun_gbp_flags))}`);
  if (p.m(K.tun_tos) !== 0) p.add(`tun_tos=${p.v(K.tun_tos).toString(16)}`);
  if (p.m(K.tun_ttl) !== 0) p.add(`tun_ttl=${p.v(K.tun_ttl)}`);
  const version = p.v(K.tun_erspan_ver);
  if (p.m(K.tun_erspan_ver) !== 0) p.add(`tun_erspan_ver=${version}`);
  if (p.m(K.tun_erspan_idx) !== 0 && version === 1) p.add(`tun_erspan_idx=${hex(p.v(K.tun_erspan_idx))}`);
  if (p.m(K.tun_erspan_dir) !== 0 && version === 2) p.add(`tun_erspan_dir=${p.v(K.tun_erspan_dir)}`);
  if (p.m(K.tun_erspan_hwid) !== 0 && version === 2) p.add(`tun_erspan_hwid=${hex(p.v(K.tun_erspan_hwid))}`);
  if (p.m(K.tun_gtpu_flags) !== 0) p.add(`gtpu_flags=${hex(p.v(K.tun_gtpu_flags))}`);
  if (p.m(K.tun_gtpu_msgtype) !== 0) p.add(`gtpu_msgtype=${p.v(K.tun_gtpu_msgtype)}`);
  const flagMask = p.m(K.tun_flags) & 0xf;
  if (flagMask !== 0) p.add(`tun_flags=${formatFlags(p.v(K.tun_flags) & 0xf, flagMask, 0xf, TUNNEL_FLAGS)}`);
  for (const [index, option] of [...map.fields].sort(([a], [b]) => a - b)) {
    const word = K.tun_metadata_present + (index < 32 ? 1 : 0);
    const bit = 1 << (index & 31);
    if ((mask[word]! & bit) === 0) continue;
    const name = `tun_metadata${index}`;
    const optionMask = readField(mask, option);
    if ((value[word]! & bit) === 0) p.add(`${name}=NP`);
    else if (optionMask === 0n) p.add(name);
    else {
      const full = optionMask === option.valueMask;
      p.add(`${name}=${hex(readField(value, option))}${full ? '' : `/${hex(optionMask)}`}`);
    }
  }
}

function printVlans(p: MatchPrinter): void {
  for (const [word, suffix] of [
    [K.vlan_tci, ''],
    [K.vlan_tci1, '1'],
  ] as const) {
    const tci = p.v(word);
    const mask = p.m(word);
    if (mask === 0) return;
    const vid = mask & 0xfff;
    const pcp = mask & 0xe000;
    const whole = (vid === 0 || vid === 0xfff) && (pcp === 0 || pcp === 0xe000) && (vid | pcp) !== 0;
    if ((mask & tci & VLAN_CFI) !== 0 && whole) {
      if (vid !== 0) p.add(`dl_vlan${suffix}=${tci & 0xfff}`);
      if (pcp !== 0) p.add(`dl_vlan_pcp${suffix}=${tci >>> 13}`);
    } else {
      const digits = (bits: number): string => `0x${bits.toString(16).padStart(4, '0')}`;
      p.add(`vlan_tci${suffix}=${digits(tci)}${mask === 0xffff ? '' : `/${digits(mask)}`}`);
    }
  }
}

function printNsh(p: MatchPrinter): void {
  for (const [name, word] of [
    ['nsh_flags', K.nsh_flags],
    ['nsh_ttl', K.nsh_ttl],
    ['nsh_mdtype', K.nsh_mdtype],
    ['nsh_np', K.nsh_np],
  ] as const)
    p.decimal(name, word, 0xff, 2);
  const spiMask = p.m(K.nsh_spi);
  if (spiMask !== 0)
    p.add(`nsh_spi=0x${p.v(K.nsh_spi).toString(16)}${spiMask === 0xffffff ? '' : `/0x${spiMask.toString(16)}`}`);
  p.decimal('nsh_si', K.nsh_si, 0xff, 2);
  if (p.m(K.nsh_mdtype) === 0xff && p.v(K.nsh_mdtype) === 1) {
    for (let i = 0; i < 4; i++) {
      const mask = p.m(K.nsh_c1 + i);
      if (mask === 0) continue;
      const shown = mask === 0xffffffff ? '' : `/0x${mask.toString(16)}`;
      p.add(`nsh_c${i + 1}=0x${p.v(K.nsh_c1 + i).toString(16)}${shown}`);
    }
  }
}

function printNetwork(p: MatchPrinter, type: number, covered: boolean): void {
  const isArp = type === ETH_ARP || type === ETH_RARP;
  if (type === ETH_IPV6) {
    p.ipv6('ipv6_src', K.ipv6_src);
    p.ipv6('ipv6_dst', K.ipv6_dst);
    const mask = p.m(K.ipv6_label);
    const digits = (bits: number): string => `0x${bits.toString(16).padStart(5, '0')}`;
    if (mask !== 0) p.add(`ipv6_label=${digits(p.v(K.ipv6_label))}${mask === 0xfffff ? '' : `/${digits(mask)}`}`);
  } else if (type === ETH_NSH) {
    printNsh(p);
  } else {
    p.ipv4(isArp ? 'arp_spa' : 'nw_src', K.nw_src);
    p.ipv4(isArp ? 'arp_tpa' : 'nw_dst', K.nw_dst);
  }
  if (!covered && p.m(K.nw_proto) !== 0) p.add(`${isArp ? 'arp_op' : 'nw_proto'}=${p.v(K.nw_proto)}`);
  if (isArp) {
    p.mac('arp_sha', K.arp_sha);
    p.mac('arp_tha', K.arp_tha);
  }
  const tos = p.v(K.nw_tos);
  if ((p.m(K.nw_tos) & 0xfc) !== 0) p.add(`nw_tos=${tos & 0xfc}`);
  if ((p.m(K.nw_tos) & 3) !== 0) p.add(`nw_ecn=${tos & 3}`);
  if (p.m(K.nw_ttl) !== 0) p.add(`nw_ttl=${p.v(K.nw_ttl)}`);
}

function printMpls(p: MatchPrinter): void {
  const lse = p.v(K.mpls_lse);
  const mask = p.m(K.mpls_lse);
  if ((mask & 0xfffff000) !== 0) p.add(`mpls_label=${lse >>> 12}`);
  if ((mask & 0xe00) !== 0) p.add(`mpls_tc=${(lse >>> 9) & 7}`);
  if ((mask & 0xff) !== 0) p.add(`mpls_ttl=${lse & 0xff}`);
  if ((mask & 0x100) !== 0) p.add(`mpls_bos=${(lse >>> 8) & 1}`);
  p.decimal('mpls_lse1', K.mpls_lse + 1, 0xffffffff, 8);
  p.decimal('mpls_lse2', K.mpls_lse + 2, 0xffffffff, 8);
}

function printTransport(p: MatchPrinter, type: number, dlType: number): void {
  const fragMask = p.m(K.nw_frag) & 3;
  if (fragMask !== 0) p.add(`nw_frag=${formatFragment(p.v(K.nw_frag), fragMask)}`);
  const proto = p.v(K.nw_proto);
  const icmp6 = type === ETH_IPV6 && proto === PROTO_ICMPV6;
  const icmp = icmp6 || (type === ETH_IP && proto === PROTO_ICMP);
  p.decimal(icmp ? 'icmp_type' : 'tp_src', K.tp_src, 0xffff);
  p.decimal(icmp ? 'icmp_code' : 'tp_dst', K.tp_dst, 0xffff);
  if (icmp6) {
    p.ipv6('nd_target', K.nd_target);
    p.mac('nd_sll', K.arp_sha);
    p.mac('nd_tll', K.arp_tha);
    p.decimal('nd_reserved', K.nd_reserved, 0xffffffff, 8);
    p.decimal('nd_options_type', K.nd_options_type, 0xff);
  }
  const flagMask = p.m(K.tcp_flags) & 0xfff;
  if (flagMask !== 0 && (dlType === ETH_IP || dlType === ETH_IPV6) && proto === PROTO_TCP)
    p.add(`tcp_flags=${formatFlags(p.v(K.tcp_flags), flagMask, 0xfff, TCP_FLAGS)}`);
}

/** Comma-separated text of a dense match; `priority` in front unless it is 32768. */
export function formatDenseMatch(value: Int32Array, mask: Int32Array, options: FormatOptions = {}): string {
  const p = new MatchPrinter(value, mask);
  const ports = options.ports ?? null;
  const priority = options.priority ?? DEFAULT_PRIORITY;
  if (priority !== DEFAULT_PRIORITY) p.add(`priority=${priority}`);
  printContext(p, ports);
  const packetTypeMask = p.m(K.packet_type);
  const isDefaultType = packetTypeMask === 0xffffffff && p.v(K.packet_type) === 0;
  // A match on recirc_id is one of the datapath: there the default packet type shows too.
  if (packetTypeMask !== 0 && (!isDefaultType || p.m(K.recirc_id) !== 0))
    p.add(formatPacketType(p.v(K.packet_type), packetTypeMask));
  const ofPacketType = !isDefaultType && packetTypeMask !== 0 && p.v(K.packet_type) >>> 16 === PT_NS_ETHERTYPE;
  const type = ofPacketType ? p.v(K.packet_type) & 0xffff : p.v(K.dl_type);
  const covered = printProtocol(p, type);
  for (let i = 0; i < 16; i++) p.hex32(`reg${i}`, K.reg0 + i);
  printTunnel(p, value, mask, options.tlvMap ?? DEFAULT_TLV_MAP);
  p.hexWide('metadata', K.metadata, 2);
  if (p.m(K.in_port) !== 0) p.add(`in_port=${formatPort(p.v(K.in_port), ports)}`);
  printVlans(p);
  p.mac('dl_src', K.dl_src);
  p.mac('dl_dst', K.dl_dst);
  if (!covered.type && p.m(K.dl_type) !== 0) p.add(`dl_type=0x${type.toString(16).padStart(4, '0')}`);
  printNetwork(p, type, covered.proto);
  printMpls(p);
  printTransport(p, type, p.v(K.dl_type));
  return p.parts.join(',');
}
