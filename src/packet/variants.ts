/**
 * Header variants: packets that no rule, no action, no ct() and no NORMAL can tell apart by their header get one number.
 * The caller says which bits of the key anything looks at, in any version; packets whose masked keys are equal share the
 * variant, so a verdict found for one holds for all of them. Per variant only the words with a used bit are stored.
 */
import { K, KEY_WORDS } from '../fields/key.js';
import { WordTable } from '../util/wordTable.js';
import { ETH_IPV4, ETH_IPV6 } from './protocols.js';

/** Words that extraction leaves 0 for every packet with this ethertype: they need not be looked at. */
const ABOVE_NETWORK_TAGS: readonly number[] = range(K.mpls_lse, 3);
const IPV6_ONLY: readonly number[] = [...range(K.ipv6_src, 9), ...range(K.nd_target, 6)];
const ARP_OR_ND: readonly number[] = range(K.arp_sha, 4);
const NSH_ONLY: readonly number[] = range(K.nsh_flags, K.PACKET_END - K.nsh_flags);
const ZERO_FOR_IPV4 = new Set([...ABOVE_NETWORK_TAGS, ...IPV6_ONLY, ...ARP_OR_ND, ...NSH_ONLY]);
const ZERO_FOR_IPV6 = new Set([...ABOVE_NETWORK_TAGS, ...NSH_ONLY, K.nw_src, K.nw_dst, K.igmp_group_ip4]);

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Bits that conntrack reads beside the rules: ethertype, addresses, protocol, fragment, ports or ICMP type and code. */
export function addConntrackBits(usedBits: Int32Array): void {
  addWords(usedBits, [K.dl_type, K.nw_src, K.nw_dst, K.nw_proto, K.nw_frag, K.tp_src, K.tp_dst, K.tcp_flags]);
  addWords(usedBits, [...range(K.ipv6_src, 4), ...range(K.ipv6_dst, 4)]);
}

/** Bits that NORMAL reads: MACs, tags, and for multicast snooping and gratuitous ARP the network header. */
export function addNormalBits(usedBits: Int32Array): void {
  addWords(usedBits, [...range(K.dl_src, 2), ...range(K.dl_dst, 2), K.dl_type, K.vlan_tci, K.vlan_tpid]);
  addWords(usedBits, [K.nw_src, K.nw_dst, K.nw_proto]);
}

function addWords(usedBits: Int32Array, words: readonly number[]): void {
  for (const word of words) usedBits[word] = -1;
}

export class VariantTable {
  /** Indices of the key's words that are stored, ascending. */
  readonly usedWords: Int32Array;
  private readonly masks: Int32Array;
  private readonly table: WordTable;
  private readonly scratch: Int32Array;
  /** Positions in `usedWords` that can differ from 0, by ethertype. */
  private readonly forIpv4: Int32Array;
  private readonly forIpv6: Int32Array;
  private readonly forOthers: Int32Array;

  /** `usedBits`: KEY_WORDS masks. in_port and dl_type are always used. */
  constructor(usedBits: Int32Array) {
    const isPacketWord = (word: number) => word === K.in_port || (word >= K.dl_src && word < K.PACKET_END);
    const words = range(0, KEY_WORDS).filter((word) => isPacketWord(word) && usedBits[word] !== 0);
    const used = [...new Set([...words, K.in_port, K.dl_type])].sort((a, b) => a - b);
    this.usedWords = Int32Array.from(used);
    this.masks = Int32Array.from(used, (word) => (word === K.in_port || word === K.dl_type ? -1 : usedBits[word]!));
    this.table = new WordTable(used.length);
    this.scratch = new Int32Array(used.length);
    const positions = used.map((_, i) => i);
    this.forIpv4 = Int32Array.from(positions.filter((i) => !ZERO_FOR_IPV4.has(used[i]!)));
    this.forIpv6 = Int32Array.from(positions.filter((i) => !ZERO_FOR_IPV6.has(used[i]!)));
    this.forOthers = Int32Array.from(positions);
  }

  get count(): number {
    return this.table.count;
  }

  /**
   * Called per packet, allocates nothing but growing tables. `guess`: a variant that it probably is (the last of its
   * group and direction), or -1; a right guess saves the hash.
   */
  intern(key: Int32Array, guess: number): number {
    const type = key[K.dl_type]!;
    const positions = type === ETH_IPV4 ? this.forIpv4 : type === ETH_IPV6 ? this.forIpv6 : this.forOthers;
    if (guess >= 0 && this.isVariant(key, guess, positions)) return guess;
    const { scratch, usedWords, masks } = this;
    scratch.fill(0);
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i]!;
      scratch[position] = key[usedWords[position]!]! & masks[position]!;
    }
    return this.table.intern(scratch);
  }

  /** The positions hold the ethertype, so a variant of another family is never taken for this one. */
  private isVariant(key: Int32Array, variant: number, positions: Int32Array): boolean {
    const { usedWords, masks } = this;
    const { words } = this.table;
    const at = variant * usedWords.length;
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i]!;
      if (words[at + position] !== (key[usedWords[position]!]! & masks[position]!)) return false;
    }
    return true;
  }

  /** Writes the variant's packet words and in_port into the key; bits that nothing uses are 0. */
  load(variant: number, key: Int32Array): void {
    const { usedWords } = this;
    const { words } = this.table;
    key.fill(0, K.dl_src, K.PACKET_END);
    const at = variant * usedWords.length;
    for (let i = 0; i < usedWords.length; i++) key[usedWords[i]!] = words[at + i]!;
  }
}
