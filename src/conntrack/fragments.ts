/**
 * Fragments at a ct(). Both trackers hold them until the packet is complete; then
 * - the kernel goes on with the whole packet (net/ipv4/inet_fragment.c, ip_fragment.c; net/ipv6/netfilter/nf_conntrack_reasm.c),
 * - OVS tracks the whole one and lets every fragment go on with its result, in order of offset (lib/ipf.c).
 *
 * Not modelled: OVS releases the fragments of an incomplete packet 15 s later, as +inv, with any later packet of its family
 * that meets a ct(). Here they are forgotten.
 */
import { CS_INV } from '../fields/key.js';
import type { CtAttach, CtView } from './action.js';
import type { CtPacket } from './packet.js';
import { PROBLEM } from './problem.js';
import type { CtStore } from './store.js';
import type { Tracker } from './tracker.js';
import { parseTransport } from './transport.js';

interface Fragment {
  /** Bytes of the reassembled payload: [start, end). */
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  readonly l3Bytes: number;
  readonly problems: number;
  /** IPv6: only the first fragment names it (its `next header`). */
  readonly proto: number;
  /** By the capture length. */
  readonly isCut: boolean;
  readonly token: unknown;
}

interface Queue {
  readonly key: string;
  readonly expiresNs: number;
  readonly fragments: readonly Fragment[];
  readonly hasFirst: boolean;
  readonly hasLast: boolean;
}

/** ipf.c:ipf_set_max_nfrags: all fragments that wait. */
const OVS_MAX_FRAGMENTS = 1000;
const MAX_PACKET_BYTES = 65_535;

/** Values only: a clone shares them. */
export class FragmentQueues {
  private readonly queues = new Map<string, Queue>();

  get(key: string, nowNs: number): Queue | undefined {
    const queue = this.queues.get(key);
    if (queue === undefined || queue.expiresNs > nowNs) return queue;
    this.queues.delete(key);
    return undefined;
  }

  set(queue: Queue): void {
    this.queues.set(queue.key, queue);
  }

  delete(key: string): void {
    this.queues.delete(key);
  }

  isEmpty(nowNs: number): boolean {
    for (const [key, queue] of this.queues) if (queue.expiresNs <= nowNs) this.queues.delete(key);
    return this.queues.size === 0;
  }

  count(): number {
    let count = 0;
    for (const queue of this.queues.values()) count += queue.fragments.length;
    return count;
  }

  clone(): FragmentQueues {
    const copy = new FragmentQueues();
    for (const queue of this.queues.values()) copy.set(queue);
    return copy;
  }
}

/**
 * True: the view is final (held, or dropped as an overlap). False: go on with `packet`, which has become the whole packet,
 * or is a fragment that nobody will put together (OVS: invalid).
 */
export function holdFragment(
  tracker: Tracker,
  store: CtStore,
  attach: CtAttach,
  zone: number,
  packet: CtPacket,
  nowNs: number,
  view: CtView,
): boolean {
  if (!tracker.isLinux && !isOvsFragment(tracker, packet)) {
    attach.state = CS_INV;
    return false;
  }
  const queues = store.fragments;
  const key = queueKey(tracker, zone, packet);
  const queue = queues.get(key, nowNs) ?? {
    key,
    expiresNs: nowNs + (packet.family === 4 ? tracker.fragmentNsV4 : tracker.fragmentNsV6),
    fragments: [],
    hasFirst: false,
    hasLast: false,
  };
  if (!tracker.isLinux && queues.count() >= OVS_MAX_FRAGMENTS) return false;

  const fragment = toFragment(packet);
  const overlapping = queue.fragments.find((each) => fragment.start < each.end && each.start < fragment.end);
  if (overlapping !== undefined) return resolveOverlap(tracker, queues, queue, fragment, overlapping, attach, view);

  const fragments = [...queue.fragments, fragment].sort((a, b) => a.start - b.start);
  const isFirst = fragment.start === 0;
  const isLast = !packet.moreFragments;
  const grown: Queue = {
    ...queue,
    fragments,
    hasFirst: queue.hasFirst || isFirst,
    hasLast: queue.hasLast || isLast,
  };
  if (!grown.hasFirst || !grown.hasLast || !isContiguous(fragments)) {
    queues.set(grown);
    view.held = true;
    return true;
  }
  queues.delete(key);
  view.released = fragments.map((each) => each.token);
  view.largestFragmentBytes = Math.max(...fragments.map((each) => each.l3Bytes));
  view.isWhole = tracker.isLinux;
  reassemble(packet, fragments, tracker.verifyChecksums);
  return false;
}

/** ipf.c:ipf_is_valid_v4_frag, ipf_is_valid_v6_frag: all but the last must have the minimum size. */
function isOvsFragment(tracker: Tracker, packet: CtPacket): boolean {
  if ((packet.problems & PROBLEM.L3_CHECKSUM) !== 0) return false;
  const minimum = packet.family === 4 ? tracker.minFragmentBytesV4 : tracker.minFragmentBytesV6;
  const isLast = packet.fragmentOffset !== 0 && !packet.moreFragments;
  return isLast || packet.l3Bytes >= minimum;
}

/** ip_fragment.c:ip4_frag_obj_hashfn, ipf.c:ipf_list_key. IPv6 has no protocol in it (RFC 8200 4.5). */
function queueKey(tracker: Tracker, zone: number, packet: CtPacket): string {
  const a = packet.outer;
  const proto = packet.family === 4 ? packet.outerProto : 0;
  return `${tracker.isLinux ? '' : 'o'}${zone}/${packet.family}/${proto}/${packet.fragmentId}/${a.src0},${a.src1},${a.src2},${a.src3}/${a.dst0},${a.dst1},${a.dst2},${a.dst3}`;
}

function toFragment(packet: CtPacket): Fragment {
  const bytes = new Uint8Array(packet.l4Bytes);
  bytes.set(packet.data.subarray(packet.l4Start, Math.min(packet.l4Start + packet.l4Bytes, packet.dataEnd)));
  return {
    start: packet.fragmentOffset,
    end: packet.fragmentOffset + packet.l4Bytes,
    bytes,
    l3Bytes: packet.l3Bytes,
    problems: packet.problems,
    proto: packet.outerProto,
    isCut: packet.l4Start + packet.l4Bytes > packet.dataEnd,
    token: packet.token,
  };
}

function resolveOverlap(
  tracker: Tracker,
  queues: FragmentQueues,
  queue: Queue,
  fragment: Fragment,
  other: Fragment,
  attach: CtAttach,
  view: CtView,
): boolean {
  if (!tracker.isLinux) {
    // ipf.c:ipf_process_frag: this one is invalid, the others wait on.
    attach.state = CS_INV;
    return false;
  }
  // inet_fragment.c:inet_frag_queue_insert: a repetition is dropped, a real overlap ends the whole packet (RFC 5722).
  const isRepeated = fragment.start >= other.start && fragment.end <= other.end;
  if (!isRepeated) queues.delete(queue.key);
  view.dropped = true;
  return true;
}

function isContiguous(fragments: readonly Fragment[]): boolean {
  return fragments.every((each, i) => i === 0 || fragments[i - 1]!.end === each.start);
}

function reassemble(packet: CtPacket, fragments: readonly Fragment[], verifyChecksums: boolean): void {
  const total = fragments.at(-1)!.end;
  const bytes = new Uint8Array(Math.min(total, MAX_PACKET_BYTES));
  for (const each of fragments) bytes.set(each.bytes.subarray(0, bytes.length - each.start), each.start);
  packet.data = bytes;
  packet.l4Start = 0;
  packet.l4Bytes = packet.dataEnd = bytes.length;
  packet.isFragment = packet.moreFragments = false;
  packet.fragmentOffset = 0;
  packet.outerProto = fragments[0]!.proto;
  packet.problems = fragments[0]!.problems & PROBLEM.L3_CHECKSUM;
  const isCut = fragments.some((each) => each.isCut);
  parseTransport(packet, verifyChecksums && !isCut);
}
