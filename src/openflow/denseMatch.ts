/** A match while it is worked on: a value and a mask per key word ("struct match"). Reused, so parsing allocates little. */

import { portFrom32, presentWord } from '../fields/access.js';
import type { Field } from '../fields/fieldTable.js';
import { ones } from '../fields/fieldText.js';
import { K, KEY_WORDS, VLAN_CFI } from '../fields/key.js';
import { PT_NS_ETHERTYPE } from '../fields/protocols.js';
import { mappedField, type TlvMap } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import { ANY_FORMAT, fieldFormats } from './formats.js';
import type { Match } from './match.js';

const VID_MASK = 0xfff;
const PCP_MASK = 0xe000;

/** Filled while a match is made. */
const usedWords = new Int32Array(KEY_WORDS);

export class DenseMatch {
  readonly value = new Int32Array(KEY_WORDS);
  readonly mask = new Int32Array(KEY_WORDS);
  private shape: Pick<Match, 'words' | 'masks'> = { words: new Int32Array(0), masks: new Int32Array(0) };

  clear(): void {
    this.value.fill(0);
    this.mask.fill(0);
  }

  load(match: Match): this {
    this.clear();
    const { words, values, masks } = match;
    for (let i = 0; i < words.length; i++) {
      this.value[words[i]!] = values[i]!;
      this.mask[words[i]!] = masks[i]!;
    }
    return this;
  }

  /** Rules of one mask follow each other in a dump: the arrays that say the mask are shared with the match before. */
  toMatch(): Match {
    const { value, mask } = this;
    const { words: lastWords, masks: lastMasks } = this.shape;
    let count = 0;
    let same = true;
    for (let word = 0; word < KEY_WORDS; word++) {
      const bits = mask[word]!;
      if (bits === 0) continue;
      if (lastWords[count] !== word || lastMasks[count] !== bits) same = false;
      usedWords[count++] = word;
    }
    if (!same || count !== lastWords.length) {
      const words = usedWords.slice(0, count);
      this.shape = { words, masks: words.map((word) => mask[word]!) };
    }
    const { words, masks } = this.shape;
    const values = new Int32Array(count);
    for (let i = 0; i < count; i++) values[i] = value[words[i]!]! & masks[i]!;
    return { words, values, masks };
  }

  /** Copies words [from, from + count), value and mask. */
  copyFrom(other: DenseMatch, from: number, count = 1): void {
    for (let word = from; word < from + count; word++) {
      this.mask[word] = other.mask[word]!;
      this.value[word] = other.value[word]! & other.mask[word]!;
    }
  }

  anyMask(from: number, count: number): boolean {
    for (let word = from; word < from + count; word++) if (this.mask[word] !== 0) return true;
    return false;
  }

  wildcard(from: number, count = 1): void {
    this.value.fill(0, from, from + count);
    this.mask.fill(0, from, from + count);
  }

  set(word: number, value: number, mask: number): void {
    this.value[word] = value & mask;
    this.mask[word] = mask;
  }

  /** Ethernet, unless the packet type is matched otherwise (lib/match.c:match_set_default_packet_type). */
  setDefaultPacketType(): void {
    if (this.mask[K.packet_type] === 0) this.set(K.packet_type, 0, -1);
  }

  get hasDefaultPacketType(): boolean {
    return this.value[K.packet_type] === 0 && this.mask[K.packet_type] === -1;
  }
}

/** Ethernet type that decides about prerequisites (lib/flow.h:get_dl_type). */
export function dlTypeOf(value: Int32Array): number {
  const packetType = value[K.packet_type]! >>> 0;
  if (packetType === 0) return value[K.dl_type]!;
  return packetType >>> 16 === PT_NS_ETHERTYPE ? packetType & 0xffff : 0;
}

/**
 * Sets one field as text or the wire gives it; value and mask are as wide as the field's bytes. Returns the formats
 * that can say it (lib/meta-flow.c:mf_set). InputError: a tunnel option that is not mapped.
 */
export function setMatchField(match: DenseMatch, of: Field, value: bigint, mask: bigint, tlvMap: TlvMap): number {
  const exact = mask === ones(of.nBytes);
  const formats = fieldFormats(of);
  if (of.presentBit >= 0) {
    setTunMetadata(match, of, value, mask, tlvMap);
  } else if (mask === 0n) {
    wildcardField(match, of);
    return ANY_FORMAT;
  } else if (exact) {
    setExact(match, of, value);
  } else if (!of.maskable) {
    return 0;
  } else {
    setMasked(match, of, value, mask);
  }
  if (exact) return formats.exact;
  const prefix = formats.prefix === formats.bits || isPrefix32(mask, of.nBytes);
  return prefix ? formats.prefix : formats.bits;
}

/** Contiguous from the left, judged by the first four bytes (lib/packets.h:ip_is_cidr on mask->be32). */
function isPrefix32(mask: bigint, bytes: number): boolean {
  const first = Number((mask >> BigInt(Math.max(0, 8 * (bytes - 4)))) & 0xffffffffn);
  const inverse = ~first >>> 0;
  return (inverse & (inverse + 1)) >>> 0 === 0;
}

function setExact(match: DenseMatch, of: Field, value: bigint): void {
  const word = of.words[0]!;
  const number = Number(value & 0xffffffffn);
  switch (of.name) {
    case 'dl_vlan':
      // 0xffff is OpenFlow 1.0's "no tag" (OFP10_VLAN_NONE).
      if (number === 0xffff) match.set(word, 0, 0xffff);
      else {
        match.value[word] = (match.value[word]! & ~VID_MASK) | VLAN_CFI | (number & VID_MASK);
        match.mask[word]! |= VID_MASK | VLAN_CFI;
      }
      return;
    case 'vlan_vid':
      setMasked(match, of, value, 0xffffn);
      return;
    case 'dl_vlan_pcp':
    case 'vlan_pcp':
      match.value[word] = (match.value[word]! & ~PCP_MASK) | VLAN_CFI | ((number & 7) << 13);
      match.mask[word]! |= PCP_MASK | VLAN_CFI;
      return;
    case 'icmp_type':
    case 'icmp_code':
    case 'icmpv6_type':
    case 'icmpv6_code':
      match.set(word, number, 0xffff);
      return;
    case 'ipv6_label':
      // More than 20 bits are kept here; the switch refuses them (mf_is_value_valid).
      match.set(word, number, number >>> 20 === 0 ? 0xfffff : -1);
      return;
    case 'in_port_oxm':
    case 'actset_output':
      match.set(word, portFrom32(number) ?? 0xffff, 0xffff);
      return;
    default:
      if (VALUE_IS_MASK.includes(word)) match.set(word, number, number);
      else setBits(match, of, value, of.valueMask);
  }
}

function setMasked(match: DenseMatch, of: Field, value: bigint, mask: bigint): void {
  const word = of.words[0]!;
  if (of.name === 'vlan_vid') {
    const bits = Number(mask) & 0x1fff;
    match.mask[word] = bits | (match.mask[word]! & PCP_MASK);
    match.value[word] = (match.value[word]! & PCP_MASK) | (Number(value) & bits);
  } else if (of.name === 'ipv6_label' && (mask & 0xfffffn) !== 0xfffffn) {
    match.set(word, Number(value & mask & 0xffffffffn) | 0, Number(mask) | 0);
  } else if (VALUE_IS_MASK.includes(word)) {
    match.mask[word] = Number(value) & 0xff;
    match.value[word] = Number(value & mask) & 0xff;
  } else {
    setBits(match, of, value, mask & of.valueMask);
  }
}

/**
 * Tunnel fields of one byte for which Open vSwitch 3.1 takes the value as the mask (lib/match.c:
 * match_set_tun_erspan_ver_masked, _dir_, _hwid_, match_set_tun_gtpu_flags_masked, _msgtype_): 0 matches everything.
 */
export const VALUE_IS_MASK: readonly number[] = [
  K.tun_erspan_ver,
  K.tun_erspan_dir,
  K.tun_erspan_hwid,
  K.tun_gtpu_flags,
  K.tun_gtpu_msgtype,
];

/** Replaces all bits of the field by value and mask. */
function setBits(match: DenseMatch, of: Field, value: bigint, mask: bigint): void {
  if (of.words.length === 1) {
    const word = of.words[0]!;
    const whole = of.keyMask << of.shift;
    const bits = (Number(mask & 0xffffffffn) & of.keyMask) << of.shift;
    match.mask[word] = (match.mask[word]! & ~whole) | bits;
    match.value[word] = (match.value[word]! & ~whole) | ((Number(value & 0xffffffffn) << of.shift) & bits);
    return;
  }
  let restValue = value;
  let restMask = mask;
  for (let i = of.words.length - 1; i >= 0; i--) {
    match.set(of.words[i]!, Number(restValue & 0xffffffffn) | 0, Number(restMask & 0xffffffffn) | 0);
    restValue >>= 32n;
    restMask >>= 32n;
  }
}

function wildcardField(match: DenseMatch, of: Field): void {
  const word = of.words[0]!;
  if (of.name === 'dl_vlan' || of.name === 'vlan_vid' || of.name === 'dl_vlan_pcp' || of.name === 'vlan_pcp') {
    // lib/match.c:match_set_any_vid, match_set_any_pcp: what is left of the tag match when one half is dropped.
    const [other, own] = of.words[0] === word && of.shift === 13 ? [VID_MASK, PCP_MASK] : [PCP_MASK, VID_MASK];
    if ((match.mask[word]! & other) === 0) match.wildcard(word);
    else {
      match.mask[word]! &= ~own;
      match.value[word]! &= ~own;
    }
    return;
  }
  if (of.words.length > 1) for (const each of of.words) match.wildcard(each);
  else if (of.name.startsWith('icmp')) match.wildcard(word);
  else setBits(match, of, 0n, 0n);
}

/**
 * A tunnel option matches its presence too, even with mask 0. ovs-ofctl knows no mapping and sends as few bytes as
 * value and mask take; the switch reads the first ones, so a number that is too long loses its low bytes
 * (lib/tun-metadata.c:metadata_loc_from_match).
 */
function setTunMetadata(match: DenseMatch, of: Field, value: bigint, mask: bigint, tlvMap: TlvMap): void {
  const mapped = mappedField(of, tlvMap);
  if (mapped === null) throw new InputError(`${of.name}: the switch has no tunnel option mapped to it`);
  const present = presentWord(of.presentBit);
  const bit = 1 << (of.presentBit & 31);
  if ((match.mask[present]! & bit) !== 0) throw new InputError(`field ${of.name} set multiple times`);
  const exact = mask === ones(of.nBytes);
  const bytes = Math.max(byteLength(value), exact ? 0 : byteLength(mask));
  const cut = BigInt(8 * Math.max(0, bytes - mapped.nBytes));
  setBits(match, mapped, value >> cut, exact ? mapped.valueMask : (mask >> cut) & mapped.valueMask);
  for (const word of mapped.words) match.value[word]! &= match.mask[word]!;
  match.mask[present]! |= bit;
  match.value[present]! |= bit;
}

const byteLength = (value: bigint): number => Math.ceil(value.toString(16).length / 2);

/** Reads a field of a dense match as text needs it: value and mask over the field's own bits. */
export function matchFieldBits(match: DenseMatch, of: Field): { value: bigint; mask: bigint } {
  let value = 0n;
  let mask = 0n;
  if (of.words.length === 1) {
    const word = of.words[0]!;
    value = BigInt(((match.value[word]! >>> of.shift) & of.keyMask) >>> 0) & of.valueMask;
    mask = BigInt(((match.mask[word]! >>> of.shift) & of.keyMask) >>> 0) & of.valueMask;
    return { value, mask };
  }
  for (const word of of.words) {
    value = (value << 32n) | BigInt(match.value[word]! >>> 0);
    mask = (mask << 32n) | BigInt(match.mask[word]! >>> 0);
  }
  return { value, mask };
}
