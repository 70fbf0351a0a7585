/** A packet's header fields by their Open vSwitch names (ovs-fields(7)), for people and scripts: cold. */
import { readField, readNumber } from '../fields/access.js';
import { FIELDS, type Field, field, type Prerequisite } from '../fields/fieldTable.js';
import { formatFieldValue, ones } from '../fields/fieldText.js';
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
} from '../fields/protocols.js';

/** Other views of bits that are listed already: the VLAN tag as dl_vlan and dl_vlan_pcp, the DSCP as nw_tos. */
const SAME_BITS = new Set(['vlan_tci', 'vlan_vid', 'vlan_pcp', 'ip_dscp']);
/** Listed only when they are not 0. */
const SELDOM = new Set(['ip_frag', 'nd_sll', 'nd_tll', 'nd_reserved', 'nd_options_type']);

const HEADER_FIELDS = FIELDS.slice(field('eth_src').id).filter((of) => !SAME_BITS.has(of.name));

/** Fields that the packet has, in Open vSwitch's order: decimal ones as numbers, all others as flow text prints them. */
export function packetFields(key: Int32Array): Record<string, string | number> {
  const fields: Record<string, string | number> = {};
  for (const of of HEADER_FIELDS) {
    if (!isPresent(key, of)) continue;
    if (SELDOM.has(of.name) && readField(key, of) === 0n) continue;
    fields[of.name] =
      of.format === 'decimal' ? readNumber(key, of) : formatFieldValue(of, readField(key, of), ones(of.nBytes), null);
  }
  return fields;
}

function isPresent(key: Int32Array, of: Field): boolean {
  if (of.name.startsWith('dl_vlan')) return (key[K.vlan_tci]! & VLAN_CFI) !== 0;
  return meets(key, of.prerequisite);
}

/** lib/meta-flow.c:mf_are_prereqs_ok__. */
function meets(key: Int32Array, prerequisite: Prerequisite): boolean {
  const type = key[K.dl_type]!;
  const isIp = type === ETH_IP || type === ETH_IPV6;
  const hasTransport = (proto: number) => isIp && key[K.nw_proto] === proto && (key[K.nw_frag]! & FRAG_LATER) === 0;
  const isNd = (icmpType: number) =>
    type === ETH_IPV6 && hasTransport(PROTO_ICMPV6) && key[K.tp_src] === icmpType && key[K.tp_dst] === 0;
  switch (prerequisite) {
    case 'none':
    case 'ethernet':
      return true;
    case 'vlan':
      return (key[K.vlan_tci]! & VLAN_CFI) !== 0;
    case 'mpls':
      return type === ETH_MPLS || type === ETH_MPLS_MCAST;
    case 'ipv4':
      return type === ETH_IP;
    case 'ipv6':
      return type === ETH_IPV6;
    case 'ip':
      return isIp;
    case 'arp':
      return type === ETH_ARP || type === ETH_RARP;
    case 'nsh':
      return type === ETH_NSH;
    case 'tcp':
      return hasTransport(PROTO_TCP);
    case 'udp':
      return hasTransport(PROTO_UDP);
    case 'sctp':
      return hasTransport(PROTO_SCTP);
    case 'icmp':
      return type === ETH_IP && hasTransport(PROTO_ICMP);
    case 'icmp6':
      return type === ETH_IPV6 && hasTransport(PROTO_ICMPV6);
    case 'nd':
      return isNd(135) || isNd(136);
    case 'ndSolicit':
      return isNd(135);
    case 'ndAdvert':
      return isNd(136);
    case 'ct':
      return false;
  }
}
