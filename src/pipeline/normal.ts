/**
 * The rules of NORMAL that need no MAC table: which VLAN a packet is in, where a VLAN goes, which tag an output carries
 * (ofproto-dpif-xlate.c: input_vid_is_valid, xvlan_input_translate, xvlan_output_translate, xbundle_includes_vlan).
 */
import { K, PORT, VLAN_CFI } from '../fields/key.js';
import { commitVlans } from './commit.js';
import type { Edit, EditOp, NormalEffect } from './effects.js';
import type { BridgeConfig, PipelinePort, VlanMode } from './env.js';
import { isVlanType } from './flowOps.js';

const VID = 0x0fff;
const PCP = 0xe000;
const ETH_VLAN = 0x8100;
const ETH_SERVICE_VLAN = 0x88a8;

/** A packet that NORMAL takes in: the VLAN it is in, with the priority and type of the tag it came with. */
export interface Admission {
  readonly vlan: number;
  readonly pcp: number;
  readonly tpid: number;
  /** The tag below, as it is in the packet; 0: none. */
  readonly tci1: number;
  readonly tpid1: number;
  /** False for in_port NONE and CONTROLLER. */
  readonly learns: boolean;
}

export function vlanModeOf(port: PipelinePort): VlanMode {
  return port.vlanMode ?? (port.tag === null ? 'trunk' : 'access');
}

const tagOf = (port: PipelinePort): number => port.tag ?? 0;

/** xbundle_trunks_vlan; a native VLAN other than 0 is always in the list, and 0 then never (ofproto-dpif.c:bundle_set). */
function trunks(port: PipelinePort, vlan: number): boolean {
  const tag = tagOf(port);
  if (vlanModeOf(port) !== 'trunk' && tag !== 0) {
    if (vlan === tag) return true;
    if (vlan === 0) return false;
  }
  return port.trunks === null || port.trunks.length === 0 || port.trunks.includes(vlan);
}

/** xbundle_allows_cvlan */
function allowsCustomer(port: PipelinePort, vlan: number): boolean {
  return port.cvlans === undefined || port.cvlans.length === 0 || port.cvlans.includes(vlan);
}

/** null: dropped, and nothing is learned. */
export function admit(
  ports: ReadonlyMap<number, PipelinePort>,
  config: BridgeConfig,
  effect: NormalEffect,
): Admission | null {
  const tagged = isVlanType(effect.vlanTpid) && (effect.vlanTci & VLAN_CFI) !== 0;
  const vid = tagged ? effect.vlanTci & VID : 0;
  const pcp = tagged ? effect.vlanTci & PCP : 0;
  const tpid = tagged ? effect.vlanTpid : 0;
  const inner = tagged && isVlanType(effect.vlanTpid1) && (effect.vlanTci1 & VLAN_CFI) !== 0;
  const below = { tci1: inner ? effect.vlanTci1 : 0, tpid1: inner ? effect.vlanTpid1 : 0 };
  const port = ports.get(effect.inPort);
  if (port === undefined) {
    // lookup_input_bundle: these two have a bundle of their own, a trunk that learns nothing
    if (effect.inPort !== PORT.NONE && effect.inPort !== PORT.CONTROLLER) return null;
    return { vlan: vid, pcp, tpid, ...below, learns: false };
  }
  const mode = vlanModeOf(port);
  if (mode === 'access') {
    if (vid !== 0) return null;
  } else if (mode === 'dot1q-tunnel') {
    if (!allowsCustomer(port, vid)) return null;
  } else if ((mode === 'trunk' || vid !== 0) && !trunks(port, vid)) {
    return null;
  }
  // is_admissible
  if (!config.forwardBpdu && isReservedMac(effect.dstHigh, effect.dstLow)) return null;
  if (mode === 'access') return { vlan: tagOf(port), pcp, tpid: tpid || ETH_VLAN, tci1: 0, tpid1: 0, learns: true };
  if (mode === 'dot1q-tunnel') {
    const outer = { tci1: tagged ? effect.vlanTci : 0, tpid1: tpid };
    return { vlan: tagOf(port), pcp: 0, tpid: port.qinqTpid ?? ETH_SERVICE_VLAN, ...outer, learns: true };
  }
  if (mode !== 'trunk' && vid === 0) return { vlan: tagOf(port), pcp, tpid: tpid || ETH_VLAN, ...below, learns: true };
  return { vlan: vid, pcp, tpid, ...below, learns: true };
}

/** Does the flood of this packet's VLAN reach the port? xbundle_includes_vlan */
export function carriesVlan(port: PipelinePort, admission: Admission): boolean {
  if (vlanModeOf(port) === 'access') return admission.vlan === tagOf(port) && (admission.tci1 & VID) === 0;
  if (vlanModeOf(port) === 'dot1q-tunnel')
    return admission.vlan === tagOf(port) && allowsCustomer(port, admission.tci1 & VID);
  return trunks(port, admission.vlan);
}

/** The edit of the frame that leaves through `port`: that of the NORMAL action and then the port's tag. */
export function outputEdit(effect: NormalEffect, admission: Admission, port: PipelinePort): Edit {
  const flow = outputVlans(effect, admission, port);
  const base = new Int32Array(K.vlan_tpid1 + 1);
  base[K.vlan_tci] = effect.vlanTci;
  base[K.vlan_tpid] = effect.vlanTpid;
  base[K.vlan_tci1] = effect.vlanTci1;
  base[K.vlan_tpid1] = effect.vlanTpid1;
  const ops: EditOp[] = [];
  commitVlans(flow, base, ops);
  if (ops.length === 0) return effect.edit;
  return effect.edit === null ? ops : [...effect.edit, ...ops];
}

interface Tag {
  readonly tci: number;
  readonly tpid: number;
}

const NO_TAG: Tag = { tci: 0, tpid: 0 };

/** The VLAN words of the key that the output has (output_normal, xvlan_output_translate, xvlan_put). */
export function outputVlans(effect: NormalEffect, admission: Admission, port: PipelinePort): Int32Array {
  const priorityTags = port.priorityTags ?? 'never';
  const [top, below] = outputTags(admission, port);
  const first = priorityTags === 'never' ? top : { ...top, tci: (top.tci & ~PCP) | (effect.vlanTci & PCP) };
  const flow = new Int32Array(K.vlan_tpid1 + 1);
  flow[K.vlan_tpid] = effect.vlanTpid;
  flow[K.vlan_tpid1] = effect.vlanTpid1;
  for (const [i, tag] of [first, below].entries()) {
    const tci = tag.tci & (VID | PCP);
    // VID 0 without priority: the tag is lost
    if (tci === 0 && (priorityTags !== 'always' || tag.tpid === 0)) continue;
    flow[K.vlan_tci + 2 * i] = tci | VLAN_CFI;
    flow[K.vlan_tpid + 2 * i] = tag.tpid || ETH_VLAN;
  }
  return flow;
}

function outputTags(admission: Admission, port: PipelinePort): readonly [Tag, Tag] {
  const top = { tci: admission.vlan | admission.pcp, tpid: admission.tpid };
  const below = { tci: admission.tci1, tpid: admission.tpid1 };
  switch (vlanModeOf(port)) {
    case 'access':
      return [NO_TAG, NO_TAG];
    case 'native-untagged':
      return admission.vlan === tagOf(port) ? [below, NO_TAG] : [top, below];
    case 'dot1q-tunnel':
      return [below, NO_TAG];
    default:
      return [top, below];
  }
}

/** Reserved destinations, [high 16 bits, low 32 bits, mask of the low ones] (lib/packets.c:eth_addr_is_reserved). */
const RESERVED: readonly (readonly [number, number, number])[] = [
  [0x0180, 0xc2000000, 0xfffffff0],
  [0x00e0, 0x2b000000, 0xffffffff],
  [0x00e0, 0x2b000004, 0xffffffff],
  [0x00e0, 0x2b000006, 0xffffffff],
  [0x0100, 0x0c000000, 0xffffffff],
  [0x0100, 0x0ccccccc, 0xffffffff],
  [0x0100, 0x0ccccccd, 0xffffffff],
  [0x0100, 0x0ccdcdcd, 0xffffffff],
  [0x0100, 0x0cccccc0, 0xfffffff8],
];

export function isReservedMac(high: number, low: number): boolean {
  return RESERVED.some(([h, l, mask]) => high === h && ((low ^ l) & mask) === 0);
}
