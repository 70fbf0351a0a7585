/**
 * Which packets the tables can tell apart: by the key bits that some rule or action of some version names, and those that
 * conntrack and NORMAL read. Packets that agree in them are one class and share passes (passes.ts). TCP flags count only
 * where a rule names them: conntrack takes them from the packet, not from its class.
 */

import { usedBits } from '../classify/usedBits.js';
import { WordClasses, WordUse } from '../classify/wordClasses.js';
import { type Field, fieldByName } from '../fields/fieldTable.js';
import { K, KEY_WORDS } from '../fields/key.js';
import type { Action } from '../openflow/actions.js';
import type { Timeline } from '../timeline/timeline.js';
import { WordTable } from '../util/wordTable.js';
import { PacketClass, ViewBits } from './passes.js';

/** Read by NORMAL and by the rewriting of frames, whatever the rules say: told apart value by value. */
const EXACT: readonly number[] = [
  K.in_port,
  K.dl_src,
  K.dl_src + 1,
  K.dl_dst,
  K.dl_dst + 1,
  K.dl_type,
  K.vlan_tci,
  K.vlan_tpid,
  K.vlan_tci1,
  K.vlan_tpid1,
  K.nw_proto,
  K.nw_frag,
];

/** What conntrack reads beside these. It takes them from the packet itself, so classes need not tell them apart. */
const CONNTRACK: readonly number[] = [K.nw_src, K.nw_dst, ...range(K.ipv6_src, 8), K.tp_src, K.tp_dst];

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Bits of each key word by which packets are told apart, Int32Array(KEY_WORDS). */
export function classMask(timeline: Timeline): Int32Array {
  const mask = usedBits(timeline);
  const exact = exactWords(timeline);
  for (const word of CONNTRACK) mask[word] = -1;
  for (let word = 0; word < KEY_WORDS; word++) if (exact[word] !== 0) mask[word] = -1;
  return mask;
}

/** Words of which every value counts: -1, the others 0. */
function exactWords(timeline: Timeline): Int32Array {
  const exact = new Int32Array(KEY_WORDS);
  for (const word of EXACT) exact[word] = -1;
  for (const { rule } of timeline.rules) for (const action of rule.actions) addFieldsOf(action, exact);
  return exact;
}

/** How one key word counts: by value, or by the class of its value (which no rule of any version can tell apart). */
interface ClassWord {
  readonly word: number;
  readonly bits: number;
  readonly classes: WordClasses | null;
}

/**
 * Gives packets their class. Addresses and ports that no rule names fall together, so there are few classes, however many
 * connections: what the tables do with a class is found out once.
 */
export class PacketClasses {
  /** Bits of the ct words that a rule or action names. */
  readonly viewBits: ViewBits;
  private readonly words: readonly ClassWord[];
  private readonly table: WordTable;
  private readonly scratch: Int32Array;
  private readonly classes: PacketClass[] = [];

  constructor(timeline: Timeline) {
    const exact = exactWords(timeline);
    const uses = usesOf(timeline);
    const words: ClassWord[] = [];
    for (let word = 0; word < KEY_WORDS; word++) {
      if (word !== K.in_port && (word < K.dl_src || word >= K.PACKET_END)) continue;
      const use = uses.get(word);
      if (exact[word] !== 0) words.push({ word, bits: -1, classes: null });
      else if (use !== undefined) words.push({ word, bits: use.used, classes: new WordClasses(use) });
    }
    this.words = words;
    this.table = new WordTable(words.length);
    this.scratch = new Int32Array(words.length);
    const mask = classMask(timeline);
    this.viewBits = new ViewBits(mask.slice(K.ct_state, K.ct_ipv6_dst + 4));
  }

  get count(): number {
    return this.classes.length;
  }

  /** Allocates for a new class only. `key` is copied then: it stands for all packets of the class. */
  classOf(key: Int32Array): PacketClass {
    const { words, scratch } = this;
    for (let i = 0; i < words.length; i++) {
      const { word, bits, classes } = words[i]!;
      const value = key[word]! & bits;
      scratch[i] = classes === null ? value : classes.classOf(value);
    }
    const number = this.table.intern(scratch);
    let cls = this.classes[number];
    if (cls === undefined) {
      cls = new PacketClass(Int32Array.from(key));
      this.classes[number] = cls;
    }
    return cls;
  }
}

/** Masks and values of each word, over all rules of all versions. */
function usesOf(timeline: Timeline): Map<number, WordUse> {
  const uses = new Map<number, WordUse>();
  for (const { rule } of timeline.rules) {
    const { words, masks, values } = rule.match;
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      const use = uses.get(word) ?? new WordUse(word);
      uses.set(word, use);
      use.add(masks[i]!, values[i]!);
    }
  }
  return uses;
}

/** Every field that an action names: a field that is set is compared with what the packet has. */
function addFieldsOf(action: Action, mask: Int32Array): void {
  const add = (field: Field | undefined): void => {
    for (const word of field?.words ?? []) mask[word] = -1;
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, each] of Object.entries(value)) {
        if (name === 'field' && typeof each === 'string') add(fieldByName(each));
        else visit(each);
      }
    }
  };
  visit(action);
  switch (action.type) {
    case 'setIpDscp':
    case 'setIpEcn':
      mask[K.nw_tos] = -1;
      break;
    case 'setIpTtl':
    case 'decTtl':
      mask[K.nw_ttl] = -1;
      break;
    case 'setMplsLabel':
    case 'setMplsTc':
    case 'setMplsTtl':
    case 'decMplsTtl':
    case 'pushMpls':
    case 'popMpls':
      for (const word of range(K.mpls_lse, 3)) mask[word] = -1;
      mask[K.nw_ttl] = mask[K.nw_tos] = -1;
      break;
    case 'decNshTtl':
      mask[K.nsh_ttl] = -1;
      break;
    case 'clone':
    case 'writeActions':
      for (const inner of action.actions) addFieldsOf(inner, mask);
      break;
    default:
      break;
  }
}
