/** Nicira's larger actions on the wire: learn, nat, controller, bundle, multipath, sample, encap (lib/ofp-actions.c:decode_NXAST_*). */
import type { Field } from '../fields/fieldTable.js';
import type { Action, ActionOf, LearnSpec, NatSpec, SubField } from './actions.js';
import { fieldOfNxmHeader, pullFieldHeader } from './wireOxm.js';
import { WireError, WireReader } from './wireReader.js';

/** lib/nx-match.c:mf_check_src and mf_check_dst, without a match to look at. */
export function subField(field: Field, ofs: number, nBits: number, written: boolean): SubField {
  if (nBits === 0 || ofs >= field.nBits || ofs + nBits > field.nBits) throw new WireError('OFPBAC_BAD_SET_LEN');
  if (written && !field.writable) throw new WireError('OFPBAC_BAD_SET_ARGUMENT');
  return { field: field.name, ofs, nBits };
}

/** `ofs_nbits` of the older actions: offset in the upper ten bits, width less one in the lower six. */
export const subFieldOfNxm = (header: number, ofsNBits: number, written: boolean): SubField =>
  subField(fieldOfNxmHeader(header), ofsNBits >> 6, (ofsNBits & 0x3f) + 1, written);

/** Names of hash inputs and algorithms by their numbers (enum nx_hash_fields, nx_mp_algorithm, nx_bd_algorithm). */
const HASH_FIELDS = [
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'nw_src',
  'nw_dst',
  'symmetric_l3',
];
const MULTIPATH_ALGORITHMS = ['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'];
const BUNDLE_ALGORITHMS = ['active_backup', 'hrw'];
const NXM_OF_IN_PORT = 0x00000002;
const BUNDLE_MEMBERS_MAX = 2048;

export function decodeMultipath(r: WireReader): Action {
  const hashFields = HASH_FIELDS[r.u16()];
  const basis = r.u16();
  r.skip(2);
  const algorithm = MULTIPATH_ALGORITHMS[r.u16()];
  const maxLink = r.u16();
  const arg = r.u32();
  r.skip(2);
  const ofsNBits = r.u16();
  const field = fieldOfNxmHeader(r.u32());
  if (hashFields === undefined || algorithm === undefined) throw new WireError('OFPBAC_BAD_ARGUMENT');
  if (2 ** ((ofsNBits & 0x3f) + 1) < maxLink + 1) throw new WireError('OFPBAC_BAD_ARGUMENT');
  const dst = subField(field, ofsNBits >> 6, (ofsNBits & 0x3f) + 1, true);
  return { type: 'multipath', hashFields, basis, algorithm, maxLink, arg, dst };
}

export function decodeBundleAction(r: WireReader, load: boolean): Action {
  const algorithm = BUNDLE_ALGORITHMS[r.u16()];
  const hashFields = HASH_FIELDS[r.u16()];
  const basis = r.u16();
  const memberType = r.u32();
  const count = r.u16();
  const ofsNBits = r.u16();
  const header = r.u32();
  const reserved = r.u32();
  let dst: SubField | null = null;
  if (load) {
    if ((ofsNBits & 0x3f) + 1 < 16) throw new WireError('OFPBAC_BAD_ARGUMENT');
    dst = subFieldOfNxm(header, ofsNBits, true);
  }
  const known = algorithm !== undefined && hashFields !== undefined && memberType === NXM_OF_IN_PORT;
  const empty = reserved === 0 && (load || (ofsNBits === 0 && header === 0));
  if (r.left < 2 * count) throw new WireError('OFPBAC_BAD_LEN');
  if (!known || !empty || count > BUNDLE_MEMBERS_MAX) throw new WireError('OFPBAC_BAD_ARGUMENT');
  const members = Array.from({ length: count }, () => r.u16());
  // lib/bundle.c:bundle_check: plain ports, NONE and CONTROLLER excepted nothing reserved but IN_PORT and LOCAL.
  for (const port of members)
    if (port >= 0xff00 && port !== 0xffff && port !== 0xfff8 && port !== 0xfffe)
      throw new WireError('OFPBAC_BAD_OUT_PORT');
  return { type: 'bundle', hashFields, basis, algorithm, members, dst };
}

const LEARN_N_BITS = 0x3ff;
const LEARN_IMMEDIATE = 1 << 13;
const LEARN_SEND_FLOW_REM = 1;
const LEARN_DELETE_LEARNED = 2;
const LEARN_WRITE_RESULT = 4;

export function decodeLearn(r: WireReader, second: boolean): Action {
  const idleTimeout = r.u16();
  const hardTimeout = r.u16();
  const priority = r.u16();
  const cookie = r.u64();
  const flags = r.u16();
  const table = r.u8();
  const pad = r.u8();
  const finIdleTimeout = r.u16();
  const finHardTimeout = r.u16();
  let limit = 0;
  let resultDst: SubField | null = null;
  const known = LEARN_SEND_FLOW_REM | LEARN_DELETE_LEARNED | (second ? LEARN_WRITE_RESULT : 0);
  if (second) {
    limit = r.u32();
    const ofs = r.u16();
    if (r.u16() !== 0) throw new WireError('NXBAC_MUST_BE_ZERO');
    if (pad !== 0 || table === 255 || (flags & ~known) !== 0) throw new WireError('OFPBAC_BAD_ARGUMENT');
    if ((flags & LEARN_WRITE_RESULT) !== 0) {
      const field = pullFieldHeader(r);
      if (!field.writable) throw new WireError('OFPBAC_BAD_SET_ARGUMENT');
      resultDst = { field: field.name, ofs, nBits: 1 };
    } else if (ofs !== 0) throw new WireError('OFPBAC_BAD_ARGUMENT');
  }
  if (pad !== 0 || table === 255 || (flags & ~known) !== 0) throw new WireError('OFPBAC_BAD_ARGUMENT');
  const drafts: (() => LearnSpec)[] = [];
  while (r.left >= 2) {
    const header = r.u16();
    if (header === 0) break;
    drafts.push(decodeLearnSpec(r, header));
  }
  r.zeros('OFPBAC_BAD_ARGUMENT');
  // Fields are judged when all has been read (lib/learn.c:learn_check).
  const specs = drafts.map((draft) => draft());
  return {
    type: 'learn',
    table,
    idleTimeout,
    hardTimeout,
    finIdleTimeout,
    finHardTimeout,
    priority,
    cookie,
    sendFlowRem: (flags & LEARN_SEND_FLOW_REM) !== 0,
    deleteLearned: (flags & LEARN_DELETE_LEARNED) !== 0,
    limit,
    resultDst,
    specs,
  };
}

function decodeLearnSpec(r: WireReader, header: number): () => LearnSpec {
  const nBits = header & LEARN_N_BITS;
  const immediate = (header & LEARN_IMMEDIATE) !== 0;
  const kind = (['match', 'load', 'output', null] as const)[(header >> 11) & 3];
  // Bits 14 and 15 belong to no mask that OVS looks at.
  if (kind == null || (kind === 'output' && immediate)) throw new WireError('OFPBAC_BAD_ARGUMENT');
  const bytes = (immediate ? 2 * Math.ceil(nBits / 16) : 6) + (kind === 'output' ? 0 : 6);
  if (r.left < bytes) throw new WireError('OFPBAC_BAD_LEN');
  const place = (written: boolean): (() => SubField) => {
    const field = fieldOfNxmHeader(r.u32());
    const ofs = r.u16();
    return () => subField(field, ofs, nBits, written);
  };
  const value = immediate ? r.uint(2 * Math.ceil(nBits / 16)) & ((1n << BigInt(nBits)) - 1n) : null;
  const source = immediate ? null : place(false);
  if (kind === 'output') return () => ({ kind, src: source!() });
  const dst = place(kind === 'load');
  return () => {
    const src = value ?? source!();
    return { kind, src, dst: dst() };
  };
}

const NAT_SRC = 1;
const NAT_DST = 2;
const NAT_PERSISTENT = 4;
const NAT_HASH = 8;
const NAT_RANDOM = 16;

export function decodeNat(r: WireReader): NatSpec {
  const bad = new WireError('OFPBAC_BAD_ARGUMENT');
  r.skip(2);
  const flags = r.u16();
  const present = r.u16();
  const both = (bits: number): boolean => (flags & bits) === bits;
  if ((flags & ~0x1f) !== 0 || both(NAT_SRC | NAT_DST) || both(NAT_HASH | NAT_RANDOM)) throw bad;
  const has = (bit: number): boolean => (present & (1 << bit)) !== 0;
  /** What the range lacks in bytes is a bad argument too. */
  const option = (bytes: number): bigint => {
    if (r.left < bytes) throw bad;
    return r.uint(bytes);
  };
  // Bits: 0, 1 IPv4 from, to; 2, 3 IPv6 from, to; 4, 5 port from, to. "To" never without "from".
  if ((has(1) && !has(0)) || (has(3) && !has(2)) || (has(5) && !has(4)) || (has(0) && (has(2) || has(3)))) throw bad;
  const family = has(0) ? 4 : has(2) ? 6 : null;
  let addrMin = 0n;
  let addrMax = 0n;
  if (family !== null) {
    const bytes = family === 4 ? 4 : 16;
    addrMin = option(bytes);
    if (addrMin === 0n) throw bad;
    if (has(family === 4 ? 1 : 3)) {
      addrMax = option(bytes);
      if (addrMax < addrMin) throw bad;
    }
  }
  let portMin = 0;
  let portMax = 0;
  if (has(4)) {
    if (family === null) throw bad;
    portMin = Number(option(2));
    if (portMin === 0) throw bad;
    if (has(5)) {
      portMax = Number(option(2));
      if (portMax < portMin) throw bad;
    }
  }
  return {
    kind: (flags & NAT_SRC) !== 0 ? 'src' : (flags & NAT_DST) !== 0 ? 'dst' : null,
    persistent: (flags & NAT_PERSISTENT) !== 0,
    selection: (flags & NAT_HASH) !== 0 ? 'hash' : (flags & NAT_RANDOM) !== 0 ? 'random' : null,
    family,
    addrMin,
    addrMax,
    portMin,
    portMax,
  };
}

/** Reasons of packet-in messages by number (lib/ofp-packet.c:ofputil_packet_in_reason_to_string). */
const REASONS = ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out'];
export const reasonName = (reason: number): string => REASONS[reason] ?? String(reason);

const PLAIN_CONTROLLER = {
  type: 'controller',
  reason: 'action',
  controllerId: 0,
  userdata: '',
  pause: false,
  meterId: null,
} as const;

export function decodeController(r: WireReader): Action {
  const maxLen = r.u16();
  const controllerId = r.u16();
  return { ...PLAIN_CONTROLLER, maxLen, controllerId, reason: reasonName(r.u8()) };
}

export function decodeController2(r: WireReader): Action {
  for (let i = 0; i < 6; i++) if (r.u8() !== 0) throw new WireError('NXBRC_MUST_BE_ZERO');
  let action: ActionOf<'controller'> = { ...PLAIN_CONTROLLER, maxLen: 0xffff };
  while (r.left > 0) {
    const { type, payload } = pullProperty(r);
    if (type === 0) action = { ...action, maxLen: payload.u16() };
    else if (type === 1) action = { ...action, controllerId: payload.u16() };
    else if (type === 2) action = { ...action, reason: reasonName(payload.u8()) };
    else if (type === 3) action = { ...action, userdata: Buffer.from(payload.take8(payload.left)).toString('hex') };
    else if (type === 4) action = { ...action, pause: true };
    else if (type === 5) {
      const meterId = payload.u32();
      action = { ...action, meterId: meterId === 0 ? null : meterId };
    } else throw new WireError('OFPBPC_BAD_TYPE');
  }
  return action;
}

/** One property: type, length without padding, padded to 8 bytes (lib/ofp-prop.c:ofpprop_pull). */
export function pullProperty(r: WireReader): { type: number; payload: WireReader } {
  if (r.left < 4) throw new WireError('OFPBPC_BAD_LEN');
  const start = r.pos;
  const type = r.u16();
  const length = r.u16();
  const padded = (length + 7) & ~7;
  if (length < 4 || padded > r.end - start) throw new WireError('OFPBPC_BAD_LEN');
  const payload = new WireReader(r.bytes, 'OFPBPC_BAD_LEN', start + 4, start + length);
  r.pos = start + padded;
  return { type, payload };
}

export function decodeSample(r: WireReader, second: boolean, third: boolean): Action {
  const probability = r.u16();
  const collectorSetId = r.u32();
  const obsDomainId = r.u32();
  const obsPointId = r.u32();
  const samplingPort = second ? r.u16() : 0xffff;
  const direction = third ? r.u8() : 0;
  if (third) r.zeros('NXBRC_MUST_BE_ZERO');
  if (direction > 2 || probability === 0) throw new WireError('OFPBAC_BAD_ARGUMENT');
  return {
    type: 'sample',
    probability,
    collectorSetId,
    obsDomainId,
    obsPointId,
    samplingPort: samplingPort === 0xffff ? null : samplingPort,
    direction: ([null, 'ingress', 'egress'] as const)[direction] ?? null,
  };
}

/** Packet types that encap() can make: namespace in the upper half (include/openvswitch/packets.h). */
const ENCAP_HEADERS = new Map([
  [0, 'ethernet'],
  [0x1894f, 'nsh'],
  [0x18847, 'mpls'],
  [0x18848, 'mpls_mc'],
]);
const CLASS_NSH = 4;

export function decodeEncap(r: WireReader): Action {
  r.skip(2);
  const header = ENCAP_HEADERS.get(r.u32());
  if (header === undefined) throw new WireError('NXBAC_BAD_HEADER_TYPE');
  const props: string[] = [];
  while (r.left > 0) {
    if (r.left < 4) throw new WireError('OFPBAC_BAD_LEN');
    const start = r.pos;
    const propertyClass = r.u16();
    const type = r.u8();
    const length = r.u8();
    if (length < 4 || ((length + 7) & ~7) > r.end - start) throw new WireError('OFPBAC_BAD_LEN');
    const payload = new WireReader(r.bytes, 'NXBAC_BAD_ED_PROP', start + 4, start + length);
    r.pos = start + ((length + 7) & ~7);
    if (propertyClass !== CLASS_NSH || type < 1 || type > 2) throw new WireError('NXBAC_UNKNOWN_ED_PROP');
    props.push(type === 1 ? mdTypeText(payload, length) : tlvText(payload, length));
  }
  return { type: 'encap', header, props };
}

function mdTypeText(payload: WireReader, length: number): string {
  if (length > 8) throw new WireError('NXBAC_BAD_ED_PROP');
  return `md_type=${payload.u8()}`;
}

function tlvText(payload: WireReader, length: number): string {
  const tlvClass = payload.u16();
  const tlvType = payload.u8();
  const bytes = payload.u8();
  if (length !== 8 + ((bytes + 7) & ~7)) throw new WireError('NXBAC_BAD_ED_PROP');
  const data = payload.uint(bytes);
  return `tlv(0x${tlvClass.toString(16).padStart(4, '0')},${tlvType},0x${data.toString(16)})`;
}

/** OFPHTN and type 0xfffe: "whatever the next header says". */
const PT_USE_NEXT_PROTO = 0x0000fffe;

export function decodeDecap(r: WireReader): Action {
  r.skip(2);
  const packetType = r.u32();
  if (r.left > 0) throw new WireError('NXBAC_UNKNOWN_ED_PROP');
  if (packetType === PT_USE_NEXT_PROTO) return { type: 'decap', packetType: null };
  const type = packetType & 0xffff;
  const text = `ns=${packetType >>> 16},type=${type === 0 ? '0' : `0x${type.toString(16)}`}`;
  return { type: 'decap', packetType: text };
}
