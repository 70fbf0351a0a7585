/**
 * What connection tracking and frame rewriting need of a packet beyond the flow key: offsets, TCP numbers, checks.
 * One instance is refilled per packet; nothing here is allocated per packet.
 */
export class PacketInfo {
  /** Frame bytes: `data[start .. start + capturedBytes)`. */
  data: Uint8Array = new Uint8Array(0);
  start = 0;
  capturedBytes = 0;
  originalBytes = 0;
  /** Offsets relative to `start`, -1 where there is none. l3: IP or ARP header; l4: after the IP header(s). */
  l3Offset = -1;
  l4Offset = -1;
  /** L4 bytes by the IP header (header and payload), padding not counted. */
  l4Bytes = 0;
  /** TCP: payload bytes. */
  payloadBytes = 0;
  tcpSeq = 0;
  tcpAck = 0;
  tcpWindow = 0;
  /** Window scale option: -1 none. */
  tcpScale = -1;
  /** Highest right edge of a SACK block, valid if hasSack. */
  tcpSackEdge = 0;
  hasSack = false;
  /** SACK permitted option seen (SYN). */
  sackPermitted = false;
  /** ICMP echo id, network order value; else 0. */
  icmpId = 0;
  /** Protocol header too short, data offset past the end, UDP length wrong ...: invalid for conntrack. */
  l4Malformed = false;
  /** Result of verifying; true when not asked to verify. */
  l3ChecksumOk = true;
  l4ChecksumOk = true;
  /** IPv4 identification / IPv6 fragment id, offset in bytes, more-fragments. */
  fragmentId = 0;
  fragmentOffset = 0;
  moreFragments = false;
  /**
   * Setting: take an IPv4 total length of 0 as "to the end of the frame". Taps show it for segmentation offload above
   * 64 KiB; a switch would never see it on a wire, so OVS's parser drops everything above Ethernet.
   */
  acceptZeroLength = false;
  /** This packet had such a length and was accepted. */
  zeroLength = false;
  /**
   * Setting: the key that this instance is used with is written by nobody but extractPacket(), so what one packet left in
   * it is known at the next, and clearing it can mostly be left out.
   */
  ownsKey = false;
  /** With `ownsKey`: the last packet took the short way, words that it does not write are 0. */
  isKeyShort = false;
}
