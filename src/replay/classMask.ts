/**
 * Which packets the tables can tell apart: the key bits that some rule or action of some version names, and those that
 * conntrack and NORMAL read. Packets that agree in them are one class and share passes (passes.ts). TCP flags count only
 * where a rule names them: conntrack takes them from the packet, not from its class.
 */

import { usedBits } from '../classify/usedBits.js';
import { type Field, fieldByName } from '../fields/fieldTable.js';
import { K } from '../fields/key.js';
import type { Action } from '../openflow/actions.js';
import type { Timeline } from '../timeline/timeline.js';

/** Read by ct(), NORMAL and the rewriting of frames, whatever the rules say. */
const ALWAYS: readonly number[] = [
  K.in_port,
  K.dl_src,
  K.dl_src + 1,
  K.dl_dst,
  K.dl_dst + 1,
  K.dl_type,
  K.vlan_tci,
  K.vlan_tpid,
  K.vlan_tci1,
  K.vlan_tpid1,
  K.nw_src,
  K.nw_dst,
  ...range(K.ipv6_src, 8),
  K.nw_proto,
  K.nw_frag,
  K.tp_src,
  K.tp_dst,
];

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Bits of each key word by which packets are told apart, Int32Array(KEY_WORDS). */
export function classMask(timeline: Timeline): Int32Array {
  const mask = usedBits(timeline);
  for (const word of ALWAYS) mask[word] = -1;
  for (const { rule } of timeline.rules) for (const action of rule.actions) addFieldsOf(action, mask);
  return mask;
}

/** Every field that an action names: a field that is set is compared with what the packet has. */
function addFieldsOf(action: Action, mask: Int32Array): void {
  const add = (field: Field | undefined): void => {
    for (const word of field?.words ?? []) mask[word] = -1;
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, each] of Object.entries(value)) {
        if (name === 'field' && typeof each === 'string') add(fieldByName(each));
        else visit(each);
      }
    }
  };
  visit(action);
  switch (action.type) {
    case 'setIpDscp':
    case 'setIpEcn':
      mask[K.nw_tos] = -1;
      break;
    case 'setIpTtl':
    case 'decTtl':
      mask[K.nw_ttl] = -1;
      break;
    case 'setMplsLabel':
    case 'setMplsTc':
    case 'setMplsTtl':
    case 'decMplsTtl':
    case 'pushMpls':
    case 'popMpls':
      for (const word of range(K.mpls_lse, 3)) mask[word] = -1;
      mask[K.nw_ttl] = mask[K.nw_tos] = -1;
      break;
    case 'decNshTtl':
      mask[K.nsh_ttl] = -1;
      break;
    case 'clone':
    case 'writeActions':
      for (const inner of action.actions) addFieldsOf(inner, mask);
      break;
    default:
      break;
  }
}
