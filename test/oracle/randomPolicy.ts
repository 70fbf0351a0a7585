/**
 * Rules of a small firewall of the kind that the Neutron agent installs: two tenants with overlapping addresses in two zones,
 * rules by protocol and port, conjunctions of addresses and ports, marks for what is no longer allowed, NORMAL behind it all.
 */
import type { Prng } from '../../src/util/prng.js';

export interface Host {
  readonly port: number;
  /** VLAN of the network and conntrack zone. */
  readonly net: number;
  readonly mac: string;
  readonly ip: string;
  readonly ip6: string;
  /** It sends and receives frames with the network's tag. */
  readonly isTagged: boolean;
  /** Its port is guarded by the firewall. */
  readonly isGuarded: boolean;
}

const host = (port: number, net: number, number: number, isTagged: boolean, isGuarded: boolean): Host => ({
  port,
  net,
  mac: `02:00:00:00:0${net}:0${number}`,
  ip: `10.0.0.${number}`,
  ip6: `fd00:0:0:0:0:0:0:${number}`,
  isTagged,
  isGuarded,
});

/** Ports 1 to 4: guarded; 5: trunk with hosts of both networks behind it; 6: access port of network 1, unguarded. */
export const HOSTS: readonly Host[] = [
  host(1, 1, 1, false, true),
  host(2, 1, 2, false, true),
  host(3, 2, 1, false, true),
  host(4, 2, 2, false, true),
  host(5, 1, 3, true, false),
  host(5, 2, 3, true, false),
  host(6, 1, 4, false, false),
];

export const PORTS = [
  { name: 'p1', ofport: 1, tag: 1 },
  { name: 'p2', ofport: 2, tag: 1 },
  { name: 'p3', ofport: 3, tag: 2 },
  { name: 'p4', ofport: 4, tag: 2 },
  { name: 'p5', ofport: 5, trunks: [1, 2] },
  { name: 'p6', ofport: 6, tag: 1 },
];

export const SERVICES = [80, 81, 443];

/** What one guarded port lets in or out. */
interface Grant {
  readonly isEgress: boolean;
  readonly proto: string;
  readonly priority: number;
  /** Match of the transport ports; '' any. */
  readonly ports: readonly string[];
  /** Remote addresses; empty: any, no conjunction. */
  readonly remotes: readonly string[];
}

export type Policy = ReadonlyMap<number, readonly Grant[]>;

const guarded = HOSTS.filter((each) => each.isGuarded);

export function randomPolicy(prng: Prng): Policy {
  return new Map(guarded.map(({ port }) => [port, randomGrants(prng)]));
}

/** The policy with a few grants exchanged. */
export function changedPolicy(prng: Prng, policy: Policy): Policy {
  const changed = new Map(policy);
  const port = prng.pick([...policy.keys()]);
  changed.set(port, randomGrants(prng));
  return changed;
}

function randomGrants(prng: Prng): Grant[] {
  const grants: Grant[] = [];
  for (const isEgress of [true, false]) {
    for (let n = 1 + prng.below(3); n > 0; n--) {
      const proto = prng.pick(['tcp', 'tcp', 'udp', 'icmp', 'ip', 'tcp6', 'udp6', 'icmp6', 'ipv6']);
      const hasPorts = /^(tcp|udp)/.test(proto) && prng.below(3) > 0;
      const ports = hasPorts ? pickSome(prng, ['tp_dst=80', 'tp_dst=81', 'tp_dst=443', 'tp_dst=0x50/0xfffe']) : [''];
      const isIpv6 = proto.endsWith('6');
      const net = isIpv6 ? 'fd00:0:0:0:0:0:0:' : '10.0.0.';
      const remotes =
        prng.below(3) === 0 ? [] : pickSome(prng, ['1', '2', '3', '4', isIpv6 ? '0/126' : '0/30']).map((n) => net + n);
      grants.push({ isEgress, proto, priority: 70 + prng.below(4), ports, remotes });
    }
  }
  return grants;
}

function pickSome<T>(prng: Prng, list: readonly T[]): T[] {
  const some = list.filter(() => prng.below(2) === 0);
  return some.length > 0 ? some : [prng.pick(list)];
}

const ZONE = 'zone=NXM_NX_REG6[0..15]';
const STATES = ['+new-est', '+est-rel-rpl'];

/** Flows of one table set, without cookie, in groups as the agent sends them: common ones, then port by port. */
export function policyFlows(policy: Policy, firstId: number): string[][] {
  const groups = [commonFlows()];
  let id = firstId;
  for (const [port, grants] of policy) {
    const own = portFlows(guarded.find((each) => each.port === port)!);
    for (const grant of grants) {
      own.push(...grantFlows(port, grant, id));
      if (grant.remotes.length > 0) id += 2;
    }
    groups.push(own);
  }
  return groups;
}

function commonFlows(): string[] {
  const flows = [
    'table=0,priority=0,actions=NORMAL',
    'table=71,priority=0,actions=drop',
    'table=72,priority=0,actions=drop',
    'table=73,priority=0,actions=resubmit(,94)',
    'table=81,priority=0,actions=drop',
    'table=82,priority=0,actions=drop',
    'table=94,priority=1,actions=NORMAL',
  ];
  for (const each of HOSTS)
    if (each.isTagged)
      flows.push(
        `table=94,priority=10,reg6=${each.net},dl_dst=${each.mac},actions=mod_vlan_vid:${each.net},output:${each.port}`,
      );
  return flows;
}

function portFlows({ port, net, mac, ip, ip6 }: Host): string[] {
  const set = `load:${port}->NXM_NX_REG5[],load:${net}->NXM_NX_REG6[]`;
  const flows = [
    `table=0,priority=100,in_port=${port},actions=${set},resubmit(,71)`,
    `table=0,priority=90,dl_vlan=${net},dl_dst=${mac},actions=${set},strip_vlan,resubmit(,81)`,
    `table=71,priority=95,arp,reg5=${port},in_port=${port},dl_src=${mac},arp_spa=${ip},actions=resubmit(,94)`,
    `table=71,priority=65,ip,reg5=${port},in_port=${port},dl_src=${mac},nw_src=${ip},actions=ct(table=72,${ZONE})`,
    `table=71,priority=65,ipv6,reg5=${port},in_port=${port},dl_src=${mac},ipv6_src=${ip6},actions=ct(table=72,${ZONE})`,
    `table=73,priority=100,reg6=${net},dl_dst=${mac},actions=load:${port}->NXM_NX_REG5[],resubmit(,81)`,
    `table=73,priority=90,ct_state=+new-est,ip,reg5=${port},actions=ct(commit,${ZONE}),resubmit(,94)`,
    `table=73,priority=90,ct_state=+new-est,ipv6,reg5=${port},actions=ct(commit,${ZONE}),resubmit(,94)`,
    `table=81,priority=100,arp,reg5=${port},actions=output:${port}`,
    `table=81,priority=90,ip,reg5=${port},actions=ct(table=82,${ZONE})`,
    `table=81,priority=90,ipv6,reg5=${port},actions=ct(table=82,${ZONE})`,
  ];
  for (const [table, accept] of [
    [72, 'resubmit(,94)'],
    [82, `output:${port}`],
  ] as const) {
    flows.push(
      `table=${table},priority=50,ct_state=+inv+trk,actions=drop`,
      `table=${table},priority=50,ct_mark=0x1,reg5=${port},actions=drop`,
      `table=${table},priority=50,ct_state=+est-rel+rpl,ct_zone=${net},ct_mark=0,reg5=${port},actions=${accept}`,
      `table=${table},priority=50,ct_state=-new-est+rel-inv,ct_zone=${net},ct_mark=0,reg5=${port},actions=${accept}`,
      `table=${table},priority=40,ct_state=-est,reg5=${port},actions=drop`,
    );
    for (const family of ['ip', 'ipv6'])
      flows.push(
        `table=${table},priority=40,ct_state=+est,${family},reg5=${port},actions=ct(commit,${ZONE},exec(load:0x1->NXM_NX_CT_MARK[]))`,
      );
  }
  return flows;
}

function grantFlows(port: number, grant: Grant, id: number): string[] {
  const { isEgress, proto, priority, ports, remotes } = grant;
  const table = isEgress ? 72 : 82;
  const remote = `${proto.endsWith('6') ? 'ipv6' : 'nw'}_${isEgress ? 'dst' : 'src'}`;
  const accept = (state: string): string => {
    if (isEgress) return 'resubmit(,73)';
    return state.startsWith('+new') ? `ct(commit,${ZONE}),output:${port}` : `output:${port}`;
  };
  const head = (state: string): string => `table=${table},priority=${priority},ct_state=${state},${proto},reg5=${port}`;
  const join = (text: string): string => (text === '' ? '' : `,${text}`);
  return STATES.flatMap((state, i) => {
    if (remotes.length === 0) return ports.map((match) => `${head(state)}${join(match)},actions=${accept(state)}`);
    const own = id + i;
    return [
      `table=${table},priority=${priority},conj_id=${own},ct_state=${state},${proto.endsWith('6') ? 'ipv6' : 'ip'},reg5=${port},actions=load:${own}->NXM_NX_REG7[],${accept(state)}`,
      ...remotes.map((address) => `${head(state)},${remote}=${address},actions=conjunction(${own},1/2)`),
      ...ports.map((match) => `${head(state)}${join(match)},actions=conjunction(${own},2/2)`),
    ];
  });
}
