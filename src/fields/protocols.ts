/** Ethernet types and IP protocol numbers (IANA) that decide which fields a match may name. */

export const ETH_IP = 0x0800;
export const ETH_IPV6 = 0x86dd;
export const ETH_ARP = 0x0806;
export const ETH_RARP = 0x8035;
export const ETH_MPLS = 0x8847;
export const ETH_MPLS_MCAST = 0x8848;
export const ETH_NSH = 0x894f;
export const PROTO_ICMP = 1;
export const PROTO_IGMP = 2;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;
export const PROTO_ICMPV6 = 58;
export const PROTO_SCTP = 132;
/** Namespace of packet_type whose types are Ethernet types (OFPHTN_ETHERTYPE). */
export const PT_NS_ETHERTYPE = 1;
