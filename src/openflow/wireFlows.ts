/** Flows in replies: flow statistics and the updates of a flow monitor (lib/ofp-flow.c, lib/ofp-monitor.c). */
import type { Action } from './actions.js';
import { DenseMatch } from './denseMatch.js';
import type { Match } from './match.js';
import { NO_FLAGS, type Rule, type RuleFlags, type RuleStats } from './rule.js';
import { type DecodeContext, decodeFlags } from './wireFlowMod.js';
import { decodeInstructions } from './wireInstructions.js';
import { pullMatch, pullNxMatch, pullOfp10Match } from './wireMatch.js';
import { WireError, type WireReader } from './wireReader.js';

/** One flow of a statistics reply. */
export interface FlowStats {
  readonly rule: Rule;
  readonly stats: RuleStats;
}

/** Events as `ovs-ofctl monitor` prints them. */
export type FlowEvent = 'INITIAL' | 'ADDED' | 'DELETED' | 'MODIFIED' | 'ABBREV' | 'PAUSED' | 'RESUMED';

/** One update. The fields after `xid` mean nothing in ABBREV, PAUSED and RESUMED. */
export interface FlowUpdate {
  readonly event: FlowEvent;
  /** ABBREV: the request whose changes are not repeated. */
  readonly xid: number;
  /** OFPRR_* of a deletion. */
  readonly reason: number;
  readonly table: number;
  readonly priority: number;
  readonly cookie: bigint;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly match: Match;
  readonly actions: readonly Action[];
}

export type FlowStatsForm = 'ofp10' | 'nxst' | 'ofp11' | 'ofp15';

/** All flows of one reply. */
export function decodeFlowStats(r: WireReader, form: FlowStatsForm, context: DecodeContext): FlowStats[] {
  const flows: FlowStats[] = [];
  while (r.left > 0) {
    const start = r.pos;
    const length = r.u16();
    if (length < 24 || length > r.end - start) throw new WireError('OFPBRC_BAD_LEN');
    const entry = r.sub(length - 2, 'OFPBRC_BAD_LEN');
    flows.push(form === 'ofp15' ? ofp15Flow(entry, context) : olderFlow(entry, form, context));
  }
  return flows;
}

function olderFlow(r: WireReader, form: 'ofp10' | 'nxst' | 'ofp11', context: DecodeContext): FlowStats {
  const dense = new DenseMatch();
  const table = r.u8();
  r.skip(1);
  if (form === 'ofp10') pullOfp10Match(r, dense);
  const duration = [r.u32(), r.u32()] as const;
  const priority = r.u16();
  const idleTimeout = r.u16();
  const hardTimeout = r.u16();
  let flags: RuleFlags = NO_FLAGS;
  let importance = 0;
  let matchBytes = 0;
  let ages = [0, 0];
  if (form === 'nxst') {
    matchBytes = r.u16();
    ages = [r.u16(), r.u16()];
  } else if (form === 'ofp10') {
    r.skip(6);
  } else {
    const raw = r.u16();
    if (context.version >= 4) flags = decodeFlags(raw, null, context.version);
    const given = r.u16();
    if (context.version >= 5) importance = given;
    r.skip(2);
  }
  const cookie = r.u64();
  const nPackets = r.u64();
  const nBytes = r.u64();
  if (form === 'nxst') pullNxMatch(r, matchBytes, dense, context.tlvMap, false);
  if (form === 'ofp11') pullMatch(r, dense, context.tlvMap);
  const actions = decodeInstructions(r, context);
  const match = dense.toMatch();
  return {
    rule: { table, priority, match, actions, cookie, idleTimeout, hardTimeout, importance, flags },
    stats: {
      ...statsOf(duration, nPackets, nBytes),
      idleAge: ageOf(ages[0]!),
      // As long as the flow is old, it says nothing, and no dump shows it.
      hardAge: ages[1] === duration[0] + 1 ? null : ageOf(ages[1]!),
    },
  };
}

/** struct ofp15_flow_desc: the numbers come as OXS entries, class 0x8002. */
function ofp15Flow(r: WireReader, context: DecodeContext): FlowStats {
  r.skip(2);
  const table = r.u8();
  r.skip(1);
  const priority = r.u16();
  const idleTimeout = r.u16();
  const hardTimeout = r.u16();
  const flags = decodeFlags(r.u16(), null, context.version);
  const importance = r.u16();
  const cookie = r.u64();
  const dense = new DenseMatch();
  pullMatch(r, dense, context.tlvMap);
  const stats = pullOxs(r);
  const actions = decodeInstructions(r, context);
  const match = dense.toMatch();
  return { rule: { table, priority, match, actions, cookie, idleTimeout, hardTimeout, importance, flags }, stats };
}

const OXS_CLASS = 0x8002;

/** lib/ox-stat.c:oxs_pull_stat. */
function pullOxs(r: WireReader): RuleStats {
  if (r.left < 4) throw new WireError('OFPBMC_BAD_LEN');
  const start = r.pos;
  r.skip(2);
  const length = r.u16();
  const padded = (length + 7) & ~7;
  if (length < 4 || padded > r.end - start) throw new WireError('OFPBMC_BAD_LEN');
  const entries = r.sub(length - 4, 'OFPBMC_BAD_LEN');
  r.pos = start + padded;
  let duration: readonly [number, number] | null = null;
  let idleAge: number | null = null;
  let nPackets = 0n;
  let nBytes = 0n;
  while (entries.left > 0) {
    const oxsClass = entries.u16();
    const field = entries.u8() >> 1;
    const payload = entries.sub(entries.u8(), 'OFPBMC_BAD_LEN');
    if (oxsClass !== OXS_CLASS) continue;
    if (field === 0) duration = [payload.u32(), payload.u32()];
    else if (field === 1) idleAge = payload.u32();
    else if (field === 4) nPackets = payload.u64();
    else if (field === 5) nBytes = payload.u64();
  }
  return { ...statsOf(duration ?? [0, 0], nPackets, nBytes), idleAge, hardAge: null };
}

function statsOf([seconds, nanos]: readonly [number, number], nPackets: bigint, nBytes: bigint): RuleStats {
  // lib/ofp-print.c:ofp_print_duration: no decimals, three for whole milliseconds, else nine.
  const decimals = String(nanos)
    .padStart(9, '0')
    .replace(/000000$/, '');
  const duration = `${seconds}${nanos === 0 ? '' : `.${decimals}`}s`;
  return { duration, nPackets, nBytes, idleAge: null, hardAge: null };
}

/** Ages are sent plus one, 0 is "not told" (struct nx_flow_stats). */
const ageOf = (sent: number): number | null => (sent === 0 ? null : sent - 1);

/** Updates of Nicira's and the ONF's monitors, and of OpenFlow 1.4 and later. */
const NX_EVENTS: readonly FlowEvent[] = ['ADDED', 'DELETED', 'MODIFIED', 'ABBREV'];
const OFP_EVENTS: readonly FlowEvent[] = ['INITIAL', 'ADDED', 'DELETED', 'MODIFIED', 'ABBREV', 'PAUSED', 'RESUMED'];
const NO_MATCH: Match = new DenseMatch().toMatch();

export function decodeFlowUpdates(
  r: WireReader,
  form: 'nxst' | 'onfst' | 'ofp14',
  context: DecodeContext,
): FlowUpdate[] {
  const updates: FlowUpdate[] = [];
  while (r.left > 0) {
    if (r.left < 8) throw new WireError('OFPBRC_BAD_LEN');
    const length = r.u16();
    const event = (form === 'ofp14' ? OFP_EVENTS : NX_EVENTS)[r.u16()];
    if (length < 8 || length % 8 !== 0 || length - 4 > r.left) throw new WireError('OFPBRC_BAD_LEN');
    if (event === undefined) throw new WireError('NXBRC_FM_BAD_EVENT');
    const entry = r.sub(length - 4, 'OFPBRC_BAD_LEN');
    updates.push(decodeFlowUpdate(entry, event, form, context));
  }
  return updates;
}

function decodeFlowUpdate(
  r: WireReader,
  event: FlowEvent,
  form: 'nxst' | 'onfst' | 'ofp14',
  context: DecodeContext,
): FlowUpdate {
  if (event === 'ABBREV' || event === 'PAUSED' || event === 'RESUMED') {
    const xid = r.u32();
    const empty = { reason: 0, table: 0, priority: 0, cookie: 0n, idleTimeout: 0, hardTimeout: 0 };
    return { event, xid: event === 'ABBREV' ? xid : 0, ...empty, match: NO_MATCH, actions: [] };
  }
  const dense = new DenseMatch();
  let head: Pick<FlowUpdate, 'reason' | 'table' | 'priority' | 'idleTimeout' | 'hardTimeout'>;
  let matchBytes = 0;
  if (form === 'ofp14') {
    const table = r.u8();
    const reason = r.u8();
    const idleTimeout = r.u16();
    const hardTimeout = r.u16();
    head = { table, reason, idleTimeout, hardTimeout, priority: r.u16() };
    r.skip(4);
  } else {
    const reason = r.u16();
    const priority = r.u16();
    const idleTimeout = r.u16();
    const hardTimeout = r.u16();
    matchBytes = r.u16();
    head = { reason, priority, idleTimeout, hardTimeout, table: r.u8() };
    r.skip(1);
  }
  const cookie = r.u64();
  if (form === 'nxst') pullNxMatch(r, matchBytes, dense, context.tlvMap, false);
  else pullMatch(r, dense, context.tlvMap);
  const actions = decodeInstructions(r, context);
  return { event, xid: 0, ...head, cookie, match: dense.toMatch(), actions };
}
