/**
 * The short way for nearly all packets: Ethernet with at most one tag, IPv4 without options, no fragment, TCP or UDP whose
 * headers were captured. Same result as the long way, which is tested against it.
 */
import { K, VLAN_CFI } from '../fields/key.js';
import type { PacketInfo } from './packetInfo.js';
import { IP_TCP, IP_UDP } from './protocols.js';
import { readTcpOptions } from './transport.js';

/** Called per packet. False: nothing was written, take the long way. */
export function extractShort(
  data: Uint8Array,
  start: number,
  end: number,
  size: number,
  key: Int32Array,
  info: PacketInfo,
): boolean {
  if (end - start < 42) return false;
  let l3 = start + 14;
  let tci = 0;
  let typeAt = start + 12;
  if (data[typeAt] === 0x81 && data[typeAt + 1] === 0) {
    tci = (data[start + 14]! << 8) | data[start + 15]! | VLAN_CFI;
    typeAt += 4;
    l3 += 4;
  }
  if (data[typeAt] !== 0x08 || data[typeAt + 1] !== 0 || data[l3] !== 0x45) return false;
  const l4 = l3 + 20;
  const totalBytes = (data[l3 + 2]! << 8) | data[l3 + 3]!;
  const l3Size = size - (l3 - start);
  if (totalBytes > l3Size || l3Size - totalBytes > 0xffff) return false;
  if (((data[l3 + 6]! & 0x3f) | data[l3 + 7]!) !== 0) return false;
  const proto = data[l3 + 9]!;
  const l4Bytes = totalBytes - 20;
  let headerBytes = 8;
  if (proto === IP_TCP) {
    if (l4 + 20 > end) return false;
    headerBytes = (data[l4 + 12]! >> 4) * 4;
    if (headerBytes < 20 || l4 + headerBytes > end) return false;
  } else {
    if (proto !== IP_UDP || l4 + 8 > end) return false;
    const udpBytes = (data[l4 + 4]! << 8) | data[l4 + 5]!;
    if (udpBytes < 8 || udpBytes > l4Bytes) return false;
  }
  if (headerBytes > l4Bytes) return false;
  if (!info.isKeyShort) {
    key.fill(0, K.dl_src, K.PACKET_END);
    resetInfo(info, data, start, end - start, size);
    info.isKeyShort = info.ownsKey;
  }
  key[K.dl_dst] = (data[start]! << 8) | data[start + 1]!;
  key[K.dl_dst + 1] = (data[start + 2]! << 24) | (data[start + 3]! << 16) | (data[start + 4]! << 8) | data[start + 5]!;
  key[K.dl_src] = (data[start + 6]! << 8) | data[start + 7]!;
  key[K.dl_src + 1] =
    (data[start + 8]! << 24) | (data[start + 9]! << 16) | (data[start + 10]! << 8) | data[start + 11]!;
  key[K.dl_type] = 0x0800;
  key[K.vlan_tci] = tci;
  key[K.vlan_tpid] = tci === 0 ? 0 : 0x8100;
  key[K.nw_tos] = data[l3 + 1]!;
  key[K.nw_ttl] = data[l3 + 8]!;
  key[K.nw_proto] = proto;
  key[K.nw_src] = (data[l3 + 12]! << 24) | (data[l3 + 13]! << 16) | (data[l3 + 14]! << 8) | data[l3 + 15]!;
  key[K.nw_dst] = (data[l3 + 16]! << 24) | (data[l3 + 17]! << 16) | (data[l3 + 18]! << 8) | data[l3 + 19]!;
  key[K.tp_src] = (data[l4]! << 8) | data[l4 + 1]!;
  key[K.tp_dst] = (data[l4 + 2]! << 8) | data[l4 + 3]!;
  info.data = data;
  info.start = start;
  info.capturedBytes = end - start;
  info.originalBytes = size;
  info.l3Offset = l3 - start;
  info.l4Offset = l4 - start;
  info.l4Bytes = l4Bytes;
  info.payloadBytes = l4Bytes - headerBytes;
  info.l3ChecksumOk = true;
  info.l4ChecksumOk = true;
  info.tcpScale = -1;
  info.hasSack = false;
  info.sackPermitted = false;
  info.tcpSackEdge = 0;
  if (proto === IP_UDP) {
    key[K.tcp_flags] = 0;
    info.tcpSeq = 0;
    info.tcpAck = 0;
    info.tcpWindow = 0;
    return true;
  }
  key[K.tcp_flags] = ((data[l4 + 12]! & 0x0f) << 8) | data[l4 + 13]!;
  info.tcpSeq = ((data[l4 + 4]! << 24) | (data[l4 + 5]! << 16) | (data[l4 + 6]! << 8) | data[l4 + 7]!) >>> 0;
  info.tcpAck = ((data[l4 + 8]! << 24) | (data[l4 + 9]! << 16) | (data[l4 + 10]! << 8) | data[l4 + 11]!) >>> 0;
  info.tcpWindow = (data[l4 + 14]! << 8) | data[l4 + 15]!;
  if (headerBytes > 20) readTcpOptions(data, l4 + 20, l4 + headerBytes, end, info);
  return true;
}

export function resetInfo(
  info: PacketInfo,
  data: Uint8Array,
  start: number,
  capturedBytes: number,
  size: number,
): void {
  info.data = data;
  info.start = start;
  info.capturedBytes = capturedBytes;
  info.originalBytes = size;
  info.l3Offset = -1;
  info.l4Offset = -1;
  info.l4Bytes = 0;
  info.payloadBytes = 0;
  info.tcpSeq = 0;
  info.tcpAck = 0;
  info.tcpWindow = 0;
  info.tcpScale = -1;
  info.tcpSackEdge = 0;
  info.hasSack = false;
  info.sackPermitted = false;
  info.icmpId = 0;
  info.l4Malformed = false;
  info.l3ChecksumOk = true;
  info.l4ChecksumOk = true;
  info.fragmentId = 0;
  info.fragmentOffset = 0;
  info.moreFragments = false;
  info.zeroLength = false;
}
