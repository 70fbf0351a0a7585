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

/** The node of what a ct() showed, made if new. `key`: with its ct words; `bits`: of those words, what somebody looks at. */
export function viewOf(views: ViewNode[], key: Int32Array, bits: Int32Array): ViewNode {
  for (let n = 0; n < views.length; n++) {
    const { words } = views[n]!;
    let i = 0;
    while (i < words.length && words[i] === (key[CT_FROM + i]! & bits[i]!)) i++;
    if (i === words.length) return views[n]!;
  }
  const view = new ViewNode(bits.map((bit, i) => bit & key[CT_FROM + i]!));
  views.push(view);
  return view;
}

/** Prefix of a packet's run: passes and ct() outcomes so far. The result hangs at the last node. */
export class RunNode {
  readonly pass: PassNode | null;
  /** 'held', 'dropped' of a ct(), or the branch of a length check; '' for a pass. */
  readonly mark: string;
  readonly next: RunNode[] = [];
  result: PacketResult = NO_RESULT;

  constructor(pass: PassNode | null, mark: string) {
    this.pass = pass;
    this.mark = mark;
  }

  /** The continuation with this pass or mark, made if new. */
  step(pass: PassNode | null, mark: string): RunNode {
    for (const node of this.next) if (node.pass === pass && node.mark === mark) return node;
    const node = new RunNode(pass, mark);
    this.next.push(node);
    return node;
  }
}

/** Packets that no table of any version can tell apart. */
export class PacketClass {
  /** Flow key of one of them as received, Int32Array(KEY_WORDS); read-only. */
  readonly key: Int32Array;
  readonly roots: PassNode[] = [];
  readonly runs = new RunNode(null, '');

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
