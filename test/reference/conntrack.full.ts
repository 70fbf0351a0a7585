/** The tracker against recordings: the Linux kernel's and OVS's own (../shared/kernel, ../shared/ovs). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CtEntry, stateText } from '../../src/conntrack/entry.js';
import { formatTuple, statusFlags } from '../../src/conntrack/text.js';
import { Tracker } from '../../src/conntrack/tracker.js';
import { differencesFromOvs, MiniPipeline, type OvsCase } from './miniPipeline.js';
import { readJsonLines, skipWithoutShared } from './shared.js';

interface KernelTuple {
  src: string;
  dst: string;
  sport?: number;
  dport?: number;
  icmp_id?: number;
  icmp_type?: number;
  icmp_code?: number;
}

interface KernelEntry {
  proto: number | string;
  state?: string;
  timeout_s: number;
  mark: number;
  label?: string;
  zone: number;
  flags?: string[];
  tcp_flags?: [string, string];
  wscale?: [number, number];
  orig: KernelTuple | string;
}

interface KernelExpect {
  at_s: number;
  ct_state: string | null;
  ct_mark?: number;
  ct_label_low32?: number;
  entry: KernelEntry | null;
  entries?: KernelEntry[];
}

interface KernelCase {
  id: string;
  zone: number;
  pipeline: [string, string][];
  sysctl?: Record<string, number>;
  packets: { at_s: number; in_port: number; hex: string }[];
  expect: KernelExpect[];
  'expect_ovs_userspace_3.1': KernelExpect[] | null;
}

function kernelFlows(each: KernelCase): string[] {
  const name = (text: string): string =>
    text.replaceAll('$Z', String(each.zone)).replaceAll('$Y', String(each.zone + 1000));
  const flows = [
    `table=0,ip actions=ct(zone=${each.zone},table=2)`,
    `table=0,ipv6 actions=ct(zone=${each.zone},table=2)`,
  ];
  each.pipeline.forEach(([match, actions], i) => {
    for (const family of ['ip', 'ipv6']) {
      flows.push(`table=2,priority=${100 - i},${family},${name(match)} actions=${name(actions)}`);
    }
  });
  return flows;
}

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const signs = (state: number): string =>
  ['new', 'est', 'rel', 'rpl', 'inv', 'trk'].map((name, i) => ((state & (1 << i)) !== 0 ? '+' : '-') + name).join('');

/** Text of an entry in the form of the case's profile, without its time-out. */
function describe(entry: CtEntry, isLinux: boolean): string {
  const tuple = formatTuple(entry.original, entry.family, entry.proto);
  const text = `${entry.proto} ${tuple} zone=${entry.zone} mark=${entry.mark >>> 0} ${stateText(entry, isLinux)}`;
  if (!isLinux) return text;
  const flags = statusFlags(entry).filter((flag) => !flag.includes('NAT'));
  if (!entry.seenReply) flags.push('UNREPLIED');
  const tcp =
    entry.proto === 6
      ? ` ${[entry.peer0!, entry.peer1!].map((peer) => (peer.flags & 0xff).toString(16).padStart(2, '0'))} ${entry.peer0!.scale},${entry.peer1!.scale}`
      : '';
  return `${text} ${flags.sort().join(',')}${tcp}`;
}

const PROTO_NUMBERS: Record<string, number> = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58, sctp: 132, igmp: 2 };

function describeExpected(entry: KernelEntry, isLinux: boolean): string {
  const { orig } = entry;
  const proto = Number(PROTO_NUMBERS[entry.proto] ?? entry.proto);
  let tuple: string;
  if (typeof orig === 'string') {
    const [, src, dst, rest] = /^(.*)>(\S+) (.*)$/.exec(orig)!;
    tuple = `src=${src},dst=${dst},${rest}`;
  } else if (orig.icmp_id !== undefined) {
    tuple = `src=${orig.src},dst=${orig.dst},id=${orig.icmp_id},type=${orig.icmp_type},code=${orig.icmp_code}`;
  } else tuple = `src=${orig.src},dst=${orig.dst},sport=${orig.sport ?? 0},dport=${orig.dport ?? 0}`;
  const text = `${proto} ${tuple} zone=${entry.zone} mark=${entry.mark} ${entry.state ?? ''}`;
  if (!isLinux) return text;
  const tcp = entry.tcp_flags === undefined ? '' : ` ${entry.tcp_flags} ${entry.wscale}`;
  return `${text} ${[...entry.flags!].sort().join(',')}${tcp}`;
}

function runKernelCase(each: KernelCase, isLinux: boolean): string[] {
  const expects = isLinux ? each.expect : each['expect_ovs_userspace_3.1'];
  if (expects === null) return [];
  const isUnchecked = !isLinux && each.sysctl?.['tcp_be_liberal'] === 1;
  const tracker = new Tracker(isLinux ? 'linux' : 'ovs-userspace', {
    sysctls: isLinux ? (each.sysctl ?? {}) : {},
    checkTcpSeq: !isUnchecked,
    verifyChecksums: true,
  });
  const pipeline = new MiniPipeline(tracker, kernelFlows(each));
  const differences: string[] = [];
  expects.forEach((expect, i) => {
    const packet = each.packets[i]!;
    // The userspace run went by its own clock; what must agree is the distance between packets and entries' ends.
    const nowNs = Math.round((isLinux ? packet.at_s : expect.at_s) * 1e9);
    pipeline.receive(packet.in_port, bytes(packet.hex), nowNs);
    const place = `${each.id}[${i}]`;
    const seen = pipeline.seen[0];
    const state = seen === undefined ? null : signs(seen.state);
    if (state !== expect.ct_state) differences.push(`${place}: state ${state}, recorded ${expect.ct_state}`);
    if (seen !== undefined && seen.mark !== expect.ct_mark)
      differences.push(`${place}: mark ${seen.mark}, recorded ${expect.ct_mark}`);
    if (seen !== undefined && expect.ct_label_low32 !== undefined) {
      const low = Number(seen.label & 0xffff_ffffn);
      if (low !== expect.ct_label_low32) differences.push(`${place}: label ${low}, recorded ${expect.ct_label_low32}`);
    }
    const recorded = expect.entries ?? (expect.entry === null ? [] : [expect.entry]);
    const ours = pipeline.store.entries(nowNs);
    const withTimeout = (text: string, seconds: number): string => `${text} @${seconds}`;
    const left = ours.map((entry) => withTimeout(describe(entry, isLinux), (entry.expiresNs - nowNs) / 1e9)).sort();
    const right = recorded.map((entry) => withTimeout(describeExpected(entry, isLinux), entry.timeout_s)).sort();
    const isSame =
      left.length === right.length &&
      left.every((text, at) => {
        const [a, b] = [text.split(' @'), right[at]!.split(' @')];
        return a[0] === b[0] && Math.abs(Number(a[1]) - Number(b[1])) <= 1.001;
      });
    if (!isSame)
      differences.push(
        `${place}: entries\n  ours     ${left.join('\n           ')}\n  recorded ${right.join('\n           ')}`,
      );
  });
  return differences;
}

function compareAll(isLinux: boolean): void {
  const cases = readJsonLines<KernelCase>('kernel/conntrack.jsonl.gz');
  assert.equal(cases.length, 154);
  const differences = cases.flatMap((each) => runKernelCase(each, isLinux));
  assert.deepEqual(differences, []);
}

test('the linux profile answers like the recorded kernel', { skip: skipWithoutShared }, () => compareAll(true));
test('the userspace profile answers like the recorded OVS', { skip: skipWithoutShared }, () => compareAll(false));

const ovsTracker = (): Tracker => new Tracker('ovs-userspace', { verifyChecksums: true });

test('random conversations end like in OVS', { skip: skipWithoutShared }, () => {
  const cases = readJsonLines<OvsCase>('ovs/cases/conntrack_random.jsonl.gz');
  assert.equal(cases.length, 300);
  assert.deepEqual(
    cases.flatMap((each) => differencesFromOvs(each, ovsTracker())),
    [],
  );
});

test('the ct scenarios end like in OVS', { skip: skipWithoutShared }, () => {
  const cases = readJsonLines<OvsCase>('ovs/scenarios/ct.jsonl.gz');
  assert.equal(cases.length, 81);
  assert.deepEqual(
    cases.flatMap((each) => differencesFromOvs(each, ovsTracker())),
    [],
  );
});
