/** Flow-mods on the wire: OpenFlow 1.0 (standard and Nicira's), 1.1, and 1.2 to 1.5 (lib/ofp-flow.c:ofputil_decode_flow_mod). */
import { portFrom32 } from '../fields/access.js';
import { K } from '../fields/key.js';
import type { TlvMap } from '../fields/tunMetadata.js';
import { ActionError, MatchState } from './actionCheck.js';
import type { Action } from './actions.js';
import { DenseMatch } from './denseMatch.js';
import { F11_UP } from './formats.js';
import { normalizeMatch } from './prerequisites.js';
import type { FlowMod, FlowModOp, OfVersion, RuleFlags } from './rule.js';
import { decodeInstructions } from './wireInstructions.js';
import { FW10_ALL, pullMatch, pullNxMatch, pullOfp10Match } from './wireMatch.js';
import { WireError, type WireReader } from './wireReader.js';

export interface DecodeContext {
  /** Wire version: 1 is OpenFlow 1.0. */
  readonly version: number;
  readonly tlvMap: TlvMap;
  /** OpenFlow 1.0: the upper byte of a command is a table (NXT_FLOW_MOD_TABLE_ID). */
  readonly tableIds: boolean;
}

export type FlowModForm = 'ofp10' | 'nxt' | 'ofp11';

const OPS: readonly FlowModOp[] = ['add', 'modify', 'modify_strict', 'delete', 'delete_strict'];
const VERSIONS: readonly OfVersion[] = ['1.0', '1.1', '1.2', '1.3', '1.4', '1.5'];
export const versionName = (version: number): OfVersion => VERSIONS[version - 1]!;

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const GROUP_ANY = 0xffffffff;
const TABLE_ALL = 255;

/** The fixed part, before the actions. */
interface Head {
  command: number;
  table: number;
  priority: number;
  newCookie: bigint;
  cookie: bigint;
  cookieMask: bigint;
  idleTimeout: number;
  hardTimeout: number;
  importance: number;
  outPort: number;
  outGroup: number;
  flags: number;
}

/** The match that is being read: one for all, because decoding a flow-mod never leads to another one. */
const scratch = new DenseMatch();

/** `r` stands at the body. Throws WireError with the name that OVS answers. */
export function decodeFlowMod(r: WireReader, form: FlowModForm, context: DecodeContext): FlowMod {
  const match = scratch;
  match.clear();
  const head = form === 'ofp11' ? ofp11Head(r, match, context) : ofp10Head(r, match, form, context);
  checkConntrackAddresses(match);
  const op = OPS[head.command];
  if (op === undefined) throw new WireError('OFPFMFC_BAD_COMMAND');
  const actions = decodeInstructions(r, context);
  const flags = decodeFlags(head.flags, op, context.version);
  checkActions(actions, match, head.table, context.version);
  return {
    op,
    table: head.table,
    priority: head.priority,
    match: match.toMatch(),
    actions,
    newCookie: head.newCookie,
    modifyCookie: form !== 'ofp11' && head.newCookie !== ALL_ONES,
    cookie: head.cookie,
    cookieMask: head.cookieMask,
    idleTimeout: head.idleTimeout,
    hardTimeout: head.hardTimeout,
    importance: head.importance,
    flags,
    outPort: head.outPort,
    outGroup: head.outGroup,
    of: versionName(context.version),
  };
}

function ofp11Head(r: WireReader, match: DenseMatch, context: DecodeContext): Head {
  const { version } = context;
  const cookie = r.u64();
  const mask = r.u64();
  const table = r.u8();
  const command = r.u8();
  const idleTimeout = r.u16();
  const hardTimeout = r.u16();
  const priority = r.u16();
  r.skip(4); // buffer_id
  const outPort = r.u32();
  const outGroup = r.u32();
  const flags = r.u16();
  const importance = r.u16();
  pullMatch(r, match, context.tlvMap);
  const op = OPS[command];
  const deletes = op === 'delete' || op === 'delete_strict';
  // A modify of OpenFlow 1.1 without a cookie mask adds where nothing matches, with this cookie.
  const sets = op === 'add' || (version === 2 && (op === 'modify' || op === 'modify_strict') && mask === 0n);
  if (table === TABLE_ALL && (version === 2 || !deletes)) throw new WireError('OFPFMFC_BAD_TABLE_ID');
  const port = portFrom32(outPort);
  if (port === null) throw new WireError('OFPBAC_BAD_OUT_PORT');
  return {
    command,
    table,
    priority,
    newCookie: sets ? cookie : ALL_ONES,
    cookie: sets ? 0n : cookie,
    cookieMask: sets ? 0n : mask,
    idleTimeout,
    hardTimeout,
    importance: version >= 5 && op === 'add' ? importance : 0,
    outPort: port,
    outGroup: deletes ? outGroup : GROUP_ANY,
    flags,
  };
}

function ofp10Head(r: WireReader, match: DenseMatch, form: 'ofp10' | 'nxt', context: DecodeContext): Head {
  const wildcards = form === 'ofp10' ? pullOfp10Match(r, match) : FW10_ALL;
  if (form === 'ofp10') normalizeMatch(match);
  const newCookie = r.u64();
  const command = r.u16();
  const idleTimeout = r.u16();
  const hardTimeout = r.u16();
  const priority = r.u16();
  r.skip(4); // buffer_id
  const outPort = r.u16();
  const flags = r.u16();
  let filter = { cookie: 0n, mask: 0n };
  if (form === 'nxt') {
    const matchBytes = r.u16();
    r.skip(6);
    filter = pullNxMatch(r, matchBytes, match, context.tlvMap, true);
    if ((command & 0xff) === 0 && filter.mask !== 0n) throw new WireError('NXBRC_NXM_INVALID');
  }
  return {
    command: context.tableIds ? command & 0xff : command,
    table: context.tableIds ? command >> 8 : TABLE_ALL,
    // OpenFlow 1.0: a match without wildcards has the highest priority, whatever is given.
    priority: wildcards === 0 ? 0xffff : priority,
    newCookie,
    cookie: filter.cookie,
    cookieMask: filter.mask,
    idleTimeout,
    hardTimeout,
    importance: 0,
    outPort,
    outGroup: GROUP_ANY,
    flags,
  };
}

/** lib/ofp-actions.c:ofpacts_check_consistency: only OpenFlow 1.0 lets some actions pass that do not fit the match. */
function checkActions(actions: readonly Action[], match: DenseMatch, table: number, version: number): void {
  const state = new MatchState(match);
  try {
    state.checkAll(actions, table);
  } catch (fault) {
    throw fault instanceof ActionError ? new WireError(fault.openFlowError) : fault;
  }
  if (version > 1 && (state.formats & F11_UP) === 0) throw new WireError('OFPBAC_MATCH_INCONSISTENT');
}

/** Original addresses of conntrack need the version of the packet itself. */
function checkConntrackAddresses(match: DenseMatch): void {
  const type = match.value[K.dl_type]!;
  const v4 = match.anyMask(K.ct_nw_src, 1) || match.anyMask(K.ct_nw_dst, 1);
  const v6 = match.anyMask(K.ct_ipv6_src, 4) || match.anyMask(K.ct_ipv6_dst, 4);
  if ((v4 && type !== 0x0800) || (v6 && type !== 0x86dd)) throw new WireError('OFPBAC_MATCH_INCONSISTENT');
}

/** lib/ofp-flow.c:ofputil_decode_flow_mod_flags. `op` null: a flow that is there, not a change. */
export function decodeFlags(raw: number, op: FlowModOp | null, version: number): RuleFlags {
  let known = 0x03;
  if (version === 1 || version >= 3) known |= 0x04;
  if (version >= 4) known |= 0x18;
  if ((raw & ~known) !== 0) throw new WireError('OFPFMFC_BAD_FLAGS');
  // Bit 2 of OpenFlow 1.0 asks for the emergency table, which OVS does not have.
  if (version === 1 && (raw & 0x04) !== 0) throw new WireError('OFPFMFC_TABLE_FULL');
  const addResets = op === 'add' && version <= 2;
  return {
    sendFlowRem: (raw & 0x01) !== 0,
    checkOverlap: (raw & 0x02) !== 0,
    resetCounts: (raw & 0x04) !== 0 || addResets,
    noPacketCounts: (raw & 0x08) !== 0,
    noByteCounts: (raw & 0x10) !== 0,
  };
}
