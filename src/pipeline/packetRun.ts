/**
 * One packet through a switch in time order: pass, effects, conntrack, forked passes, until nothing is left of it. Changes MAC
 * tables, connections and (learn) tables. The slow and complete way: the case runner, `trace` and the time-ordered oracle of
 * the replay stand on it.
 *
 * A pass is first translated whole (plan.ts), then executed in order, recirculations at once and to their end, as the userspace datapath does (dpif-netdev.c:dp_execute_cb).
 */
import { CtAttach, CtView, writeRewritten, writeView } from '../conntrack/action.js';
import { CtPacket, fillCtPacket } from '../conntrack/packet.js';
import { executeCt } from '../conntrack/tracker.js';
import { CS_NEW, CS_TRK, K, KEY_WORDS } from '../fields/key.js';
import { verifyChecksums } from '../packet/checksums.js';
import { extractPacket, VLAN_LIMIT } from '../packet/extract.js';
import { PacketInfo } from '../packet/packetInfo.js';
import type { CtEffect, OutputEffect } from './effects.js';
import { isIp, vlanCount } from './flowOps.js';
import type { LiveSwitch } from './liveSwitch.js';
import {
  ctOpOf,
  ctSeen,
  ctSeenInKey,
  forkStart,
  fragmentNatEdits,
  innerNatEdits,
  natEdits,
  pretendNat,
} from './packetCt.js';
import { advance, change, copyState, type PacketState } from './packetState.js';
import { type Plan, Planner } from './plan.js';
import { reassembledFrame } from './reassemble.js';
import { ENTRY, type PassStart } from './translation.js';
import { type CtSeen, type Verdict, VerdictBuilder } from './verdict.js';

/** lib/dpif-netdev.c:MAX_RECIRC_DEPTH */
const MAX_RECIRC_DEPTH = 6;
const LINK_ETHERNET = 1;

export interface PacketInput {
  readonly bridge: string;
  /** Flow key: packet words and in_port; the rest as the packet brings it (0). */
  readonly key: Int32Array;
  /** null: a packet given as a flow, run as `ofproto/trace` runs it: nothing is learned, no connection is made or looked up. */
  readonly frame: Uint8Array | null;
  /** Length on the wire: more than the frame has if the capture was cut. */
  readonly originalBytes: number;
  /** ct_state that each ct(table=) in turn leads to, for packets without a frame; then trk|new (ofproto/trace --ct-next). */
  readonly ctNext: readonly number[];
}

/** A frame that enters at a port. */
export function packetInput(
  bridge: string,
  inPort: number,
  frame: Uint8Array,
  originalBytes = frame.length,
): PacketInput {
  const key = new Int32Array(KEY_WORDS);
  parse(frame, originalBytes, key, new PacketInfo(), VLAN_LIMIT);
  key[K.in_port] = inPort;
  return { bridge, key, frame, originalBytes, ctNext: [] };
}

export function runPacket(where: LiveSwitch, packet: PacketInput, nowNs: number): Verdict {
  return new PacketRun(where, packet, nowNs).run();
}

/** A pass that waits in the queue of `ofproto/trace`, which runs them after the one they came from. */
type Waiting = () => void;

class PacketRun {
  private readonly where: LiveSwitch;
  private readonly packet: PacketInput;
  private readonly nowNs: number;
  private readonly verdict = new VerdictBuilder();
  private readonly planner: Planner;
  private readonly ctNext: number[];
  private readonly waiting: Waiting[] = [];
  private readonly view = new CtView();
  private readonly ctPacket = new CtPacket();

  constructor(where: LiveSwitch, packet: PacketInput, nowNs: number) {
    this.where = where;
    this.packet = packet;
    this.nowNs = nowNs;
    this.planner = new Planner(where, nowNs, packet.frame !== null, this.verdict);
    this.ctNext = [...packet.ctNext];
  }

  run(): Verdict {
    const { packet } = this;
    const state: PacketState = {
      frame: packet.frame,
      originalBytes: packet.originalBytes,
      applied: 0,
      changed: false,
      sent: packet.key,
      fields: packet.key,
      attach: new CtAttach(),
    };
    this.runPass(packet.bridge, packet.key, ENTRY, state, 0, null);
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) next();
    return this.verdict.finish();
  }

  /** A pass of the packet itself: translated whole, then executed. */
  private runPass(
    bridge: string,
    key: Int32Array,
    start: PassStart,
    state: PacketState,
    recircDepth: number,
    ct: CtSeen | null,
  ): void {
    const plans = this.planner.plan(bridge, key, start, ct);
    if (plans !== null) this.execute(plans, { ...state, applied: 0 }, recircDepth);
  }

  /** Runs a plan on the packet; a packet that ct() keeps or drops ends it. */
  private execute(plans: readonly Plan[], state: PacketState, recircDepth: number): void {
    for (let i = 0; i < plans.length; i++) {
      const plan = plans[i]!;
      switch (plan.kind) {
        case 'output':
          this.send(plan, state);
          break;
        case 'controller':
          this.verdict.controller++;
          break;
        case 'copy': {
          const copy = copyState(state);
          advance(copy, plan.edit);
          this.execute(plan.plans, copy, recircDepth);
          break;
        }
        case 'length': {
          const copy = copyState(state);
          advance(copy, plan.edit);
          this.execute(copy.originalBytes > plan.bytes ? plan.larger : plan.notLarger, copy, recircDepth);
          break;
        }
        case 'ctClear':
          advance(state, plan.edit);
          state.attach.clear();
          break;
        case 'recirc': {
          advance(state, plan.edit);
          // ofproto/trace follows only the forks of ct().
          if (state.frame === null) break;
          const key = plan.reparse ? parsedKey(plan.key, state) : plan.key.slice();
          this.recirculate(
            plan.bridge,
            key,
            { ...ENTRY, table: plan.frozen.table, frozen: plan.frozen },
            state,
            recircDepth,
            null,
          );
          break;
        }
        case 'ct': {
          advance(state, plan.edit);
          if (state.frame === null) {
            this.pretendCt(plan, state, recircDepth);
            break;
          }
          const going = this.runCt(plan, state, recircDepth);
          if (going.length === 1 && going[0] === state) break;
          for (const each of going) this.execute(plans.slice(i + 1), each, recircDepth);
          return;
        }
      }
    }
  }

  private send(plan: OutputEffect & { readonly bridge: string }, state: PacketState): void {
    let cutBytes = 0;
    if (plan.maxLen !== null) {
      advance(state, plan.cutBefore ?? null);
      cutBytes = Math.max(0, state.originalBytes - plan.maxLen);
    }
    advance(state, plan.edit);
    const { frame, originalBytes } = state;
    this.verdict.outputs.push({
      bridge: plan.bridge,
      port: plan.port,
      frame: cutBytes === 0 ? frame : (frame?.subarray(0, originalBytes - cutBytes) ?? null),
      changed: state.changed || cutBytes > 0,
    });
  }

  private recirculate(
    bridge: string,
    key: Int32Array,
    start: PassStart,
    state: PacketState,
    recircDepth: number,
    ct: CtSeen | null,
  ): void {
    if (recircDepth >= MAX_RECIRC_DEPTH) return;
    if (ct !== null) this.verdict.ct.push(ct);
    this.runPass(bridge, key, start, copyState(state), recircDepth + 1, ct);
  }

  /** A real ct(). Returns the packets that go on in the list: this one, none, or the fragments that it set free. */
  private runCt(effect: CtEffect & { bridge: string }, state: PacketState, recircDepth: number): PacketState[] {
    const { ctPacket, view } = this;
    const frame = state.frame!;
    const key = effect.key.slice();
    const info = new PacketInfo();
    // The datapath knows where the headers are under tags that this pass has pushed.
    parse(frame, state.originalBytes, key, info, vlanCount(effect.key));
    if (!isIp(key)) return [state];
    if (this.where.tracker.verifyChecksums) verifyChecksums(info, key);
    fillCtPacket(key, info, ctPacket);
    ctPacket.token = state;
    executeCt(this.where.tracker, this.where.store, state.attach, ctOpOf(effect), ctPacket, this.nowNs, view);
    if (view.notExecuted !== '')
      this.verdict.unsupported ??= { bridge: effect.bridge, rule: -1, what: view.notExecuted };
    if (view.isArbitrary) this.verdict.ambiguous = true;
    if (view.dropped) {
      this.verdict.ctDropped = true;
      return [];
    }
    if (view.held) {
      this.verdict.held = true;
      return [];
    }
    if (view.released !== null && !view.isWhole)
      return this.goOnAsFragments(effect, view.released as PacketState[], recircDepth);
    if (view.isWhole) {
      // The kernel cuts it again on output, to the size of its largest fragment; here it leaves as one frame.
      state.frame = reassembledFrame((view.released as PacketState[]).map((fragment) => fragment.frame!));
      state.originalBytes = state.frame.length;
      state.changed = true;
    }
    if (view.rewritten !== 0) {
      const natted = key.slice();
      writeRewritten(ctPacket, view.rewritten, natted);
      change(state, natEdits(key, natted));
      if (ctPacket.related && state.attach.isInnerRewritten) change(state, innerNatEdits(ctPacket, state.attach.inner));
    }
    if (effect.table !== null) {
      const parseAnew = effect.reparse || view.isWhole;
      const forkKey = parseAnew ? parsedKey(effect.key, state) : effect.key.slice();
      if (!parseAnew) writeRewritten(ctPacket, view.rewritten, forkKey);
      writeView(view, ctPacket.family, forkKey);
      this.recirculate(effect.bridge, forkKey, forkStart(effect), state, recircDepth, ctSeen(view));
    }
    return [state];
  }

  /** Userspace: every fragment goes on by itself, with the ct fields of the whole packet (ipf.c:ipf_send_completed_frags). */
  private goOnAsFragments(
    effect: CtEffect & { bridge: string },
    fragments: readonly PacketState[],
    recircDepth: number,
  ): PacketState[] {
    const seen = ctSeen(this.view);
    const { family } = this.ctPacket;
    const keys = fragments.map((fragment) => {
      const key = parsedKey(effect.key, fragment);
      const natted = key.slice();
      // Ports are in no fragment's key after the first, and NAT writes them into unfragmented packets only.
      const frag = natted[K.nw_frag]!;
      natted[K.nw_frag] = 0;
      writeRewritten(this.ctPacket, this.view.rewritten, natted);
      natted[K.nw_frag] = frag;
      change(fragment, fragmentNatEdits(key, natted));
      const forkKey = parsedKey(effect.key, fragment);
      writeView(this.view, family, forkKey);
      return forkKey;
    });
    if (effect.table !== null)
      fragments.forEach((fragment, i) => {
        this.recirculate(effect.bridge, keys[i]!, forkStart(effect), fragment, recircDepth, seen);
      });
    return [...fragments];
  }

  /** ct() of a packet without bytes, as ofproto/trace pretends it (ofproto-dpif-trace.c:ofproto_trace_recirc_node). */
  private pretendCt(effect: CtEffect & { bridge: string }, state: PacketState, recircDepth: number): void {
    if (effect.table === null) return;
    const kept = copyState(state);
    this.waiting.push(() => {
      const key = effect.key.slice();
      key[K.ct_state] = this.ctNext.shift() ?? CS_TRK | CS_NEW;
      key[K.ct_zone] = effect.zone;
      pretendNat(effect, key);
      this.recirculate(effect.bridge, key, forkStart(effect), kept, recircDepth, ctSeenInKey(key));
    });
  }
}

/** Packet words as a parser sees the frame now; the rest as in `snapshot`. */
function parsedKey(snapshot: Int32Array, { frame, originalBytes }: PacketState): Int32Array {
  const key = snapshot.slice();
  if (frame !== null) parse(frame, originalBytes, key, new PacketInfo(), VLAN_LIMIT);
  return key;
}

function parse(frame: Uint8Array, originalBytes: number, key: Int32Array, info: PacketInfo, vlanLimit: number): void {
  extractPacket(frame, 0, frame.length, originalBytes, LINK_ETHERNET, key, info, vlanLimit);
}
