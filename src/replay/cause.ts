/**
 * Why a packet was treated wrong: the definitions are those of ARCHITECTURE.md, "Cause". Each function takes a *scene* (a packet with
 * its header and the conntrack state as it found it, in all worlds) and plays it again at other versions. Results carry the
 * versions over which they hold, so a walk over versions takes as many plays as there are pieces.
 */
import { ATTRIBUTES, type CtAttribute, type CtEntry, sameAttribute } from '../conntrack/entry.js';
import type { CtStore } from '../conntrack/store.js';
import {
  type Deciding,
  deciding,
  type EffectDetail,
  type EffectName,
  effectOf,
  firstAdded,
  sameRuleText,
} from './effect.js';
import { type AttributeEvent, agree } from './entryHistory.js';
import { type EntryKey, entryOf } from './entryKey.js';
import type { PacketResult } from './packetResult.js';
import { ACTUAL, AFTER, versionOf, type World } from './restart.js';
import type { Scene, Theatre } from './scene.js';
import { EVENTS_MAX, type LogEvent } from './stateLog.js';

export interface CauseBy {
  readonly isStep: boolean;
  /** Packet or step number. */
  readonly number: number;
  readonly tNs: number;
  /** Rule that decided there, -1 a table miss; null: nothing parted. */
  readonly rule: number | null;
  readonly what: 'mark' | 'deleted' | 'no-entry' | 'extra-entry' | 'state';
}

export interface Cause {
  readonly step: number;
  /** Flow-mod in the step, from 1; null: a conntrack step, or none can be named. */
  readonly mod: number | null;
  readonly effect: EffectName | 'entry-deleted' | 'late';
  readonly detail: EffectDetail | null;
  /** Later steps of the bad stretch at which another pair of rules decided. */
  readonly then: readonly number[];
  readonly by: CauseBy | null;
}

export interface TableOutage {
  readonly fromStep: number;
  /** null: to the end. */
  readonly toStep: number | null;
}

export interface Found {
  readonly cause: Cause;
  readonly rule: number | null;
  readonly instead: number | null;
  readonly tableOutage: TableOutage | null;
}

/** Is this result the wrong treatment that is to be explained? */
export type IsBad = (result: PacketResult) => boolean;

/** The same of a play at a version, where the state it leaves behind counts too. */
type IsBadAt = (result: PacketResult, version: number) => boolean;

/** A chain of entry events this long ends in a loop of our own making. */
const CHAIN_MAX = 200;

/** Explains the scene's packet, which the world `right` treated as it should be: `isBad` holds for what `actual` did. */
export function findCause(theatre: Theatre, scene: Scene, right: World, isBad: IsBad): Found {
  const tables = (): Found | null => causeByTables(theatre, scene, right, isBad);
  const entry = (): Found | null => causeByEntry(theatre, scene, right);
  // Judged by `after` the tables are right already: what is wrong came through the entry, if it did.
  const found = right === AFTER ? (entry() ?? tables()) : (tables() ?? entry());
  return found ?? unexplained(theatre, scene, right);
}

function causeByTables(theatre: Theatre, scene: Scene, right: World, isBad: IsBad): Found | null {
  const play = (v: number): PacketResult => theatre.play(scene, scene.stores[ACTUAL]!, v);
  const start = startOfStretch(scene.version, play, isBad);
  if (start === 0) return null;
  const root = rootByTables(theatre, scene, right, scene.version, start, play);
  const outage = outageOf(theatre, scene, right, start, isBad);
  return { cause: { ...root.cause, by: null }, ...pairOf(root.pair), tableOutage: outage };
}

/** The version with which the stretch of bad versions that ends at `last` begins; 0: there is none, or since ever. */
function startOfStretch(last: number, play: (v: number) => PacketResult, isBad: IsBad): number {
  const ending = play(last);
  if (!isBad(ending)) return 0;
  let { from } = ending;
  while (from > 0) {
    const earlier = play(from - 1);
    if (!isBad(earlier)) return from;
    from = earlier.from;
  }
  return 0;
}

interface Root {
  readonly cause: Omit<Cause, 'by'>;
  readonly pair: Deciding | null;
}

/** Names what step `start` did, and the later steps of the stretch at which another pair of rules decided. */
function rootByTables(
  theatre: Theatre,
  scene: Scene,
  right: World,
  last: number,
  start: number,
  play: (v: number) => PacketResult,
): Root {
  const { timeline } = theatre.restart;
  const good = scene.results[right]!;
  const bad = play(start);
  const pair = deciding(timeline, bad.lookups, good.lookups);
  const change = changeAt(theatre, scene, start, deciding(timeline, bad.lookups, play(start - 1).lookups));
  const then: number[] = [];
  let previous = pair;
  for (let v = bad.to; v <= last; ) {
    const piece = play(v);
    const next = deciding(timeline, piece.lookups, good.lookups);
    if (!samePair(theatre, previous, next)) then.push(v);
    previous = next;
    v = piece.to;
  }
  return { cause: { step: start, ...change, then }, pair };
}

/** What a step changed in the lookup that decided: effect, detail, flow-mod. */
function changeAt(
  theatre: Theatre,
  scene: Scene,
  step: number,
  pair: Deciding | null,
): { effect: EffectName; detail: EffectDetail | null; mod: number | null } {
  if (pair === null) return { effect: 'order', detail: null, mod: null };
  const store = scene.stores[ACTUAL]!;
  const before = theatre.explain(scene, store, step - 1, pair.at);
  const after = theatre.explain(scene, store, step, pair.at);
  if (before === null || after === null) return { effect: 'order', detail: { table: pair.table }, mod: null };
  return effectOf(theatre.restart.timeline, pair.table, step, before, after);
}

/** The flow-mod of step `v` that added a piece of the answer that decides from then on; null: the step took something away. */
function addedAt(theatre: Theatre, scene: Scene, v: number, pair: Deciding | null): number | null {
  if (pair === null) return null;
  const answer = theatre.explain(scene, scene.stores[ACTUAL]!, v, pair.at);
  return answer === null ? null : firstAdded(theatre.restart.timeline, pair.table, answer, v).mod;
}

/** From the cause to the first later version that treats the scene's packet right, with the right world's state. */
function outageOf(theatre: Theatre, scene: Scene, right: World, fromStep: number, isBadAt: IsBadAt): TableOutage {
  const { lastVersion } = theatre.restart;
  const store = scene.stores[right]!;
  for (let v = fromStep + 1; v <= lastVersion; ) {
    const piece = theatre.play(scene, store, v);
    if (!isBadAt(piece, v)) return { fromStep, toStep: Math.max(v, piece.from) };
    v = piece.to;
  }
  return { fromStep, toStep: null };
}

/** Lost through its entry: the last event that made the entries of the two worlds differ, and in turn its own cause. */
function causeByEntry(theatre: Theatre, scene: Scene, right: World): Found | null {
  const { timeline } = theatre.restart;
  const mine = scene.results[ACTUAL]!;
  const theirs = scene.results[right]!;
  const pair = deciding(timeline, mine.lookups, theirs.lookups);
  const zone = zoneThatDiffers(mine, theirs, pair);
  if (zone === null) return null;
  const difference = differenceIn(scene, right, zone + scene.tuplePart);
  if (difference === null) return null;
  const { event } = difference.last;
  const root = rootOfEvent(theatre, difference, right, 0);
  if (root === null) return null;
  const by = describe(theatre, scene, difference, right);
  const hasOutage = !event.isStep && root.effect !== 'late' && root.effect !== 'entry-deleted';
  const outage = hasOutage ? outageOfEvent(theatre, event.scene!, right, root.step, difference) : null;
  return { cause: { ...root, by }, ...pairOf(pair), tableOutage: outage };
}

/** The zone of the last ct() before the ways part that showed the two worlds different things. */
function zoneThatDiffers(mine: PacketResult, theirs: PacketResult, pair: Deciding | null): number | null {
  const count = Math.min(mine.seen.length, theirs.seen.length);
  let zone: number | null = null;
  for (let i = 0; i < count; i++) {
    const a = mine.seen[i]!;
    const b = theirs.seen[i]!;
    if (pair !== null && a.lookups > pair.at) break;
    if (a.zone !== b.zone) break;
    if (a.state !== b.state || a.mark !== b.mark) zone = a.zone;
  }
  return zone;
}

interface Difference {
  readonly key: EntryKey;
  readonly attribute: CtAttribute;
  /** The last event that changed it. */
  readonly last: AttributeEvent;
}

/** First attribute that differs between the entries as the scene found them, and the event that is remembered for it. */
function differenceIn(scene: Scene, right: World, key: EntryKey): Difference | null {
  const mine = entryOf(scene.stores[ACTUAL]!, key, scene.tNs);
  const theirs = entryOf(scene.stores[right]!, key, scene.tNs);
  for (const attribute of ATTRIBUTES) {
    if (sameAttribute(attribute, mine, theirs)) continue;
    const last = scene.history.find(key, right, attribute);
    if (last !== null) return { key, attribute, last };
  }
  return null;
}

/** The step at the root of an event: by the tables of its time, else through the entry that it met, else a policy that came late. */
function rootOfEvent(
  theatre: Theatre,
  { key, last }: Difference,
  right: World,
  depth: number,
): Omit<Cause, 'by'> | null {
  // Of an entry that expired in one world only, the event is what made its time-out differ.
  const { event, attribute } = last;
  if (event.isStep) return { step: event.number, mod: null, effect: 'entry-deleted', detail: null, then: [] };
  const scene = event.scene!;
  const { restart } = theatre;
  const rightStore = theatre.storeAfter(scene, scene.stores[right]!, versionOf(restart, right, scene.version));
  const isBadStore = (store: CtStore): boolean =>
    !agree(attribute, entryOf(store, key, scene.tNs), entryOf(rightStore, key, scene.tNs));
  const badVersions = new Map<PacketResult, boolean>();
  const play = (v: number): PacketResult => {
    const result = theatre.play(scene, scene.stores[ACTUAL]!, v);
    if (!badVersions.has(result))
      badVersions.set(result, isBadStore(theatre.storeAfter(scene, scene.stores[ACTUAL]!, v)));
    return result;
  };
  const isBad: IsBad = (result) => badVersions.get(result) ?? true;

  const start = startOfStretch(scene.version, play, isBad);
  if (start > 0) return rootByTables(theatre, scene, right, scene.version, start, play).cause;

  if (depth < CHAIN_MAX) {
    const earlier = earlierDifference(scene, right, key);
    if (earlier !== null && earlier.last.event !== event) return rootOfEvent(theatre, earlier, right, depth + 1);
  }
  return late(theatre, scene, play, isBad);
}

/** The entry difference that made a packet act otherwise: where its views differ, else in this entry. */
function earlierDifference(scene: Scene, right: World, key: EntryKey): Difference | null {
  const zone = zoneThatDiffers(scene.results[ACTUAL]!, scene.results[right]!, null);
  return differenceIn(scene, right, zone === null ? key : zone + scene.tuplePart);
}

/** The new policy came later than in `after`: the first later step from which the effect is right. */
function late(
  theatre: Theatre,
  scene: Scene,
  play: (v: number) => PacketResult,
  isBad: IsBad,
): Omit<Cause, 'by'> | null {
  const { lastVersion, timeline } = theatre.restart;
  for (let v = play(scene.version).to; v <= lastVersion; ) {
    const piece = play(v);
    if (!isBad(piece)) {
      const pair = deciding(timeline, piece.lookups, play(v - 1).lookups);
      const detail = pair === null ? null : { table: pair.table };
      return { step: v, mod: addedAt(theatre, scene, v, pair), effect: 'late', detail, then: [] };
    }
    v = piece.to;
  }
  return null;
}

function describe(theatre: Theatre, scene: Scene, difference: Difference, right: World): CauseBy {
  const { event, inActual } = difference.last;
  const { number, tNs, isStep } = event;
  if (isStep) return { isStep, number, tNs, rule: null, what: 'deleted' };
  const { results } = event.scene!;
  // A mark is written by a rule, in whichever world; an entry that is missing was refused by the rule that decided in `actual`.
  const inRight = difference.attribute === 'mark' && !inActual;
  const [changed, other] = inRight ? [right, ACTUAL] : [ACTUAL, right];
  const pair = deciding(theatre.restart.timeline, results[changed]!.lookups, results[other]!.lookups);
  return { isStep, number, tNs, rule: pair?.rule ?? null, what: whatOf(scene, difference) };
}

function whatOf(scene: Scene, { key, attribute }: Difference): CauseBy['what'] {
  if (attribute === 'mark') return 'mark';
  if (attribute !== 'existence') return 'state';
  return entryOf(scene.stores[ACTUAL]!, key, scene.tNs) === null ? 'no-entry' : 'extra-entry';
}

/** Outage of the tables for the packet of an event: by its outputs, or, where those were right, by its effect on the entry. */
function outageOfEvent(
  theatre: Theatre,
  scene: Scene,
  right: World,
  fromStep: number,
  { key, last: { attribute } }: Difference,
): TableOutage {
  const wanted = scene.results[right]!;
  const byOutput = scene.results[ACTUAL]!.symbol !== wanted.symbol;
  const store = scene.stores[right]!;
  const entryAt = (v: number): CtEntry | null => entryOf(theatre.storeAfter(scene, store, v), key, scene.tNs);
  const wantedEntry = entryAt(versionOf(theatre.restart, right, scene.version));
  return outageOf(theatre, scene, right, fromStep, (result, v) =>
    byOutput ? result.symbol !== wanted.symbol : !agree(attribute, entryAt(v), wantedEntry),
  );
}

function unexplained(theatre: Theatre, scene: Scene, right: World): Found {
  const pair = deciding(theatre.restart.timeline, scene.results[ACTUAL]!.lookups, scene.results[right]!.lookups);
  const step = Math.max(1, scene.version);
  const detail = pair === null ? null : { table: pair.table };
  const cause: Cause = { step, mod: null, effect: 'order', detail, then: [], by: null };
  return { cause, ...pairOf(pair), tableOutage: null };
}

function pairOf(pair: Deciding | null): { rule: number | null; instead: number | null } {
  return { rule: pair?.rule ?? null, instead: pair?.instead ?? null };
}

function samePair(theatre: Theatre, a: Deciding | null, b: Deciding | null): boolean {
  if (a === null || b === null) return a === b;
  const { timeline } = theatre.restart;
  return sameRuleText(timeline, a.rule, b.rule) && sameRuleText(timeline, a.instead, b.instead);
}

/** What ended a bad stretch. */
export interface Heal {
  readonly isStep: boolean;
  readonly number: number;
  readonly tNs: number;
}

/**
 * What healed: back in time from the next good packet, its header held, through the versions and the states that its entries
 * had; the step or packet that starts the good stretch. null: that header would have been right when the first bad packet came.
 */
export function findHeal(
  theatre: Theatre,
  scene: Scene,
  event: LogEvent | null,
  since: { readonly packet: number; readonly version: number },
  isBad: IsBad,
): Heal | null {
  const { stepNs } = theatre.restart;
  let found = scene.stores[ACTUAL]!;
  let version = scene.version;
  let earlier = event?.previous ?? null;
  for (let i = 0; i < EVENTS_MAX; i++) {
    // As long as nothing happened to the entries: versions since the event before.
    const oldest = earlier?.version ?? 0;
    for (let v = version; v >= oldest; ) {
      const piece = theatre.play(scene, found, v);
      // Bad as it stands: then it is right for another reason (the policy), and nothing healed.
      if (isBad(piece)) return v === scene.version || v < since.version ? null : stepHeal(v + 1, stepNs);
      v = piece.from - 1;
    }
    if (earlier === null || (!earlier.isStep && earlier.number < since.packet)) return null;
    found = earlier.found;
    version = earlier.isStep ? earlier.version - 1 : earlier.version;
    const piece = theatre.play(scene, found, version);
    if (isBad(piece)) return { isStep: earlier.isStep, number: earlier.number, tNs: earlier.tNs };
    earlier = earlier.previous;
  }
  return null;
}

function stepHeal(step: number, stepNs: Float64Array): Heal {
  return { isStep: true, number: step, tNs: stepNs[step]! };
}
