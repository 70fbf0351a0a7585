/**
 * Header variants: packets of one flow (group and direction) that no rule, no action, no ct() and no NORMAL can tell apart
 * by their header have the same number, so a verdict found for one holds for the others. The caller says which bits of the
 * key anything looks at, in any version.
 *
 * What the group already says (addresses, protocol, ports) is not part of a variant. So there are few of them, one per
 * combination of ingress port, MACs, tags and the like, and they stay in the cache however many connections there are.
 */
import { K, KEY_WORDS } from '../fields/key.js';
import { WordTable } from '../util/wordTable.js';
import type { Groups } from './groups.js';
import {
  type HeaderLoader,
  type HeaderParts,
  loadHeader,
  TUPLE_ADDRESSES,
  TUPLE_NONE,
  TUPLE_PORTS,
} from './headers.js';
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

const ADDRESS_WORDS = new Set([K.nw_src, K.nw_dst, K.nw_proto, ...range(K.ipv6_src, 4), ...range(K.ipv6_dst, 4)]);
const PORT_WORDS = new Set<number>([K.tp_src, K.tp_dst]);

const RECENT = 1 << 12;

function placeOf(key: Int32Array): number {
  const h = Math.imul(key[K.dl_src + 1]! ^ Math.imul(key[K.dl_dst + 1]!, 0x85ebca6b) ^ key[K.in_port]!, 0x9e3779b1);
  return h >>> 16;
}

export class VariantTable implements HeaderLoader {
  /** Indices of the key's words that are stored, ascending. */
  private readonly usedWords: Int32Array;
  private readonly masks: Int32Array;
  /** One word more than used words, the last: the tuple mode. */
  private readonly table: WordTable;
  private readonly scratch: Int32Array;
  /** Positions in `usedWords` to look at, by tuple mode: of IPv4, of IPv6 packets, of all others. */
  private readonly ofIpv4: Int32Array[];
  private readonly ofIpv6: Int32Array[];
  private readonly ofOthers: Int32Array;

  private readonly groups: Groups;
  /** `parts` as load() last saw them, and what they were made of. */
  private current: HeaderParts;
  private loadedVariants: Int32Array;
  private loadedGroups = 0;
  /** Variants by a hash of MACs and port: a good guess for the first packet of a flow. */
  private readonly recent = new Int32Array(RECENT).fill(-1);

  /** `usedBits`: KEY_WORDS masks. in_port and dl_type are always used. */
  constructor(usedBits: Int32Array, groups: Groups) {
    this.groups = groups;
    const isPacketWord = (word: number) => word === K.in_port || (word >= K.dl_src && word < K.PACKET_END);
    const words = range(0, KEY_WORDS).filter((word) => isPacketWord(word) && usedBits[word] !== 0);
    const used = [...new Set([...words, K.in_port, K.dl_type])].sort((a, b) => a - b);
    this.usedWords = Int32Array.from(used);
    this.masks = Int32Array.from(used, (word) => (word === K.in_port || word === K.dl_type ? -1 : usedBits[word]!));
    this.table = new WordTable(used.length + 1);
    this.scratch = new Int32Array(used.length + 1);
    const byMode = (zero: ReadonlySet<number>) =>
      [TUPLE_NONE, TUPLE_ADDRESSES, TUPLE_PORTS].map((mode) => {
        const isInGroup = (word: number) =>
          (mode >= TUPLE_ADDRESSES && ADDRESS_WORDS.has(word)) || (mode === TUPLE_PORTS && PORT_WORDS.has(word));
        return Int32Array.from(used.keys()).filter((i) => !zero.has(used[i]!) && !isInGroup(used[i]!));
      });
    this.ofIpv4 = byMode(ZERO_FOR_IPV4);
    this.ofIpv6 = byMode(ZERO_FOR_IPV6);
    this.ofOthers = byMode(new Set())[TUPLE_NONE]!;
    this.loadedVariants = this.table.words;
    this.current = this.parts;
  }

  get count(): number {
    return this.table.count;
  }

  /**
   * Called per packet, allocates nothing but growing tables. `mode`: what the packet's group says. `guess`: a variant that
   * it probably is (the last of its flow), or -1; a right guess saves the hash.
   */
  intern(key: Int32Array, mode: number, guess: number): number {
    const type = key[K.dl_type]!;
    const positions = type === ETH_IPV4 ? this.ofIpv4[mode]! : type === ETH_IPV6 ? this.ofIpv6[mode]! : this.ofOthers;
    if (guess >= 0 && this.isVariant(key, mode, guess, positions)) return guess;
    const place = placeOf(key) & (RECENT - 1);
    const recent = this.recent[place]!;
    if (recent >= 0 && this.isVariant(key, mode, recent, positions)) return recent;
    const variant = this.internSlowly(key, mode, positions);
    this.recent[place] = variant;
    return variant;
  }

  private internSlowly(key: Int32Array, mode: number, positions: Int32Array): number {
    const { scratch, usedWords, masks } = this;
    scratch.fill(0);
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i]!;
      scratch[position] = key[usedWords[position]!]! & masks[position]!;
    }
    scratch[usedWords.length] = mode;
    return this.table.intern(scratch);
  }

  /** The positions hold the ethertype, so a variant of another family is never taken for this one. */
  private isVariant(key: Int32Array, mode: number, variant: number, positions: Int32Array): boolean {
    const { usedWords, masks } = this;
    const { words, width } = this.table;
    const at = variant * width;
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i]!;
      if (words[at + position] !== (key[usedWords[position]!]! & masks[position]!)) return false;
    }
    return words[at + usedWords.length] === mode;
  }

  /** All that another thread needs to load keys (headerLoader); ask again after more packets were interned. */
  get parts(): HeaderParts {
    return { usedWords: this.usedWords, variantWords: this.table.words, ...this.groups.parts };
  }

  load(variant: number, group: number, direction: number, key: Int32Array): void {
    const { groups, table } = this;
    if (this.loadedVariants !== table.words || this.loadedGroups !== groups.count) {
      this.loadedVariants = table.words;
      this.loadedGroups = groups.count;
      this.current = this.parts;
    }
    loadHeader(this.current, variant, group, direction, key);
  }
}
