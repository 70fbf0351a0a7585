/** A connection tracker: profile and settings. The connections are in a CtStore, which the caller passes in. */
import { UsageError } from '../util/errors.js';
import type { CtAttach, CtOp, CtView } from './action.js';
import { holdFragment } from './fragments.js';
import { executeLinux } from './linux.js';
import { executeOvs } from './ovs.js';
import type { CtPacket } from './packet.js';
import { type CtStore, DEFAULT_ZONE } from './store.js';
import { applyPolicy, linuxTimeouts, ovsTimeouts, type TimeoutPolicy, type Timeouts } from './timeouts.js';

export type Profile = 'linux-6.1' | 'ovs-userspace-3.1';

export const PROFILES: ReadonlyMap<string, Profile> = new Map([
  ['linux', 'linux-6.1'],
  ['linux-6.1', 'linux-6.1'],
  ['ovs-userspace', 'ovs-userspace-3.1'],
  ['ovs-userspace-3.1', 'ovs-userspace-3.1'],
]);

export interface TrackerOptions {
  /** linux: `net.netfilter.nf_conntrack_…`, with or without the prefix. Also `net.ipv4.ipfrag_time`, `net.netfilter.nf_conntrack_frag6_timeout`. */
  readonly sysctls?: Readonly<Record<string, number>>;
  /** Time-out policies by zone (`ovs-vsctl add-zone-tp`), in seconds. */
  readonly policies?: ReadonlyMap<number, TimeoutPolicy>;
  /** linux: nf_conntrack_max; OVS: dpctl/ct-set-maxconns. */
  readonly maxEntries?: number;
  /** dpctl/ct-set-limits by zone; DEFAULT_ZONE for all others. */
  readonly zoneLimits?: ReadonlyMap<number, number>;
  /** OVS: false is dpctl/ct-disable-tcp-seq-chk. */
  readonly checkTcpSeq?: boolean;
  /** OVS: dpctl/ipf-set-min-frag. */
  readonly minFragmentBytesV4?: number;
  readonly minFragmentBytesV6?: number;
  /** Of packets put together from fragments; that of others is for header extraction to say. Default false. */
  readonly verifyChecksums?: boolean;
}

/** lib/conntrack.c:DEFAULT_N_CONN_LIMIT. */
const OVS_MAX_ENTRIES = 3_000_000;

export class Tracker {
  readonly profile: Profile;
  readonly isLinux: boolean;
  readonly checkTcpSeq: boolean;
  readonly checkChecksums: boolean;
  readonly verifyChecksums: boolean;
  readonly tcpLoose: boolean;
  readonly tcpBeLiberal: boolean;
  readonly tcpMaxRetransmissions: number;
  readonly tcpIgnoreInvalidRst: boolean;
  readonly maxEntries: number;
  /** Nanoseconds after which an incomplete set of fragments is given up. */
  readonly fragmentNsV4: number;
  readonly fragmentNsV6: number;
  readonly minFragmentBytesV4: number;
  readonly minFragmentBytesV6: number;
  readonly zoneLimits: ReadonlyMap<number, number>;
  readonly defaultTimeouts: Timeouts;
  private readonly policies: ReadonlyMap<number, Timeouts>;

  /** @throws UsageError for an unknown profile, sysctl or time-out. */
  constructor(profile: string, options: TrackerOptions = {}) {
    const known = PROFILES.get(profile);
    if (known === undefined)
      throw new UsageError(`unknown conntrack profile ${profile}`, `known: ${[...PROFILES.keys()].join(', ')}`);
    this.profile = known;
    this.isLinux = known === 'linux-6.1';
    const sysctls = new Map(Object.entries(options.sysctls ?? {}).map(([name, value]) => [shortName(name), value]));
    const take = (name: string, byDefault: number): number => {
      const value = sysctls.get(name) ?? byDefault;
      sysctls.delete(name);
      return value;
    };
    this.checkChecksums = take('checksum', 1) !== 0;
    this.tcpLoose = take('tcp_loose', 1) !== 0;
    this.tcpBeLiberal = take('tcp_be_liberal', 0) !== 0;
    this.tcpMaxRetransmissions = take('tcp_max_retrans', 3);
    this.tcpIgnoreInvalidRst = take('tcp_ignore_invalid_rst', 0) !== 0;
    this.fragmentNsV4 = (this.isLinux ? take('ipfrag_time', 30) : 15) * 1e9;
    this.fragmentNsV6 = (this.isLinux ? take('frag6_timeout', 60) : 15) * 1e9;
    this.maxEntries = options.maxEntries ?? take('max', this.isLinux ? Number.POSITIVE_INFINITY : OVS_MAX_ENTRIES);
    const base = linuxTimeouts(sysctls);
    for (const name of sysctls.keys()) {
      if (!WITHOUT_EFFECT.has(name)) throw new UsageError(`unknown sysctl nf_conntrack_${name}`);
    }
    this.defaultTimeouts = this.isLinux ? base : ovsTimeouts();
    const kind = this.isLinux ? 'linux' : 'ovs';
    this.policies = new Map(
      [...(options.policies ?? [])].map(([zone, policy]) => [zone, applyPolicy(kind, this.defaultTimeouts, policy)]),
    );
    this.zoneLimits = options.zoneLimits ?? new Map();
    this.verifyChecksums = options.verifyChecksums ?? false;
    this.checkTcpSeq = options.checkTcpSeq ?? true;
    this.minFragmentBytesV4 = options.minFragmentBytesV4 ?? 1200;
    this.minFragmentBytesV6 = options.minFragmentBytesV6 ?? 1280;
  }

  hasPolicy(zone: number): boolean {
    return this.policies.has(zone);
  }

  timeoutsOf(zone: number): Timeouts {
    return this.policies.get(zone) ?? this.defaultTimeouts;
  }

  /** True: limits couple groups of packets, so a replay with them must run in time order. */
  get hasLimits(): boolean {
    return this.zoneLimits.size > 0 || this.maxEntries < (this.isLinux ? Number.POSITIVE_INFINITY : OVS_MAX_ENTRIES);
  }

  /** OVS conntrack.c:conn_not_found: the zone's limit or else the default one, then the number of all entries. */
  hasRoom(store: CtStore, zone: number, nowNs: number): boolean {
    const limit = this.zoneLimits.get(zone);
    const shared = this.zoneLimits.get(DEFAULT_ZONE);
    if (limit !== undefined) {
      if (store.count(nowNs, zone) >= limit) return false;
    } else if (shared !== undefined && this.countUnlimited(store, nowNs) >= shared) return false;
    return store.size < this.maxEntries || store.count(nowNs) < this.maxEntries;
  }

  /** Zones without a limit of their own share one counter in OVS (zone_limit_lookup_or_default). */
  private countUnlimited(store: CtStore, nowNs: number): number {
    return store.entries(nowNs).filter((entry) => !this.zoneLimits.has(entry.zone)).length;
  }
}

/** Sysctls that change nothing a packet sees here. */
const WITHOUT_EFFECT = new Set([
  'acct',
  'buckets',
  'events',
  'expect_max',
  'helper',
  'log_invalid',
  'timestamp',
  'frag6_high_thresh',
  'frag6_low_thresh',
  'count',
]);

function shortName(name: string): string {
  return name.replace(/^net[./](netfilter|ipv4)[./]/, '').replace(/^nf_conntrack_/, '');
}

/**
 * Executes one ct() on one packet: called for each ct() in order, allocates nothing but for new connections and fragments.
 *
 * `attach` is the packet's own (clear it for a new packet); `packet` is filled from the key as it is now. Afterwards the
 * view says what the next table sees, and `view.rewritten`, `view.released` what the caller has to write into the key.
 */
export function executeCt(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  op: CtOp,
  packet: CtPacket,
  nowNs: number,
  view: CtView,
): void {
  view.reset(op.zone);
  if (packet.isFragment && holdFragment(tracker, store, attach, op.zone, packet, nowNs, view)) return;
  if (tracker.isLinux) executeLinux(tracker, store, attach, op, packet, nowNs, view);
  else executeOvs(tracker, store, attach, op, packet, nowNs, view);
  if (view.released !== null && !view.isWhole) attach.rewritten();
}
