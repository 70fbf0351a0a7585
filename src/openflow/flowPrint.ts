/** Rules and flow-mods to the text of ovs-ofctl (lib/ofp-flow.c:ofputil_flow_stats_format, ofputil_flow_mod_format). */

import { PORT } from '../fields/key.js';
import { type FormatOptions, formatDenseMatch } from '../fields/matchFormat.js';
import { formatPort, type PortNames } from '../fields/portText.js';
import { DEFAULT_TLV_MAP, type TlvMap } from '../fields/tunMetadata.js';
import { MatchState } from './actionCheck.js';
import { formatActionList } from './actionPrint.js';
import type { Action } from './actions.js';
import { sendActions } from './actionWire.js';
import { DenseMatch } from './denseMatch.js';
import { wireVersion } from './formats.js';
import type { Match } from './match.js';
import { formatMatch } from './matchText.js';
import { sendMatch } from './matchWire.js';
import type { FlowMod, OfVersion, Rule, RuleFlags, RuleStats } from './rule.js';
import { formatTable } from './textContext.js';

export { formatMatch };

export interface PrintOptions {
  /** OpenFlow version of the dump; default 1.3. */
  readonly of?: OfVersion;
  /** Names instead of numbers, as with --names. */
  readonly ports?: PortNames | null;
  readonly tables?: PortNames | null;
  readonly tlvMap?: TlvMap;
  /** With statistics: the line without --no-stats. */
  readonly stats?: RuleStats;
}

const held = new DenseMatch();
const shown = new DenseMatch();

/**
 * One line of `ovs-ofctl -O OF dump-flows --no-stats` (or with statistics), without the space in front.
 * InputError: a rule that makes a dump in this version fail.
 */
export function formatRule(rule: Rule, options: PrintOptions = {}): string {
  const of = options.of ?? '1.3';
  const wire = wireVersion(of);
  const { stats } = options;
  const actions = formatActions(rule.actions, rule.match, options);
  let text = '';
  if (stats !== undefined || rule.cookie !== 0n) text += `cookie=0x${rule.cookie.toString(16)}, `;
  if (stats !== undefined) text += `duration=${stats.duration ?? '0s'}, `;
  if (stats !== undefined || rule.table !== 0 || options.tables?.byNumber.has(rule.table))
    text += `table=${formatTable(rule.table, options.tables ?? null)}, `;
  if (stats !== undefined) text += `n_packets=${stats.nPackets ?? 0n}, n_bytes=${stats.nBytes ?? 0n}, `;
  if (rule.idleTimeout !== 0) text += `idle_timeout=${rule.idleTimeout}, `;
  if (rule.hardTimeout !== 0) text += `hard_timeout=${rule.hardTimeout}, `;
  // Flags are in dumps from 1.3 on, importance from 1.4.
  if (wire >= 4) text += formatFlags(rule.flags);
  if (wire >= 5 && rule.importance !== 0) text += `importance=${rule.importance}, `;
  if (stats !== undefined && stats.idleAge !== null) text += `idle_age=${stats.idleAge}, `;
  if (stats !== undefined && stats.hardAge !== null) text += `hard_age=${stats.hardAge}, `;
  const match = formatSentMatch(rule.match, rule.priority, options);
  return `${text}${match}${match === '' ? '' : ' '}actions=${actions}`;
}

/** `send_flow_rem check_overlap `: each followed by a space. */
function formatFlags(flags: RuleFlags): string {
  let text = '';
  if (flags.sendFlowRem) text += 'send_flow_rem ';
  if (flags.checkOverlap) text += 'check_overlap ';
  if (flags.resetCounts) text += 'reset_counts ';
  if (flags.noPacketCounts) text += 'no_packet_counts ';
  if (flags.noByteCounts) text += 'no_byte_counts ';
  return text;
}

/** The match as a dump in this version shows it: tag matches lose what OXM cannot say. */
function formatSentMatch(match: Match, priority: number, options: PrintOptions): string {
  held.load(match);
  sendMatch(held, (options.of ?? '1.3') === '1.0' ? 'nxm' : 'oxm', shown);
  const format: FormatOptions = {
    ports: options.ports ?? null,
    tlvMap: options.tlvMap ?? DEFAULT_TLV_MAP,
    priority,
  };
  return formatDenseMatch(shown.value, shown.mask, format);
}

/** Actions as a dump in this version shows them; the match decides what some of them become. */
export function formatActions(actions: readonly Action[], match: Match, options: PrintOptions = {}): string {
  const of = options.of ?? '1.3';
  const sent = sendActions(actions, new MatchState(held.load(match)), of);
  return formatActionList(sent, {
    ports: options.ports ?? null,
    tables: options.tables ?? null,
    stripVlan: stripVlanWord(of),
  });
}

const OP_WORDS = {
  add: 'ADD',
  modify: 'MOD',
  modify_strict: 'MOD_STRICT',
  delete: 'DEL',
  delete_strict: 'DEL_STRICT',
} as const;

/** What `ovs-ofctl snoop` and the log print behind `OFPT_FLOW_MOD (OF1.3) (xid=0x1): `. */
export function formatFlowMod(mod: FlowMod, options: Omit<PrintOptions, 'of' | 'stats'> = {}): string {
  const { of } = mod;
  const keep = 0xffff_ffff_ffff_ffffn;
  const ports = options.ports ?? null;
  const tables = options.tables ?? null;
  let text: string = OP_WORDS[mod.op];
  // OpenFlow 1.0 has the table in the command, and none for "all".
  if (mod.table !== 0 && !(of === '1.0' && mod.table === 255)) text += ` table:${formatTable(mod.table, tables)}`;
  const match = formatMatch(mod.match, { ports, tlvMap: options.tlvMap ?? DEFAULT_TLV_MAP, priority: mod.priority });
  text += ` ${match}${match === '' ? '' : ' '}`;
  if (mod.newCookie !== 0n && mod.newCookie !== keep) text += `cookie:0x${mod.newCookie.toString(16)} `;
  if (mod.cookieMask !== 0n) text += `cookie:0x${mod.cookie.toString(16)}/0x${mod.cookieMask.toString(16)} `;
  if (mod.idleTimeout !== 0) text += `idle:${mod.idleTimeout} `;
  if (mod.hardTimeout !== 0) text += `hard:${mod.hardTimeout} `;
  if (mod.importance !== 0) text += `importance:${mod.importance} `;
  if (mod.outPort !== PORT.NONE) text += `out_port:${formatPort(mod.outPort, ports)} `;
  const implied = of === '1.0' || of === '1.1';
  text += formatFlags(implied ? { ...mod.flags, resetCounts: false } : mod.flags);
  return `${text}actions=${formatActionList(mod.actions, { ports, tables, stripVlan: stripVlanWord(of) })}`;
}

const stripVlanWord = (of: OfVersion): 'strip_vlan' | 'pop_vlan' => (of === '1.0' ? 'strip_vlan' : 'pop_vlan');
