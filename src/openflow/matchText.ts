/** Match text, one pair at a time, into a dense match; and back (lib/ofp-flow.c:parse_ofp_str__, lib/match.c). */

import { fieldByName, fieldNames } from '../fields/fieldTable.js';
import { ones, parseFieldValue } from '../fields/fieldText.js';
import { K } from '../fields/key.js';
import { type FormatOptions, formatDenseMatch } from '../fields/matchFormat.js';
import { scanFieldNumber } from '../fields/numberText.js';
import {
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLS_MCAST,
  ETH_RARP,
  PROTO_ICMP,
  PROTO_ICMPV6,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PT_NS_ETHERTYPE,
} from '../fields/protocols.js';
import type { TlvMap } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import { nearMiss } from '../util/text.js';
import { DenseMatch, matchFieldBits, setMatchField } from './denseMatch.js';
import { NXM_OXM } from './formats.js';
import type { Match } from './match.js';
import { parseSubField, subFieldMask, subFieldOf } from './subField.js';
import type { ParseContext } from './textContext.js';

/** lib/ofp-parse.c:ofp_parse_protocol; 0: no IP protocol. */
export const PROTOCOL_WORDS: ReadonlyMap<string, readonly [type: number, proto: number]> = new Map([
  ['ip', [ETH_IP, 0]],
  ['ipv4', [ETH_IP, 0]],
  ['ip4', [ETH_IP, 0]],
  ['arp', [ETH_ARP, 0]],
  ['icmp', [ETH_IP, PROTO_ICMP]],
  ['tcp', [ETH_IP, PROTO_TCP]],
  ['udp', [ETH_IP, PROTO_UDP]],
  ['sctp', [ETH_IP, PROTO_SCTP]],
  ['ipv6', [ETH_IPV6, 0]],
  ['ip6', [ETH_IPV6, 0]],
  ['icmp6', [ETH_IPV6, PROTO_ICMPV6]],
  ['tcp6', [ETH_IPV6, PROTO_TCP]],
  ['udp6', [ETH_IPV6, PROTO_UDP]],
  ['sctp6', [ETH_IPV6, PROTO_SCTP]],
  ['rarp', [ETH_RARP, 0]],
  ['mpls', [ETH_MPLS, 0]],
  ['mplsm', [ETH_MPLS_MCAST, 0]],
]);

/** Takes the pair if it belongs to the match; false: another kind of word. InputError: a field with a bad value. */
export function parseMatchPair(
  key: string,
  value: string,
  match: DenseMatch,
  context: ParseContext,
  tlvMap: TlvMap,
): boolean {
  const protocol = PROTOCOL_WORDS.get(key);
  if (protocol !== undefined) {
    match.set(K.dl_type, protocol[0], 0xffff);
    if (protocol[1] !== 0) match.set(K.nw_proto, protocol[1], 0xff);
    match.setDefaultPacketType();
    return true;
  }
  if (key === 'eth') {
    match.set(K.packet_type, 0, -1);
    return true;
  }
  const of = fieldByName(key);
  if (of !== undefined) {
    // No value means "any", said as 0/0.
    const parsed = parseFieldValue(of, value === '' ? '0/0' : value, context.ports);
    context.formats &= setMatchField(match, of, parsed.value, parsed.mask, tlvMap);
    if (of.prerequisite !== 'none') match.setDefaultPacketType();
    return true;
  }
  if (!key.includes('[')) return false;
  parseMatchBits(key, value, match, context, tlvMap);
  return true;
}

/** `reg0[0..3]=5`: adds to what the field matches already (lib/ofp-flow.c:parse_subfield). */
function parseMatchBits(key: string, value: string, match: DenseMatch, context: ParseContext, tlvMap: TlvMap): void {
  const sub = parseSubField(key);
  const of = subFieldOf(sub);
  const number = scanFieldNumber(value, 0, of.nBytes);
  if (number === null || number.tooLarge || number.end !== value.length)
    throw new InputError(`${key}: cannot parse integer value: ${value}`);
  if (number.value >> BigInt(sub.nBits) !== 0n)
    throw new InputError(`${key}: value ${value} does not fit into ${sub.nBits} bits`);
  const bits = subFieldMask(sub);
  const old = of.presentBit < 0 ? matchFieldBits(match, of) : { value: 0n, mask: 0n };
  const newValue = (old.value & ~bits) | (number.value << BigInt(sub.ofs));
  const newMask = old.mask | bits;
  // Ones in all bits of all bytes are an exact match; a 12-bit field never has that in this form.
  const whole = newMask === ones(of.nBytes) ? newMask : newMask & ones(of.nBytes);
  context.formats &= setMatchField(match, of, newValue, whole, tlvMap);
  if (of.prerequisite !== 'none') match.setDefaultPacketType();
}

/**
 * After the last pair: a packet type of the Ethernet namespace stands for dl_type, and fields above IPv6 need an
 * extensible match.
 */
export function finishMatch(match: DenseMatch, context: ParseContext): void {
  const { value, mask } = match;
  if (mask[K.packet_type] === -1 && value[K.packet_type]! >>> 16 === PT_NS_ETHERTYPE)
    value[K.dl_type] = value[K.packet_type]! & 0xffff;
  const upper = (mask[K.nw_proto]! | mask[K.nw_tos]! | mask[K.tp_src]! | mask[K.tp_dst]!) !== 0;
  if (value[K.dl_type] === ETH_IPV6 && upper) context.formats &= NXM_OXM;
}

/** `unknown keyword`, with the near miss among fields, protocol words and the words given. */
export function unknownKeyword(key: string, others: readonly string[]): InputError {
  const near = nearMiss(key, [...fieldNames(), ...PROTOCOL_WORDS.keys(), ...others]);
  return new InputError(`unknown keyword ${key}`, {}, near === null ? undefined : `did you mean '${near}'?`);
}

const scratch = new DenseMatch();

/** Text of a match as it stands, empty when it matches everything. */
export function formatMatch(match: Match, options: FormatOptions = {}): string {
  scratch.load(match);
  return formatDenseMatch(scratch.value, scratch.mask, options);
}
