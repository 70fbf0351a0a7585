/**
 * Verdict reuse: the passes that packets of one class have run already, as a tree.
 *
 * A *packet class* is a set of packets that the tables cannot tell apart (equal in every key bit that some rule or action
 * of some version names). For a class, the first pass depends on the version only; the pass after a ct() on the version and
 * what ct() showed. So the walk follows the tree as long as versions and ct views repeat, and the pipeline runs only where
 * they do not. Turning this off (`reuse: false`) must not change a byte of the report.
 */
import { K } from '../fields/key.js';
import type { CtEffect, Pass, RecircEffect } from '../pipeline/effects.js';
import { NO_RESULT, type PacketResult } from './packetResult.js';

/** First ct_* word of the key: what ct() shows to the next pass. */
const CT_FROM = K.ct_state;

export class PassNode {
  readonly pass: Pass;
  /** One slot per effect that goes on in another pass, in the order of execution. */
  readonly forks = new Map<CtEffect | RecircEffect, ViewNode[]>();

  constructor(pass: Pass) {
    this.pass = pass;
  }
}

/** What a ct() showed, as far as anything looks at it, and the passes that followed. */
export class ViewNode {
  /** Words of the key from CT_FROM on. */
  readonly words: Int32Array;
  readonly passes: PassNode[] = [];

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** Puts what the ct() showed into a key. */
  writeTo(key: Int32Array): void {
    key.set(this.words, CT_FROM);
  }
}

/** Which bits of the ct words somebody looks at. */
export class ViewBits {
  readonly bits: Int32Array;
  /** Places of the words that count at all. */
  private readonly places: Int32Array;

  constructor(bits: Int32Array) {
    this.bits = bits;
    this.places = Int32Array.from([...bits.keys()].filter((i) => bits[i] !== 0));
  }

  /** Called per ct(): the node of what the key's ct words show, made if new. */
  viewOf(views: ViewNode[], key: Int32Array): ViewNode {
    const { bits, places } = this;
    for (let n = 0; n < views.length; n++) {
      const { words } = views[n]!;
      let i = 0;
      while (i < places.length && words[places[i]!] === (key[CT_FROM + places[i]!]! & bits[places[i]!]!)) i++;
      if (i === places.length) return views[n]!;
    }
    const view = new ViewNode(bits.map((bit, i) => bit & key[CT_FROM + i]!));
    views.push(view);
    return view;
  }
}

/**
 * Prefix of a packet's run: passes and ct() outcomes so far, as a tree. The result hangs at the last node, so the same way
 * through is the same result object.
 */
export class RunNode {
  readonly parent: RunNode | null;
  readonly pass: PassNode | null;
  /** 'held', 'dropped', 'whole' of a ct(), or the branch of a length check; '' for a pass. */
  readonly mark: string;
  /** Of a pass after a ct(): what that showed. */
  readonly view: ViewNode | null;
  readonly zone: number;
  readonly state: number;
  readonly ctMark: number;
  readonly next: RunNode[] = [];
  result: PacketResult = NO_RESULT;
  /** The same run in the worlds `before` and `after`, where conntrack is left alike: see WorldRunner.twins. */
  twins: Twins | null | undefined;

  constructor(
    parent: RunNode | null,
    pass: PassNode | null,
    mark: string,
    view: ViewNode | null,
    zone: number,
    state: number,
    ctMark: number,
  ) {
    this.parent = parent;
    this.pass = pass;
    this.mark = mark;
    this.view = view;
    this.zone = zone;
    this.state = state;
    this.ctMark = ctMark;
  }

  /** Called per pass: the continuation, made if new. */
  step(
    pass: PassNode | null,
    mark: string,
    view: ViewNode | null,
    zone: number,
    state: number,
    ctMark: number,
  ): RunNode {
    const { next } = this;
    for (let i = 0; i < next.length; i++) {
      const node = next[i]!;
      if (
        node.pass === pass &&
        node.mark === mark &&
        node.state === state &&
        node.ctMark === ctMark &&
        node.zone === zone
      )
        return node;
    }
    const node = new RunNode(this, pass, mark, view, zone, state, ctMark);
    next.push(node);
    return node;
  }
}

/** Results of the two other worlds for a packet that finds the same entries and leaves the same behind. */
export interface Twins {
  readonly before: PacketResult;
  readonly after: PacketResult;
}

/** Packets that no table of any version can tell apart. */
export class PacketClass {
  /** Flow key of one of them as received, Int32Array(KEY_WORDS); read-only. */
  readonly key: Int32Array;
  readonly roots: PassNode[] = [];
  readonly runs = new RunNode(null, null, '', null, 0, 0, 0);

  constructor(key: Int32Array) {
    this.key = key;
  }

  /** Memory goes with the group: what is forgotten is computed again. */
  forget(): void {
    this.roots.length = 0;
    this.runs.next.length = 0;
  }
}

/** The pass of this list that holds at `version`, or null. The one used last comes first. */
export function passAt(passes: PassNode[], version: number): PassNode | null {
  for (let i = 0; i < passes.length; i++) {
    const node = passes[i]!;
    if (version >= node.pass.from && version < node.pass.to) {
      if (i > 0) {
        passes[i] = passes[0]!;
        passes[0] = node;
      }
      return node;
    }
  }
  return null;
}
