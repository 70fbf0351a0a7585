/**
 * What the datapath will do with a packet: a pass with everything resolved that the bridges decide while they translate it.
 * NORMAL learns and looks up, patch ports run the other bridge, learn acts on the tables.
 */
import { K, KEY_WORDS } from '../fields/key.js';
import type {
  ControllerEffect,
  CtClearEffect,
  CtEffect,
  Edit,
  Effect,
  NestedStart,
  OutputEffect,
  RecircEffect,
} from './effects.js';
import type { LiveBridge, LiveSwitch } from './liveSwitch.js';
import { outputEdit, outputVlans } from './normal.js';
import { runPass } from './pass.js';
import { ENTRY, MAX_DEPTH, MAX_RESUBMITS, type PassStart } from './translation.js';
import type { CtSeen, VerdictBuilder } from './verdict.js';

const NS_PER_S = 1_000_000_000;

/** A resolved effect: NORMAL has become outputs, a patch port the plan of the other bridge. */
export type Plan =
  | ((OutputEffect | ControllerEffect | CtEffect | CtClearEffect | RecircEffect) & { readonly bridge: string })
  | { readonly kind: 'copy'; readonly plans: readonly Plan[]; readonly edit: Edit }
  | {
      readonly kind: 'length';
      readonly bytes: number;
      readonly larger: readonly Plan[];
      readonly notLarger: readonly Plan[];
      readonly edit: Edit;
    };

/** Translates the passes of one packet. */
export class Planner {
  private readonly where: LiveSwitch;
  private readonly nowNs: number;
  private readonly hasSideEffects: boolean;
  private readonly verdict: VerdictBuilder;
  /** Lookups so far in the bridges that the present pass has reached through patch ports: they count for its limit. */
  private peerLookups = 0;

  /** `hasSideEffects`: NORMAL and learn may learn. */
  constructor(where: LiveSwitch, nowNs: number, hasSideEffects: boolean, verdict: VerdictBuilder) {
    this.where = where;
    this.nowNs = nowNs;
    this.hasSideEffects = hasSideEffects;
    this.verdict = verdict;
  }

  /** The plan of a pass of the packet itself; null: a limit of OVS empties the pass. `ct`: what the ct() before it showed. */
  plan(bridge: string, key: Int32Array, start: PassStart, ct: CtSeen | null): readonly Plan[] | null {
    const plans: Plan[] = [];
    this.peerLookups = 0;
    return this.translate(bridge, key, start, null, plans, false, ct) === null ? plans : null;
  }

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
    const { verdict } = this;
    const bridge = this.where.bridges.get(bridgeName)!;
    const pass = runPass(bridge.env, key, bridge.version(), start);
    verdict.passes.push({ bridge: bridgeName, key, pass, nested, ct });
    verdict.error ??= nested ? null : pass.error;
    if (pass.ambiguous !== null) verdict.ambiguous = true;
    if (pass.unsupported !== null) verdict.unsupported ??= { bridge: bridgeName, ...pass.unsupported };
    let shown = 0;
    const showLookups = (upTo: number): void => {
      for (; shown < upTo; shown++) verdict.lookups.push({ bridge: bridgeName, ...pass.lookups[shown]! });
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
