import { type Action, isClauseFlow } from '../openflow/actions.js';
import type { Timeline } from '../timeline/timeline.js';

/** The conjunction actions of a clause flow, in the order of its action list. */
export interface Clauses {
  readonly ids: readonly number[];
  /** The same ids numbered densely within the timeline (RuleClauses.idCount of them). */
  readonly idNumbers: readonly number[];
  readonly clause: readonly number[];
  readonly n: readonly number[];
  readonly minN: number;
}

/** The clauses of a timeline's rules, read when they are first asked for. The timeline may still grow. */
export class RuleClauses {
  private readonly timeline: Timeline;
  private readonly cache: (Clauses | null | undefined)[] = [];
  private readonly idNumbers = new Map<number, number>();

  constructor(timeline: Timeline) {
    this.timeline = timeline;
  }

  /** How many different conjunction ids have been met. */
  get idCount(): number {
    return this.idNumbers.size;
  }

  /** Null: an ordinary rule. */
  of(index: number): Clauses | null {
    const known = this.cache[index];
    return known !== undefined ? known : this.read(index);
  }

  private read(index: number): Clauses | null {
    const { rules } = this.timeline;
    // Without gaps: V8 keeps an array with large gaps as a dictionary, which is many times slower.
    while (this.cache.length < rules.length) this.cache.push(undefined);
    const clauses = this.clausesOf(rules[index]!.rule.actions);
    this.cache[index] = clauses;
    return clauses;
  }

  private clausesOf(actions: readonly Action[]): Clauses | null {
    if (!isClauseFlow(actions)) return null;
    const conjunctions = actions.filter((action) => action.type === 'conjunction');
    const ids = conjunctions.map((action) => action.id >>> 0);
    const n = conjunctions.map((action) => action.nClauses);
    return {
      ids,
      idNumbers: ids.map((id) => this.idNumber(id)),
      clause: conjunctions.map((action) => action.clause),
      n,
      minN: Math.min(...n),
    };
  }

  private idNumber(id: number): number {
    const number = this.idNumbers.get(id) ?? this.idNumbers.size;
    this.idNumbers.set(id, number);
    return number;
  }
}
