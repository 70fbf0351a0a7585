/**
 * One packet through the pipeline in one world: the passes of its class (reused where versions and ct views repeat), with
 * conntrack executed on the world's own entries. Outputs of NORMAL stay symbols (macPass.ts resolves them in time order).
 */
import { CtAttach, type CtOp, CtView, writeReassembled, writeRewritten, writeView } from '../conntrack/action.js';
import { CtPacket, fillCtPacket } from '../conntrack/packet.js';
import type { CtStore } from '../conntrack/store.js';
import { executeCt, type Tracker } from '../conntrack/tracker.js';
import { K, KEY_WORDS } from '../fields/key.js';
import type { PacketInfo } from '../packet/packetInfo.js';
import type { CtEffect, EditOp, Effect, RecircEffect } from '../pipeline/effects.js';
import type { PipelineEnv } from '../pipeline/env.js';
import { ctOpOf, forgetsConnection, forkStart, innerNatEdits, natEdits } from '../pipeline/packetCt.js';
import { runPass } from '../pipeline/pass.js';
import { ENTRY, type PassStart } from '../pipeline/translation.js';
import { EditTrail, type SentEdit } from './editTrail.js';
import { NO_RESULT, outputOfPatch, type PacketResult, ResultBuilder } from './packetResult.js';
import {
  type PacketClass,
  PassNode,
  passAt,
  type RunNode,
  type Twins,
  type ViewBits,
  type ViewNode,
} from './passes.js';

const UNCHANGED: SentEdit = { ops: [], cutAt: 0, isWhole: false };

/** OVS lib/dpif-netdev.c:MAX_RECIRC_DEPTH: the seventh recirculation drops the packet, earlier outputs stay. */
const RECIRCULATIONS_MAX = 6;

export class WorldRunner {
  readonly env: PipelineEnv;
  readonly tracker: Tracker;
  private readonly reuse: boolean;
  readonly viewBits: ViewBits;
  /** What the packet carries from one ct() to the next; one per depth, since a fork is a copy of the packet. */
  private readonly attaches: CtAttach[] = [new CtAttach()];
  private readonly view = new CtView();
  private readonly packet = new CtPacket();
  private readonly scratchKey = new Int32Array(KEY_WORDS);
  private readonly ops = new WeakMap<CtEffect, CtOp>();
  /** How far the run has come. After `run` it is the last node, for `twins`. */
  private at!: RunNode;
  private forkView!: ViewNode;
  private forkKey!: Int32Array;
  private info!: PacketInfo;
  private store!: CtStore;
  private version = 0;
  private nowNs = 0;
  private stopped = false;

  /** What was sent in this run, where frames are asked for. */
  private readonly sent: Map<Effect, SentEdit> | null;
  /** Results with what they send, by result and text of the edits. */
  private readonly framed = new WeakMap<PacketResult, Map<string, PacketResult>>();

  /** `frames`: results tell how the frames that leave are rewritten. */
  constructor(env: PipelineEnv, tracker: Tracker, viewBits: ViewBits, reuse: boolean, frames = false) {
    this.sent = frames ? new Map() : null;
    this.viewBits = viewBits;
    this.env = env;
    this.tracker = tracker;
    this.reuse = reuse;
  }

  /**
   * Runs the packet at `version` on `store`, which is changed. `key` and `info` are its own, the passes those of its class.
   * The result is the same object for the same way through.
   */
  run(
    cls: PacketClass,
    key: Int32Array,
    info: PacketInfo,
    version: number,
    nowNs: number,
    store: CtStore,
  ): PacketResult {
    this.info = info;
    this.store = store;
    this.version = version;
    this.nowNs = nowNs;
    this.stopped = false;
    this.attaches[0]!.clear();
    if (!this.reuse) cls.forget();
    const root = this.nodeFor(cls.roots, cls.key, ENTRY);
    this.at = cls.runs.step(root, '', null, 0, 0, 0);
    this.sent?.clear();
    this.runEffects(root, root.pass.effects, key, 0, this.attaches[0]!, this.sent === null ? null : new EditTrail());
    const last = this.at;
    if (last.result === NO_RESULT) last.result = this.build(last, info);
    return this.sent === null ? last.result : this.withFrames(last.result, this.sent);
  }

  /** The result, with the edits of this run if there are any; the same object for the same edits. */
  private withFrames(result: PacketResult, log: ReadonlyMap<Effect, SentEdit>): PacketResult {
    const outputs = result.outputs.map((effect) => log.get(effect) ?? UNCHANGED);
    const normals = result.normals.map((effect) => log.get(effect) ?? UNCHANGED);
    if ([...outputs, ...normals].every(({ ops, isWhole }) => ops.length === 0 && !isWhole)) return result;
    let known = this.framed.get(result);
    if (known === undefined) {
      known = new Map();
      this.framed.set(result, known);
    }
    const text = JSON.stringify([outputs, normals]);
    let framed = known.get(text);
    if (framed === undefined) {
      framed = { ...result, sent: { outputs, normals } };
      known.set(text, framed);
    }
    return framed;
  }

  /**
   * The run of a packet that meets, at `version`, what another run of its class saw at its ct() calls, one after the other;
   * conntrack is not touched. null: at that version it calls ct() otherwise, so what it would have seen is not known.
   */
  runSeen(cls: PacketClass, run: PacketResult, version: number): PacketResult | null {
    this.version = version;
    const builder = new ResultBuilder();
    let next = 0;
    const follow = (node: PassNode, depth: number): boolean => {
      builder.addPass(node.pass);
      for (const effect of node.pass.effects) {
        builder.addEffect(effect, node.pass.error !== null);
        if (effect.kind === 'clone' || effect.kind === 'length' || effect.kind === 'recirc') return false;
        if (effect.kind !== 'ct' || effect.table === null || depth >= RECIRCULATIONS_MAX) continue;
        const seen = run.seen[next];
        const view = run.views[next];
        if (seen === undefined || view === undefined || seen.zone !== effect.zone) return false;
        next++;
        builder.addSeen(seen.zone, seen.state, seen.mark, view);
        const key = Int32Array.from(effect.key);
        view.writeTo(key);
        const child = new PassNode(runPass(this.env, key, version, forkStart(effect)));
        if (!follow(child, depth + 1)) return false;
      }
      return true;
    };
    return follow(this.nodeFor(cls.roots, cls.key, ENTRY), 0) ? builder.finish() : null;
  }

  private nodeFor(passes: PassNode[], key: Int32Array, start: PassStart): PassNode {
    const known = this.reuse ? passAt(passes, this.version) : null;
    if (known !== null) return known;
    const node = new PassNode(runPass(this.env, key, this.version, start));
    passes.unshift(node);
    return node;
  }

  private runEffects(
    node: PassNode,
    effects: readonly Effect[],
    key: Int32Array,
    depth: number,
    attach: CtAttach,
    trail: EditTrail | null,
  ): void {
    let edited = 0;
    for (const effect of effects) {
      if (this.stopped) return;
      const edit = effect.edit;
      if (edit !== null && edit.length > edited) {
        if (changesConnection(edit, edited)) attach.rewritten();
        edited = edit.length;
      }
      switch (effect.kind) {
        case 'ct':
          trail?.advance(edit);
          this.runCt(node, effect, key, depth, attach, trail);
          break;
        case 'output':
        case 'normal':
          if (trail !== null) this.sent!.set(effect, trail.sent(effect));
          break;
        case 'patch':
          if (trail !== null) this.sent!.set(outputOfPatch(effect), trail.sent(effect));
          break;
        case 'ctClear':
          attach.clear();
          break;
        case 'clone':
          trail?.advance(edit);
          this.runEffects(node, effect.effects, key, depth, this.attachAt(depth + 1, attach), trail?.copy() ?? null);
          this.stopped = false;
          break;
        case 'length': {
          const isLarger = this.info.originalBytes > effect.bytes;
          this.at = this.at.step(null, isLarger ? 'larger' : 'not larger', null, 0, 0, 0);
          trail?.advance(edit);
          const branch = isLarger ? effect.larger : effect.notLarger;
          this.runEffects(node, branch, key, depth, attach, trail?.copy() ?? null);
          break;
        }
        case 'recirc':
          trail?.advance(edit);
          this.runRecirc(node, effect, key, depth, attach, trail);
          break;
        default:
          break;
      }
    }
  }

  /** A copy of the packet's conntrack notes for a fork or clone at this depth. */
  private attachAt(depth: number, from: CtAttach): CtAttach {
    let attach = this.attaches[depth];
    if (attach === undefined) {
      attach = new CtAttach();
      this.attaches[depth] = attach;
    }
    attach.copyFrom(from);
    return attach;
  }

  /** `start`: the packet's own key when the pass began. */
  private runCt(
    node: PassNode,
    effect: CtEffect,
    start: Int32Array,
    depth: number,
    attach: CtAttach,
    trail: EditTrail | null,
  ): void {
    const { view, packet } = this;
    const key = keyAt(effect, start);
    fillCtPacket(key, this.info, packet);
    executeCt(this.tracker, this.store, attach, this.opOf(effect), packet, this.nowNs, view);
    if (view.held || view.dropped) {
      this.at = this.at.step(null, view.held ? 'held' : 'dropped', null, 0, 0, 0);
      this.stopped = true;
      return;
    }
    if (view.isWhole) this.at = this.at.step(null, 'whole', null, 0, 0, 0);
    if (trail !== null) this.noteNat(trail, key, attach);
    if (effect.table === null || depth >= RECIRCULATIONS_MAX) return;
    const { zone, state, mark } = view;
    const child = this.forkAfter(node, effect, key);
    this.at = this.at.step(child, '', this.forkView, zone, state, mark);
    const forked = trail?.fork() ?? null;
    this.runEffects(child, child.pass.effects, this.forkKey, depth + 1, this.attachAt(depth + 1, attach), forked);
  }

  /** What ct() changed in the frame. */
  private noteNat(trail: EditTrail, key: Int32Array, attach: CtAttach): void {
    const { view, packet } = this;
    if (view.isWhole) trail.putTogether();
    if (view.rewritten === 0) return;
    const changed = Int32Array.from(key);
    writeRewritten(packet, view.rewritten, changed);
    trail.add(natEdits(key, changed));
    if (packet.related && attach.isInnerRewritten) trail.add(innerNatEdits(packet, attach.inner));
  }

  /** The pass that sees what the ct() just showed; sets `forkView` and `forkKey` (the packet's own key in it). */
  private forkAfter(node: PassNode, effect: CtEffect, own: Int32Array): PassNode {
    const { view, packet, scratchKey: key, viewBits } = this;
    this.forkKey = own;
    if (view.rewritten !== 0 || view.isWhole) return this.forkRewritten(effect, own);
    writeView(view, packet.family, key);
    let views = node.forks.get(effect);
    if (views === undefined) {
      views = [];
      node.forks.set(effect, views);
    }
    const seen = viewBits.viewOf(views, key);
    this.forkView = seen;
    return this.forkIn(seen, effect);
  }

  /** The pass after a ct() that showed `seen`, at the version of this run. */
  private forkIn(seen: ViewNode, effect: CtEffect): PassNode {
    const known = this.reuse ? passAt(seen.passes, this.version) : null;
    if (known !== null) return known;
    const passKey = Int32Array.from(effect.key);
    seen.writeTo(passKey);
    return this.nodeFor(seen.passes, passKey, forkStart(effect));
  }

  /** The fork sees another header (NAT, a packet put together): its passes are not those of the class, but of this packet. */
  private forkRewritten(effect: CtEffect, own: Int32Array): PassNode {
    const { view, packet } = this;
    const passKey = Int32Array.from(effect.key);
    const changed = Int32Array.from(own);
    for (const each of [passKey, changed]) {
      writeRewritten(packet, view.rewritten, each);
      if (view.isWhole) writeReassembled(packet, each);
    }
    writeView(view, packet.family, passKey);
    copyConnection(changed, passKey);
    this.forkView = this.viewBits.viewOf([], passKey);
    this.forkKey = changed;
    return new PassNode(runPass(this.env, passKey, this.version, forkStart(effect)));
  }

  private runRecirc(
    node: PassNode,
    effect: RecircEffect,
    start: Int32Array,
    depth: number,
    attach: CtAttach,
    trail: EditTrail | null,
  ): void {
    if (depth >= RECIRCULATIONS_MAX) return;
    let views = node.forks.get(effect);
    if (views === undefined) {
      views = [this.viewBits.viewOf([], effect.key)];
      node.forks.set(effect, views);
    }
    const child = this.nodeFor(views[0]!.passes, effect.key, {
      ...ENTRY,
      table: effect.frozen.table,
      frozen: effect.frozen,
    });
    this.at = this.at.step(child, 'recirc', null, 0, 0, 0);
    const key = keyAt(effect, start);
    const forked = trail?.fork() ?? null;
    this.runEffects(child, child.pass.effects, key, depth + 1, this.attachAt(depth + 1, attach), forked);
  }

  /**
   * The last run in the other two worlds, if there the packet would do the same to conntrack: then it finds there what it
   * found here, and the worlds stay one. null: it would not, or that cannot be told without running it.
   * Asked only after the first table step, so `afterVersion` is the last one.
   */
  twins(cls: PacketClass, afterVersion: number): Twins | null {
    const last = this.at;
    if (last.twins === undefined) {
      const before = this.twinAt(cls, last, 0);
      const after = before === null ? null : this.twinAt(cls, last, afterVersion);
      last.twins = before === null || after === null ? null : { before, after };
    }
    return last.twins;
  }

  private twinAt(cls: PacketClass, last: RunNode, version: number): PacketResult | null {
    this.version = version;
    const way = wayTo(last);
    if (way.some(({ mark }) => mark !== '')) return null;
    let other = cls.runs.step(this.nodeFor(cls.roots, cls.key, ENTRY), '', null, 0, 0, 0);
    // Only the plain case: one ct() after the other, each going on in one pass.
    for (let i = 0; i < way.length; i++) {
      const here = way[i]!.pass!;
      const there = other.pass!;
      if (!sameConntrack(here.pass.effects, there.pass.effects)) return null;
      const next = way[i + 1];
      if (next === undefined) break;
      const effect = there.pass.effects.find((each): each is CtEffect => each.kind === 'ct' && each.table !== null);
      if (effect === undefined || next.view === null) return null;
      const key = Int32Array.from(effect.key);
      next.view.writeTo(key);
      let views = there.forks.get(effect);
      if (views === undefined) {
        views = [];
        there.forks.set(effect, views);
      }
      const seen = this.viewBits.viewOf(views, key);
      other = other.step(this.forkIn(seen, effect), '', seen, next.zone, next.state, next.ctMark);
    }
    if (other.result === NO_RESULT) other.result = this.build(other, this.info);
    return other.result;
  }

  /** The value of a run; only when the way is new. */
  private build(last: RunNode, info: PacketInfo): PacketResult {
    const builder = new ResultBuilder();
    for (const { pass, mark, zone, state, ctMark, view } of wayTo(last)) {
      if (mark === 'held') builder.held = true;
      else if (mark === 'dropped') builder.ctDropped = true;
      else if (mark === 'whole') builder.isWhole = true;
      if (pass === null) continue;
      if (view !== null) builder.addSeen(zone, state, ctMark, view);
      builder.addPass(pass.pass);
      const failed = pass.pass.error !== null;
      for (const effect of flatten(pass.pass.effects, info)) builder.addEffect(effect, failed);
    }
    return builder.finish();
  }

  private opOf(effect: CtEffect): CtOp {
    let op = this.ops.get(effect);
    if (op === undefined) {
      op = ctOpOf(effect);
      this.ops.set(effect, op);
    }
    return op;
  }
}

/** The nodes from the first pass to the last one. */
function wayTo(last: RunNode): RunNode[] {
  const way: RunNode[] = [];
  for (let node: RunNode | null = last; node !== null && node.parent !== null; node = node.parent) way.push(node);
  return way.reverse();
}

/** Do two passes do the same to conntrack, each with at most one ct() that goes on? Tables and outputs may differ. */
function sameConntrack(a: readonly Effect[], b: readonly Effect[]): boolean {
  const mine = a.filter(touchesConntrack);
  const theirs = b.filter(touchesConntrack);
  if (mine.length !== theirs.length) return false;
  let forks = 0;
  for (let i = 0; i < mine.length; i++) {
    const x = mine[i]!;
    const y = theirs[i]!;
    if (x.kind !== y.kind || rewrites(x) || rewrites(y)) return false;
    if (x.kind !== 'ct' && x.kind !== 'ctClear') return false;
    if (x.kind === 'ct' && y.kind === 'ct' && !sameCt(x, y)) return false;
    if (x.kind === 'ct' && x.table !== null && ++forks > 1) return false;
  }
  return true;
}

const touchesConntrack = ({ kind }: Effect): boolean =>
  kind === 'ct' || kind === 'ctClear' || kind === 'clone' || kind === 'length' || kind === 'recirc';

const rewrites = ({ edit }: Effect): boolean => edit !== null && changesConnection(edit, 0);

function sameCt(a: CtEffect, b: CtEffect): boolean {
  return (
    a.zone === b.zone &&
    a.commit === b.commit &&
    a.force === b.force &&
    a.alg === b.alg &&
    (a.table === null) === (b.table === null) &&
    a.nat === null &&
    b.nat === null &&
    a.label === null &&
    b.label === null &&
    a.mark?.value === b.mark?.value &&
    a.mark?.mask === b.mark?.mask
  );
}

/** The packet's own key after the edits so far: its addresses and ports need not be those that stand for its class. */
function keyAt(effect: CtEffect | RecircEffect, start: Int32Array): Int32Array {
  const { edit } = effect;
  if (edit === null || !changesConnection(edit, 0)) return start;
  // What lies under a label stack is another packet.
  if (edit.some(({ op }) => op === 'pushMpls' || op === 'popMpls')) return effect.key;
  const own = Int32Array.from(start);
  for (const op of edit) if (op.op === 'set') own[op.word] = op.value;
  return own;
}

/** Addresses and ports from one key to another. */
function copyConnection(from: Int32Array, to: Int32Array): void {
  for (const word of CONNECTION_WORDS) to[word] = from[word]!;
}

const CONNECTION_WORDS: readonly number[] = [
  K.nw_src,
  K.nw_dst,
  K.tp_src,
  K.tp_dst,
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => K.ipv6_src + i),
];

function changesConnection(edit: readonly EditOp[], from: number): boolean {
  for (let i = from; i < edit.length; i++) if (forgetsConnection(edit[i]!)) return true;
  return false;
}

/** Effects inside clones and the branch taken of a length check, in order. */
function* flatten(effects: readonly Effect[], info: PacketInfo): Generator<Effect> {
  for (const effect of effects) {
    if (effect.kind === 'clone') yield* flatten(effect.effects, info);
    else if (effect.kind === 'length') {
      yield* flatten(info.originalBytes > effect.bytes ? effect.larger : effect.notLarger, info);
    } else yield effect;
  }
}
