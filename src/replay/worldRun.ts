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
import { ctOpOf, forgetsConnection, forkStart } from '../pipeline/packetCt.js';
import { ENTRY, type PassStart, runPass } from '../pipeline/pass.js';
import { NO_RESULT, type PacketResult, ResultBuilder } from './packetResult.js';
import { type PacketClass, PassNode, passAt, type RunNode, type ViewNode, viewOf } from './passes.js';

/** OVS lib/dpif-netdev.c:MAX_RECIRC_DEPTH: the seventh recirculation drops the packet, earlier outputs stay. */
const RECIRCULATIONS_MAX = 6;

/** What a run left behind, one item per pass or ct() outcome, in order. */
interface TrailItem {
  readonly node: PassNode | null;
  readonly mark: string;
  readonly zone: number;
  readonly state: number;
  readonly ctMark: number;
  /** Of a pass after a ct(). */
  readonly view: ViewNode | null;
}

export class WorldRunner {
  readonly env: PipelineEnv;
  readonly tracker: Tracker;
  private readonly reuse: boolean;
  /** Of the ct words, what somebody looks at (packetClasses.ts). */
  readonly ctBits: Int32Array;
  /** What the packet carries from one ct() to the next; one per depth, since a fork is a copy of the packet. */
  private readonly attaches: CtAttach[] = [new CtAttach()];
  private readonly view = new CtView();
  private readonly packet = new CtPacket();
  private readonly scratchKey = new Int32Array(KEY_WORDS);
  private readonly ops = new WeakMap<CtEffect, CtOp>();
  private trail: TrailItem[] = [];
  private info!: PacketInfo;
  private store!: CtStore;
  private version = 0;
  private nowNs = 0;
  private stopped = false;

  constructor(env: PipelineEnv, tracker: Tracker, ctBits: Int32Array, reuse: boolean) {
    this.ctBits = ctBits;
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
    this.trail = [];
    this.attaches[0]!.clear();
    if (!this.reuse) cls.forget();
    const root = this.nodeFor(cls.roots, cls.key, ENTRY);
    this.trail.push({ ...markItem(''), node: root });
    this.runEffects(root, root.pass.effects, key, 0, this.attaches[0]!);
    return this.resultOf(cls);
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
          this.runCt(node, effect, key, depth, attach);
          break;
        case 'ctClear':
          attach.clear();
          break;
        case 'clone':
          this.runEffects(node, effect.effects, key, depth, this.attachAt(depth + 1, attach));
          this.stopped = false;
          break;
        case 'length': {
          const isLarger = this.info.originalBytes > effect.bytes;
          this.trail.push(markItem(isLarger ? 'larger' : 'not larger'));
          this.runEffects(node, isLarger ? effect.larger : effect.notLarger, key, depth, attach);
          break;
        }
        case 'recirc':
          this.runRecirc(node, effect, key, depth, attach);
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
  private runCt(node: PassNode, effect: CtEffect, start: Int32Array, depth: number, attach: CtAttach): void {
    const { view, packet } = this;
    const key = keyAt(effect, start);
    fillCtPacket(key, this.info, packet);
    executeCt(this.tracker, this.store, attach, this.opOf(effect), packet, this.nowNs, view);
    if (view.held || view.dropped) {
      this.trail.push(markItem(view.held ? 'held' : 'dropped'));
      this.stopped = true;
      return;
    }
    if (effect.table === null || depth >= RECIRCULATIONS_MAX) return;
    const { zone, state, mark } = view;
    const { child, seen, own } = this.forkAfter(node, effect, key);
    this.trail.push({ node: child, mark: '', zone, state, ctMark: mark, view: seen });
    this.runEffects(child, child.pass.effects, own, depth + 1, this.attachAt(depth + 1, attach));
  }

  /** The pass that sees what the ct() just showed. */
  private forkAfter(
    node: PassNode,
    effect: CtEffect,
    own: Int32Array,
  ): { child: PassNode; seen: ViewNode; own: Int32Array } {
    const { view, packet, scratchKey: key } = this;
    const start = forkStart(effect);
    writeView(view, packet.family, key);
    if (view.rewritten !== 0 || view.isWhole) {
      // The fork sees another header: its passes are not those of the class, but of this packet.
      const passKey = Int32Array.from(effect.key);
      const changed = Int32Array.from(own);
      for (const each of [passKey, changed]) {
        writeRewritten(packet, view.rewritten, each);
        if (view.isWhole) writeReassembled(packet, each);
      }
      writeView(view, packet.family, passKey);
      copyConnection(changed, passKey);
      const child = new PassNode(runPass(this.env, passKey, this.version, start));
      return { child, seen: viewOf([], passKey, this.ctBits), own: changed };
    }
    let views = node.forks.get(effect);
    if (views === undefined) {
      views = [];
      node.forks.set(effect, views);
    }
    const seen = viewOf(views, key, this.ctBits);
    const known = this.reuse ? passAt(seen.passes, this.version) : null;
    if (known !== null) return { child: known, seen, own };
    const passKey = Int32Array.from(effect.key);
    seen.writeTo(passKey);
    return { child: this.nodeFor(seen.passes, passKey, start), seen, own };
  }

  private runRecirc(node: PassNode, effect: RecircEffect, start: Int32Array, depth: number, attach: CtAttach): void {
    if (depth >= RECIRCULATIONS_MAX) return;
    let views = node.forks.get(effect);
    if (views === undefined) {
      views = [viewOf([], effect.key, this.ctBits)];
      node.forks.set(effect, views);
    }
    const child = this.nodeFor(views[0]!.passes, effect.key, {
      ...ENTRY,
      table: effect.frozen.table,
      frozen: effect.frozen,
    });
    this.trail.push({ ...markItem('recirc'), node: child });
    const key = keyAt(effect, start);
    this.runEffects(child, child.pass.effects, key, depth + 1, this.attachAt(depth + 1, attach));
  }

  private resultOf(cls: PacketClass): PacketResult {
    let run: RunNode = cls.runs;
    for (const item of this.trail) run = run.step(item.node, item.mark);
    if (run.result === NO_RESULT) run.result = this.build();
    return run.result;
  }

  /** The value of this run; only when the way is new. */
  private build(): PacketResult {
    const builder = new ResultBuilder();
    for (const item of this.trail) {
      if (item.mark === 'held') builder.held = true;
      else if (item.mark === 'dropped') builder.ctDropped = true;
      if (item.node === null) continue;
      if (item.view !== null) builder.addSeen(item.zone, item.state, item.ctMark, item.view);
      builder.addPass(item.node.pass);
      const failed = item.node.pass.error !== null;
      for (const effect of flatten(item.node.pass.effects, this.info)) builder.addEffect(effect, failed);
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

const markItem = (mark: string): TrailItem => ({ node: null, mark, zone: 0, state: 0, ctMark: 0, view: null });

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
