/**
 * One packet through a switch in time order: pass, effects, conntrack, forked passes, until nothing is left of it. Changes MAC
 * tables, connections and (learn) tables. The slow and complete way: the case runner, `trace` and the time-ordered oracle of
 * the replay stand on it.
 *
 * A pass is first translated whole (NORMAL learns and looks up, patch ports run the other bridge, learn acts), then executed
 * in order, recirculations at once and to their end, as the userspace datapath does (dpif-netdev.c:dp_execute_cb).
 */
import { CtAttach, CtView, writeRewritten, writeView } from '../conntrack/action.js';
import { CtPacket, fillCtPacket } from '../conntrack/packet.js';
import type { CtStore } from '../conntrack/store.js';
import { executeCt, type Tracker } from '../conntrack/tracker.js';
import { CS_NEW, CS_TRK, K, KEY_WORDS } from '../fields/key.js';
import { verifyChecksums } from '../packet/checksums.js';
import { extractPacket, VLAN_LIMIT } from '../packet/extract.js';
import { PacketInfo } from '../packet/packetInfo.js';

import type {
  ControllerEffect,
  CtClearEffect,
  CtEffect,
  Edit,
  Effect,
  FinTimeoutEffect,
  LearnEffect,
  NestedStart,
  OutputEffect,
  RecircEffect,
} from './effects.js';
import type { PipelineEnv } from './env.js';
import { isIp, vlanCount } from './flowOps.js';
import type { MacTable } from './mac.js';
import { outputEdit, outputVlans } from './normal.js';
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
import { runPass } from './pass.js';
import { reassembledFrame } from './reassemble.js';
import { ENTRY, MAX_DEPTH, MAX_RESUBMITS, type PassStart } from './translation.js';
import type { CtSeen, Lookup, Outcome, Output, PassRecord, Verdict } from './verdict.js';

/** lib/dpif-netdev.c:MAX_RECIRC_DEPTH */
const MAX_RECIRC_DEPTH = 6;
const LINK_ETHERNET = 1;
const NS_PER_S = 1_000_000_000;

/** One bridge as it is now. */
export interface LiveBridge {
  readonly env: PipelineEnv;
  readonly macs: MacTable;
  /** Version of the tables that a pass reads. */
  version(): number;
  /** learn acts on the tables. */
  learn(effect: LearnEffect, nowNs: number): void;
  finTimeout(effect: FinTimeoutEffect, nowNs: number): void;
}

/** Bridges of one datapath, joined by patch ports; one conntrack for all. */
export interface LiveSwitch {
  readonly bridges: ReadonlyMap<string, LiveBridge>;
  readonly tracker: Tracker;
  readonly store: CtStore;
}

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

/** Packet words, in_port and the rest of a new packet's key; null: not a frame that can be parsed. */
export function packetInput(
  bridge: string,
  inPort: number,
  frame: Uint8Array,
  originalBytes = frame.length,
): PacketInput {
  const key = new Int32Array(KEY_WORDS);
  extractPacket(frame, 0, frame.length, originalBytes, LINK_ETHERNET, key, new PacketInfo(), VLAN_LIMIT);
  key[K.in_port] = inPort;
  return { bridge, key, frame, originalBytes, ctNext: [] };
}

export function runPacket(where: LiveSwitch, packet: PacketInput, nowNs: number): Verdict {
  return new PacketRun(where, packet, nowNs).run();
}

/** A resolved effect: NORMAL has become outputs, a patch port the plan of the other bridge. */
type Plan =
  | ((OutputEffect | ControllerEffect | CtEffect | CtClearEffect | RecircEffect) & { readonly bridge: string })
  | { readonly kind: 'copy'; readonly plans: readonly Plan[]; readonly edit: Edit }
  | {
      readonly kind: 'length';
      readonly bytes: number;
      readonly larger: readonly Plan[];
      readonly notLarger: readonly Plan[];
      readonly edit: Edit;
    };

/** A pass that waits in the queue of `ofproto/trace`, which runs them after the one they came from. */
type Waiting = () => void;

class PacketRun {
  private readonly where: LiveSwitch;
  private readonly packet: PacketInput;
  private readonly nowNs: number;
  private readonly outputs: Output[] = [];
  private readonly ct: CtSeen[] = [];
  private readonly lookups: Lookup[] = [];
  private readonly passes: PassRecord[] = [];
  private readonly ctNext: number[];
  private readonly waiting: Waiting[] = [];
  private readonly view = new CtView();
  private readonly ctPacket = new CtPacket();
  /** Lookups so far in the bridges that the present pass has reached through patch ports: they count for its limit. */
  private peerLookups = 0;
  private controller = 0;
  private unsupported: Verdict['unsupported'] = null;
  private error: string | null = null;
  private held = false;
  private ctDropped = false;
  private ambiguous = false;

  constructor(where: LiveSwitch, packet: PacketInput, nowNs: number) {
    this.where = where;
    this.packet = packet;
    this.nowNs = nowNs;
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
    return {
      outcome: this.outcome(),
      outputs: this.outputs,
      ct: this.ct,
      lookups: this.lookups,
      controller: this.controller,
      unsupported: this.unsupported,
      error: this.error,
      passes: this.passes,
    };
  }

  private outcome(): Outcome {
    if (this.unsupported !== null) return 'unsupported';
    if (this.ambiguous) return 'ambiguous';
    if (this.outputs.length > 0) return 'delivered';
    if (this.ctDropped) return 'ctDropped';
    if (this.held) return 'held';
    return this.controller > 0 ? 'controller' : 'dropped';
  }

  private get hasSideEffects(): boolean {
    return this.packet.frame !== null;
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
    const plans: Plan[] = [];
    this.peerLookups = 0;
    const error = this.translate(bridge, key, start, null, plans, false, ct);
    if (error === null) this.execute(plans, { ...state, applied: 0 }, recircDepth);
  }

  // --- translation

  /** Appends the plan of a pass to `plans`; returns its error. `before`: the edit of the pass it is nested in. */
  private translate(
    bridgeName: string,
    key: Int32Array,
    start: PassStart,
    before: Edit,
    plans: Plan[],
    nested: boolean,
    ct: CtSeen | null,
  ): string | null {
    const bridge = this.where.bridges.get(bridgeName)!;
    const pass = runPass(bridge.env, key, bridge.version(), start);
    this.passes.push({ bridge: bridgeName, key, pass, nested, ct });
    this.error ??= nested ? null : pass.error;
    if (pass.ambiguous !== null) this.ambiguous = true;
    if (pass.unsupported !== null) this.unsupported ??= { bridge: bridgeName, ...pass.unsupported };
    let shown = 0;
    const showLookups = (upTo: number): void => {
      for (; shown < upTo; shown++) this.lookups.push({ bridge: bridgeName, ...pass.lookups[shown]! });
    };
    const isEmptied = pass.error !== null && !nested;
    const resolve = (effects: readonly Effect[], into: Plan[]): void => {
      for (const effect of effects) {
        switch (effect.kind) {
          case 'normal':
            this.resolveNormal(bridge, effect, before, isEmptied ? [] : into, showLookups);
            break;
          case 'patch':
            showLookups(effect.nested.lookups);
            this.enterPeer(bridge, effect.port, effect.nested, joinEdits(before, effect.edit), isEmptied ? [] : into);
            break;
          case 'learn':
            if (this.hasSideEffects) bridge.learn(effect, this.nowNs);
            break;
          case 'finTimeout':
            if (this.hasSideEffects) bridge.finTimeout(effect, this.nowNs);
            break;
          case 'clone': {
            const inner: Plan[] = [];
            resolve(effect.effects, inner);
            into.push({ kind: 'copy', plans: inner, edit: joinEdits(before, effect.edit) });
            break;
          }
          case 'length': {
            const larger: Plan[] = [];
            const notLarger: Plan[] = [];
            resolve(effect.larger, larger);
            resolve(effect.notLarger, notLarger);
            into.push({ ...effect, larger, notLarger, edit: joinEdits(before, effect.edit) });
            break;
          }
          default:
            into.push({ ...inOuterPass(effect, before), bridge: bridgeName });
        }
      }
    };
    resolve(pass.effects, plans);
    showLookups(pass.lookups.length);
    if (nested) this.peerLookups += pass.lookups.length;
    return pass.error;
  }

  private resolveNormal(
    bridge: LiveBridge,
    effect: Extract<Effect, { kind: 'normal' }>,
    before: Edit,
    plans: Plan[],
    showLookups: (upTo: number) => void,
  ): void {
    const seconds = Math.floor(this.nowNs / NS_PER_S);
    const admission = this.hasSideEffects ? bridge.macs.learn(effect, seconds) : bridge.macs.admit(effect);
    if (admission === null) return;
    for (const port of bridge.macs.outputs(effect, admission, seconds)) {
      const edit = joinEdits(before, outputEdit(effect, admission, port));
      if (port.peer === null) {
        // Each output has a tag of its own, so each is on a copy.
        const output: Plan = { kind: 'output', port: port.ofport, edit, maxLen: null, bridge: bridge.env.bridge };
        plans.push({ kind: 'copy', plans: [output], edit: joinEdits(before, effect.edit) });
      } else {
        showLookups(effect.nested.lookups);
        const key = effect.nested.key.slice();
        key.set(outputVlans(effect, admission, port).subarray(K.vlan_tci), K.vlan_tci);
        this.enterPeer(bridge, port.ofport, { ...effect.nested, key }, edit, plans);
      }
    }
  }

  /** xlate:patch_port_output: metadata, registers, tunnel and ct fields are 0 there. */
  private enterPeer(from: LiveBridge, port: number, nested: NestedStart, edit: Edit, plans: Plan[]): void {
    const before = this.peerLookups;
    const resubmits = nested.resubmits + before;
    if (nested.depth >= MAX_DEPTH || resubmits >= MAX_RESUBMITS) return;
    const peerName = from.env.ports.get(port)?.peer;
    for (const [name, bridge] of this.where.bridges) {
      for (const candidate of bridge.env.ports.values()) {
        if (candidate.name !== peerName || candidate.peer !== from.env.ports.get(port)!.name) continue;
        const key = new Int32Array(KEY_WORDS);
        key.set(nested.key.subarray(K.dl_src, K.PACKET_END), K.dl_src);
        key[K.pkt_mark] = nested.key[K.pkt_mark]!;
        key[K.packet_type] = nested.key[K.packet_type]!;
        key[K.in_port] = candidate.ofport;
        const { depth, wasMpls } = nested;
        const start = { ...ENTRY, depth: depth + 1, resubmits: resubmits + 1, wasMpls };
        const inner: Plan[] = [];
        this.peerLookups = 0;
        this.translate(name, key, start, edit, inner, true, null);
        this.peerLookups += before;
        plans.push({ kind: 'copy', plans: inner, edit });
        return;
      }
    }
  }

  // --- execution

  /** Runs a plan on the packet; a packet that ct() keeps or drops ends it. */
  private execute(plans: readonly Plan[], state: PacketState, recircDepth: number): void {
    for (let i = 0; i < plans.length; i++) {
      const plan = plans[i]!;
      switch (plan.kind) {
        case 'output':
          this.send(plan, state);
          break;
        case 'controller':
          this.controller++;
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
          const key = plan.reparse ? this.parsedKey(plan.key, state) : plan.key.slice();
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
    this.outputs.push({
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
    if (ct !== null) this.ct.push(ct);
    this.runPass(bridge, key, start, copyState(state), recircDepth + 1, ct);
  }

  /** Packet words as a parser sees the frame now. */
  private parsedKey(snapshot: Int32Array, state: PacketState): Int32Array {
    const key = snapshot.slice();
    if (state.frame !== null)
      extractPacket(
        state.frame,
        0,
        state.frame.length,
        state.originalBytes,
        LINK_ETHERNET,
        key,
        new PacketInfo(),
        VLAN_LIMIT,
      );
    return key;
  }

  /** A real ct(). Returns the packets that go on in the list: this one, none, or the fragments that it set free. */
  private runCt(effect: CtEffect & { bridge: string }, state: PacketState, recircDepth: number): PacketState[] {
    const { ctPacket, view } = this;
    const frame = state.frame!;
    const key = effect.key.slice();
    const info = new PacketInfo();
    // The datapath knows where the headers are under tags that this pass has pushed.
    extractPacket(frame, 0, frame.length, state.originalBytes, LINK_ETHERNET, key, info, vlanCount(effect.key));
    if (!isIp(key)) return [state];
    if (this.where.tracker.verifyChecksums) verifyChecksums(info, key);
    fillCtPacket(key, info, ctPacket);
    ctPacket.token = state;
    executeCt(this.where.tracker, this.where.store, state.attach, ctOpOf(effect), ctPacket, this.nowNs, view);
    if (view.notExecuted !== '') this.unsupported ??= { bridge: effect.bridge, rule: -1, what: view.notExecuted };
    if (view.isArbitrary) this.ambiguous = true;
    if (view.dropped) {
      this.ctDropped = true;
      return [];
    }
    if (view.held) {
      this.held = true;
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
      const forkKey = parseAnew ? this.parsedKey(effect.key, state) : effect.key.slice();
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
      const key = this.parsedKey(effect.key, fragment);
      const natted = key.slice();
      // Ports are in no fragment's key after the first, and NAT writes them into unfragmented packets only.
      const frag = natted[K.nw_frag]!;
      natted[K.nw_frag] = 0;
      writeRewritten(this.ctPacket, this.view.rewritten, natted);
      natted[K.nw_frag] = frag;
      change(fragment, fragmentNatEdits(key, natted));
      const forkKey = this.parsedKey(effect.key, fragment);
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

/** An effect of a pass that is nested in another one, whose edits come first. */
function inOuterPass<E extends { readonly edit: Edit; readonly cutBefore?: Edit }>(effect: E, outer: Edit): E {
  const joined = { ...effect, edit: joinEdits(outer, effect.edit) };
  return effect.cutBefore === undefined ? joined : { ...joined, cutBefore: joinEdits(outer, effect.cutBefore) };
}

const joinEdits = (before: Edit, edit: Edit): Edit => {
  if (before === null) return edit;
  return edit === null ? before : [...before, ...edit];
};
