/**
 * What becomes of actions when they are sent in one OpenFlow version: each is encoded in that version's way and decoded
 * again, so the same rule reads `mod_nw_src` in 1.0, `set_field` in 1.3 (lib/ofp-actions.c: encode_*, decode_*).
 * A rule entered in one version is held as this makes it; a dump in another version sends it once more.
 */

import { preferredCode } from '../fields/fieldTable.js';
import { K } from '../fields/key.js';
import { PROTO_SCTP, PROTO_TCP, PROTO_UDP } from '../fields/protocols.js';
import type { MatchState } from './actionCheck.js';
import { verifyActions } from './actionOrder.js';
import type { Action, ActionOf, SubField } from './actions.js';
import { wireVersion } from './formats.js';
import { refused } from './matchWire.js';
import { isMpls } from './prerequisites.js';
import type { OfVersion } from './rule.js';
import { load, sendSetField, setField } from './setFieldWire.js';
import { subFieldOf } from './subField.js';

const OF11 = 2;
const OF12 = 3;
const OF13 = 4;

const ETH_VLAN = 0x8100;

/** The whole list, instructions included. Throws InputError with the name of the OpenFlow error. */
export function sendActions(actions: readonly Action[], state: MatchState, version: OfVersion): Action[] {
  const sent: Action[] = [];
  const wire = wireVersion(version);
  state.nested(() => {
    for (const action of actions) {
      if (action.type === 'writeActions') sendActionSet(action, state, version, sent);
      else sendAction(action, state, version, sent);
      state.follow(action);
    }
  });
  const kept =
    wire >= OF11 ? sent.filter((action) => action.type !== 'writeActions' || action.actions.length > 0) : sent;
  verifyActions(kept, version, 'none', true);
  return kept;
}

function sendNested(actions: readonly Action[], state: MatchState, version: OfVersion): Action[] {
  const sent: Action[] = [];
  state.nested(() => {
    for (const action of actions) {
      sendAction(action, state, version, sent);
      state.follow(action);
    }
  });
  return sent;
}

/** OpenFlow 1.0 has no action set: it is left out. */
function sendActionSet(action: ActionOf<'writeActions'>, state: MatchState, version: OfVersion, out: Action[]): void {
  if (wireVersion(version) < OF11) return;
  const actions = sendNested(action.actions, state, version);
  for (const each of actions) if (!isAllowedInSet(each)) throw refused('OFPBAC_BAD_TYPE');
  out.push({ type: 'writeActions', actions });
}

/** lib/ofp-actions.c:action_set_classify */
const NOT_IN_SET: ReadonlySet<Action['type']> = new Set([
  'bundle',
  'clone',
  'controller',
  'enqueue',
  'exit',
  'finTimeout',
  'learn',
  'conjunction',
  'meter',
  'multipath',
  'note',
  'outputReg',
  'outputTrunc',
  'popQueue',
  'sample',
  'push',
  'pop',
  'debugRecirc',
  'debugSlow',
  'checkPktLarger',
  'deleteField',
  'writeMetadata',
  'gotoTable',
  'clearActions',
  'writeActions',
]);

const isAllowedInSet = (action: Action): boolean => !NOT_IN_SET.has(action.type);

function sendAction(action: Action, state: MatchState, version: OfVersion, out: Action[]): void {
  const wire = wireVersion(version);
  const set = (name: string, value: number | bigint): void => {
    sendSetField(setField(name, BigInt(value)), state, wire, out);
  };
  switch (action.type) {
    case 'enqueue':
      if (wire < OF11) out.push(action);
      else
        out.push(
          { type: 'setQueue', queue: action.queue },
          { type: 'output', port: action.port },
          { type: 'popQueue' },
        );
      return;
    case 'setVlanVid':
    case 'setVlanPcp':
      sendVlan(action, state, wire, out);
      return;
    case 'pushVlan':
      if (wire >= OF11) out.push(action);
      return;
    case 'setEthSrc':
      if (wire < OF12) out.push(action);
      else set('eth_src', action.mac);
      return;
    case 'setEthDst':
      if (wire < OF12) out.push(action);
      else set('eth_dst', action.mac);
      return;
    case 'setIpv4Src':
      if (wire < OF12) out.push(action);
      else set('ip_src', action.ip >>> 0);
      return;
    case 'setIpv4Dst':
      if (wire < OF12) out.push(action);
      else set('ip_dst', action.ip >>> 0);
      return;
    case 'setIpDscp':
      if (wire < OF12) out.push(action);
      else set('ip_dscp', action.dscp >> 2);
      return;
    case 'setIpEcn':
      if (wire === OF11) out.push(action);
      else if (wire < OF11) out.push(load('nw_ecn', BigInt(action.ecn), 3n));
      else set('nw_ecn', action.ecn);
      return;
    case 'setIpTtl':
      out.push(wire < OF11 ? load('nw_ttl', BigInt(action.ttl), 0xffn) : action);
      return;
    case 'setL4SrcPort':
    case 'setL4DstPort': {
      const name = portField(state, action.type === 'setL4SrcPort' ? 'src' : 'dst');
      if (wire < OF12 || name === null) out.push(action);
      else set(name, action.port);
      return;
    }
    case 'setMplsLabel':
      if (wire < OF12) out.push(action);
      else set('mpls_label', action.label);
      return;
    case 'setMplsTc':
      if (wire < OF12) out.push(action);
      else set('mpls_tc', action.tc);
      return;
    case 'setTunnel':
      if (wire < OF12) out.push(action);
      else set('tun_id', action.id);
      return;
    case 'setField':
      sendSetField(action, state, wire, out);
      return;
    case 'note':
      out.push({ type: 'note', data: padNote(action.data) });
      return;
    case 'pushMpls':
      if (!isMpls(action.ethertype)) throw refused('OFPBAC_BAD_ARGUMENT');
      out.push(action);
      return;
    case 'learn':
      for (const sub of subFieldsOf(action)) checkShortHeader(sub);
      out.push(action);
      return;
    case 'encap':
    case 'decap':
    case 'decNshTtl':
      if (wire < OF13) throw refused('OFPBAC_BAD_VENDOR_TYPE');
      out.push(action);
      return;
    case 'ct':
      sendCt(action, state, version, out);
      return;
    case 'clone':
      out.push({ type: 'clone', actions: sendClone(action.actions, state, version) });
      return;
    case 'meter':
      if (wire >= OF13) out.push(action);
      return;
    case 'clearActions':
      if (wire >= OF11) out.push(action);
      return;
    case 'gotoTable':
      out.push(
        wire < OF11
          ? { type: 'resubmit', port: null, table: action.table === 255 ? null : action.table, withCt: false }
          : action,
      );
      return;
    case 'checkPktLarger':
    case 'pop':
      if (!subFieldOf(action.dst).writable) throw refused('OFPBAC_BAD_SET_ARGUMENT');
      out.push(action);
      return;
    case 'bundle':
      if (action.dst !== null && action.dst.nBits < 16) throw refused('OFPBAC_BAD_ARGUMENT');
      out.push(action);
      return;
    default:
      out.push(action);
  }
}

function sendClone(actions: readonly Action[], state: MatchState, version: OfVersion): Action[] {
  const sent = sendNested(actions, state, version);
  verifyActions(sent, version, 'none', false);
  return sent;
}

/** Learn and ct have room for a short header only, which experimenter fields do not fit into. */
function checkShortHeader(sub: SubField): void {
  if (preferredCode(subFieldOf(sub), 0)?.oxmClass === 0xffff) throw refused('OFPBAC_BAD_SET_TYPE');
}

function sendCt(ct: ActionOf<'ct'>, state: MatchState, version: OfVersion, out: Action[]): void {
  if (typeof ct.zone !== 'number') {
    checkShortHeader(ct.zone);
    if (ct.zone.nBits !== 16) throw refused('OFPBAC_BAD_SET_LEN');
  }
  // Without commit only a plain nat makes sense (decode_NXAST_RAW_CT).
  const more = ct.exec.length > 0 || (ct.nat !== null && ct.nat.kind !== null);
  if (!ct.commit && more) throw refused('OFPBAC_BAD_ARGUMENT');
  const before = ct.natAt === undefined ? [] : sendNested(ct.exec.slice(0, ct.natAt), state, version);
  const exec = [...before, ...sendNested(ct.exec.slice(ct.natAt ?? 0), state, version)];
  out.push(before.length === 0 ? { ...ct, exec } : { ...ct, exec, natAt: before.length });
}

/** Notes fill the action up to a multiple of eight bytes; six fit without. */
function padNote(data: string): string {
  const bytes = data.length / 2;
  const padded = bytes <= 6 ? 6 : 6 + 8 * Math.ceil((bytes - 6) / 8);
  return data.padEnd(2 * padded, '0');
}

/** The field behind OpenFlow 1.0's "transport port", by the protocol that the rule matches; null: none. */
function portField(state: MatchState, side: 'src' | 'dst'): string | null {
  const proto = state.value[K.nw_proto];
  if (proto === PROTO_TCP) return `tcp_${side}`;
  if (proto === PROTO_UDP) return `udp_${side}`;
  return proto === PROTO_SCTP ? `sctp_${side}` : null;
}

function sendVlan(
  action: ActionOf<'setVlanVid'> | ActionOf<'setVlanPcp'>,
  state: MatchState,
  wire: number,
  out: Action[],
): void {
  const flowHasVlan = state.hasVlan;
  if (wire < OF11) {
    // OpenFlow 1.0's action always means "add a tag when there is none".
    out.push({ ...action, pushIfNeeded: true, flowHasVlan });
    return;
  }
  if (action.pushIfNeeded && !flowHasVlan) out.push({ type: 'pushVlan', ethertype: ETH_VLAN });
  if (wire === OF11) out.push({ ...action, pushIfNeeded: false, flowHasVlan: true });
  else if (action.type === 'setVlanVid') out.push(setField('vlan_vid', BigInt(action.vid | 0x1000)));
  else out.push(setField('vlan_pcp', BigInt(action.pcp)));
}

/** Sub-fields of an action, for checks against the switch's mapping of tunnel options. */
export function subFieldsOf(action: Action): SubField[] {
  switch (action.type) {
    case 'outputReg':
    case 'push':
      return [action.src];
    case 'move':
      return [action.src, action.dst];
    case 'pop':
    case 'multipath':
    case 'checkPktLarger':
      return [action.dst];
    case 'bundle':
      return action.dst === null ? [] : [action.dst];
    case 'learn':
      return action.specs.flatMap((spec) => [
        ...(typeof spec.src === 'bigint' ? [] : [spec.src]),
        ...(spec.kind === 'output' ? [] : [spec.dst]),
      ]);
    case 'clone':
    case 'writeActions':
      return action.actions.flatMap(subFieldsOf);
    default:
      return [];
  }
}
