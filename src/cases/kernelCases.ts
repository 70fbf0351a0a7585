/**
 * Conntrack cases recorded with a Linux kernel: one zone, packets with what the first table after ct() sees and the entry they
 * belong to. The pipeline before the case's own is fixed: `ip|ipv6 -> ct(zone,table=1)`; table 1 looks; table 2 is the case's.
 */
import type { CtEntry } from '../conntrack/entry.js';
import { stateText } from '../conntrack/entry.js';
import { CtStore } from '../conntrack/store.js';
import { addressesOf } from '../conntrack/text.js';
import { type Profile, Tracker } from '../conntrack/tracker.js';
import { packetInput, runPacket } from '../pipeline/packetRun.js';
import { CaseBridge } from './caseBridge.js';
import { CaseTexts } from './caseTexts.js';
import type { Difference } from './compare.js';

export interface KernelEntry {
  readonly proto: number | string;
  readonly state?: string;
  readonly timeout_s: number;
  readonly mark: number;
  readonly label?: string | number;
  /** Tuple, or `a>b sport=..,dport=..`. */
  readonly orig: string | Readonly<Record<string, string | number>>;
}

export interface KernelAnswer {
  readonly at_s: number;
  /** `+new-est-rel-rpl-inv+trk`; null: no packet came out. */
  readonly ct_state: string | null;
  readonly ct_mark?: number;
  readonly entry?: KernelEntry | null;
}

export interface KernelCase {
  readonly id: string;
  readonly family: string;
  readonly zone: number;
  readonly sysctl?: Readonly<Record<string, number>>;
  readonly pipeline: readonly (readonly [string, string])[];
  readonly packets: readonly { readonly at_s: number; readonly in_port: number; readonly hex: string }[];
  readonly expect: readonly KernelAnswer[];
  readonly 'expect_ovs_userspace_3.1'?: readonly KernelAnswer[] | null;
}

export const isKernelCase = (value: object): value is KernelCase => 'packets' in value && 'pipeline' in value;

const STATES = ['new', 'est', 'rel', 'rpl', 'inv', 'trk'];
const NS_PER_S = 1_000_000_000;

/** Differences by packet number, from 0, for one profile; null: the case has no answers for it. */
export function runKernelCase(given: KernelCase, profile: Profile): Map<number, Difference[]> | null {
  const isKernel = profile === 'linux-6.1';
  const expected = isKernel ? given.expect : given['expect_ovs_userspace_3.1'];
  if (!expected) return null;
  const bridge = new CaseBridge(
    'br0',
    [1, 2].map((ofport) => ({ name: `p${ofport}`, ofport })),
    {},
    new Set(),
  );
  const texts = new CaseTexts('OpenFlow15', []);
  bridge.tables.install(pipelineOf(given).map((flow) => texts.flowMod({ op: 'add', flow })));
  const where = { bridges: new Map([['br0', bridge]]), tracker: trackerOf(given, profile), store: new CtStore() };
  const differences = new Map<number, Difference[]>();
  given.packets.forEach((packet, i) => {
    const wanted = expected[i]!;
    const nowNs = Math.round(wanted.at_s * NS_PER_S);
    const verdict = runPacket(
      where,
      packetInput('br0', packet.in_port, Uint8Array.from(Buffer.from(packet.hex, 'hex'))),
      nowNs,
    );
    const seen = verdict.ct[0] ?? null;
    const found: Difference[] = [];
    const check = (key: string, want: unknown, got: unknown): void => {
      if (want !== got) found.push({ key, expected: String(want), got: String(got) });
    };
    check('ct_state', wanted.ct_state, seen === null ? null : stateFlags(seen.state));
    if (wanted.ct_mark !== undefined && seen !== null) check('ct_mark', wanted.ct_mark, seen.mark);
    if (wanted.entry !== undefined) compareEntry(wanted.entry, where.store.entries(nowNs), nowNs, isKernel, check);
    if (found.length > 0) differences.set(i, found);
  });
  return differences;
}

function trackerOf(given: KernelCase, profile: Profile): Tracker {
  if (profile === 'linux-6.1') return new Tracker(profile, { sysctls: given.sysctl ?? {}, verifyChecksums: true });
  const isLiberal = given.sysctl?.['tcp_be_liberal'] === 1;
  return new Tracker(profile, { verifyChecksums: true, checkTcpSeq: !isLiberal });
}

function pipelineOf(given: KernelCase): string[] {
  const flows: string[] = [];
  for (const family of ['ip', 'ipv6']) {
    flows.push(`table=0,${family},actions=ct(zone=${given.zone},table=1)`, `table=1,${family},actions=resubmit(,2)`);
    given.pipeline.forEach(([match, actions], i) => {
      const text = actions.replaceAll('$Z', String(given.zone)).replaceAll('$Y', String(given.zone + 1000));
      const where = match.replaceAll('$Z', String(given.zone)).replaceAll('$Y', String(given.zone + 1000));
      flows.push(`table=2,priority=${1000 - i},${[family, where].filter(Boolean).join(',')},actions=${text}`);
    });
  }
  return flows;
}

const stateFlags = (state: number): string =>
  STATES.map((name, bit) => `${(state & (1 << bit)) === 0 ? '-' : '+'}${name}`).join('');

function compareEntry(
  wanted: KernelEntry | null,
  entries: readonly CtEntry[],
  nowNs: number,
  isKernel: boolean,
  check: (key: string, want: unknown, got: unknown) => void,
): void {
  if (wanted === null) return;
  const entry = entries.find((each) => hasTuple(each, wanted));
  if (entry === undefined) {
    check('entry', JSON.stringify(wanted.orig), 'none');
    return;
  }
  check('mark', wanted.mark, entry.mark >>> 0);
  if (wanted.state !== undefined) check('state', wanted.state, stateText(entry, isKernel));
  const seconds = (entry.expiresNs - nowNs) / NS_PER_S;
  const shown = isKernel ? Math.ceil(seconds) : Math.floor(seconds);
  if (Math.abs(shown - wanted.timeout_s) > 1) check('timeout', wanted.timeout_s, shown);
}

/** Does the entry have all that the case says of its original tuple? */
function hasTuple(entry: CtEntry, wanted: KernelEntry): boolean {
  const { original: tuple, family } = entry;
  const [src, dst] = addressesOf(tuple, family);
  // ICMP: id, type and code stand where others have ports
  const parts: Readonly<Record<string, string | number>> = {
    src,
    dst,
    sport: tuple.sport,
    dport: tuple.dport,
    id: tuple.sport,
    type: tuple.dport >> 8,
    code: tuple.dport & 0xff,
  };
  return [...wantedParts(wanted)].every(([name, value]) => String(parts[name]) === String(value));
}

function* wantedParts(wanted: KernelEntry): Generator<[string, string | number]> {
  if (typeof wanted.orig !== 'string') {
    for (const [name, value] of Object.entries(wanted.orig))
      if (name !== 'proto') yield [name.replace('icmp_', ''), value];
    return;
  }
  const [addresses, rest] = wanted.orig.split(' ');
  const [src, dst] = addresses!.split('>');
  yield ['src', src!];
  yield ['dst', dst!];
  for (const part of (rest ?? '').split(',').filter(Boolean)) yield part.split('=') as [string, string];
}
