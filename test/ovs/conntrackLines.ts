/** Entries as `dpctl/dump-conntrack` prints them, chosen and named for `dpctl/flush-conntrack`. */
import type { CaseConntrackFilter } from '../../src/cases/caseFormat.js';

export interface ConntrackLine {
  readonly proto: string;
  readonly original: ReadonlyMap<string, string>;
  readonly reply: ReadonlyMap<string, string>;
  readonly zone: number;
  readonly mark: number;
}

const NUMBERS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58, sctp: 132 };

export function parseConntrackEntry(line: string): ConntrackLine {
  const tuple = (name: string): Map<string, string> => {
    const text = new RegExp(`${name}=\\(([^)]*)\\)`).exec(line)?.[1] ?? '';
    return new Map(text.split(',').map((pair) => pair.split('=', 2) as [string, string]));
  };
  const number = (name: string): number => Number(new RegExp(`,${name}=(\\w+)`).exec(line)?.[1] ?? 0);
  const proto = line.split(',', 1)[0]!.toLowerCase();
  return { proto, original: tuple('orig'), reply: tuple('reply'), zone: number('zone'), mark: number('mark') };
}

export function isChosen(entry: ConntrackLine, filter: CaseConntrackFilter): boolean {
  if (filter.zone !== undefined && entry.zone !== filter.zone) return false;
  if (filter.proto !== undefined && entry.proto !== String(filter.proto).toLowerCase()) return false;
  if (filter.mark !== undefined) {
    const [value, mask = 0xffffffff] = String(filter.mark).split('/').map(Number) as [number, number?];
    if (((entry.mark ^ value) & mask) !== 0) return false;
  }
  const fits = (tuple: ReadonlyMap<string, string>): boolean =>
    (['src', 'dst', 'sport', 'dport'] as const).every(
      (name) => filter[name] === undefined || tuple.get(name) === String(filter[name]),
    );
  if (filter.dir === 'reply') return fits(entry.reply);
  return fits(entry.original) || (filter.dir === 'any' && fits(entry.reply));
}

/** Arguments of dpctl/flush-conntrack for this entry alone. */
export function conntrackKey({ proto, original, zone }: ConntrackLine): string[] {
  const family = original.get('src')!.includes(':') ? 'ipv6' : 'nw';
  const parts = [
    `ct_${family}_src=${original.get('src')}`,
    `ct_${family}_dst=${original.get('dst')}`,
    `ct_nw_proto=${NUMBERS[proto] ?? proto}`,
  ];
  if (original.has('sport')) parts.push(`ct_tp_src=${original.get('sport')}`, `ct_tp_dst=${original.get('dport')}`);
  else if (original.has('id'))
    for (const name of ['id', 'type', 'code']) parts.push(`icmp_${name}=${original.get(name)}`);
  return [`zone=${zone}`, parts.join(',')];
}
