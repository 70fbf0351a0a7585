/** Numbers of the protocols that are taken apart, with OVS's name where it has one (lib/packets.h). */
export const ETH_IPV4 = 0x0800;
export const ETH_ARP = 0x0806;
export const ETH_RARP = 0x8035;
export const ETH_VLAN = 0x8100;
export const ETH_QINQ = 0x88a8;
export const ETH_IPV6 = 0x86dd;
export const ETH_MPLS = 0x8847;
export const ETH_MPLS_MULTICAST = 0x8848;
export const ETH_NSH = 0x894f;
/** Smallest type; below it the field is a length (ETH_TYPE_MIN). */
export const ETH_TYPE_MIN = 0x0600;
/** What OVS calls a frame without a type (FLOW_DL_TYPE_NONE). */
export const ETH_NO_TYPE = 0x05ff;

export const IP_ICMP = 1;
export const IP_IGMP = 2;
export const IP_TCP = 6;
export const IP_UDP = 17;
export const IP_ICMPV6 = 58;
export const IP_SCTP = 132;

export const IP6_HOP_BY_HOP = 0;
export const IP6_ROUTING = 43;
export const IP6_FRAGMENT = 44;
export const IP6_AUTH = 51;
export const IP6_DESTINATION = 60;
