/**
 * What of a match survives the wire: encoded for one OpenFlow version and decoded again. A field without its
 * prerequisite is not sent, a tag match loses what the version cannot say, and the switch refuses the rest.
 * lib/nx-match.c:nx_put_raw, nx_pull_raw; lib/ofp-match.c for the fixed structures of 1.0 and 1.1.
 */
import type { Prerequisite } from '../fields/fieldTable.js';
import { K, VLAN_CFI } from '../fields/key.js';
import { ETH_IP, ETH_IPV6, PROTO_ICMP, PROTO_ICMPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP } from '../fields/protocols.js';
import { InputError } from '../util/errors.js';
import { type DenseMatch, dlTypeOf, VALUE_IS_MASK } from './denseMatch.js';
import { isArp, isIp, isMpls, isNeighbourDiscovery, normalizeMatch, prerequisiteHolds } from './prerequisites.js';

/** How a match travels: OpenFlow 1.0's structure, Nicira's extended match, 1.1's structure, OXM of 1.2 and later. */
export type MatchFormat = 'standard10' | 'nxm' | 'standard11' | 'oxm';

const PCP_MASK = 0xe000;
const VID_MASK = 0xfff;

/** Error of the switch, by its OpenFlow name. */
export const refused = (name: string): InputError => new InputError(`the switch refuses it: ${name}`);

/** `to` becomes what the switch holds after `from` was sent. InputError: an OpenFlow error name. */
export function sendMatch(from: DenseMatch, format: MatchFormat, to: DenseMatch): void {
  to.clear();
  if (format === 'standard10') sendStandard10(from, to);
  else if (format === 'standard11') sendStandard11(from, to);
  else sendExtensible(from, format === 'oxm', to);
  checkTupleFamily(to);
}

/** Copies words that the receiver takes only if the prerequisite holds by then. */
function put(from: DenseMatch, to: DenseMatch, word: number, count: number, wanted: Prerequisite): void {
  if (!from.anyMask(word, count)) return;
  if (!prerequisiteHolds(wanted, to.value, to.mask)) throw refused('OFPBMC_BAD_PREREQ');
  to.copyFrom(from, word, count);
}

function sendExtensible(from: DenseMatch, oxm: boolean, to: DenseMatch): void {
  const type = dlTypeOf(from.value);
  to.copyFrom(from, K.packet_type);
  if (from.mask[K.dp_hash] !== 0) throw refused('OFPBRC_EPERM');
  // recirc_id=0 is what every rule of a controller matches (lib/match.c:match_has_default_recirc_id).
  if (from.mask[K.recirc_id] !== 0 && from.value[K.recirc_id] !== 0) throw refused('OFPBRC_EPERM');
  to.copyFrom(from, K.recirc_id);
  to.copyFrom(from, K.conj_id);
  to.copyFrom(from, K.in_port);
  to.copyFrom(from, K.actset_output);
  put(from, to, K.dl_src, 4, 'ethernet');
  put(from, to, K.dl_type, 1, 'ethernet');
  sendVlan(from, oxm, to);
  if (isMpls(type)) put(from, to, K.mpls_lse, 1, 'mpls');
  if (isIp(type)) sendIp(from, type, to);
  else if (isArp(type)) {
    put(from, to, K.nw_proto, 1, 'arp');
    put(from, to, K.nw_src, 2, 'arp');
    put(from, to, K.arp_sha, 4, 'arp');
  }
  to.copyFrom(from, K.tun_id, K.tun_gtpu_msgtype - K.tun_id + 1);
  for (const word of VALUE_IS_MASK) to.mask[word] = to.value[word]!;
  to.copyFrom(from, K.tun_metadata_present, 2 + 64);
  sendNsh(from, to);
  to.copyFrom(from, K.reg0, 16);
  to.copyFrom(from, K.pkt_mark);
  to.copyFrom(from, K.ct_state);
  to.copyFrom(from, K.ct_zone);
  to.copyFrom(from, K.ct_mark);
  to.copyFrom(from, K.ct_label, 4);
  put(from, to, K.ct_nw_src, 2, 'ct');
  put(from, to, K.ct_ipv6_src, 8, 'ct');
  if (from.value[K.ct_nw_proto] !== 0) put(from, to, K.ct_nw_proto, 3, 'ct');
  to.copyFrom(from, K.metadata, 2);
}

function sendVlan(from: DenseMatch, oxm: boolean, to: DenseMatch): void {
  const mask = from.mask[K.vlan_tci]!;
  if (mask === 0) return;
  if (!prerequisiteHolds('ethernet', to.value, to.mask)) throw refused('OFPBMC_BAD_PREREQ');
  const tci = from.value[K.vlan_tci]! & mask;
  if (!oxm) {
    to.set(K.vlan_tci, tci, mask);
    return;
  }
  const vid = tci & (VLAN_CFI | VID_MASK);
  to.set(K.vlan_tci, vid, mask & (VLAN_CFI | VID_MASK));
  // OpenFlow 1.2+ has the priority as a field of its own, always exact.
  if (vid !== 0 && (mask & PCP_MASK) !== 0) {
    if (!prerequisiteHolds('vlan', to.value, to.mask)) throw refused('OFPBMC_BAD_PREREQ');
    to.value[K.vlan_tci]! |= (tci & PCP_MASK) | VLAN_CFI;
    to.mask[K.vlan_tci]! |= PCP_MASK | VLAN_CFI;
  }
}

function sendIp(from: DenseMatch, type: number, to: DenseMatch): void {
  if (type === ETH_IP) put(from, to, K.nw_src, 2, 'ipv4');
  else put(from, to, K.ipv6_src, 8, 'ipv6');
  put(from, to, K.nw_frag, 1, 'ip');
  put(from, to, K.nw_tos, 2, 'ip');
  if (from.mask[K.ipv6_label] !== 0) {
    put(from, to, K.ipv6_label, 1, 'ipv6');
    if (to.value[K.ipv6_label]! >>> 20 !== 0) throw refused('OFPBMC_BAD_VALUE');
  }
  if (from.mask[K.nw_proto] === 0) return;
  put(from, to, K.nw_proto, 1, 'ip');
  const proto = from.value[K.nw_proto]!;
  if (proto === PROTO_TCP) {
    put(from, to, K.tp_src, 2, 'tcp');
    put(from, to, K.tcp_flags, 1, 'tcp');
  } else if (proto === PROTO_UDP) {
    put(from, to, K.tp_src, 2, 'udp');
  } else if (proto === PROTO_SCTP) {
    put(from, to, K.tp_src, 2, 'sctp');
  } else if ((proto === PROTO_ICMP && type === ETH_IP) || (proto === PROTO_ICMPV6 && type === ETH_IPV6)) {
    for (const word of [K.tp_src, K.tp_dst]) if (from.mask[word] !== 0) to.set(word, from.value[word]! & 0xff, 0xffff);
    if (proto === PROTO_ICMPV6 && isNeighbourDiscovery(from.value)) sendNeighbourDiscovery(from, to);
  }
}

function sendNeighbourDiscovery(from: DenseMatch, to: DenseMatch): void {
  put(from, to, K.nd_reserved, 1, 'nd');
  put(from, to, K.nd_target, 4, 'nd');
  put(from, to, K.nd_options_type, 1, 'nd');
  if (from.value[K.tp_src] === 135) put(from, to, K.arp_sha, 2, 'ndSolicit');
  else put(from, to, K.arp_tha, 2, 'ndAdvert');
}

function sendNsh(from: DenseMatch, to: DenseMatch): void {
  put(from, to, K.nsh_flags, K.nsh_c1 + 4 - K.nsh_flags, 'nsh');
  // lib/meta-flow.c:mf_is_value_valid
  const mdtype = to.value[K.nsh_mdtype]!;
  if (to.value[K.nsh_ttl]! > 63 || (to.mask[K.nsh_mdtype] !== 0 && mdtype !== 1 && mdtype !== 2))
    throw refused('OFPBMC_BAD_VALUE');
}

/** A tag match as the fixed structures can say it; `anyTag`: the structure of 1.1, which has "any tag". */
function sendFixedVlan(from: DenseMatch, anyTag: boolean, to: DenseMatch): void {
  const mask = from.mask[K.vlan_tci]!;
  const tci = from.value[K.vlan_tci]! & mask;
  if (mask === 0) return;
  to.setDefaultPacketType();
  if ((mask & VLAN_CFI) !== 0 && (tci & VLAN_CFI) === 0) {
    to.set(K.vlan_tci, 0, 0xffff);
    return;
  }
  let bits = 0;
  if ((mask & VID_MASK) !== 0) bits |= VID_MASK | VLAN_CFI;
  else if (anyTag) bits |= VLAN_CFI;
  if ((mask & PCP_MASK) !== 0) bits |= PCP_MASK | VLAN_CFI;
  to.set(K.vlan_tci, tci | VLAN_CFI, bits);
}

function sendStandard10(from: DenseMatch, to: DenseMatch): void {
  to.copyFrom(from, K.in_port);
  to.copyFrom(from, K.dl_src, 4);
  to.copyFrom(from, K.dl_type);
  to.copyFrom(from, K.nw_src, 2);
  if ((from.mask[K.nw_tos]! & 0xfc) !== 0) to.set(K.nw_tos, from.value[K.nw_tos]!, 0xfc);
  to.copyFrom(from, K.nw_proto);
  to.copyFrom(from, K.tp_src, 2);
  if (to.anyMask(K.dl_src, 5) || to.anyMask(K.nw_src, 2) || to.anyMask(K.nw_proto, 2) || to.anyMask(K.tp_src, 2))
    to.setDefaultPacketType();
  sendFixedVlan(from, false, to);
  normalizeMatch(to);
}

function sendStandard11(from: DenseMatch, to: DenseMatch): void {
  to.copyFrom(from, K.in_port);
  to.copyFrom(from, K.dl_src, 4);
  to.copyFrom(from, K.dl_type);
  if (to.anyMask(K.dl_src, 5)) to.setDefaultPacketType();
  sendFixedVlan(from, true, to);
  const type = to.value[K.dl_type]!;
  if (type === ETH_IP && (from.mask[K.nw_tos]! & 0xfc) !== 0) to.set(K.nw_tos, from.value[K.nw_tos]!, 0xfc);
  if (type === ETH_IP || isArp(type)) {
    to.copyFrom(from, K.nw_proto);
    to.copyFrom(from, K.nw_src, 2);
  }
  const proto = to.value[K.nw_proto]!;
  const ported = [PROTO_ICMP, PROTO_TCP, PROTO_UDP, PROTO_SCTP].includes(proto);
  if (type === ETH_IP && ported) {
    to.copyFrom(from, K.tp_src, 2);
    if (proto === PROTO_ICMP && (to.value[K.tp_src]! > 0xff || to.value[K.tp_dst]! > 0xff))
      throw refused('OFPBMC_BAD_FIELD');
  }
  if (isMpls(type)) to.set(K.mpls_lse, from.value[K.mpls_lse]!, from.mask[K.mpls_lse]! & ~0x1ff);
  to.copyFrom(from, K.metadata, 2);
}

/** Addresses of the original tuple need the IP version beside them (lib/ofp-flow.c:ofputil_decode_flow_mod). */
function checkTupleFamily(to: DenseMatch): void {
  const type = to.value[K.dl_type];
  const wrong4 = to.anyMask(K.ct_nw_src, 2) && type !== ETH_IP;
  const wrong6 = to.anyMask(K.ct_ipv6_src, 8) && type !== ETH_IPV6;
  if (wrong4 || wrong6) throw refused('OFPBAC_MATCH_INCONSISTENT');
}
