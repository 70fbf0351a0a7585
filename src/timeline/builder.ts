import type { Match } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';
import { NEVER } from '../util/units.js';
import type { Step } from './schedule.js';
import type { ChangeBy, OrderEpoch, TableTimeline, Timeline, TimelineRule } from './timeline.js';

interface GrowingTable extends TableTimeline {
  readonly masks: Match[];
  readonly epochs: OrderEpoch[];
  readonly rules: number[];
}

/**
 * Writes down what happens to the tables. The Timeline that it shows is alive: it grows with every change, and lookups at
 * the present version are right at any time; once no more changes come it is the finished one.
 */
export class TimelineBuilder {
  private readonly tables = new Map<number, GrowingTable>();
  private readonly rules: TimelineRule[] = [];
  private readonly steps: Step[] = [];
  private readonly warnings: string[] = [];
  private last = 0;
  private known = true;
  readonly timeline: Timeline;

  constructor() {
    const { rules, tables, steps, warnings } = this;
    const last = (): number => this.last;
    const known = (): boolean => this.known;
    this.timeline = {
      rules,
      tables,
      steps,
      warnings,
      get lastVersion() {
        return last();
      },
      get orderKnown() {
        return known();
      },
    };
  }

  /** Begins the next version and returns its number. */
  nextVersion(step: Step | null): number {
    if (step !== null) this.steps.push(step);
    this.last += 1;
    return this.last;
  }

  warn(text: string): void {
    this.warnings.push(text);
  }

  orderIsUnknown(): void {
    this.known = false;
  }

  /** Numbers a mask that the table has not had before; `match` is one of its matches. */
  addMask(table: number, match: Match): number {
    return this.table(table).masks.push(match) - 1;
  }

  /** A rule that is there from the present version on. Returns its index. */
  addRule(rule: Rule, mask: number, addedBy: ChangeBy | null): number {
    const index = this.rules.length;
    this.rules.push({
      index,
      rule,
      from: this.last,
      to: NEVER,
      addedBy,
      removedBy: null,
      replacedBy: null,
      mask,
    });
    this.table(rule.table).rules.push(index);
    return index;
  }

  /** The rule is gone from the present version on. */
  endRule(index: number, removedBy: ChangeBy | null, replacedBy: number | null): void {
    const entry = this.rules[index]!;
    entry.to = this.last;
    entry.removedBy = removedBy;
    entry.replacedBy = replacedBy;
  }

  /** The order of masks in the present version; nothing is written when it is the old one. */
  setOrder(table: number, order: Int32Array): void {
    const { epochs } = this.table(table);
    const old = epochs[epochs.length - 1]!;
    if (old.order.length === order.length && old.order.every((mask, i) => mask === order[i])) return;
    if (old.from === this.last) epochs.pop();
    epochs.push({ from: this.last, order });
  }

  private table(table: number): GrowingTable {
    let entry = this.tables.get(table);
    if (entry === undefined) {
      entry = { table, masks: [], epochs: [{ from: 0, order: new Int32Array(0) }], rules: [] };
      this.tables.set(table, entry);
    }
    return entry;
  }
}
