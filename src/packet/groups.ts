/**
 * Groups: the unit of replay and sharding. All packets with the same unordered pair of endpoints and protocol are one
 * group; no VLAN, port or zone is part of it, because request and reply may differ in all three. An ICMP error belongs to
 * the group of its inner packet, a later fragment to that of its first; what has no IP is (in port, ethertype, addresses).
 *
 * Numbers are dense and given by first appearance. Two tables on typed arrays, for IPv4 (4 words a key) and for the rest
 * (10 words), share the numbering: 24 and 48 bytes per group at the fill of one half.
 */
import { FRAG_ANY, FRAG_LATER, K } from '../fields/key.js';
import { WordTable } from '../util/wordTable.js';
import { NARROW_WORDS, TUPLE_ADDRESSES, TUPLE_NONE, TUPLE_PORTS, WIDE_WORDS } from './headers.js';
import { extractInner, InnerTuple, isIcmpError } from './inner.js';
import type { PacketInfo } from './packetInfo.js';
import { ETH_ARP, ETH_IPV4, ETH_RARP, IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP } from './protocols.js';

/** Fragments that are remembered; older ones are forgotten together when it is full. */
const FRAGMENTS_MAX = 1 << 16;

/** In the protocol word: the key is not of IPv4 addresses. */
const TAG_IPV6 = 0x100;
const TAG_NO_IP = 0x200;

/** The endpoints of a group: what a report names. The "lower" endpoint comes first. */
export interface GroupEndpoints {
  readonly kind: 'ipv4' | 'ipv6' | 'other';
  /** IP protocol; ethertype for `other`. */
  readonly proto: number;
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Ports; the id for ICMP, on both sides. */
  readonly lowPort: number;
  readonly highPort: number;
  /** `other` only, else 0. */
  readonly inPort: number;
}

export class Groups {
  /** Number of groups so far. */
  count = 0;
  /** Of the packet numbered last: 0 if its source is the lower endpoint, else 1. */
  direction = 0;
  /** The last packet was an ICMP error that was put into the group of its inner packet. */
  isError = false;
  /** How much of the last packet's header the group says: TUPLE_*. */
  mode = TUPLE_NONE;
  /**
   * Set by a later fragment that came before its first one: the number of its datagram among those that wait, else -1.
   * `arrived` is set to that number by the first fragment: the caller then moves the early ones to its group.
   */
  waiting = -1;
  arrived = -1;
  private readonly narrow = new WordTable(NARROW_WORDS);
  private readonly wide = new WordTable(WIDE_WORDS);
  private readonly numberOfNarrow = new GrowingNumbers();
  private readonly numberOfWide = new GrowingNumbers();
  /** Entry of a group in its table; wide ones as ~entry. */
  private readonly entryOf = new GrowingNumbers();
  private readonly key4 = new Int32Array(NARROW_WORDS);
  private readonly key10 = new Int32Array(WIDE_WORDS);
  private readonly inner = new InnerTuple();
  private fragments = new WordTable(WIDE_WORDS);
  private fragmentGroup = new GrowingNumbers();
  private early = new WordTable(WIDE_WORDS);
  private readonly fragmentKey = new Int32Array(WIDE_WORDS);

  /** Called per packet, allocates nothing but growing tables. `key` needs its in_port. Sets `direction` and `isError`. */
  numberOf(key: Int32Array, info: PacketInfo): number {
    this.isError = false;
    this.mode = TUPLE_NONE;
    this.waiting = -1;
    this.arrived = -1;
    if (info.l4Offset < 0) return this.numberWithoutIp(key);
    const proto = key[K.nw_proto]!;
    const fragment = key[K.nw_frag]!;
    if (fragment & FRAG_LATER) return this.numberOfLaterFragment(key, info);
    let source = 0;
    let target = 0;
    let mode = TUPLE_ADDRESSES;
    if (proto === IP_TCP || proto === IP_UDP || proto === IP_SCTP) {
      source = key[K.tp_src]!;
      target = key[K.tp_dst]!;
      mode = TUPLE_PORTS;
    } else if (proto === IP_ICMP || proto === IP_ICMPV6) {
      if (isIcmpError(key) && fragment === 0 && extractInner(info, key, this.inner)) return this.numberOfInner();
      source = target = info.icmpId;
    }
    this.mode = mode;
    const group =
      key[K.dl_type] === ETH_IPV4
        ? this.numberIpv4(key[K.nw_src]!, key[K.nw_dst]!, source, target, proto)
        : this.numberIpv6(key, K.ipv6_src, key, K.ipv6_dst, source, target, proto);
    if (fragment & FRAG_ANY) this.rememberFragment(key, info, group);
    return group;
  }

  /** Entries of the groups and the words of their keys, for headers.ts. The arrays are replaced when they grow. */
  get parts(): { groupEntries: Int32Array; narrowWords: Int32Array; wideWords: Int32Array } {
    return { groupEntries: this.entryOf.values, narrowWords: this.narrow.words, wideWords: this.wide.words };
  }

  endpoints(group: number): GroupEndpoints {
    const entry = this.entryOf.get(group);
    if (entry >= 0) {
      const at = entry * NARROW_WORDS;
      const { words } = this.narrow;
      return {
        kind: 'ipv4',
        proto: words[at + 3]!,
        low: [words[at]!],
        high: [words[at + 1]!],
        lowPort: words[at + 2]! >>> 16,
        highPort: words[at + 2]! & 0xffff,
        inPort: 0,
      };
    }
    const at = ~entry * WIDE_WORDS;
    const { words } = this.wide;
    const tag = words[at + 9]!;
    const isOther = (tag & TAG_NO_IP) !== 0;
    return {
      kind: isOther ? 'other' : 'ipv6',
      proto: isOther ? tag >>> 16 : tag & 0xff,
      low: Array.from(words.subarray(at, at + 4)),
      high: Array.from(words.subarray(at + 4, at + 8)),
      lowPort: isOther ? 0 : words[at + 8]! >>> 16,
      highPort: isOther ? 0 : words[at + 8]! & 0xffff,
      inPort: isOther ? words[at + 8]! : 0,
    };
  }

  private numberIpv4(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const { key4 } = this;
    const swap = src !== dst ? src > dst : sport > dport;
    this.direction = swap ? 1 : 0;
    key4[0] = swap ? dst : src;
    key4[1] = swap ? src : dst;
    key4[2] = swap ? (dport << 16) | sport : (sport << 16) | dport;
    key4[3] = proto;
    const entry = this.narrow.intern(key4);
    if (entry < this.numberOfNarrow.length) return this.numberOfNarrow.get(entry);
    this.entryOf.push(entry);
    this.numberOfNarrow.push(this.count);
    return this.count++;
  }

  private numberIpv6(
    srcWords: Int32Array,
    srcAt: number,
    dstWords: Int32Array,
    dstAt: number,
    sport: number,
    dport: number,
    proto: number,
  ): number {
    const { key10 } = this;
    let word = 0;
    while (word < 3 && srcWords[srcAt + word] === dstWords[dstAt + word]) word++;
    const a = srcWords[srcAt + word]!;
    const b = dstWords[dstAt + word]!;
    const swap = a !== b ? a > b : sport > dport;
    this.direction = swap ? 1 : 0;
    for (let i = 0; i < 4; i++) {
      key10[i] = swap ? dstWords[dstAt + i]! : srcWords[srcAt + i]!;
      key10[4 + i] = swap ? srcWords[srcAt + i]! : dstWords[dstAt + i]!;
    }
    key10[8] = swap ? (dport << 16) | sport : (sport << 16) | dport;
    key10[9] = proto | TAG_IPV6;
    return this.numberWide();
  }

  /** ARP: IP addresses; everything else, broken IP headers too: MACs. */
  private numberWithoutIp(key: Int32Array): number {
    const { key10 } = this;
    const type = key[K.dl_type]!;
    const isArp = type === ETH_ARP || type === ETH_RARP;
    const srcHigh = isArp ? 0 : key[K.dl_src]!;
    const dstHigh = isArp ? 0 : key[K.dl_dst]!;
    const srcLow = isArp ? key[K.nw_src]! : key[K.dl_src + 1]!;
    const dstLow = isArp ? key[K.nw_dst]! : key[K.dl_dst + 1]!;
    const swap = srcHigh !== dstHigh ? srcHigh > dstHigh : srcLow > dstLow;
    this.direction = swap ? 1 : 0;
    key10.fill(0);
    key10[0] = swap ? dstHigh : srcHigh;
    key10[1] = swap ? dstLow : srcLow;
    key10[4] = swap ? srcHigh : dstHigh;
    key10[5] = swap ? srcLow : dstLow;
    key10[8] = key[K.in_port]!;
    key10[9] = (type << 16) | TAG_NO_IP;
    return this.numberWide();
  }

  private numberWide(): number {
    const entry = this.wide.intern(this.key10);
    if (entry < this.numberOfWide.length) return this.numberOfWide.get(entry);
    this.entryOf.push(~entry);
    this.numberOfWide.push(this.count);
    return this.count++;
  }

  /** An error travels against the packet that it is about. */
  private numberOfInner(): number {
    const { inner } = this;
    const isIcmp = inner.proto === IP_ICMP || inner.proto === IP_ICMPV6;
    const sport = isIcmp ? inner.icmpId : inner.tpSrc;
    const dport = isIcmp ? inner.icmpId : inner.tpDst;
    const group = inner.isIpv6
      ? this.numberIpv6(inner.src, 0, inner.dst, 0, sport, dport, inner.proto)
      : this.numberIpv4(inner.src[0]!, inner.dst[0]!, sport, dport, inner.proto);
    this.direction ^= 1;
    this.isError = true;
    return group;
  }

  private fillFragmentKey(key: Int32Array, info: PacketInfo): void {
    const { fragmentKey } = this;
    const isIpv4 = key[K.dl_type] === ETH_IPV4;
    for (let i = 0; i < 4; i++) {
      fragmentKey[i] = isIpv4 ? (i === 0 ? key[K.nw_src]! : 0) : key[K.ipv6_src + i]!;
      fragmentKey[4 + i] = isIpv4 ? (i === 0 ? key[K.nw_dst]! : 0) : key[K.ipv6_dst + i]!;
    }
    fragmentKey[8] = info.fragmentId;
    // RFC 791 3.2: the protocol tells datagrams apart too; IPv6 later fragments do not show it to OVS (RFC 8200 4.5).
    fragmentKey[9] = isIpv4 ? key[K.nw_proto]! : TAG_IPV6;
  }

  private rememberFragment(key: Int32Array, info: PacketInfo, group: number): void {
    if (this.fragmentGroup.length >= FRAGMENTS_MAX) {
      this.fragments = new WordTable(WIDE_WORDS);
      this.fragmentGroup = new GrowingNumbers();
    }
    this.fillFragmentKey(key, info);
    const entry = this.fragments.intern(this.fragmentKey);
    if (this.early.count > 0) this.arrived = this.early.find(this.fragmentKey);
    // Ids come again: the newest first fragment counts. The direction goes with it.
    const value = group * 2 + this.direction;
    if (entry < this.fragmentGroup.length) this.fragmentGroup.set(entry, value);
    else this.fragmentGroup.push(value);
  }

  /** At the end of a chunk: early fragments in it keep the group that they have. */
  forgetEarly(): void {
    if (this.early.count > 0) this.early = new WordTable(WIDE_WORDS);
  }

  /** Without its first fragment (lost, or still to come): a group of its addresses and protocol, port 0. */
  private numberOfLaterFragment(key: Int32Array, info: PacketInfo): number {
    this.fillFragmentKey(key, info);
    const entry = this.fragments.find(this.fragmentKey);
    if (entry >= 0) {
      const value = this.fragmentGroup.get(entry);
      this.direction = value & 1;
      return value >>> 1;
    }
    if (this.early.count >= FRAGMENTS_MAX) this.forgetEarly();
    this.waiting = this.early.intern(this.fragmentKey);
    const proto = key[K.nw_proto]!;
    return key[K.dl_type] === ETH_IPV4
      ? this.numberIpv4(key[K.nw_src]!, key[K.nw_dst]!, 0, 0, proto)
      : this.numberIpv6(key, K.ipv6_src, key, K.ipv6_dst, 0, 0, proto);
  }
}

/** A growing list of 32-bit integers in shared memory. */
class GrowingNumbers {
  length = 0;
  values = new Int32Array(new SharedArrayBuffer(4096));

  get(index: number): number {
    return this.values[index]!;
  }

  set(index: number, value: number): void {
    this.values[index] = value;
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Int32Array(new SharedArrayBuffer(this.length * 8));
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }
}
