/** Flow-mods as text that ovs-ofctl (add-flow, mod-flows, del-flows, --strict) and parseFlowMod() take. */
import { PORT } from '../fields/key.js';
import { formatPort } from '../fields/portText.js';
import { formatActions, formatMatch } from './flowPrint.js';
import { DEFAULT_PRIORITY } from './flowText.js';
import type { FlowMod } from './rule.js';

const ALL_TABLES = 255;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const ANY_GROUP = 0xffffffff;

/** Reads back as the same flow-mod with the same operation and version. */
export function flowModText(mod: FlowMod): string {
  const { op, flags } = mod;
  const deletes = op === 'delete' || op === 'delete_strict';
  const items: string[] = [];
  // Without a table a deletion, and a modify of OpenFlow 1.0, is meant for all tables.
  if (mod.table !== ALL_TABLES) items.push(`table=${mod.table}`);
  if (op === 'add' || mod.modifyCookie) {
    if (mod.newCookie !== 0n || mod.modifyCookie) items.push(`cookie=${hex(mod.newCookie)}`);
  }
  if (mod.cookieMask !== 0n) {
    const mask = mod.cookieMask === ALL_ONES ? '-1' : hex(mod.cookieMask);
    items.push(`cookie=${hex(mod.cookie)}/${mask}`);
  }
  if (mod.idleTimeout !== 0) items.push(`idle_timeout=${mod.idleTimeout}`);
  if (mod.hardTimeout !== 0) items.push(`hard_timeout=${mod.hardTimeout}`);
  if (mod.importance !== 0) items.push(`importance=${mod.importance}`);
  if (flags.sendFlowRem) items.push('send_flow_rem');
  if (flags.checkOverlap) items.push('check_overlap');
  // OpenFlow 1.0 and 1.1 imply it on an add and have no word for it (lib/ofp-flow.c:ofputil_decode_flow_mod).
  if (flags.resetCounts && mod.of !== '1.0' && mod.of !== '1.1') items.push('reset_counts');
  if (flags.noPacketCounts) items.push('no_packet_counts');
  if (flags.noByteCounts) items.push('no_byte_counts');
  if (op !== 'delete' && mod.priority !== DEFAULT_PRIORITY) items.push(`priority=${mod.priority}`);
  const match = formatMatch(mod.match);
  if (match !== '') items.push(match);
  if (deletes && mod.outPort !== PORT.NONE) items.push(`out_port=${formatPort(mod.outPort, null)}`);
  if (deletes && mod.outGroup !== ANY_GROUP) items.push(`out_group=${mod.outGroup}`);
  const text = items.join(',');
  if (deletes) return text;
  return `${text}${text === '' ? '' : ' '}actions=${formatActions(mod.actions, mod.match, { of: mod.of })}`;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
