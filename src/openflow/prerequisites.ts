/**
 * What must be matched before a field means anything: as a question (lib/meta-flow.c:mf_are_prereqs_ok__) and as the
 * clean-up that ovs-ofctl warns of (lib/ofp-match.c:ofputil_normalize_match__).
 */
import type { Prerequisite } from '../fields/fieldTable.js';
import { FRAG_LATER, K, VLAN_CFI } from '../fields/key.js';
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
} from '../fields/protocols.js';
import { type DenseMatch, dlTypeOf } from './denseMatch.js';

export const isIp = (type: number): boolean => type === ETH_IP || type === ETH_IPV6;
export const isArp = (type: number): boolean => type === ETH_ARP || type === ETH_RARP;
export const isMpls = (type: number): boolean => type === ETH_MPLS || type === ETH_MPLS_MCAST;

/** CS_NEW, CS_EST, CS_REL, CS_RPL, CS_SNAT, CS_DNAT: each implies an entry (lib/flow.h:is_ct_valid). */
const ENTRY_BITS = 0xcf;
const TRACKED = 0x20;
const INVALID = 0x10;

/** Neighbour discovery: solicitation 135 or advertisement 136, code 0 (lib/flow.h:is_nd). */
export function isNeighbourDiscovery(value: Int32Array): boolean {
  const type = value[K.tp_src];
  return (
    dlTypeOf(value) === ETH_IPV6 &&
    value[K.nw_proto] === PROTO_ICMPV6 &&
    value[K.tp_dst] === 0 &&
    (type === 135 || type === 136)
  );
}

/** Does the match meet it? Values decide, except for ct where "not invalid" must be matched. */
export function prerequisiteHolds(wanted: Prerequisite, value: Int32Array, mask: Int32Array): boolean {
  const type = dlTypeOf(value);
  const transport = (proto: number): boolean =>
    isIp(type) && value[K.nw_proto] === proto && (value[K.nw_frag]! & FRAG_LATER) === 0;
  switch (wanted) {
    case 'none':
      return true;
    case 'ethernet':
      return value[K.packet_type] === 0;
    case 'arp':
      return isArp(type);
    case 'vlan':
      return value[K.packet_type] === 0 && (value[K.vlan_tci]! & VLAN_CFI) !== 0;
    case 'ipv4':
      return type === ETH_IP;
    case 'ipv6':
      return type === ETH_IPV6;
    case 'ip':
      return isIp(type);
    case 'nsh':
      return type === ETH_NSH;
    case 'ct': {
      const state = value[K.ct_state]!;
      const notInvalid = (mask[K.ct_state]! & INVALID) !== 0 && (state & INVALID) === 0;
      return (state & ENTRY_BITS) !== 0 || ((state & TRACKED) !== 0 && notInvalid);
    }
    case 'mpls':
      return isMpls(type);
    case 'tcp':
      return transport(PROTO_TCP);
    case 'udp':
      return transport(PROTO_UDP);
    case 'sctp':
      return transport(PROTO_SCTP);
    case 'icmp':
      return type === ETH_IP && value[K.nw_proto] === PROTO_ICMP;
    case 'icmp6':
      return type === ETH_IPV6 && value[K.nw_proto] === PROTO_ICMPV6;
    case 'nd':
      return isNeighbourDiscovery(value);
    case 'ndSolicit':
      return isNeighbourDiscovery(value) && value[K.tp_src] === 135;
    case 'ndAdvert':
      return isNeighbourDiscovery(value) && value[K.tp_src] === 136;
  }
}

interface Group {
  readonly from: number;
  readonly count: number;
}

const ETHER: Group = { from: K.dl_src, count: 4 };
const NW_ADDR: Group = { from: K.nw_src, count: 2 };
const TP_ADDR: Group = { from: K.tp_src, count: 2 };
const NW_PROTO: Group = { from: K.nw_proto, count: 1 };
const TOS_TTL: Group = { from: K.nw_tos, count: 2 };
const ARP_SHA: Group = { from: K.arp_sha, count: 2 };
const ARP_THA: Group = { from: K.arp_tha, count: 2 };
const IPV6: Group = { from: K.ipv6_src, count: 9 };
const ND_TARGET: Group = { from: K.nd_target, count: 4 };
const MPLS: Group = { from: K.mpls_lse, count: 3 };
const GROUPS: readonly Group[] = [ETHER, NW_ADDR, TP_ADDR, NW_PROTO, TOS_TTL, ARP_SHA, ARP_THA, IPV6, ND_TARGET, MPLS];

function allowedGroups(match: DenseMatch): readonly Group[] {
  const { value } = match;
  const packetType = value[K.packet_type]! >>> 0;
  const ethernet = match.mask[K.packet_type] === 0 || match.hasDefaultPacketType;
  const allowed: Group[] = ethernet ? [ETHER] : [];
  let type = 0;
  if (ethernet) type = value[K.dl_type]!;
  else if (packetType >>> 16 === PT_NS_ETHERTYPE) type = packetType & 0xffff;
  const proto = value[K.nw_proto]!;
  const ported = proto === PROTO_TCP || proto === PROTO_UDP || proto === PROTO_SCTP;
  if (type === ETH_IP) {
    allowed.push(NW_PROTO, TOS_TTL, NW_ADDR);
    if (ported || proto === PROTO_ICMP) allowed.push(TP_ADDR);
  } else if (type === ETH_IPV6) {
    allowed.push(NW_PROTO, TOS_TTL, IPV6);
    if (ported || proto === PROTO_ICMPV6) allowed.push(TP_ADDR);
    if (proto === PROTO_ICMPV6 && value[K.tp_src] === 135) allowed.push(ND_TARGET, ARP_SHA);
    if (proto === PROTO_ICMPV6 && value[K.tp_src] === 136) allowed.push(ND_TARGET, ARP_THA);
  } else if (isArp(type)) {
    allowed.push(NW_PROTO, NW_ADDR, ARP_SHA, ARP_THA);
  } else if (isMpls(type)) {
    allowed.push(MPLS);
  }
  return allowed;
}

/** Is there something that cannot be matched for want of a prerequisite? Drops it if `drop`. */
export function normalizeMatch(match: DenseMatch, drop = true): boolean {
  let allowed: readonly Group[] | null = null;
  let changed = false;
  for (const group of GROUPS) {
    if (!match.anyMask(group.from, group.count)) continue;
    allowed ??= allowedGroups(match);
    if (allowed.includes(group)) continue;
    if (drop) match.wildcard(group.from, group.count);
    changed = true;
  }
  return changed;
}
