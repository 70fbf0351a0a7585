/**
 * Time-outs of both profiles, by name, as the switch names them: sysctls `nf_conntrack_*` for linux, the attributes of
 * `ovs-vsctl add-zone-tp` (vswitch.ovsschema, CT_Timeout_Policy) for policies per zone.
 */
import { UsageError } from '../util/errors.js';
import { NS_PER_S } from '../util/units.js';

/** Nanoseconds, indexed by LT (linux) or OT (OVS). One array per policy: entries refer to it. */
export type Timeouts = Float64Array;

/** nf_conntrack_proto_tcp.c:tcp_timeouts and the other protocols' defaults. TCP: the index is LINUX_TCP. */
export const LT = {
  TCP_CLOSE: 8,
  TCP_RETRANS: 10,
  TCP_UNACK: 11,
  UDP: 12,
  UDP_STREAM: 13,
  ICMP: 14,
  ICMPV6: 15,
  GENERIC: 16,
  GRE: 17,
  GRE_STREAM: 18,
  SCTP: 19, // ... 28: index SCTP + state
  UDPLITE: 29,
  UDPLITE_STREAM: 30,
} as const;

/** Name after `nf_conntrack_`, index, default in seconds. */
const LINUX: readonly (readonly [string, number, number])[] = [
  ['tcp_timeout_syn_sent', 1, 120],
  ['tcp_timeout_syn_recv', 2, 60],
  ['tcp_timeout_established', 3, 432_000],
  ['tcp_timeout_fin_wait', 4, 120],
  ['tcp_timeout_close_wait', 5, 60],
  ['tcp_timeout_last_ack', 6, 30],
  ['tcp_timeout_time_wait', 7, 120],
  ['tcp_timeout_close', LT.TCP_CLOSE, 10],
  ['tcp_timeout_max_retrans', LT.TCP_RETRANS, 300],
  ['tcp_timeout_unacknowledged', LT.TCP_UNACK, 300],
  ['udp_timeout', LT.UDP, 30],
  ['udp_timeout_stream', LT.UDP_STREAM, 120],
  ['icmp_timeout', LT.ICMP, 30],
  ['icmpv6_timeout', LT.ICMPV6, 30],
  ['generic_timeout', LT.GENERIC, 600],
  ['gre_timeout', LT.GRE, 30],
  ['gre_timeout_stream', LT.GRE_STREAM, 180],
  ['sctp_timeout_closed', LT.SCTP + 1, 10],
  ['sctp_timeout_cookie_wait', LT.SCTP + 2, 3],
  ['sctp_timeout_cookie_echoed', LT.SCTP + 3, 3],
  ['sctp_timeout_established', LT.SCTP + 4, 210],
  ['sctp_timeout_shutdown_sent', LT.SCTP + 5, 3],
  ['sctp_timeout_shutdown_recd', LT.SCTP + 6, 3],
  ['sctp_timeout_shutdown_ack_sent', LT.SCTP + 7, 3],
  ['sctp_timeout_heartbeat_sent', LT.SCTP + 8, 30],
];
const LINUX_SLOTS = 31;
const LINUX_TCP_SYN_SENT2 = 9;

/** lib/conntrack-tp.c: index = enum ct_timeout; name and default (ct_dpif_netdev_tp_def) of the policy attribute. */
export const OT = {
  TCP_FIRST_PACKET: 0,
  TCP_OPENING: 1,
  TCP_ESTABLISHED: 2,
  TCP_CLOSING: 3,
  TCP_FIN_WAIT: 4,
  TCP_CLOSED: 5,
  OTHER_FIRST: 6,
  OTHER_MULTIPLE: 7,
  OTHER_BIDIR: 8,
  ICMP_FIRST: 9,
  ICMP_REPLY: 10,
} as const;

const OVS: readonly (readonly [string, number])[] = [
  ['tcp_syn_sent', 30],
  ['tcp_syn_recv', 30],
  ['tcp_established', 86_400],
  ['tcp_fin_wait', 900],
  ['tcp_time_wait', 45],
  ['tcp_close', 30],
  ['udp_first', 60],
  ['udp_single', 60],
  ['udp_multiple', 30],
  ['icmp_first', 60],
  ['icmp_reply', 30],
];

/** lib/dpif-netlink.c:CT_DPIF_NL_TP_MAPPINGs: what a zone's policy sets in the kernel. udp_first, icmp_reply: nothing. */
const POLICY_TO_LINUX: ReadonlyMap<string, readonly number[]> = new Map([
  ['tcp_syn_sent', [1]],
  ['tcp_syn_recv', [2]],
  ['tcp_established', [3]],
  ['tcp_fin_wait', [4]],
  ['tcp_close_wait', [5]],
  ['tcp_last_ack', [6]],
  ['tcp_time_wait', [7]],
  ['tcp_close', [8]],
  ['tcp_syn_sent2', [9]],
  ['tcp_retransmit', [LT.TCP_RETRANS]],
  ['tcp_unack', [LT.TCP_UNACK]],
  ['udp_first', []],
  ['udp_single', [LT.UDP]],
  ['udp_multiple', [LT.UDP_STREAM]],
  ['icmp_first', [LT.ICMP, LT.ICMPV6]],
  ['icmp_reply', []],
]);

/** Attribute name and seconds, as in CT_Timeout_Policy. */
export type TimeoutPolicy = Readonly<Record<string, number>>;

/** Defaults changed by sysctls (name after `nf_conntrack_`); consumes the names it knows from `sysctls`. */
export function linuxTimeouts(sysctls: Map<string, number>): Timeouts {
  const timeouts = new Float64Array(LINUX_SLOTS);
  for (const [name, index, seconds] of LINUX) {
    timeouts[index] = (sysctls.get(name) ?? seconds) * NS_PER_S;
    sysctls.delete(name);
  }
  // No sysctl of its own: SYN_SENT2 has SYN_SENT's default and keeps it (tcp_timeouts). UDP-Lite likewise.
  timeouts[LINUX_TCP_SYN_SENT2] = 120 * NS_PER_S;
  timeouts[LT.UDPLITE] = 30 * NS_PER_S;
  timeouts[LT.UDPLITE_STREAM] = 120 * NS_PER_S;
  return timeouts;
}

export function ovsTimeouts(): Timeouts {
  return Float64Array.from(OVS, ([, seconds]) => seconds * NS_PER_S);
}

/** `base` with what the zone's policy changes. */
export function applyPolicy(profile: 'linux' | 'ovs', base: Timeouts, policy: TimeoutPolicy): Timeouts {
  const timeouts = base.slice();
  for (const [name, seconds] of Object.entries(policy)) {
    const indexes = POLICY_TO_LINUX.get(name);
    if (indexes === undefined)
      throw new UsageError(`unknown conntrack time-out ${name}`, `known: ${[...POLICY_TO_LINUX.keys()].join(', ')}`);
    if (profile === 'linux') for (const index of indexes) timeouts[index] = seconds * NS_PER_S;
    else {
      const index = OVS.findIndex(([each]) => each === name);
      if (index >= 0) timeouts[index] = seconds * NS_PER_S;
    }
  }
  return timeouts;
}
