/**
 * A table's rules of all versions as the classifiers see them.
 *
 * Cell: all rules of one mask with identical match. OVS looks at most at one of them per lookup, the head of their chain.
 * Chain: its rules by priority, highest first. Slot: rules of one priority in one chain, one after the other in time.
 * Rules that match conj_id and are otherwise identical share one cell with a chain per id, because the id is no header
 * field: it is 0 in the first lookup and the completed id in the second one.
 */
import { K } from '../fields/key.js';
import type { Match } from '../openflow/match.js';
import type { OrderEpoch, TableTimeline, Timeline, TimelineRule } from '../timeline/timeline.js';
import type { Clauses, RuleClauses } from './clauses.js';

export interface Slot {
  readonly priority: number;
  /** Indices into Timeline.rules, ascending in time; lifetimes do not overlap. */
  readonly rules: number[];
}

export type Chain = Slot[];

export interface Cell {
  readonly number: number;
  /** Index into TableTimeline.masks. */
  readonly mask: number;
  /** The match without conj_id. */
  readonly words: Int32Array;
  readonly masks: Int32Array;
  readonly values: Int32Array;
  /** By conj_id (unsigned); null: rules that do not match it, in `plain`. */
  readonly byId: Map<number, Chain> | null;
  readonly plain: Chain;
}

/** Rank of a mask that a table does not have at the time. */
export const ABSENT = 0x7fffffff;

const NO_CHAIN: Chain = [];

/** The chain that a lookup with this conj_id meets in the cell. */
export function chainOf(cell: Cell, conjId: number): Chain {
  return cell.byId === null ? cell.plain : (cell.byId.get(conjId) ?? NO_CHAIN);
}

/** The highest rule of the chain that exists in `version` and is below `below`; -1: none. */
export function headAt(rules: readonly TimelineRule[], chain: Chain, version: number, below: number): number {
  for (let i = 0; i < chain.length; i++) {
    const slot = chain[i]!;
    if (slot.priority >= below) continue;
    const index = aliveIn(rules, slot.rules, version);
    if (index >= 0) return index;
  }
  return -1;
}

function aliveIn(rules: readonly TimelineRule[], list: readonly number[], version: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rules[list[middle]!]!.from <= version) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return -1;
  const index = list[low - 1]!;
  return rules[index]!.to > version ? index : -1;
}

/** Follows a timeline that may still grow. */
export class TableCells {
  readonly timeline: Timeline;
  readonly table: number;
  readonly ruleClauses: RuleClauses;
  readonly cells: Cell[] = [];
  private readonly byHash = new Map<number, Cell[]>();
  /** Numbers of the epochs at whose beginning masks that stay change places; the last epoch that was looked at. */
  private swaps: number[] = [];
  private swapsUpTo: OrderEpoch | null = null;
  private readonly ranks = new WeakMap<OrderEpoch, Int32Array>();
  private done = 0;

  constructor(timeline: Timeline, ruleClauses: RuleClauses, table: number) {
    this.timeline = timeline;
    this.ruleClauses = ruleClauses;
    this.table = table;
  }

  /** Takes in what the timeline has got since the last call. Null: the table has never had a rule. */
  update(): TableTimeline | null {
    const source = this.timeline.tables.get(this.table);
    if (source === undefined) return null;
    for (; this.done < source.rules.length; this.done++) this.add(this.timeline.rules[source.rules[this.done]!]!);
    return source;
  }

  /** The conjunction actions of a rule; null: an ordinary rule. */
  clauses(index: number): Clauses | null {
    return this.ruleClauses.of(index);
  }

  /** For each mask its place in the order of that epoch, ABSENT for masks that are not there. */
  rankIn(epoch: OrderEpoch): Int32Array {
    let rank = this.ranks.get(epoch);
    const { masks } = this.timeline.tables.get(this.table)!;
    if (rank === undefined || rank.length < masks.length) {
      rank = new Int32Array(masks.length).fill(ABSENT);
      for (let place = 0; place < epoch.order.length; place++) rank[epoch.order[place]!] = place;
      this.ranks.set(epoch, rank);
    }
    return rank;
  }

  /** Numbers of the epochs in which masks that were there before stand in another order than before. */
  swappingEpochs(): readonly number[] {
    const { epochs } = this.timeline.tables.get(this.table)!;
    const last = epochs[epochs.length - 1]!;
    if (last === this.swapsUpTo) return this.swaps;
    const done = this.swapsUpTo === null ? -1 : epochs.lastIndexOf(this.swapsUpTo);
    if (done < 0) this.swaps = [];
    for (let i = Math.max(done, 0) + 1; i < epochs.length; i++) {
      const rank = this.rankIn(epochs[i]!);
      const staying = epochs[i - 1]!.order.filter((mask) => rank[mask] !== ABSENT);
      if (staying.some((mask, at) => at > 0 && rank[mask]! < rank[staying[at - 1]!]!)) this.swaps.push(i);
    }
    this.swapsUpTo = last;
    return this.swaps;
  }

  private add({ index, rule, mask }: TimelineRule): void {
    const { match } = rule;
    const at = match.words.indexOf(K.conj_id);
    const cell = this.cellOf(mask, match, at);
    let chain = cell.plain;
    if (cell.byId !== null) {
      const id = match.values[at]! >>> 0;
      chain = cell.byId.get(id) ?? [];
      cell.byId.set(id, chain);
    }
    const place = chain.findIndex((slot) => slot.priority <= rule.priority);
    if (place >= 0 && chain[place]!.priority === rule.priority) chain[place]!.rules.push(index);
    else chain.splice(place < 0 ? chain.length : place, 0, { priority: rule.priority, rules: [index] });
  }

  private cellOf(mask: number, match: Match, conjAt: number): Cell {
    let hash = mask;
    for (let i = 0; i < match.values.length; i++)
      if (i !== conjAt) {
        hash = Math.imul(hash ^ match.values[i]!, 0x9e3779b1);
        hash ^= hash >>> 15;
      }
    let list = this.byHash.get(hash);
    if (list === undefined) {
      list = [];
      this.byHash.set(hash, list);
    }
    const values = without(match.values, conjAt);
    for (const cell of list)
      if (cell.mask === mask && cell.values.every((value, i) => value === values[i])) return cell;
    const cell: Cell = {
      number: this.cells.length,
      mask,
      words: without(match.words, conjAt),
      masks: without(match.masks, conjAt),
      values,
      byId: conjAt < 0 ? null : new Map(),
      plain: [],
    };
    list.push(cell);
    this.cells.push(cell);
    return cell;
  }
}

function without(array: Int32Array, at: number): Int32Array {
  return at < 0 ? array : array.filter((_, i) => i !== at);
}
