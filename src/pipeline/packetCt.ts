/** Between a pass's ct effect and the tracker: operations, views, and what NAT changes in the frame. */
import { type CtOp, type CtView, makeNatOp } from '../conntrack/action.js';
import type { CtPacket } from '../conntrack/packet.js';
import type { CtTuple } from '../conntrack/tuple.js';
import { FRAG_LATER, K } from '../fields/key.js';
import type { CtEffect, EditOp } from './effects.js';
import { ETH_IP, PROTO } from './flowOps.js';
import { ENTRY, type PassStart } from './translation.js';
import type { CtSeen } from './verdict.js';

const NOTHING = new Int32Array(4);

/** The tracker's form of a ct effect. */
export function ctOpOf(effect: CtEffect): CtOp {
  return {
    zone: effect.zone,
    commit: effect.commit,
    force: effect.force,
    recirc: effect.table !== null,
    markValue: effect.mark?.value ?? 0,
    markMask: effect.mark?.mask ?? 0,
    labelValue: effect.label?.value ?? NOTHING,
    labelMask: effect.label?.mask ?? NOTHING,
    nat: effect.nat === null ? null : makeNatOp(effect.nat),
    alg: effect.alg,
  };
}

/** Where the fork of ct(table=) begins. */
export function forkStart(effect: CtEffect): PassStart {
  return { ...ENTRY, table: effect.table!, frozen: effect.frozen };
}

export function ctSeen(view: CtView): CtSeen {
  return {
    state: view.state,
    zone: view.zone,
    mark: view.mark >>> 0,
    label: labelNumber([view.label0, view.label1, view.label2, view.label3]),
  };
}

export function ctSeenInKey(key: Int32Array): CtSeen {
  return {
    state: key[K.ct_state]!,
    zone: key[K.ct_zone]!,
    mark: key[K.ct_mark]! >>> 0,
    label: labelNumber([...key.subarray(K.ct_label, K.ct_label + 4)]),
  };
}

const labelNumber = (words: readonly number[]): bigint =>
  words.reduce((label, word) => (label << 32n) | BigInt(word >>> 0), 0n);

const NAT_WORDS = [
  K.nw_src,
  K.nw_dst,
  ...[0, 1, 2, 3].map((i) => K.ipv6_src + i),
  ...[0, 1, 2, 3].map((i) => K.ipv6_dst + i),
  K.tp_src,
  K.tp_dst,
];

/** What NAT changed in the key, as edits of the frame. */
export function natEdits(before: Int32Array, after: Int32Array): EditOp[] {
  return NAT_WORDS.filter((word) => before[word] !== after[word]).map((word) => ({
    op: 'set',
    word,
    value: after[word]!,
  }));
}

/** What NAT of a whole packet changes in one of its fragments: the first one has the ports. */
export function fragmentNatEdits(before: Int32Array, after: Int32Array): EditOp[] {
  const isFirst = (before[K.nw_frag]! & FRAG_LATER) === 0;
  return natEdits(before, after)
    .filter((edit) => isFirst || (edit.op === 'set' && edit.word !== K.tp_src && edit.word !== K.tp_dst))
    .map((edit) => (isFirst || edit.op !== 'set' ? edit : { ...edit, op: 'setAddress' }));
}

/** What NAT of an ICMP error changes in the packet that it quotes: `inner` is that packet's tuple reversed (CtAttach). */
export function innerNatEdits(packet: CtPacket, inner: CtTuple): EditOp[] {
  const set = (word: number, value: number): EditOp => ({ op: 'setInner', word, value });
  const edits =
    packet.family === 4
      ? [set(K.nw_src, inner.dst0), set(K.nw_dst, inner.src0)]
      : [
          ...[inner.dst0, inner.dst1, inner.dst2, inner.dst3].map((value, i) => set(K.ipv6_src + i, value)),
          ...[inner.src0, inner.src1, inner.src2, inner.src3].map((value, i) => set(K.ipv6_dst + i, value)),
        ];
  if (packet.proto === PROTO.TCP || packet.proto === PROTO.UDP)
    edits.push(set(K.tp_src, inner.dport), set(K.tp_dst, inner.sport));
  return edits;
}

/** Setting one of these makes the datapath forget the connection that it keeps with the packet (lib/packets.c: pkt_metadata_init_conn). */
export function forgetsConnection(op: EditOp): boolean {
  if (op.op === 'pushMpls') return true;
  if (op.op !== 'set') return false;
  const isNdTarget = op.word >= K.nd_target && op.word < K.nd_target + 4;
  return isNdTarget || NAT_WORDS.includes(op.word);
}

/** `ofproto/trace` replaces by the first address and port of the range (ofproto-dpif-trace.c:ofproto_trace_recirc_node). */
export function pretendNat(effect: CtEffect, key: Int32Array): void {
  const { nat } = effect;
  if (nat === null || nat.kind === null || nat.family === null) return;
  const isSource = nat.kind === 'src';
  if (nat.family === 4) {
    key[isSource ? K.nw_src : K.nw_dst] = Number(nat.addrMin & 0xffffffffn) | 0;
  } else {
    const first = isSource ? K.ipv6_src : K.ipv6_dst;
    for (let i = 0; i < 4; i++) key[first + i] = Number((nat.addrMin >> BigInt(96 - 32 * i)) & 0xffffffffn) | 0;
  }
  const hasPorts = key[K.dl_type] !== ETH_IP || (key[K.nw_frag]! & FRAG_LATER) === 0;
  if (nat.portMin !== 0 && hasPorts) key[isSource ? K.tp_src : K.tp_dst] = nat.portMin;
}
