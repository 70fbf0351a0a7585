/** Matches on the wire: NXM and OXM entries, and the fixed structures of OpenFlow 1.0 and 1.1. */
import { portFrom32 } from '../fields/access.js';
import type { Field } from '../fields/fieldTable.js';
import { K, VLAN_CFI } from '../fields/key.js';
import { mappedField, type TlvMap } from '../fields/tunMetadata.js';
import { type DenseMatch, setMatchField } from './denseMatch.js';
import { isValidValue } from './fieldValue.js';
import { isMpls, prerequisiteHolds } from './prerequisites.js';
import { onesOfBytes, pullOxmEntry } from './wireOxm.js';
import { WireError, type WireReader } from './wireReader.js';

export interface CookieFilter {
  readonly cookie: bigint;
  readonly mask: bigint;
}

/**
 * Reads `r` to its end as entries (lib/nx-match.c:nx_pull_raw, strict). Each must follow what it depends on. Returns the
 * cookie filter of Nicira's flow-mods (mask 0: none); `allowCookie` false makes NXM_NX_COOKIE an unknown field.
 */
export function decodeOxmMatch(r: WireReader, match: DenseMatch, tlvMap: TlvMap, allowCookie: boolean): CookieFilter {
  let filter: CookieFilter = { cookie: 0n, mask: 0n };
  while (r.left > 0) {
    const entry = pullOxmEntry(r, 'match', allowCookie, true);
    if (entry.isCookie) {
      if (filter.mask !== 0n) throw new WireError('OFPBMC_DUP_FIELD');
      filter = { cookie: entry.value, mask: entry.mask };
      continue;
    }
    if (entry.field === null) throw new WireError('OFPBMC_BAD_FIELD');
    setEntry(match, entry.field, entry.value, entry.mask, tlvMap);
  }
  return filter;
}

function setEntry(match: DenseMatch, of: Field, value: bigint, wireMask: bigint, tlvMap: TlvMap): void {
  const mapped = mappedField(of, tlvMap);
  if (mapped === null) throw new WireError('NXFMFC_INVALID_TLV_FIELD');
  const ones = onesOfBytes(of.nBytes);
  // A tunnel option comes in its own length; setMatchField counts all ones over the field's full length.
  const mask = of.presentBit >= 0 && wireMask === onesOfBytes(mapped.nBytes) ? ones : wireMask;
  if (!of.maskable && mask !== 0n && mask !== ones) throw new WireError('OFPBMC_BAD_MASK');
  if (!isValidValue(of, value)) throw new WireError('OFPBMC_BAD_VALUE');
  if (!prerequisiteHolds(of.prerequisite, match.value, match.mask)) throw new WireError('OFPBMC_BAD_PREREQ');
  if (!isWild(match, mapped)) throw new WireError('OFPBMC_DUP_FIELD');
  setMatchField(match, of, value, mask, tlvMap);
  if (of.prerequisite !== 'none') match.setDefaultPacketType();
}

/** lib/meta-flow.c:mf_is_all_wild. */
function isWild(match: DenseMatch, of: Field): boolean {
  if (
    of.presentBit >= 0 &&
    match.mask[K.tun_metadata_present + (of.presentBit < 32 ? 1 : 0)]! & (1 << (of.presentBit & 31))
  )
    return false;
  if (of.words.length > 1) return of.words.every((word) => match.mask[word] === 0);
  return of.words.every((word) => (match.mask[word]! & (of.keyMask << of.shift)) === 0);
}

const MATCH_STANDARD = 0;
const MATCH_OXM = 1;
const OFP11_MATCH_BYTES = 88;

/** The match of OpenFlow 1.1 and later, type and length first (lib/ofp-match.c:ofputil_pull_ofp11_match). */
export function pullMatch(r: WireReader, match: DenseMatch, tlvMap: TlvMap): void {
  if (r.left < 4) throw new WireError('OFPBMC_BAD_LEN');
  const start = r.pos;
  const type = r.u16();
  const length = r.u16();
  if (type === MATCH_STANDARD) {
    if (length !== OFP11_MATCH_BYTES || r.end - start < OFP11_MATCH_BYTES) throw new WireError('OFPBMC_BAD_LEN');
    decodeOfp11Match(r, match);
  } else if (type === MATCH_OXM) {
    const padded = (length + 7) & ~7;
    if (length < 4 || padded > r.end - start) throw new WireError('OFPBMC_BAD_LEN');
    decodeOxmMatch(r.sub(length - 4, 'OFPBMC_BAD_LEN'), match, tlvMap, false);
    r.pos = start + padded;
  } else {
    throw new WireError('OFPBMC_BAD_TYPE');
  }
}

/** A match of Nicira's messages: entries without a header, padded to 8 bytes (lib/nx-match.c:nx_pull_match). */
export function pullNxMatch(
  r: WireReader,
  bytes: number,
  match: DenseMatch,
  tlvMap: TlvMap,
  allowCookie: boolean,
): CookieFilter {
  const padded = (bytes + 7) & ~7;
  if (padded > r.left) throw new WireError('OFPBMC_BAD_LEN');
  const start = r.pos;
  const filter = decodeOxmMatch(r.sub(bytes, 'OFPBMC_BAD_LEN'), match, tlvMap, allowCookie);
  r.pos = start + padded;
  return filter;
}

/** Wildcard bits of OpenFlow 1.0 (OFPFW10_*); 1.1 has other places for some. */
const FW10 = {
  IN_PORT: 1,
  DL_VLAN: 1 << 1,
  DL_SRC: 1 << 2,
  DL_DST: 1 << 3,
  DL_TYPE: 1 << 4,
  NW_PROTO: 1 << 5,
  TP_SRC: 1 << 6,
  TP_DST: 1 << 7,
  DL_VLAN_PCP: 1 << 20,
  NW_TOS: 1 << 21,
} as const;
export const FW10_ALL = (1 << 22) - 1;
const FW10_DATA =
  FW10.NW_TOS |
  FW10.NW_PROTO |
  FW10.TP_SRC |
  FW10.TP_DST |
  FW10.DL_SRC |
  FW10.DL_DST |
  FW10.DL_TYPE |
  FW10.DL_VLAN |
  FW10.DL_VLAN_PCP;

/** lib/ofp-match.c:ofputil_match_from_ofp10_match, not normalised yet. Returns the wildcards. */
export function pullOfp10Match(r: WireReader, match: DenseMatch): number {
  const wildcards = r.u32() & FW10_ALL;
  const given = (bit: number): boolean => (wildcards & bit) === 0;
  const exact = (word: number, value: number, bits: number): void => match.set(word, value, bits);
  const inPort = r.u16();
  const dlSrc = [r.u16(), r.u32()] as const;
  const dlDst = [r.u16(), r.u32()] as const;
  const vlan = r.u16();
  const pcp = r.u8();
  r.skip(1);
  const dlType = r.u16();
  const nwTos = r.u8();
  const nwProto = r.u8();
  r.skip(2);
  const nwSrc = r.u32();
  const nwDst = r.u32();
  const tpSrc = r.u16();
  const tpDst = r.u16();
  const nwSrcMask = maskOfBits(wildcards >>> 8);
  const nwDstMask = maskOfBits(wildcards >>> 14);
  if (given(FW10.IN_PORT)) exact(K.in_port, inPort, 0xffff);
  if (given(FW10.DL_SRC)) setMac(match, K.dl_src, dlSrc);
  if (given(FW10.DL_DST)) setMac(match, K.dl_dst, dlDst);
  if (given(FW10.DL_TYPE)) exact(K.dl_type, dlType, 0xffff);
  if (given(FW10.NW_TOS)) exact(K.nw_tos, nwTos, 0xfc);
  if (given(FW10.NW_PROTO)) exact(K.nw_proto, nwProto, 0xff);
  if (nwSrcMask !== 0) exact(K.nw_src, nwSrc, nwSrcMask);
  if (nwDstMask !== 0) exact(K.nw_dst, nwDst, nwDstMask);
  if (given(FW10.TP_SRC)) exact(K.tp_src, tpSrc, 0xffff);
  if (given(FW10.TP_DST)) exact(K.tp_dst, tpDst, 0xffff);
  const tciMask = (given(FW10.DL_VLAN) ? 0x1fff : 0) | (given(FW10.DL_VLAN_PCP) ? 0xf000 : 0);
  // 0xffff: no tag, whatever else is asked of it.
  if (given(FW10.DL_VLAN) && vlan === 0xffff) exact(K.vlan_tci, 0, 0xffff);
  else if (tciMask !== 0) exact(K.vlan_tci, (vlan & 0xfff) | ((pcp & 7) << 13) | VLAN_CFI, tciMask);
  if ((wildcards & FW10_DATA) !== FW10_DATA || nwSrcMask !== 0 || nwDstMask !== 0) match.setDefaultPacketType();
  return wildcards;
}

/** Number of low bits that do not count; 32 and more: none counts. */
function maskOfBits(bits: number): number {
  const count = bits & 0x3f;
  return count < 32 ? -1 << count : 0;
}

function setMac(
  match: DenseMatch,
  word: number,
  [high, low]: readonly [number, number],
  highMask = 0xffff,
  lowMask = -1,
): void {
  match.set(word, high, highMask);
  match.set(word + 1, low, lowMask);
}

const FW11 = {
  IN_PORT: 1,
  DL_VLAN: 1 << 1,
  DL_VLAN_PCP: 1 << 2,
  DL_TYPE: 1 << 3,
  NW_TOS: 1 << 4,
  NW_PROTO: 1 << 5,
  TP_SRC: 1 << 6,
  TP_DST: 1 << 7,
  MPLS_LABEL: 1 << 8,
  MPLS_TC: 1 << 9,
} as const;
const VLAN_ANY = 0xfffe;
const VLAN_NONE = 0xffff;

/** lib/ofp-match.c:ofputil_match_from_ofp11_match; masks there have ones where a bit does not count. */
function decodeOfp11Match(r: WireReader, match: DenseMatch): void {
  const inPort = portFrom32(r.u32());
  const wildcards = r.u32();
  const given = (bit: number): boolean => (wildcards & bit) === 0;
  const bad = new WireError('OFPBMC_BAD_VALUE');
  if (given(FW11.IN_PORT)) {
    if (inPort === null) throw bad;
    match.set(K.in_port, inPort, 0xffff);
  }
  for (const word of [K.dl_src, K.dl_dst]) {
    const address = [r.u16(), r.u32()] as const;
    const high = ~r.u16() & 0xffff;
    const low = ~r.u32();
    if (high !== 0 || low !== 0) {
      setMac(match, word, address, high, low);
      match.setDefaultPacketType();
    }
  }
  const vlan = r.u16();
  const pcp = r.u8();
  r.skip(1);
  if (given(FW11.DL_VLAN)) {
    setOfp11Vlan(match, vlan, given(FW11.DL_VLAN_PCP) ? pcp : null);
    match.setDefaultPacketType();
  }
  const dlType = r.u16();
  const nwTos = r.u8();
  const nwProto = r.u8();
  if (given(FW11.DL_TYPE)) {
    match.set(K.dl_type, dlType, 0xffff);
    match.setDefaultPacketType();
  }
  const type = match.value[K.dl_type]!;
  const ipv4 = type === 0x0800;
  if (ipv4 && given(FW11.NW_TOS)) {
    if ((nwTos & 3) !== 0) throw bad;
    match.set(K.nw_tos, nwTos, 0xfc);
  }
  const addresses = ipv4 || type === 0x0806 || type === 0x8035;
  if (addresses && given(FW11.NW_PROTO)) match.set(K.nw_proto, nwProto, 0xff);
  for (const word of [K.nw_src, K.nw_dst]) {
    const address = r.u32();
    const mask = ~r.u32();
    if (addresses) match.set(word, address, mask);
  }
  const proto = match.value[K.nw_proto]!;
  for (const [word, bit] of [
    [K.tp_src, FW11.TP_SRC],
    [K.tp_dst, FW11.TP_DST],
  ] as const) {
    const port = r.u16();
    if (!ipv4 || !given(bit)) continue;
    if (proto === 1 && port > 0xff) throw new WireError('OFPBMC_BAD_FIELD');
    if (proto === 1 || proto === 6 || proto === 17 || proto === 132) match.set(word, port, 0xffff);
  }
  const label = r.u32();
  const tc = r.u8();
  r.skip(3);
  if (isMpls(type)) {
    if (given(FW11.MPLS_LABEL)) match.set(K.mpls_lse, label << 12, 0xfffff000 | 0);
    if (given(FW11.MPLS_TC)) {
      match.value[K.mpls_lse]! |= (tc & 7) << 9;
      match.mask[K.mpls_lse]! |= 7 << 9;
    }
  }
  const metadata = [r.u32(), r.u32()] as const;
  match.set(K.metadata, metadata[0], ~r.u32());
  match.set(K.metadata + 1, metadata[1], ~r.u32());
}

function setOfp11Vlan(match: DenseMatch, vlan: number, pcp: number | null): void {
  if (vlan === VLAN_NONE) {
    match.set(K.vlan_tci, 0, 0xffff);
    return;
  }
  if (vlan !== VLAN_ANY && vlan >= 4096) throw new WireError('OFPBMC_BAD_VALUE');
  if (pcp !== null && pcp > 7) throw new WireError('OFPBMC_BAD_VALUE');
  const vid = vlan === VLAN_ANY ? 0 : vlan;
  const mask = (vlan === VLAN_ANY ? VLAN_CFI : 0x1fff) | (pcp === null ? 0 : 0xe000);
  match.set(K.vlan_tci, VLAN_CFI | vid | ((pcp ?? 0) << 13), mask);
}
