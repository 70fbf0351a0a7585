/**
 * NAT of OVS 3.1.0's own tracker (lib/conntrack.c): choice of the mapping, and rewriting by it.
 *
 * The choice hashes with a random basis where a range gives one (nat_range_hash). The first address or port of the range is
 * taken then and the view says `isArbitrary`; all else is as there.
 */
import { CS_DNAT, CS_SNAT } from '../fields/key.js';
import type { CtAttach, CtView, NatOp } from './action.js';
import { type CtEntry, NAT_DST, NAT_SRC } from './entry.js';
import type { CtPacket } from './packet.js';
import type { CtStore } from './store.js';
import { type CtTuple, copyTuple, PROTO_TCP, PROTO_UDP } from './tuple.js';

/** conntrack.c:nat_get_unique_l4: ports tried in one round. */
const MAX_ATTEMPTS = 128;

const hasPorts = (proto: number): boolean => proto === PROTO_TCP || proto === PROTO_UDP;

/**
 * conntrack.c:nat_get_unique_tuple: sets `entry.nat` and `entry.reply`. False: no free tuple, no connection is made.
 * `entry.natChosen` says that the connection has a second node, under a reply tuple that is not just the original reversed.
 */
export function chooseOvsMapping(store: CtStore, entry: CtEntry, nat: NatOp, nowNs: number, view: CtView): boolean {
  entry.nat = nat.kind;
  const { reply, original } = entry;
  setAddress(entry, nat, view);
  const isFree = (): boolean => store.find(entry.zone, entry.proto, entry.family, reply, nowNs) === null;
  if (!hasPorts(entry.proto)) return isFree();

  const hasRange = nat.portMin !== 0;
  if (nat.kind === NAT_DST && hasRange) {
    if (nat.portMin !== nat.portMax) view.isArbitrary = true;
    if (findPort(isFree, (port) => (reply.sport = port), nat.portMin, nat.portMin, nat.portMax, view)) return true;
    reply.sport = nat.portMin;
  }
  if (nat.kind === NAT_SRC && hasRange) {
    if (nat.portMin !== nat.portMax) view.isArbitrary = true;
    return findPort(isFree, (port) => (reply.dport = port), nat.portMin, nat.portMin, nat.portMax, view);
  }
  // No port range: the sender's port first, then its class of ports (set_sport_range). Plain `nat`: port 0 only.
  if (nat.kind === 0) return findPort(isFree, (port) => (reply.dport = port), 0, 0, 0, view);
  const port = original.sport;
  const [min, max] = port < 512 ? [1, 511] : port < 1024 ? [600, 1023] : [1024, 65_535];
  return findPort(isFree, (each) => (reply.dport = each), port, min, max, view);
}

/** conntrack.c:find_addr, store_addr_to_key. */
function setAddress(entry: CtEntry, nat: NatOp, view: CtView): void {
  if (nat.family === 0 && nat.kind !== 0) return;
  const { reply } = entry;
  const min = nat.addrMin;
  for (let i = 0; i < 4; i++) if (nat.addrMin[i] !== nat.addrMax[i]) view.isArbitrary = true;
  if (nat.kind === NAT_SRC) {
    reply.dst0 = min[0]!;
    reply.dst1 = min[1]!;
    reply.dst2 = min[2]!;
    reply.dst3 = min[3]!;
  } else {
    reply.src0 = min[0]!;
    reply.src1 = min[1]!;
    reply.src2 = min[2]!;
    reply.src3 = min[3]!;
  }
}

/** conntrack.c:nat_get_unique_l4, FOR_EACH_PORT_IN_RANGE. Later rounds start at random ports. */
function findPort(
  isFree: () => boolean,
  set: (port: number) => void,
  start: number,
  min: number,
  max: number,
  view: CtView,
): boolean {
  const range = max - min + 1;
  let port = start;
  for (let i = Math.min(range, MAX_ATTEMPTS); i > 0; i--) {
    set(port);
    if (isFree()) return true;
    port = port < min || port >= max ? min : port + 1;
  }
  if (range > MAX_ATTEMPTS) view.isArbitrary = true;
  set(start);
  return false;
}

/** conntrack.c:nat_packet, pat_packet, nat_inner_packet. Returns CS_SNAT or CS_DNAT: the side that was rewritten. */
export function rewritePacket(
  entry: CtEntry,
  isReply: boolean,
  isRelated: boolean,
  packet: CtPacket,
  attach: CtAttach,
): number {
  if (entry.nat === 0) return 0;
  const key = isReply ? entry.original : entry.reply;
  const isSource = (entry.nat === NAT_SRC) !== isReply;
  setSide(packet.outer, isSource, key);
  if (isRelated) {
    // The inner packet goes the other way: its other side is rewritten, and what a later ct() reads there is `key` reversed.
    const inner = attach.inner;
    if (!attach.isInnerRewritten) copyTuple(packet.tuple, inner);
    setSide(inner, isSource, key);
    if (hasPorts(packet.proto)) setPorts(inner, key);
    attach.isInnerRewritten = true;
  } else {
    if (hasPorts(entry.proto)) setPorts(packet.outer, key);
    copyTuple(packet.outer, packet.tuple);
  }
  return isSource ? CS_SNAT : CS_DNAT;
}

function setSide(tuple: CtTuple, isSource: boolean, key: CtTuple): void {
  if (isSource) {
    tuple.src0 = key.dst0;
    tuple.src1 = key.dst1;
    tuple.src2 = key.dst2;
    tuple.src3 = key.dst3;
  } else {
    tuple.dst0 = key.src0;
    tuple.dst1 = key.src1;
    tuple.dst2 = key.src2;
    tuple.dst3 = key.src3;
  }
}

function setPorts(tuple: CtTuple, key: CtTuple): void {
  tuple.sport = key.dport;
  tuple.dport = key.sport;
}
