/** What actions do to a flow key as a whole: tags, labels, prerequisites (lib/flow.c of Open vSwitch 3.1.0). */
import { CS_EST, CS_NEW, CS_RPL, FRAG_LATER, K, VLAN_CFI } from '../fields/key.js';
import type { Prerequisite } from './compile.js';

export const ETH_IP = 0x0800;
export const ETH_IPV6 = 0x86dd;
export const ETH_ARP = 0x0806;
const ETH_RARP = 0x8035;
const ETH_VLAN = 0x8100;
const ETH_QINQ = 0x88a8;
export const ETH_NSH = 0x894f;
const TCP = 6;
const UDP = 17;
const SCTP = 132;
const ICMP = 1;
const ICMPV6 = 58;
const ND_SOLICIT = 135;
const ND_ADVERT = 136;

/** Bottom of stack bit of a label stack entry. */
const BOS = 0x100;
export const MAX_MPLS = 3;

export const isVlanType = (type: number): boolean => type === ETH_VLAN || type === ETH_QINQ;
export const isMplsType = (type: number): boolean => type === 0x8847 || type === 0x8848;
export const isIp = (key: Int32Array): boolean => key[K.dl_type] === ETH_IP || key[K.dl_type] === ETH_IPV6;

const isIcmp = (key: Int32Array): boolean => key[K.dl_type] === ETH_IP && key[K.nw_proto] === ICMP;
const isIcmp6 = (key: Int32Array): boolean => key[K.dl_type] === ETH_IPV6 && key[K.nw_proto] === ICMPV6;
export const isAnyIcmp = (key: Int32Array): boolean => isIcmp(key) || isIcmp6(key);

const isNd = (key: Int32Array): boolean =>
  isIcmp6(key) && key[K.tp_dst] === 0 && (key[K.tp_src] === ND_SOLICIT || key[K.tp_src] === ND_ADVERT);

/** Ports exist in IP packets of this protocol that are no later fragments. */
const hasPorts = (key: Int32Array, proto: number): boolean =>
  isIp(key) && key[K.nw_proto] === proto && (key[K.nw_frag]! & FRAG_LATER) === 0;

/** Does the packet have the field? meta-flow.c:mf_are_prereqs_ok, for packets (not matches). */
export function holds(key: Int32Array, prerequisite: Prerequisite): boolean {
  switch (prerequisite) {
    case 'none':
    case 'ethernet':
      return true;
    case 'ip':
      return isIp(key);
    case 'ipv4':
      return key[K.dl_type] === ETH_IP;
    case 'ipv6':
      return key[K.dl_type] === ETH_IPV6;
    case 'arp':
      return key[K.dl_type] === ETH_ARP || key[K.dl_type] === ETH_RARP;
    case 'vlan':
      return (key[K.vlan_tci]! & VLAN_CFI) !== 0;
    case 'tcp':
      return hasPorts(key, TCP);
    case 'udp':
      return hasPorts(key, UDP);
    case 'sctp':
      return hasPorts(key, SCTP);
    case 'l4':
      return isIp(key) && (key[K.nw_frag]! & FRAG_LATER) === 0;
    case 'icmp':
      return isIcmp(key);
    case 'icmp6':
      return isIcmp6(key);
    case 'nd':
      return isNd(key);
    case 'ndSolicit':
      return isNd(key) && key[K.tp_src] === ND_SOLICIT;
    case 'ndAdvert':
      return isNd(key) && key[K.tp_src] === ND_ADVERT;
    case 'mpls':
      return isMplsType(key[K.dl_type]!);
    case 'nsh':
      return key[K.dl_type] === ETH_NSH;
    case 'ct':
      // lib/flow.h:is_ct_valid
      return (key[K.ct_state]! & (CS_NEW | CS_EST | CS_RPL)) !== 0;
  }
}

/** After a write into vlan_tci (lib/flow.c:flow_fix_vlan_tpid). */
export function fixVlanTpid(key: Int32Array): void {
  if (key[K.vlan_tpid] === 0 && key[K.vlan_tci] !== 0) key[K.vlan_tpid] = ETH_VLAN;
}

export function vlanCount(key: Int32Array): number {
  if ((key[K.vlan_tci]! & VLAN_CFI) === 0) return 0;
  return (key[K.vlan_tci1]! & VLAN_CFI) === 0 ? 1 : 2;
}

/** lib/flow.c:flow_pop_vlan */
export function popVlan(key: Int32Array): void {
  const count = vlanCount(key);
  if (count > 1) {
    key[K.vlan_tci] = key[K.vlan_tci1]!;
    key[K.vlan_tpid] = key[K.vlan_tpid1]!;
    key[K.vlan_tci1] = 0;
    key[K.vlan_tpid1] = 0;
  } else if (count === 1) {
    key[K.vlan_tci] = 0;
    key[K.vlan_tpid] = 0;
  }
}

/** The key holds two tags: what is below them is lost (lib/flow.c:flow_push_vlan_uninit). */
export function pushVlan(key: Int32Array, tpid: number): void {
  key[K.vlan_tci1] = key[K.vlan_tci]!;
  key[K.vlan_tpid1] = key[K.vlan_tpid]!;
  key[K.vlan_tci] = VLAN_CFI;
  key[K.vlan_tpid] = tpid;
}

/** lib/flow.c:flow_count_mpls_labels */
export function mplsCount(key: Int32Array): number {
  if (!isMplsType(key[K.dl_type]!)) return 0;
  let count = 0;
  for (let i = 0; i < MAX_MPLS; i++) {
    const lse = key[K.mpls_lse + i]!;
    if ((lse & BOS) !== 0) return i + 1;
    if (lse !== 0) count++;
  }
  return count;
}

/** Labels at the bottom that both stacks have (lib/flow.c:flow_count_common_mpls_labels). */
export function commonMpls(a: Int32Array, aCount: number, b: Int32Array, bCount: number): number {
  let common = 0;
  const most = Math.min(aCount, bCount);
  while (common < most && a[K.mpls_lse + aCount - 1 - common] === b[K.mpls_lse + bCount - 1 - common]) common++;
  return common;
}

/** lib/flow.c:flow_push_mpls; the first label copies TTL and DSCP of the IP header, and hides it if `clearL3`. */
export function pushMpls(key: Int32Array, count: number, ethertype: number, clearL3: boolean): void {
  if (count > 0) {
    for (let i = count; i >= 1; i--) key[K.mpls_lse + i] = key[K.mpls_lse + i - 1]!;
    key[K.mpls_lse] = key[K.mpls_lse + 1]! & ~BOS;
  } else {
    const label = key[K.dl_type] === ETH_IPV6 ? 2 : 0;
    const tc = isIp(key) ? (key[K.nw_tos]! & 0xfc) >> 2 : 0;
    const ttl = isIp(key) && key[K.nw_ttl] !== 0 ? key[K.nw_ttl]! : 64;
    // lib/packets.h:set_mpls_lse_values; only three bits of the DSCP fit
    key[K.mpls_lse] = (label << 12) | ((tc & 7) << 9) | BOS | ttl;
    if (clearL3) {
      key.fill(0, K.nw_src, K.PACKET_END);
      key.fill(0, K.ct_nw_src, K.reg0);
      key[K.ct_tp_src] = 0;
      key[K.ct_tp_dst] = 0;
      key[K.dp_hash] = 0;
    }
  }
  key[K.dl_type] = ethertype;
}

/** False if there is nothing to pop, or more labels than the key holds (lib/flow.c:flow_pop_mpls). */
export function popMpls(key: Int32Array, count: number, ethertype: number): boolean {
  if (count === 0) return false;
  if (count === MAX_MPLS && (key[K.mpls_lse + MAX_MPLS - 1]! & BOS) === 0) return false;
  for (let i = 1; i < count; i++) key[K.mpls_lse + i - 1] = key[K.mpls_lse + i]!;
  key[K.mpls_lse + count - 1] = 0;
  key[K.dl_type] = ethertype;
  return true;
}

/** lib/flow.c:flow_clear_conntrack */
export function clearConntrack(key: Int32Array): void {
  key.fill(0, K.ct_state, K.ct_nw_src);
  if (key[K.dl_type] === ETH_IP) {
    key[K.ct_nw_src] = 0;
    key[K.ct_nw_dst] = 0;
  } else if (key[K.dl_type] === ETH_IPV6) {
    key.fill(0, K.ct_ipv6_src, K.reg0);
  }
}

/** resubmit(,table,ct): the header and the connection's original tuple change places (ofproto-dpif-xlate.c:tuple_swap). */
export function swapTuple(key: Int32Array): void {
  const swap = (a: number, b: number, words = 1) => {
    for (let i = 0; i < words; i++) {
      const kept = key[a + i]!;
      key[a + i] = key[b + i]!;
      key[b + i] = kept;
    }
  };
  swap(K.nw_proto, K.ct_nw_proto);
  if (key[K.dl_type] === ETH_IP) {
    swap(K.nw_src, K.ct_nw_src);
    swap(K.nw_dst, K.ct_nw_dst);
  } else {
    swap(K.ipv6_src, K.ct_ipv6_src, 4);
    swap(K.ipv6_dst, K.ct_ipv6_dst, 4);
  }
  swap(K.tp_src, K.ct_tp_src);
  swap(K.tp_dst, K.ct_tp_dst);
}

/** ofproto-dpif-xlate.c:is_gratuitous_arp: a broadcast ARP reply, or a request for the sender's own address. */
export function isGratuitousArp(flow: Int32Array): boolean {
  if (flow[K.dl_type] !== ETH_ARP || flow[K.dl_dst] !== 0xffff || flow[K.dl_dst + 1] !== -1) return false;
  if (flow[K.nw_proto] === 2) return true;
  return flow[K.nw_proto] === 1 && flow[K.nw_src] === flow[K.nw_dst];
}

export const PROTO = { TCP, UDP, SCTP, ICMPV6 } as const;
