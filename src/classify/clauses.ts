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
    const found = {
      ids: [] as number[],
      idNumbers: [] as number[],
      clause: [] as number[],
      n: [] as number[],
      minN: 64,
    };
    for (const action of actions) {
      if (action.type !== 'conjunction') continue;
      found.ids.push(action.id >>> 0);
      found.idNumbers.push(this.idNumber(action.id >>> 0));
      found.clause.push(action.clause);
      found.n.push(action.nClauses);
      found.minN = Math.min(found.minN, action.nClauses);
    }
    return found;
  }

  private idNumber(id: number): number {
    const number = this.idNumbers.get(id) ?? this.idNumbers.size;
    this.idNumbers.set(id, number);
    return number;
  }
}
