/**
 * Where the order of masks is not known, a lookup may have several answers: what would become of the packet with each of them.
 */
import type { Classifier, LookupExplanation, LookupResult } from '../classify/classifier.js';
import type { CtStore } from '../conntrack/store.js';
import type { PacketInfo } from '../packet/packetInfo.js';
import type { Outcome } from '../pipeline/verdict.js';
import type { PacketResult } from './packetResult.js';
import { PacketClass } from './passes.js';
import { WorldRunner } from './worldRun.js';

/** More answers than a reader looks at. */
const OUTCOMES_MAX = 32;

export interface PossibleOutcome {
  readonly result: PacketResult;
  /** The answer at the first lookup that is open, -1: table miss; null: none is. */
  readonly rule: number | null;
}

/** The same with NORMAL resolved. */
export interface ToldOutcome {
  readonly outcome: Outcome;
  readonly out: readonly number[];
  readonly rule: number | null;
}

/** Ambiguous packets that are told of one by one: the first ones. */
export const AMBIGUOUS_MAX = 1000;

/** A packet with the state that it finds. */
export interface Stage {
  readonly key: Int32Array;
  readonly info: PacketInfo;
  readonly tNs: number;
  /** Is not changed. */
  readonly store: CtStore;
}

/** Every outcome that some order of masks gives, the one of the order at hand first; one where none is open. */
export function possibleOutcomes(runner: WorldRunner, stage: Stage, version: number): PossibleOutcome[] {
  const outcomes: PossibleOutcome[] = [];
  const pending: ReadonlyMap<number, number>[] = [new Map()];
  const seen = new Set<string>();
  for (let forced = pending.shift(); forced !== undefined; forced = pending.shift()) {
    const result = play(runner, stage, version, forced);
    const { ambiguous, lookups } = result;
    if (ambiguous !== null) {
      const answers = [lookups[ambiguous.lookup]!.rule, ...ambiguous.otherRules];
      pending.unshift(...answers.map((rule) => new Map(forced).set(ambiguous.lookup, rule)));
      continue;
    }
    const [first] = forced.values();
    const text = `${first} ${result.outcome} ${result.symbol}`;
    if (!seen.has(text)) outcomes.push({ result, rule: first ?? null });
    seen.add(text);
    if (outcomes.length === OUTCOMES_MAX) break;
  }
  return outcomes;
}

function play(
  runner: WorldRunner,
  { key, info, tNs, store }: Stage,
  version: number,
  forced: ReadonlyMap<number, number>,
): PacketResult {
  const { env, tracker, viewBits } = runner;
  const classifier = new ForcedClassifier(env.classifier, forced);
  const own = new WorldRunner({ ...env, classifier }, tracker, viewBits, false);
  return own.run(new PacketClass(key), key, info, version, tNs, store.clone());
}

/** Gives the answers of `forced`, by the number of the lookup in the packet's run. */
class ForcedClassifier implements Classifier {
  private readonly inner: Classifier;
  private readonly forced: ReadonlyMap<number, number>;
  private count = 0;

  constructor(inner: Classifier, forced: ReadonlyMap<number, number>) {
    this.inner = inner;
    this.forced = forced;
  }

  lookup(table: number, key: Int32Array, version: number, out: LookupResult): void {
    this.inner.lookup(table, key, version, out);
    const rule = this.forced.get(this.count++);
    if (rule === undefined) return;
    out.rule = rule;
    out.conjId = null;
    out.ambiguous = false;
    out.otherRules.length = 0;
  }

  explain(table: number, key: Int32Array, version: number): LookupExplanation {
    return this.inner.explain(table, key, version);
  }
}
