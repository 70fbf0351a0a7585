/**
 * The difference between the flow key as the actions left it and the packet as it is, as edits of the frame, in OVS's order
 * (lib/odp-util.c:commit_odp_actions). Fields that cannot be written (protocol, fragment bits) and fields of headers that the
 * packet does not have stay as they are.
 */
import { K } from '../fields/key.js';
import type { EditOp } from './effects.js';
import {
  commonMpls,
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_NSH,
  isAnyIcmp,
  isIp,
  isMplsType,
  mplsCount,
  PROTO,
  popMpls,
  pushMpls,
  vlanCount,
} from './flowOps.js';

const ETHERNET = [K.dl_src, K.dl_src + 1, K.dl_dst, K.dl_dst + 1];
const IPV4 = [K.nw_src, K.nw_dst, K.nw_tos, K.nw_ttl];
const IPV6 = [
  ...[0, 1, 2, 3].map((i) => K.ipv6_src + i),
  ...[0, 1, 2, 3].map((i) => K.ipv6_dst + i),
  K.nw_tos,
  K.ipv6_label,
  K.nw_ttl,
];
const ND_EXTENSIONS = [K.nd_reserved, K.nd_options_type];
const ND = [...[0, 1, 2, 3].map((i) => K.nd_target + i), K.arp_sha, K.arp_sha + 1, K.arp_tha, K.arp_tha + 1];
const ARP = [K.nw_src, K.nw_dst, K.nw_proto, K.arp_sha, K.arp_sha + 1, K.arp_tha, K.arp_tha + 1];
const PORTS = [K.tp_src, K.tp_dst];
/** All but the metadata type and the next protocol, which nothing writes (lib/odp-util.c:commit_set_nsh_action). */
const NSH = [K.nsh_flags, K.nsh_ttl, K.nsh_spi, K.nsh_si, ...[0, 1, 2, 3].map((i) => K.nsh_c1 + i)];

/** Appends to `ops` what leads from `base` to `flow`, and brings `base` there. */
export function commitEdits(flow: Int32Array, base: Int32Array, ops: EditOp[]): void {
  setWords(flow, base, ETHERNET, ops);
  const popsAllLabels = isMplsType(base[K.dl_type]!) && !isMplsType(flow[K.dl_type]!);
  if (popsAllLabels) commitMpls(flow, base, ops);
  if (flow[K.dl_type] === ETH_NSH) setWords(flow, base, NSH, ops);
  if (flow[K.nw_proto] !== 0) commitNetwork(flow, base, ops);
  if (isAnyIcmp(flow)) setWords(flow, base, PORTS, ops);
  if (!popsAllLabels) commitMpls(flow, base, ops);
  commitVlans(flow, base, ops);
}

function setWords(flow: Int32Array, base: Int32Array, words: readonly number[], ops: EditOp[]): void {
  for (const word of words) {
    if (flow[word] === base[word]) continue;
    ops.push({ op: 'set', word, value: flow[word]! });
    base[word] = flow[word]!;
  }
}

function commitNetwork(flow: Int32Array, base: Int32Array, ops: EditOp[]): void {
  if (base[K.dl_type] === ETH_IP) {
    setWords(flow, base, IPV4, ops);
  } else if (base[K.dl_type] === ETH_IPV6) {
    setWords(flow, base, IPV6, ops);
    if (base[K.nw_proto] === PROTO.ICMPV6) {
      setWords(flow, base, ND_EXTENSIONS, ops);
      setWords(flow, base, ND, ops);
    }
  } else if (base[K.dl_type] === ETH_ARP) {
    setWords(flow, base, ARP, ops);
  }
  const proto = flow[K.nw_proto];
  if (isIp(base) && (proto === PROTO.TCP || proto === PROTO.UDP || proto === PROTO.SCTP))
    setWords(flow, base, PORTS, ops);
}

/** lib/odp-util.c:commit_mpls_action */
function commitMpls(flow: Int32Array, base: Int32Array, ops: EditOp[]): void {
  let baseCount = mplsCount(base);
  const flowCount = mplsCount(flow);
  let common = commonMpls(flow, flowCount, base, baseCount);
  while (baseCount > common) {
    if (baseCount - 1 === common && flowCount > common) {
      const lse = flow[K.mpls_lse + flowCount - baseCount]!;
      ops.push({ op: 'setMpls', lse });
      base[K.mpls_lse] = lse;
      common++;
    } else {
      const type = flow[K.dl_type]!;
      ops.push({ op: 'popMpls', ethertype: !isMplsType(type) && baseCount > 1 ? 0x8847 : type });
      popMpls(base, baseCount, type);
      baseCount--;
    }
  }
  while (baseCount < flowCount) {
    const lse = flow[K.mpls_lse + flowCount - baseCount - 1]!;
    ops.push({ op: 'pushMpls', ethertype: flow[K.dl_type]!, lse });
    pushMpls(base, baseCount, flow[K.dl_type]!, false);
    base[K.mpls_lse] = lse;
    baseCount++;
  }
}

/** lib/odp-util.c:commit_vlan_action: tags of `base` are popped down to the common ones at the bottom, then those of `flow` pushed. */
export function commitVlans(flow: Int32Array, base: Int32Array, ops: EditOp[]): void {
  let baseLeft = vlanCount(base) - 1;
  let flowLeft = vlanCount(flow) - 1;
  for (; baseLeft >= 0 && flowLeft >= 0; baseLeft--, flowLeft--) {
    const same =
      base[K.vlan_tci + 2 * baseLeft] === flow[K.vlan_tci + 2 * flowLeft] &&
      base[K.vlan_tpid + 2 * baseLeft] === flow[K.vlan_tpid + 2 * flowLeft];
    if (!same) break;
  }
  for (; baseLeft >= 0; baseLeft--) ops.push({ op: 'popVlan' });
  for (; flowLeft >= 0; flowLeft--)
    ops.push({ op: 'pushVlan', tpid: flow[K.vlan_tpid + 2 * flowLeft]!, tci: flow[K.vlan_tci + 2 * flowLeft]! });
  for (let word: number = K.vlan_tci; word <= K.vlan_tpid1; word++) base[word] = flow[word]!;
}
