/** A packet's flow key as text (lib/flow.c:flow_format). */
import { FRAG_LATER, K, KEY_WORDS } from './key.js';
import { effectiveType, type FormatOptions, formatDenseMatch } from './matchFormat.js';
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
  PROTO_IGMP,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
} from './protocols.js';

/** Context words that a packet's text leaves out while they are 0 (lib/flow.c:flow_format). */
const CONTEXT_WORDS: readonly number[] = [
  K.in_port,
  K.skb_priority,
  K.pkt_mark,
  K.recirc_id,
  K.dp_hash,
  K.ct_state,
  K.ct_zone,
  K.ct_mark,
  ...Array.from({ length: 16 }, (_, i) => K.reg0 + i),
];

/** The mask of what a packet of this kind has (lib/flow.c:flow_wildcards_init_for_packet), without empty context. */
function maskOfPacket(key: Int32Array): Int32Array {
  const mask = new Int32Array(KEY_WORDS);
  const show = (word: number, count = 1): void => {
    mask.fill(-1, word, word + count);
  };
  const anySet = (word: number, count: number): boolean => key.subarray(word, word + count).some((bits) => bits !== 0);
  for (const word of CONTEXT_WORDS) if (key[word] !== 0) show(word);
  if (mask[K.ct_state] !== 0) mask[K.ct_state] = 0xff;
  if (mask[K.ct_zone] !== 0) mask[K.ct_zone] = 0xffff;
  if (anySet(K.ct_label, 4)) show(K.ct_label, 4);
  if (anySet(K.metadata, 2)) show(K.metadata, 2);
  if (key[K.tun_dst] !== 0 || anySet(K.tun_ipv6_dst, 4)) {
    show(K.tun_id, K.tun_gtpu_msgtype - K.tun_id + 1);
    mask[K.tun_gbp_id] = 0xffff;
    mask.set(key.subarray(K.tun_metadata_present, K.tun_metadata_present + 2), K.tun_metadata_present);
    show(K.tun_metadata, 64);
  } else if (anySet(K.tun_id, 2)) show(K.tun_id, 2);
  show(K.packet_type);
  if (key[K.packet_type] === 0) {
    show(K.dl_src, 4);
    mask[K.dl_type] = 0xffff;
    mask[K.vlan_tci] = 0xffff;
    if (key[K.vlan_tci] !== 0) mask[K.vlan_tci1] = 0xffff;
  }
  const type = effectiveType(key, mask);
  const isIp = type === ETH_IP || type === ETH_IPV6;
  if (type === ETH_ARP || type === ETH_RARP) {
    show(K.nw_src, 2);
    mask[K.nw_proto] = 0xff;
    show(K.arp_sha, 4);
  } else if (type === ETH_MPLS || type === ETH_MPLS_MCAST) {
    for (let i = 0; i < 3; i++) {
      show(K.mpls_lse + i);
      if ((key[K.mpls_lse + i]! & 0x100) !== 0) break;
    }
  } else if (isIp || type === ETH_NSH) {
    showNetwork(key, mask, type);
  }
  return mask;
}

function showNetwork(key: Int32Array, mask: Int32Array, type: number): void {
  const proto = key[K.nw_proto]!;
  const icmpType = key[K.tp_src]!;
  const isNd = type === ETH_IPV6 && proto === PROTO_ICMPV6 && (icmpType === 135 || icmpType === 136);
  if (type === ETH_IP) mask.fill(-1, K.nw_src, K.nw_dst + 1);
  else if (type === ETH_IPV6) {
    mask.fill(-1, K.ipv6_src, K.ipv6_dst + 4);
    mask[K.ipv6_label] = 0xfffff;
    if (isNd && key[K.tp_dst] === 0) {
      mask.fill(-1, K.arp_sha, K.arp_tha + 2);
      mask.fill(-1, K.nd_target, K.nd_target + 4);
    }
  } else {
    for (const word of [K.nsh_flags, K.nsh_ttl, K.nsh_mdtype, K.nsh_np, K.nsh_si]) mask[word] = 0xff;
    mask[K.nsh_spi] = 0xffffff;
    mask.fill(-1, K.nsh_c1, K.nsh_c1 + 4);
  }
  // The original tuple shows when the state says that there is one (lib/flow.h:is_ct_valid).
  if (key[K.ct_nw_proto] !== 0 && isTracked(key[K.ct_state]!)) {
    mask[K.ct_nw_proto] = 0xff;
    mask[K.ct_tp_src] = 0xffff;
    mask[K.ct_tp_dst] = 0xffff;
    if (type === ETH_IP) mask.fill(-1, K.ct_nw_src, K.ct_nw_dst + 1);
    else if (type === ETH_IPV6 && !isNd) mask.fill(-1, K.ct_ipv6_src, K.ct_ipv6_dst + 4);
  }
  mask[K.nw_frag] = 3;
  mask[K.nw_tos] = 0xff;
  mask[K.nw_ttl] = 0xff;
  mask[K.nw_proto] = 0xff;
  const hasPorts = [PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP, PROTO_SCTP, PROTO_IGMP].includes(proto);
  if (hasPorts && (key[K.nw_frag]! & FRAG_LATER) === 0) {
    mask[K.tp_src] = 0xffff;
    mask[K.tp_dst] = 0xffff;
    if (proto === PROTO_TCP) mask[K.tcp_flags] = 0xfff;
  }
}

/** ct_state of a packet whose entry is known: new, est, rel, rpl, snat or dnat, or tracked and not invalid. */
function isTracked(state: number): boolean {
  return (state & 0xcf) !== 0 || (state & 0x30) === 0x20;
}

/** A packet's flow as `ovs-ofctl parse-pcap` and `ofproto/trace` print it. */
export function formatFlowKey(key: Int32Array, options: FormatOptions = {}): string {
  return formatDenseMatch(key, maskOfPacket(key), options);
}
