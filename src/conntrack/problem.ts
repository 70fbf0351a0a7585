/** What can be wrong with a packet, as a set of bits. */

/** What is wrong with a packet. Each profile has a mask of those that make it invalid. */
export const PROBLEM = {
  L3_CHECKSUM: 0x001,
  L4_CHECKSUM: 0x002,
  L4_MALFORMED: 0x004,
  /** TCP or UDP, source or destination. */
  PORT_ZERO: 0x008,
  /** UDP over IPv6 without checksum: the kernel lets it pass, OVS does not (conntrack.c:check_l4_udp). */
  NO_CHECKSUM_IPV6: 0x010,
  /** A fragment that nobody reassembled. */
  FRAGMENT: 0x020,
  /** ICMP type without a counterpart and not an error. */
  ICMP_TYPE: 0x040,
  /** Code other than 0 of an ICMP request or reply. */
  ICMP_CODE: 0x080,
  /** ICMP error whose inner packet cannot be read. */
  INNER: 0x100,
  /** The inner L4 header is shorter than OVS wants it: 20 bytes of TCP over IPv6 (conntrack.c:extract_l4_icmp6). */
  INNER_SHORT: 0x200,
  /** A GRE version that the kernel cannot make a tuple of (nf_conntrack_proto_gre.c:gre_pkt_to_tuple). */
  GRE_VERSION: 0x400,
  /** ICMP error for somebody who did not send the inner packet. */
  INNER_ADDRESS: 0x800,
} as const;
