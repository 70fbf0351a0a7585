/** Setting a field on the wire: Set-Field, Nicira's load, or the old actions (lib/ofp-actions.c:encode_SET_FIELD). */
import { type Field, field, preferredCode } from '../fields/fieldTable.js';
import { ones } from '../fields/fieldText.js';
import type { MatchState } from './actionCheck.js';
import type { Action, ActionOf } from './actions.js';
import { isValidValue } from './fieldValue.js';
import { refused } from './matchWire.js';

const OF11 = 2;
const OF12 = 3;
const OF15 = 6;

const ETH_VLAN = 0x8100;

export const setField = (name: string, value: bigint): ActionOf<'setField'> => ({
  type: 'setField',
  field: name,
  value,
  mask: ones(field(name).nBytes),
  load: false,
});

export const load = (name: string, value: bigint, mask: bigint): ActionOf<'setField'> => ({
  type: 'setField',
  field: name,
  value: value & mask,
  mask,
  load: true,
});

/** `out` gets what the receiver makes of the action. */
export function sendSetField(action: ActionOf<'setField'>, state: MatchState, wire: number, out: Action[]): void {
  const of = field(action.field);
  if (!of.writable) throw refused('OFPBAC_BAD_SET_ARGUMENT');
  if (wire >= OF15) out.push(standardSetField(action, of));
  else if (action.load || action.load2) loadSegments(action, of, out);
  else if (wire < OF12) legacySetField(action, of, state, wire, out);
  else if (action.mask === ones(of.nBytes)) out.push(standardSetField(action, of));
  else loadSegments(action, of, out);
}

/** OpenFlow's own Set-Field, with what the receiver checks (decode_ofpat_set_field). */
function standardSetField(action: ActionOf<'setField'>, of: Field): Action {
  checkBitsOutsideMask(action);
  if (of.codes.length === 0) return withoutCode(action, of);
  if (of.name === 'in_port_oxm' || !isValidValue(of, action.value)) throw refused('OFPBAC_BAD_SET_ARGUMENT');
  if (of.name === 'vlan_vid' && (action.value & action.mask & 0x1000n) === 0n) throw refused('OFPBAC_BAD_SET_ARGUMENT');
  return plainSet(action, of.name);
}

const plainSet = (action: ActionOf<'setField'>, name: string): ActionOf<'setField'> => ({
  type: 'setField',
  field: name,
  value: action.value,
  mask: action.mask,
  load: false,
});

/** dl_vlan has no code of its own; the zeros that are sent instead name in_port (lib/nx-match.c:nx_put_entry). */
function withoutCode(action: ActionOf<'setField'>, of: Field): ActionOf<'setField'> {
  if (of.nBytes !== field('in_port').nBytes) throw refused('OFPBAC_BAD_SET_LEN');
  return plainSet(action, 'in_port');
}

function checkBitsOutsideMask(action: ActionOf<'setField'>): void {
  if ((action.value & ~action.mask) !== 0n) throw refused('OFPBMC_BAD_WILDCARDS');
}

/** Nicira's load: one action for each run of ones of the mask, at most 64 bits long (next_load_segment). */
function loadSegments(action: ActionOf<'setField'>, of: Field, out: Action[]): void {
  const code = preferredCode(of, 0);
  if (code === null) {
    out.push({ ...withoutCode(action, of), load2: true });
    return;
  }
  if (code.oxmClass === 0xffff || of.presentBit >= 0 || action.load2) {
    // Such fields do not fit into a load; its successor carries value and mask.
    checkBitsOutsideMask(action);
    out.push({ ...action, load: false, load2: true });
    return;
  }
  for (const run of runsOf(action.mask, of.nBits)) {
    const mask = ((1n << BigInt(run.length)) - 1n) << BigInt(run.from);
    out.push(load(of.name, action.value, mask));
  }
}

/** Runs of ones among the lowest `width` bits, cut into pieces of at most 64. */
export function runsOf(mask: bigint, width: number): { from: number; length: number }[] {
  const runs: { from: number; length: number }[] = [];
  let at = 0;
  while (at < width) {
    if (((mask >> BigInt(at)) & 1n) === 0n) {
      at++;
      continue;
    }
    const from = at;
    while (at < width && at < from + 64 && ((mask >> BigInt(at)) & 1n) === 1n) at++;
    runs.push({ from, length: at - from });
  }
  return runs;
}

/** OpenFlow 1.0 and 1.1 have no Set-Field: their own actions where there are some, else load. */
function legacySetField(action: ActionOf<'setField'>, of: Field, state: MatchState, wire: number, out: Action[]): void {
  const number = Number(action.value & 0xffffffffn);
  const vid = (bits: number): Action => ({
    type: 'setVlanVid',
    vid: bits & 0xfff,
    pushIfNeeded: wire < OF11,
    flowHasVlan: state.hasVlan,
  });
  const pcp = (bits: number): Action => ({
    type: 'setVlanPcp',
    pcp: bits & 7,
    pushIfNeeded: wire < OF11,
    flowHasVlan: state.hasVlan,
  });
  switch (of.name) {
    case 'vlan_tci':
      if ((number & 0x1000) === 0) out.push({ type: 'stripVlan' });
      else {
        if (wire >= OF11 && !state.hasVlan) out.push({ type: 'pushVlan', ethertype: ETH_VLAN });
        out.push(vid(number), pcp(number >>> 13));
      }
      return;
    case 'vlan_vid':
      out.push(vid(number));
      return;
    case 'vlan_pcp':
      out.push(pcp(number));
      return;
    case 'eth_src':
      out.push({ type: 'setEthSrc', mac: action.value });
      return;
    case 'eth_dst':
      out.push({ type: 'setEthDst', mac: action.value });
      return;
    case 'ip_src':
      out.push({ type: 'setIpv4Src', ip: number | 0 });
      return;
    case 'ip_dst':
      out.push({ type: 'setIpv4Dst', ip: number | 0 });
      return;
    case 'nw_tos':
      out.push({ type: 'setIpDscp', dscp: number & 0xfc });
      return;
    case 'ip_dscp':
      out.push({ type: 'setIpDscp', dscp: (number << 2) & 0xfc });
      return;
    case 'nw_ecn':
      out.push(wire < OF11 ? load('nw_ecn', action.value, 3n) : { type: 'setIpEcn', ecn: number & 3 });
      return;
    case 'tcp_src':
    case 'udp_src':
      out.push({ type: 'setL4SrcPort', port: number });
      return;
    case 'tcp_dst':
    case 'udp_dst':
      out.push({ type: 'setL4DstPort', port: number });
      return;
    default:
      loadSegments(action, of, out);
  }
}
