/**
 * Random tables, packets and flow-mods as a case without answers: few values per field, so that rules overlap, tie and hide each
 * other all the time. Three kinds: lookups (several tables, conjunctions, flow-mods of every sort), actions (rewriting,
 * resubmit, action sets, groups, NORMAL), connections (ct() with commit, marks, labels, NAT).
 */
import type { Case, CaseMod, CaseStep } from '../../src/cases/caseFormat.js';
import type { Prng } from '../../src/util/prng.js';
import {
  arp,
  ethernet,
  fragments,
  icmp,
  icmp6,
  ip4Packet,
  ip6Packet,
  ipv4,
  ipv6,
  mac,
  tcp,
  udp,
} from '../oracle/frames.js';

export const KINDS = ['lookup', 'lookup', 'actions', 'connections'] as const;
export type Kind = (typeof KINDS)[number];

export interface CaseSize {
  readonly packets: number;
}

const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:01:01'];
const IPS = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '11.0.0.1'];
const IP6S = ['fd00:0:0:0:0:0:0:1', 'fd00:0:0:0:0:0:0:2', 'fd01:0:0:0:0:0:0:1'];
const PORTS = [0, 1, 80, 81, 1024, 40000];
const PORT_COUNT = 5;

const PORT_SETTINGS = [{ tag: 1 }, { tag: 1 }, { trunks: [1, 2] }, {}, { tag: 2 }];

export function randomCase(prng: Prng, kind: Kind, size: CaseSize): Case {
  const maker = new CaseMaker(prng, kind);
  const flows = maker.flows();
  const steps: CaseStep[] = [];
  let ms = 0;
  for (let n = 0; n < size.packets; n++) {
    ms += gap(prng, kind);
    if (prng.below(16) === 0) {
      steps.push({ t: ms / 1000, ...maker.mods() });
      ms += 1;
    }
    steps.push({ t: ms / 1000, packet: maker.packet() });
  }
  steps.push({ t: ms / 1000, dump: true }, { t: ms / 1000, conntrackDump: true }, { t: ms / 1000, fdb: true });
  const ports = Array.from({ length: PORT_COUNT }, (_, i) => ({
    name: `p${i + 1}`,
    ofport: i + 1,
    ...PORT_SETTINGS[i],
  }));
  return { id: kind, family: kind, ports, ...(kind === 'actions' ? { groups: maker.groups() } : {}), flows, steps };
}

function gap(prng: Prng, kind: Kind): number {
  if (kind === 'connections' && prng.below(40) === 0) return prng.pick([1000, 29_000, 31_000, 61_000]);
  return prng.below(20);
}

class CaseMaker {
  private readonly prng: Prng;
  private readonly kind: Kind;
  private readonly tables: number;
  private readonly present: string[] = [];

  constructor(prng: Prng, kind: Kind) {
    this.prng = prng;
    this.kind = kind;
    this.tables = kind === 'lookup' ? 1 + prng.below(3) : 3;
  }

  flows(): string[] {
    const count = 6 + this.prng.below(this.kind === 'lookup' ? 40 : 25);
    const flows = Array.from({ length: count }, () => this.flow());
    // What nothing else takes goes on, so that later tables see traffic.
    for (let table = 0; table < this.tables - 1; table++)
      flows.push(`table=${table},priority=5,actions=${this.actionList(1, 0, table)},resubmit(,${table + 1})`);
    return flows;
  }

  groups(): string[] {
    return [
      `group_id=1,type=all,bucket=output:2,bucket=${this.actionList(1, 2)}`,
      'group_id=2,type=indirect,bucket=mod_nw_ttl:9,output:3',
      'group_id=3,type=ff,bucket=watch_port:4,output:4,bucket=watch_port:1,output:1',
    ];
  }

  /** A flow to add, remembered as one that later changes are about. */
  private flow(): string {
    const { prng } = this;
    const head = this.head();
    const cookie = prng.pick(['', '', 'cookie=0x1,', 'cookie=0x11,', 'cookie=0x2,']);
    const flow = `${cookie}${head},actions=${this.actions(head)}`;
    this.present.push(head);
    return flow;
  }

  private head(): string {
    const { prng } = this;
    const isKnown = this.present.length > 0 && prng.below(4) === 0;
    if (isKnown) return prng.pick(this.present).replace(/priority=\d+/, () => `priority=${this.priority()}`);
    return `table=${prng.below(this.tables)},priority=${this.priority()}${this.match()}`;
  }

  private priority(): number {
    return 10 * (1 + this.prng.below(3));
  }

  private match(): string {
    const { prng, kind } = this;
    const proto = prng.pick(['', 'ip', 'tcp', 'tcp', 'udp', 'icmp', 'ipv6', 'tcp6', 'udp6', 'icmp6', 'arp']);
    const fields = proto === '' ? [] : [proto];
    const maybe = (odds: number, text: () => string): void => {
      if (prng.below(odds) === 0) fields.push(text());
    };
    maybe(5, () => `in_port=${1 + prng.below(PORT_COUNT)}`);
    maybe(8, () => `dl_src=${prng.pick(MACS)}`);
    maybe(
      8,
      () =>
        `dl_dst=${prng.pick([...MACS, '02:00:00:00:00:00/ff:ff:ff:ff:00:ff', '01:00:00:00:00:00/01:00:00:00:00:00'])}`,
    );
    maybe(10, () =>
      prng.pick(['vlan_tci=0x0000', 'dl_vlan=1', 'dl_vlan=2', 'vlan_tci=0x1000/0x1000', 'dl_vlan_pcp=3']),
    );
    maybe(8, () => `reg0=${prng.pick(['0', '1', '0x1/0x1', '0x2/0x6'])}`);
    maybe(12, () => `metadata=${prng.pick(['0', '1/1'])}`);
    const is6 = proto.endsWith('6');
    const isIp = proto !== '' && proto !== 'arp';
    if (isIp) {
      const list = is6
        ? [...IP6S, 'fd00::/64', 'fd00::2/::3']
        : [...IPS, '10.0.0.0/24', '10.0.0.0/8', '0.0.0.1/0.0.0.1'];
      maybe(4, () => `${is6 ? 'ipv6' : 'nw'}_src=${prng.pick(list)}`);
      maybe(3, () => `${is6 ? 'ipv6' : 'nw'}_dst=${prng.pick(list)}`);
      maybe(12, () => `nw_tos=${prng.pick([0, 32])}`);
      maybe(12, () => `nw_ttl=${prng.pick([1, 64])}`);
      maybe(10, () => `nw_frag=${prng.pick(['no', 'yes', 'first', 'not_later'])}`);
    }
    if (/^(tcp|udp)/.test(proto)) {
      maybe(3, () => `tp_dst=${prng.pick(['80', '81', '0x50/0xfffe', '0/0x8000', '40000'])}`);
      maybe(4, () => `tp_src=${prng.pick(['80', '1024', '0x400/0xfc00'])}`);
    }
    if (/^tcp/.test(proto)) maybe(6, () => `tcp_flags=${prng.pick(['+syn-ack', '+ack', '-rst', '+syn+ack'])}`);
    if (proto === 'icmp') maybe(3, () => `icmp_type=${prng.pick([0, 3, 8])}`);
    if (proto === 'icmp6') maybe(3, () => `icmp_type=${prng.pick([128, 129, 1])}`);
    if (proto === 'arp') {
      maybe(3, () => `arp_op=${prng.pick([1, 2])}`);
      maybe(3, () => `arp_spa=${prng.pick(IPS)}`);
      maybe(5, () => `arp_tha=${prng.pick(MACS)}`);
    }
    if (kind === 'connections') {
      maybe(
        2,
        () => `ct_state=${prng.pick(['+trk+new', '+trk+est', '+trk+rpl', '+trk+inv', '-trk', '+trk+rel', '+trk-new'])}`,
      );
      maybe(6, () => `ct_mark=${prng.pick(['0', '1', '0x1/0x1'])}`);
      maybe(8, () => `ct_zone=${prng.pick([0, 1, 2])}`);
      maybe(12, () => `ct_label=${prng.pick(['0', '0x1/0x1'])}`);
      if (isIp && fields.some((field) => /^ct_state=.trk.(new|est)$/.test(field) && !field.endsWith('-new')))
        maybe(6, () => (is6 ? `ct_ipv6_src=${prng.pick(IP6S)}` : `ct_nw_src=${prng.pick(IPS)}`));
    }
    if (kind === 'lookup') maybe(4, () => `conj_id=${1 + prng.below(3)}`);
    return fields.map((field) => `,${field}`).join('');
  }

  private actions(head: string): string {
    const { prng, kind } = this;
    const table = Number(/table=(\d+)/.exec(head)![1]);
    if (kind === 'lookup' && prng.below(2) === 0 && !head.includes('conj_id')) {
      const count = prng.below(4) === 0 ? 2 : 1;
      return Array.from({ length: count }, () => this.conjunction()).join(',');
    }
    if (kind === 'lookup' && prng.below(3) > 0) return `output:${1 + prng.below(PORT_COUNT)}`;
    if (prng.below(12) === 0) return 'drop';
    return this.actionList(1 + prng.below(4), 0, table, head);
  }

  private conjunction(): string {
    const { prng } = this;
    const n = prng.below(8) === 0 ? 3 : 2;
    return `conjunction(${1 + prng.below(3)},${1 + prng.below(n)}/${n})`;
  }

  private actionList(count: number, depth: number, table = 254, head = ''): string {
    const { prng } = this;
    const list = Array.from({ length: count }, () => this.action(depth, table, head));
    if (prng.below(2) === 0) list.push(`output:${1 + prng.below(PORT_COUNT)}`);
    return list.join(',');
  }

  private action(depth: number, table: number, head: string): string {
    const { prng, kind } = this;
    const out = (): string => `output:${1 + prng.below(PORT_COUNT)}`;
    const choices: (() => string)[] = [
      out,
      out,
      () => `load:${prng.below(4)}->NXM_NX_REG0[]`,
      () => `load:${prng.below(2)}->NXM_NX_REG0[${prng.below(3)}]`,
      () => 'move:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]',
      () => `mod_dl_src:${prng.pick(MACS)}`,
    ];
    const onward = table + 1;
    if (onward < this.tables)
      choices.push(
        () => `resubmit(,${onward})`,
        () => `resubmit(,${onward})`,
      );
    if (kind !== 'lookup') {
      choices.push(
        () => 'in_port',
        () => prng.pick(['NORMAL', 'FLOOD', 'ALL']),
        () => `mod_dl_dst:${prng.pick(MACS)}`,
        () => `set_field:${prng.below(3)}->reg0`,
        () => `mod_vlan_vid:${1 + prng.below(3)}`,
        () => 'push:NXM_NX_REG0[]',
        () => 'output:NXM_NX_REG1[]',
        () => 'note:01.02',
      );
      if (/,(ip|tcp|udp|icmp),|,(ip|tcp|udp|icmp)$/.test(head))
        choices.push(
          () => `mod_nw_src:${prng.pick(IPS)}`,
          () => `mod_nw_dst:${prng.pick(IPS)}`,
          () => `mod_nw_tos:${prng.pick([0, 32, 64])}`,
          () => 'dec_ttl',
          () => 'mod_nw_ttl:1',
        );
      if (/,(tcp|udp)6?(,|$)/.test(head))
        choices.push(
          () => `mod_tp_dst:${prng.pick(PORTS)}`,
          () => `mod_tp_src:${prng.pick(PORTS)}`,
        );
      if (head.includes('dl_vlan=')) choices.push(() => 'strip_vlan');
      if (depth < 2) choices.push(() => `clone(${this.actionList(1 + prng.below(2), depth + 1, table, head)})`);
    }
    if (kind === 'actions' && depth === 0)
      choices.push(
        () => `group:${1 + prng.below(3)}`,
        () => 'exit',
      );
    if (kind === 'connections' && depth === 0 && /,(ip|tcp|udp|icmp)(v6|6)?(,|$)/.test(head))
      choices.push(...Array.from({ length: 12 }, () => () => this.ct(onward, head)), () => 'ct_clear');
    return prng.pick(choices)();
  }

  private ct(onward: number, head: string): string {
    const { prng } = this;
    const parts = [`zone=${prng.pick([0, 1, 2])}`];
    if (onward < this.tables && prng.below(3) > 0) parts.push(`table=${onward}`);
    if (prng.below(2) === 0 && !head.includes('+inv')) {
      parts.unshift('commit');
      if (prng.below(6) === 0) parts.unshift('force');
      if (prng.below(3) === 0)
        parts.push(
          `exec(${prng.pick(['load:1->NXM_NX_CT_MARK[]', 'set_field:0x1->ct_label', 'load:0->NXM_NX_CT_MARK[]'])})`,
        );
      if (/,(ip|tcp|udp)(,|$)/.test(head) && prng.below(4) === 0)
        parts.push(`nat(${prng.pick([`src=${prng.pick(IPS)}`, `dst=${prng.pick(IPS)}`, `dst=${prng.pick(IPS)}:80`])})`);
    } else if (prng.below(3) === 0) parts.push('nat');
    return `ct(${parts.join(',')})`;
  }

  mods(): Pick<CaseStep, 'mods' | 'bundle'> {
    const { prng } = this;
    if (prng.below(3) > 0) return { mods: [this.mod()] };
    return { mods: Array.from({ length: 1 + prng.below(5) }, () => this.mod()), bundle: true };
  }

  private mod(): CaseMod {
    const { prng } = this;
    const op = prng.pick(['add', 'add', 'add', 'modify', 'modify_strict', 'delete', 'delete_strict', 'delete_strict']);
    if (op === 'add') return { op, flow: this.flow() };
    const head = prng.pick(this.present);
    const isStrict = op.endsWith('strict');
    const match = isStrict ? head : head.replace(/,priority=\d+/, '').replace(/,[^,]*$/, '');
    if (op.startsWith('modify')) return { op, flow: `${match},actions=${this.actions(head)}` };
    const cookie =
      prng.below(4) === 0 ? { flow: `cookie=0x1,${match}`, cookieMask: prng.pick(['0xf', '-1']) } : { flow: match };
    if (prng.below(10) === 0) return { op, flow: `${match},out_port=2` };
    return { op, ...cookie };
  }

  packet(): NonNullable<CaseStep['packet']> {
    const { prng } = this;
    const vlan = prng.below(5) === 0 ? 1 + prng.below(2) + 0x2000 * prng.below(4) : null;
    const dst = prng.below(12) === 0 ? Buffer.alloc(6, 0xff) : mac(prng.pick(MACS));
    const [type, payload] = this.payload();
    const bytes = ethernet(dst, mac(prng.pick(MACS)), vlan, type, payload);
    return { in_port: 1 + prng.below(PORT_COUNT), hex: bytes.toString('hex') };
  }

  private payload(): [number, Buffer] {
    const { prng } = this;
    const roll = prng.below(20);
    if (roll === 0)
      return [
        0x0806,
        arp(1 + prng.below(2), mac(prng.pick(MACS)), ipv4(prng.pick(IPS)), mac(prng.pick(MACS)), ipv4(prng.pick(IPS))),
      ];
    if (roll === 1) return [0x88b5, Buffer.alloc(50)];
    const is6 = roll < 6;
    const [src, dst] = is6
      ? [ipv6(prng.pick(IP6S)), ipv6(prng.pick(IP6S))]
      : [ipv4(prng.pick(IPS)), ipv4(prng.pick(IPS))];
    const [proto, l4] = this.l4(src, dst, is6);
    const options = { proto, tos: prng.pick([0, 32]), ttl: prng.pick([1, 64, 64, 64]), id: 7 };
    if (is6) return [0x86dd, ip6Packet(src, dst, l4, options)];
    if (this.kind !== 'connections' && prng.below(12) === 0)
      return [0x0800, prng.pick(fragments(src, dst, Buffer.concat([l4, Buffer.alloc(64)]), options, 40))];
    return [0x0800, ip4Packet(src, dst, l4, options)];
  }

  private l4(src: Buffer, dst: Buffer, is6: boolean): [number, Buffer] {
    const { prng } = this;
    const roll = prng.below(10);
    const [sport, dport] = [prng.pick(PORTS), prng.pick(PORTS)];
    if (roll < 5) {
      const flags = prng.pick([2, 18, 16, 16, 24, 17, 4]);
      const segment = {
        sport,
        dport,
        seq: 1000,
        ack: 2000,
        flags,
        window: 8000,
        scale: -1,
        payload: prng.below(3) * 10,
      };
      return [6, tcp(src, dst, segment)];
    }
    if (roll < 8) return [17, udp(src, dst, sport, dport, 8)];
    const data = Buffer.alloc(12, 1);
    if (is6) return [58, icmp6(src, dst, prng.pick([128, 129]), 0, 0x10001, data)];
    return [1, icmp(prng.pick([8, 0]), 0, 0x10001, data)];
  }
}
