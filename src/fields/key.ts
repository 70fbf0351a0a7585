/**
 * Layout of a flow key: what OVS calls `struct flow`, as 32-bit words in host order, one Int32Array(KEY_WORDS) per packet.
 *
 * Fields that share storage in OVS share a word here (nw_proto = arp_op, nw_src = arp_spa, icmp_type = tp_src,
 * nd_sll = arp_sha ...), because "same mask" in the classifier means same bits of this layout
 * (lib/flow.h:struct flow). Narrow fields have a word of their own, right-aligned.
 * Fields wider than 32 bits take several words, most significant first; MACs are [high 16 bits, low 32 bits].
 *
 * The packet's own words (L2 to L4) are contiguous: [K.dl_src, K.PACKET_END).
 */
export const K = {
  tun_id: 0, // 2 words
  tun_src: 2,
  tun_dst: 3,
  tun_ipv6_src: 4, // 4
  tun_ipv6_dst: 8, // 4
  tun_flags: 12,
  tun_tos: 13,
  tun_ttl: 14,
  tun_gbp_id: 15,
  tun_gbp_flags: 16,
  tun_erspan_ver: 17,
  tun_erspan_idx: 18,
  tun_erspan_dir: 19,
  tun_erspan_hwid: 20,
  tun_gtpu_flags: 21,
  tun_gtpu_msgtype: 22,
  metadata: 23, // 2
  /** OpenFlow port number, 16-bit space: LOCAL is 65534. */
  in_port: 25,
  pkt_mark: 26,
  recirc_id: 27,
  dp_hash: 28,
  conj_id: 29,
  actset_output: 30,
  packet_type: 31,
  skb_priority: 32,
  /** Bits of CS_*: new 1, est 2, rel 4, rpl 8, inv 0x10, trk 0x20, snat 0x40, dnat 0x80. */
  ct_state: 33,
  ct_zone: 34,
  ct_mark: 35,
  ct_label: 36, // 4
  ct_nw_proto: 40,
  ct_tp_src: 41,
  ct_tp_dst: 42,
  ct_nw_src: 43,
  ct_nw_dst: 44,
  ct_ipv6_src: 45, // 4
  ct_ipv6_dst: 49, // 4
  reg0: 53, // 16 words: reg0 ... reg15
  dl_src: 69, // 2
  dl_dst: 71, // 2
  dl_type: 73,
  /** Outer tag as OVS holds it: pcp, CFI = "tag present" (0x1000), vid; 0 = untagged. */
  vlan_tci: 74,
  vlan_tpid: 75,
  vlan_tci1: 76,
  vlan_tpid1: 77,
  mpls_lse: 78, // 3
  nw_src: 81, // = arp_spa
  nw_dst: 82, // = arp_tpa
  ipv6_src: 83, // 4
  ipv6_dst: 87, // 4
  ipv6_label: 91,
  nw_proto: 92, // = arp_op
  nw_tos: 93, // DSCP and ECN, 8 bits
  nw_ttl: 94,
  /** FLOW_NW_FRAG_*: 1 any fragment, 2 later fragment. */
  nw_frag: 95,
  arp_sha: 96, // 2; = nd_sll
  arp_tha: 98, // 2; = nd_tll
  nd_target: 100, // 4
  nd_reserved: 104,
  nd_options_type: 105,
  tcp_flags: 106, // 12 bits
  tp_src: 107, // = icmp_type
  tp_dst: 108, // = icmp_code
  igmp_group_ip4: 109,
  nsh_flags: 110,
  nsh_ttl: 111,
  nsh_mdtype: 112,
  nsh_np: 113,
  nsh_spi: 114,
  nsh_si: 115,
  nsh_c1: 116, // 4 words: nsh_c1 ... nsh_c4
  PACKET_END: 120,
  /** Which options are present: bit i of this 64-bit map = tun_metadataN i. */
  tun_metadata_present: 120, // 2
  /** Values, at the place the option table gives each option. */
  tun_metadata: 122, // 64
} as const;

export const KEY_WORDS = 186;

export const FRAG_ANY = 1;
export const FRAG_LATER = 2;

export const CS_NEW = 0x01;
export const CS_EST = 0x02;
export const CS_REL = 0x04;
export const CS_RPL = 0x08;
export const CS_INV = 0x10;
export const CS_TRK = 0x20;
export const CS_SNAT = 0x40;
export const CS_DNAT = 0x80;

/** CFI bit of vlan_tci: a tag is present. */
export const VLAN_CFI = 0x1000;

/** Reserved port numbers in the 16-bit space (OFPP_* of OpenFlow 1.0; 1.1+ has them at 0xffffff..). */
export const PORT = {
  UNSET: 0xfff7,
  IN_PORT: 0xfff8,
  TABLE: 0xfff9,
  NORMAL: 0xfffa,
  FLOOD: 0xfffb,
  ALL: 0xfffc,
  CONTROLLER: 0xfffd,
  LOCAL: 0xfffe,
  NONE: 0xffff,
} as const;
