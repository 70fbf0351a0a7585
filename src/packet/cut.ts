/** Packets whose headers the snaplen cut: they are parsed with zeros for what is missing, which nobody should trust. */
import { FRAG_LATER, K } from '../fields/key.js';
import type { PacketInfo } from './packetInfo.js';
import { ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_RARP, IP_ICMPV6, IP_SCTP, IP_TCP } from './protocols.js';

/** Does the key, or what conntrack needs, hold bytes that were not captured? Call after extractPacket(). */
export function areHeadersCut(info: PacketInfo, key: Int32Array): boolean {
  if (info.capturedBytes >= info.originalBytes) return false;
  if (info.l3Offset < 0) return true;
  return info.capturedBytes < Math.min(info.originalBytes, neededBytes(info, key));
}

function neededBytes(info: PacketInfo, key: Int32Array): number {
  if (info.l4Offset < 0) {
    const type = key[K.dl_type]!;
    const header = type === ETH_IPV4 ? 20 : type === ETH_IPV6 ? 40 : type === ETH_ARP || type === ETH_RARP ? 28 : 0;
    return info.l3Offset + header;
  }
  if (key[K.nw_frag]! & FRAG_LATER) return info.l4Offset;
  const proto = key[K.nw_proto]!;
  if (proto === IP_TCP) return info.l4Offset + (info.l4Malformed ? 20 : info.l4Bytes - info.payloadBytes);
  if (proto === IP_SCTP) return info.l4Offset + 12;
  // Neighbour discovery: target and options are matched too.
  const isNeighbor = proto === IP_ICMPV6 && (key[K.tp_src] === 135 || key[K.tp_src] === 136);
  return info.l4Offset + Math.min(info.l4Bytes, isNeighbor ? info.l4Bytes : 8);
}
