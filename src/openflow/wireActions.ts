/**
 * Actions on the wire, OpenFlow 1.0 to 1.5 with Nicira's extensions (lib/ofp-actions.c:ofpacts_decode). What an action may
 * stand beside and which match it needs is judged in wireActionOrder.ts and actionCheck.ts, as OVS does after decoding.
 */
import { portFrom32 } from '../fields/access.js';
import type { Field } from '../fields/fieldTable.js';
import { PORT } from '../fields/key.js';
import { mappedField, type TlvMap } from '../fields/tunMetadata.js';
import type { Action, NatSpec, SubField } from './actions.js';
import { isValidValue } from './fieldValue.js';
import { verifyActions } from './wireActionOrder.js';
import { findActionType, type RawAction } from './wireActionTypes.js';
import {
  decodeBundleAction,
  decodeController,
  decodeController2,
  decodeDecap,
  decodeEncap,
  decodeLearn,
  decodeMultipath,
  decodeNat,
  decodeSample,
  subField,
  subFieldOfNxm,
} from './wireNxActions.js';
import { fieldOfNxmHeader, onesOfBytes, pullFieldHeader, pullOxmEntry } from './wireOxm.js';
import { WireError, WireReader } from './wireReader.js';
import { NX_VENDOR_ID, ONF_VENDOR_ID } from './wireTypes.js';

export interface ActionContext {
  /** Wire version: 1 is OpenFlow 1.0. */
  readonly version: number;
  readonly tlvMap: TlvMap;
}

/** Nested ct() and clone() need no more; OVS has no limit but its stack. */
const NESTING_MAX = 32;
const TYPE_VENDOR = 0xffff;

/** nat() decodes to this inside ct() only; nowhere else does it survive verifyActions. */
export type DecodedAction = Action | { readonly type: 'nat'; readonly nat: NatSpec };

/** All actions of a list (lib/ofp-actions.c:ofpacts_pull_openflow_actions__, ofpact_pull_raw). */
export function decodeActions(r: WireReader, context: ActionContext, depth = 0): DecodedAction[] {
  const actions: DecodedAction[] = [];
  while (r.left > 0) actions.push(decodeAction(r, context, depth));
  return actions;
}

function decodeAction(r: WireReader, context: ActionContext, depth: number): DecodedAction {
  const start = r.pos;
  if (r.left < 8) throw new WireError('OFPBAC_BAD_LEN');
  const type = r.u16();
  const length = r.u16();
  let vendor = 0;
  let number = type;
  if (type === TYPE_VENDOR) {
    vendor = r.u32();
    if (vendor !== NX_VENDOR_ID && vendor !== ONF_VENDOR_ID) throw new WireError('OFPBAC_BAD_VENDOR');
    if (r.left < 8) throw new WireError('OFPBAC_BAD_LEN');
    number = r.u16();
  }
  const known = findActionType(vendor, context.version, number);
  if (known === undefined) throw new WireError(vendor === 0 ? 'OFPBAC_BAD_TYPE' : 'OFPBAC_BAD_VENDOR_TYPE');
  const fits = length <= r.end - start && length >= known.bytesMin && length <= known.bytesMax && length % 8 === 0;
  if (!fits) throw new WireError('OFPBAC_BAD_LEN');
  const body = new WireReader(r.bytes, 'OFPBAC_BAD_LEN', r.pos, start + length);
  r.pos = start + length;
  return decodeBody(known.raw, body, context, depth);
}

/** `r` stands behind type and length, behind the subtype in vendor actions. */
function decodeBody(raw: RawAction, r: WireReader, context: ActionContext, depth: number): DecodedAction {
  switch (raw) {
    case 'output10':
      return decodeOutput(r.u16(), r.u16());
    case 'output11': {
      const port = portFrom32(r.u32());
      if (port === null) throw new WireError('OFPBAC_BAD_OUT_PORT');
      return decodeOutput(port, r.u16());
    }
    case 'enqueue': {
      const port = r.u16();
      r.skip(6);
      if (port >= 0xff00 && port !== PORT.IN_PORT && port !== PORT.LOCAL) throw new WireError('OFPBAC_BAD_OUT_PORT');
      return { type: 'enqueue', port, queue: r.u32() };
    }
    case 'setVlanVid10':
    case 'setVlanVid11': {
      const vid = limited(r.u16(), 0xfff);
      return { type: 'setVlanVid', vid, pushIfNeeded: raw === 'setVlanVid10', flowHasVlan: false };
    }
    case 'setVlanPcp10':
    case 'setVlanPcp11': {
      const pcp = limited(r.u8(), 7);
      return { type: 'setVlanPcp', pcp, pushIfNeeded: raw === 'setVlanPcp10', flowHasVlan: false };
    }
    case 'pushVlan':
      return { type: 'pushVlan', ethertype: oneOf(r.u16(), [0x8100, 0x88a8]) };
    case 'stripVlan':
      return { type: 'stripVlan' };
    case 'setEthSrc':
      return { type: 'setEthSrc', mac: r.uint(6) };
    case 'setEthDst':
      return { type: 'setEthDst', mac: r.uint(6) };
    case 'setIpv4Src':
      return { type: 'setIpv4Src', ip: r.u32() };
    case 'setIpv4Dst':
      return { type: 'setIpv4Dst', ip: r.u32() };
    case 'setIpDscp':
      return { type: 'setIpDscp', dscp: limited(r.u8(), 0xfc) };
    case 'setIpEcn':
      return { type: 'setIpEcn', ecn: limited(r.u8(), 3) };
    case 'setIpTtl':
      return { type: 'setIpTtl', ttl: r.u8() };
    case 'setL4Src':
      return { type: 'setL4SrcPort', port: r.u16() };
    case 'setL4Dst':
      return { type: 'setL4DstPort', port: r.u16() };
    case 'setMplsLabel':
      r.skip(r.left - 4); // behind two bytes of padding in Nicira's form
      return { type: 'setMplsLabel', label: r.u32() };
    case 'setMplsTc':
      return { type: 'setMplsTc', tc: r.u8() };
    case 'setMplsTtl':
      return { type: 'setMplsTtl', ttl: r.u8() };
    case 'decMplsTtl':
      return { type: 'decMplsTtl' };
    case 'pushMpls':
      return { type: 'pushMpls', ethertype: oneOf(r.u16(), [0x8847, 0x8848]) };
    case 'popMpls':
      return { type: 'popMpls', ethertype: r.u16() };
    case 'setQueue':
      r.skip(r.left - 4);
      return { type: 'setQueue', queue: r.u32() };
    case 'popQueue':
      return { type: 'popQueue' };
    case 'group':
      r.skip(r.left - 4);
      return { type: 'group', group: r.u32() };
    case 'meter':
      return { type: 'meter', meter: r.u32() };
    case 'decTtl':
      return { type: 'decTtl', ids: [] };
    case 'decTtlIds':
      return decodeDecTtlIds(r);
    case 'setField12':
      return decodeSetField(r, context, false);
    case 'setField15':
      return decodeSetField(r, context, true);
    case 'regLoad':
      return decodeRegLoad(r, context);
    case 'regLoad2':
      return decodeRegLoad2(r, context);
    case 'regMove':
    case 'copyField15':
      return decodeMove(r, raw === 'copyField15' ? 2 : 0);
    case 'copyField13':
      r.skip(2);
      return decodeMove(r, 2);
    case 'resubmit':
      return { type: 'resubmit', port: resubmitPort(r.u16()), table: null, withCt: false };
    case 'resubmitTable':
    case 'resubmitTableCt': {
      const port = resubmitPort(r.u16());
      const table = r.u8();
      r.zeros('OFPBAC_BAD_ARGUMENT');
      return { type: 'resubmit', port, table, withCt: raw === 'resubmitTableCt' };
    }
    case 'setTunnel':
      r.skip(2);
      return { type: 'setTunnel', id: BigInt(r.u32()) };
    case 'setTunnel64':
      r.skip(6);
      return { type: 'setTunnel', id: r.u64(), wide: true };
    case 'note':
      return { type: 'note', data: Buffer.from(r.take8(r.left)).toString('hex') };
    case 'multipath':
      return decodeMultipath(r);
    case 'bundle':
      return decodeBundleAction(r, false);
    case 'bundleLoad':
      return decodeBundleAction(r, true);
    case 'outputReg': {
      const ofsNBits = r.u16();
      const header = r.u32();
      const maxLen = r.u16();
      r.zeros('OFPBAC_BAD_ARGUMENT');
      return { type: 'outputReg', src: subFieldOfNxm(header, ofsNBits, false), maxLen };
    }
    case 'outputReg2': {
      const ofsNBits = r.u16();
      const maxLen = r.u16();
      const field = pullFieldHeader(r);
      r.zeros('NXBRC_MUST_BE_ZERO');
      return { type: 'outputReg', src: subField(field, ofsNBits >> 6, (ofsNBits & 0x3f) + 1, false), maxLen };
    }
    case 'outputTrunc': {
      const port = r.u16();
      const maxLen = r.u32();
      if (maxLen < 14) throw new WireError('OFPBAC_BAD_ARGUMENT');
      return { type: 'outputTrunc', port, maxLen };
    }
    case 'learn':
      return decodeLearn(r, false);
    case 'learn2':
      return decodeLearn(r, true);
    case 'exit':
      return { type: 'exit' };
    case 'finTimeout':
      return { type: 'finTimeout', idle: r.u16(), hard: r.u16() };
    case 'controller':
      return decodeController(r);
    case 'controller2':
      return decodeController2(r);
    case 'writeMetadata':
      for (let i = 0; i < 6; i++) if (r.u8() !== 0) throw new WireError('NXBRC_MUST_BE_ZERO');
      return { type: 'writeMetadata', value: r.u64(), mask: r.u64() };
    case 'stackPush':
      return { type: 'push', src: decodeStack(r, false) };
    case 'stackPop':
      return { type: 'pop', dst: decodeStack(r, true) };
    case 'sample':
      return decodeSample(r, false, false);
    case 'sample2':
      return decodeSample(r, true, false);
    case 'sample3':
      return decodeSample(r, true, true);
    case 'conjunction': {
      const clause = r.u8();
      const nClauses = r.u8();
      if (nClauses < 2 || nClauses > 64 || clause >= nClauses) throw new WireError('NXBAC_BAD_CONJUNCTION');
      return { type: 'conjunction', id: r.u32(), clause: clause + 1, nClauses };
    }
    case 'ct':
      return decodeCt(r, context, depth);
    case 'ctClear':
      return { type: 'ctClear' };
    case 'nat':
      return { type: 'nat', nat: decodeNat(r) };
    case 'clone': {
      r.skip(6);
      const actions = nested(r, context, depth);
      verifyActions(actions, context.version, 'clone');
      return { type: 'clone', actions: actions as Action[] };
    }
    case 'encap':
      return decodeEncap(r);
    case 'decap':
      return decodeDecap(r);
    case 'decNshTtl':
      return { type: 'decNshTtl' };
    case 'checkPktLarger': {
      const pktLen = r.u16();
      const ofs = r.u16();
      const field = pullFieldHeader(r);
      r.zeros('NXBRC_MUST_BE_ZERO');
      return { type: 'checkPktLarger', pktLen, dst: subField(field, ofs, 1, true) };
    }
    case 'deleteField': {
      // lib/ofp-actions.c:check_DELETE_FIELD; what follows the header is not looked at.
      const field = pullFieldHeader(r);
      if (field.presentBit < 0) throw new WireError('OFPBAC_BAD_ARGUMENT');
      return { type: 'deleteField', field: field.name };
    }
  }
}

function limited(value: number, bits: number): number {
  if ((value & ~bits) !== 0) throw new WireError('OFPBAC_BAD_ARGUMENT');
  return value;
}

function oneOf(value: number, allowed: readonly number[]): number {
  if (!allowed.includes(value)) throw new WireError('OFPBAC_BAD_ARGUMENT');
  return value;
}

const resubmitPort = (port: number): number | null => (port === PORT.IN_PORT ? null : port);

function decodeOutput(port: number, maxLen: number): Action {
  checkOutputPort(port);
  return port === PORT.CONTROLLER ? { type: 'output', port, maxLen } : { type: 'output', port };
}

/** lib/ofp-actions.c:ofpact_check_output_port: plain ports and the reserved ones that make sense. */
function checkOutputPort(port: number): void {
  if (port >= 0xff00 && (port < PORT.IN_PORT || port === PORT.NONE)) throw new WireError('OFPBAC_BAD_OUT_PORT');
}

function decodeDecTtlIds(r: WireReader): Action {
  const count = r.u16();
  for (let i = 0; i < 4; i++) if (r.u8() !== 0) throw new WireError('NXBRC_MUST_BE_ZERO');
  if (r.left < 2 * count) throw new WireError('OFPBAC_BAD_LEN');
  return { type: 'decTtl', ids: Array.from({ length: count }, () => r.u16()) };
}

/** The field with its bits, where a tunnel option has some. */
function settable(of: Field | null, context: ActionContext): Field {
  if (of === null) throw new WireError('OFPBAC_BAD_SET_TYPE');
  const mapped = mappedField(of, context.tlvMap);
  if (mapped === null) throw new WireError('NXFMFC_INVALID_TLV_FIELD');
  return mapped;
}

function decodeSetField(r: WireReader, context: ActionContext, mayMask: boolean): Action {
  const entry = pullSetEntry(r, mayMask);
  const field = settable(entry.field, context);
  r.zeros('OFPBAC_BAD_SET_ARGUMENT');
  const refused = field.name === 'in_port_oxm' || !field.writable || !isValidValue(field, entry.value);
  const present = BigInt(0x1000);
  const noTag = field.name === 'vlan_vid' && (entry.mask & entry.value & present) === 0n;
  if (refused || noTag) throw new WireError('OFPBAC_BAD_SET_ARGUMENT');
  return { type: 'setField', field: field.name, value: entry.value, mask: entry.mask, load: false };
}

function pullSetEntry(r: WireReader, mayMask: boolean): ReturnType<typeof pullOxmEntry> {
  try {
    return pullOxmEntry(r, 'action', false, mayMask);
  } catch (error) {
    if (error instanceof WireError && error.message === 'OFPBMC_BAD_MASK') throw new WireError('OFPBAC_BAD_SET_MASK');
    throw error;
  }
}

function decodeRegLoad(r: WireReader, context: ActionContext): Action {
  const ofsNBits = r.u16();
  const field = settable(fieldOfNxmHeader(r.u32()), context);
  const dst = subField(field, ofsNBits >> 6, (ofsNBits & 0x3f) + 1, true);
  const value = r.u64();
  if (value >> BigInt(dst.nBits) !== 0n) throw new WireError('OFPBAC_BAD_ARGUMENT');
  const mask = ((1n << BigInt(dst.nBits)) - 1n) << BigInt(dst.ofs);
  return { type: 'setField', field: field.name, value: value << BigInt(dst.ofs), mask, load: true };
}

function decodeRegLoad2(r: WireReader, context: ActionContext): Action {
  const entry = pullOxmEntry(r, 'action', false, true);
  const field = settable(entry.field, context);
  r.zeros('OFPBAC_BAD_SET_ARGUMENT');
  if (!field.writable) throw new WireError('OFPBAC_BAD_SET_ARGUMENT');
  const mask = entry.hasMask ? entry.mask : onesOfBytes(field.nBytes);
  return { type: 'setField', field: field.name, value: entry.value, mask, load: true };
}

/** nx_action_reg_move, ofp15_action_copy_field, onf_action_copy_field: the latter two with padding before the fields. */
function decodeMove(r: WireReader, padBytes: number): Action {
  const nBits = r.u16();
  const srcOfs = r.u16();
  const dstOfs = r.u16();
  r.skip(padBytes);
  const src = pullFieldHeader(r);
  const dst = pullFieldHeader(r);
  r.zeros('NXBRC_MUST_BE_ZERO');
  return { type: 'move', src: subField(src, srcOfs, nBits, false), dst: subField(dst, dstOfs, nBits, true) };
}

function decodeStack(r: WireReader, written: boolean): SubField {
  const ofs = r.u16();
  const field = pullFieldHeader(r);
  const nBits = r.u16();
  r.zeros('NXBRC_MUST_BE_ZERO');
  return subField(field, ofs, nBits, written);
}

/** The actions inside ct() or clone(): aligned like any list. */
function nested(r: WireReader, context: ActionContext, depth: number): DecodedAction[] {
  if (depth >= NESTING_MAX) throw new WireError('OFPBAC_BAD_LEN');
  if (r.left % 8 !== 0) throw new WireError('OFPBRC_BAD_LEN');
  return decodeActions(r, context, depth + 1);
}

const CT_COMMIT = 1;
const CT_FORCE = 2;
const CT_NO_TABLE = 255;

function decodeCt(r: WireReader, context: ActionContext, depth: number): Action {
  const flags = r.u16();
  const zoneSrc = r.u32();
  const zoneOrOfs = r.u16();
  const table = r.u8();
  r.skip(3);
  const alg = r.u16();
  const commit = (flags & CT_COMMIT) !== 0;
  if ((flags & CT_FORCE) !== 0 && !commit) throw new WireError('OFPBAC_BAD_ARGUMENT');
  const zone = zoneSrc === 0 ? zoneOrOfs : subFieldOfNxm(zoneSrc, zoneOrOfs, false);
  if (typeof zone !== 'number' && zone.nBits !== 16) throw new WireError('OFPBAC_BAD_SET_LEN');
  const inner = nested(r, context, depth);
  verifyActions(inner, context.version, 'ct');
  const natAt = inner.findIndex((action) => action.type === 'nat');
  const nat = inner.find((action) => action.type === 'nat')?.nat ?? null;
  const exec = inner.filter((action) => action.type !== 'nat') as Action[];
  const plainNat =
    nat !== null && nat.kind === null && !nat.persistent && nat.selection === null && nat.family === null;
  if (!commit && (exec.length > 0 || (nat !== null && !plainNat))) throw new WireError('OFPBAC_BAD_ARGUMENT');
  return {
    type: 'ct',
    commit,
    force: (flags & CT_FORCE) !== 0,
    zone,
    table: table === CT_NO_TABLE ? null : table,
    alg,
    nat,
    exec,
    ...(natAt > 0 ? { natAt } : {}),
  };
}
