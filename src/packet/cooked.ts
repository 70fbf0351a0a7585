/**
 * Frames of Linux cooked captures (`tcpdump -i any`) as they were on the wire. A cooked frame has the source address, the
 * ethertype and all that follows, but no destination address: that is inferred (stations.ts), and counted.
 * Headers: LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2 of www.tcpdump.org/linktypes.
 */
import { FRAME, type FrameJudge, type FrameReason, hasLeft } from '../capture/direction.js';
import {
  cookedPacketType,
  etherTypeOf,
  headerBytesOf,
  LINK_ETHERNET,
  LINK_SLL,
  LINK_SLL2,
  sourceMacOffset,
} from '../capture/links.js';
import type { RecordBatch } from '../capture/source.js';
import { K, VLAN_CFI } from '../fields/key.js';
import { extractPacket, VLAN_LIMIT } from './extract.js';
import type { PacketInfo } from './packetInfo.js';
import { ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_RARP, ETH_TYPE_MIN } from './protocols.js';
import { ENTERED, LEFT, NO_MAC, type Place, placeOf, Stations, type Way } from './stations.js';

const BROADCAST = 0xffff_ffff_ffff;
const ETHERNET_BYTES = 14;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;
/** Types of cooked frames (linux/if_packet.h:PACKET_*). */
const TO_ALL = 1;
const TO_GROUP = 2;
const TO_ANOTHER = 3;

/** Protocols of one link, with the group address that they are sent to (IEEE 802.1Q table 8-1). */
const LINK_PROTOCOLS = new Map([
  [0x88cc, 0x0180_c200_000e],
  [0x8809, 0x0180_c200_0002],
]);

export const isCooked = (linkType: number): boolean => linkType === LINK_SLL || linkType === LINK_SLL2;

export class CookedFrames {
  /** Packets whose destination address the cooked header, the packet or a station told. */
  told = 0;
  /** Packets taken as sent to the only router. */
  routed = 0;
  /** Packets whose destination address nothing tells: it stays zero. */
  unknown = 0;
  private readonly stations: Stations;
  private bytes = new Uint8Array(2048);
  private packetType = 0;
  private readonly address = new Int32Array(4);

  constructor(stations = new Stations()) {
    this.stations = stations;
  }

  /**
   * Called per cooked frame: fills key and info as extractPacket() does for the Ethernet frame. False for a frame that is of
   * no use: at an unknown port, or with its cooked header cut. `isAhead`: it is only to tell of its source, and is no news
   * where something is known already.
   */
  take(
    batch: RecordBatch,
    row: number,
    judge: FrameJudge,
    reason: FrameReason,
    key: Int32Array,
    info: PacketInfo,
    isAhead = false,
  ): boolean {
    const isEntered = reason === FRAME.ENTERED;
    if (!isEntered && !(hasLeft(reason) && judge.isPlaceKnown)) return false;
    if (!this.read(batch, row, key, info)) return false;
    if (isEntered && !isAhead) this.addressFrame(judge.port, key);
    this.learn(isEntered ? ENTERED : LEFT, judge.port, key, isAhead);
    return true;
  }

  private read(batch: RecordBatch, row: number, key: Int32Array, info: PacketInfo): boolean {
    const { data } = batch;
    const linkType = batch.linkType[row]!;
    const start = batch.dataStart[row]!;
    const captured = batch.capturedBytes[row]!;
    const headerBytes = headerBytesOf(linkType);
    if (captured < headerBytes) return false;
    const end = start + captured;
    const bodyBytes = captured - headerBytes;
    if (this.bytes.length < ETHERNET_BYTES + bodyBytes) this.bytes = new Uint8Array(ETHERNET_BYTES + bodyBytes * 2);
    const { bytes } = this;
    const original = Math.max(captured, batch.originalBytes[row]!) - headerBytes + ETHERNET_BYTES;
    bytes.fill(0, 0, ETHERNET_BYTES);
    const mac = sourceMacOffset(linkType, data, start, end);
    for (let i = 0; mac >= 0 && i < 6; i++) bytes[6 + i] = data[start + mac + i]!;
    // Numbers below are the kernel's own for frames of IEEE 802.3, which have their length in that place.
    const type = etherTypeOf(linkType, data, start, end);
    const typeOrLength = type < ETH_TYPE_MIN ? Math.min(original - ETHERNET_BYTES, ETH_TYPE_MIN - 1) : type;
    bytes[12] = typeOrLength >>> 8;
    bytes[13] = typeOrLength;
    for (let i = 0; i < bodyBytes; i++) bytes[ETHERNET_BYTES + i] = data[start + headerBytes + i]!;
    this.packetType = cookedPacketType(linkType, data, start, end);
    return extractPacket(bytes, 0, ETHERNET_BYTES + bodyBytes, original, LINK_ETHERNET, key, info, VLAN_LIMIT);
  }

  private learn(way: Way, port: number, key: Int32Array, isAhead: boolean): void {
    const isArp = key[K.dl_type] === ETH_ARP;
    const mac = isArp ? macAt(key, K.arp_sha) : macAt(key, K.dl_src);
    if (mac === 0 || isGroup(mac) || !this.loadAddress(key, K.nw_src, K.ipv6_src)) return;
    if (this.isGroupAddress(key)) return;
    this.stations.learn(way, placeIn(port, key), this.address, 0, mac, isAhead);
  }

  /** Infers the destination address of what read() has read and writes it into frame and key. */
  private addressFrame(port: number, key: Int32Array): void {
    const mac = this.destination(placeIn(port, key), key);
    if (mac === NO_MAC) {
      this.unknown++;
      return;
    }
    const high = Math.floor(mac / 0x1_0000_0000);
    key[K.dl_dst] = high;
    key[K.dl_dst + 1] = mac | 0;
    const { bytes } = this;
    for (let i = 0; i < 2; i++) bytes[i] = high >>> (8 - i * 8);
    for (let i = 0; i < 4; i++) bytes[2 + i] = (mac | 0) >>> (24 - i * 8);
  }

  private destination(place: Place, key: Int32Array): number {
    const mac = this.toldDestination(place, key);
    if (mac !== NO_MAC) {
      this.told++;
      return mac;
    }
    const isIp = key[K.dl_type] === ETH_IPV4 || key[K.dl_type] === ETH_IPV6;
    if (!isIp || this.packetType === TO_ALL || this.packetType === TO_GROUP) return NO_MAC;
    const router = this.stations.router(place, macAt(key, K.dl_src));
    if (router !== NO_MAC) this.routed++;
    return router;
  }

  private toldDestination(place: Place, key: Int32Array): number {
    const { packetType } = this;
    if (packetType === TO_ALL) return BROADCAST;
    const type = key[K.dl_type]!;
    const hasAddress = this.loadAddress(key, K.nw_dst, K.ipv6_dst);
    const isToGroup = type !== ETH_ARP && hasAddress && this.isGroupAddress(key);
    if (packetType === TO_GROUP || (packetType !== TO_ANOTHER && isToGroup)) {
      return isToGroup ? this.groupMac(type) : (LINK_PROTOCOLS.get(type) ?? NO_MAC);
    }
    if (type === ETH_ARP || type === ETH_RARP) {
      // Who asks mostly asks all; only a capture that says otherwise is believed.
      if (key[K.nw_proto] === ARP_REQUEST && packetType !== TO_ANOTHER) return BROADCAST;
      if (key[K.nw_proto] === ARP_REPLY) return macAt(key, K.arp_tha);
    }
    return hasAddress ? this.stations.find(place, this.address, 0, macAt(key, K.dl_src)) : NO_MAC;
  }

  /** False for what has no address. The first IPv6 word is never 0 for an address that a station has on its link. */
  private loadAddress(key: Int32Array, ipv4: number, ipv6: number): boolean {
    const { address } = this;
    const type = key[K.dl_type];
    if (type === ETH_IPV6) for (let i = 0; i < 4; i++) address[i] = key[ipv6 + i]!;
    else {
      address.fill(0);
      if (type !== ETH_IPV4 && type !== ETH_ARP) return false;
      address[0] = key[ipv4]!;
    }
    return address[0] !== 0;
  }

  /** Of `address`: multicast, or IPv4's broadcast. */
  private isGroupAddress(key: Int32Array): boolean {
    const high = this.address[0]! >>> 24;
    return key[K.dl_type] === ETH_IPV6 ? high === 0xff : high >>> 4 === 0xe || this.address[0] === -1;
  }

  /** RFC 1112 section 6.4; RFC 2464 section 7. */
  private groupMac(type: number): number {
    if (type === ETH_IPV6) return 0x3333_0000_0000 + (this.address[3]! >>> 0);
    return this.address[0] === -1 ? BROADCAST : 0x0100_5e00_0000 + (this.address[0]! & 0x7f_ffff);
  }
}

function placeIn(port: number, key: Int32Array): Place {
  return placeOf(port, (key[K.vlan_tci]! & VLAN_CFI) === 0 ? 0 : key[K.vlan_tci]! & 0xfff);
}

const macAt = (key: Int32Array, word: number): number => key[word]! * 0x1_0000_0000 + (key[word + 1]! >>> 0);

const isGroup = (mac: number): boolean => (Math.floor(mac / 0x100_0000_0000) & 1) === 1;
