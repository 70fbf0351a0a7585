/** Names for the report: rules as ovs-ofctl prints them, flow-mods and conntrack steps as the schedule writes them, addresses. */
import { IPv4 } from 'ip-num';
import { formatIpv6, formatMac } from '../fields/addressText.js';
import { flowModText } from '../openflow/flowModText.js';
import { formatRule } from '../openflow/flowPrint.js';
import type { Groups } from '../packet/groups.js';
import type { Naming } from '../report/fromReplay.js';
import { filterToJson } from '../timeline/conntrackFilter.js';
import type { Timeline } from '../timeline/timeline.js';

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6', 132: 'sctp' };
const ETH_ARP = 0x0806;

export function makeNaming(timeline: Timeline, groups: Groups, startUnixNs: bigint): Naming {
  const texts: string[] = [];
  return {
    startUnixNs,
    timeline,
    rule(index) {
      texts[index] ??= formatRule(timeline.rules[index]!.rule, { of: '1.3' });
      return texts[index]!;
    },
    flowMod(step, mod) {
      const entry = timeline.steps[step - 1]!;
      if (entry.kind !== 'tables') return { op: '', flow: '' };
      const { op } = entry.mods[mod - 1]!;
      return { op, flow: flowModText(entry.mods[mod - 1]!) };
    },
    conntrackStep(step) {
      const entry = timeline.steps[step - 1]!;
      return entry.kind === 'conntrack' ? filterToJson(entry.filter) : null;
    },
    endpoints(group, direction) {
      const ends = groups.endpoints(group);
      const [source, target] = direction === 0 ? [ends.low, ends.high] : [ends.high, ends.low];
      const [sport, dport] = direction === 0 ? [ends.lowPort, ends.highPort] : [ends.highPort, ends.lowPort];
      if (ends.kind !== 'other') {
        const text = ends.kind === 'ipv4' ? ipv4Text : ipv6Text;
        const proto = PROTOCOLS[ends.proto] ?? `0x${ends.proto.toString(16)}`;
        const hasPorts = ends.proto in PROTOCOLS;
        return {
          proto,
          src: text(source),
          sport: hasPorts ? sport : null,
          dst: text(target),
          dport: hasPorts ? dport : null,
        };
      }
      const isArp = ends.proto === ETH_ARP;
      const text = isArp ? (words: readonly number[]) => ipv4Text([words[1]!]) : macText;
      const proto = isArp ? 'arp' : `0x${ends.proto.toString(16).padStart(4, '0')}`;
      return { proto, src: text(source), sport: null, dst: text(target), dport: null };
    },
  };
}

const ipv4Text = (words: readonly number[]): string => IPv4.fromNumber(words[0]! >>> 0).toString();

/** RFC 5952, which ip-num does not print. */
const ipv6Text = (words: readonly number[]): string =>
  formatIpv6(words.reduce((value, word) => (value << 32n) | BigInt(word >>> 0), 0n));

const macText = (words: readonly number[]): string =>
  formatMac((BigInt(words[0]! >>> 0) << 32n) | BigInt(words[1]! >>> 0));
