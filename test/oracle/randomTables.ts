/** Small random worlds in which masks, priorities, ids and headers collide all the time. */
import { K, KEY_WORDS, PORT } from '../../src/fields/key.js';
import type { Action } from '../../src/openflow/actions.js';
import { type Match, MatchBuilder } from '../../src/openflow/match.js';
import { type FlowMod, NO_FLAGS } from '../../src/openflow/rule.js';
import type { Step } from '../../src/timeline/schedule.js';
import type { Prng } from '../../src/util/prng.js';
import type { ModelChange, ModelRule } from './flowTableModel.js';

const FIELDS: readonly (readonly [word: number, mask: number])[] = [
  [K.nw_src, -1],
  [K.nw_src, 0xffffff00 | 0],
  [K.nw_dst, -1],
  [K.tp_dst, 0xffff],
  [K.tp_dst, 0xfffe],
  [K.reg0, -1],
  [K.nw_proto, 0xff],
];
/** Mostly 1, so that rules fit headers and clauses meet. */
const VALUES = [0, 1, 1, 1, 1, 2, 0x100];

export interface RandomShape {
  /** Of 10 rules so many are clause flows, so many match conj_id. */
  readonly clauses: number;
  readonly accepts: number;
  readonly priorities: number;
  readonly ids: number;
}

let nextCookie = 1n;

export function randomKey(prng: Prng): Int32Array {
  const key = new Int32Array(KEY_WORDS);
  for (const [word] of FIELDS) key[word] = prng.pick(VALUES);
  return key;
}

function randomMatch(prng: Prng, fieldsMax: number, conjId: number | null): Match {
  const builder = new MatchBuilder();
  for (let n = prng.below(fieldsMax + 1); n > 0; n--) {
    const [word, mask] = prng.pick(FIELDS);
    builder.set(word, prng.pick(VALUES), mask);
  }
  if (conjId !== null) builder.set(K.conj_id, conjId, -1);
  return builder.build();
}

export function randomRule(prng: Prng, shape: RandomShape): ModelRule {
  const kind = prng.below(10);
  const isClause = kind < shape.clauses;
  const isAccept = !isClause && kind < shape.clauses + shape.accepts;
  const actions: Action[] = [];
  if (isClause) {
    for (let n = 1 + prng.below(3); n > 0; n--) {
      const nClauses = prng.below(12) === 0 ? 3 : prng.below(60) === 0 ? 64 : 2;
      actions.push({ type: 'conjunction', id: 1 + prng.below(shape.ids), clause: 1 + prng.below(nClauses), nClauses });
    }
  } else actions.push({ type: 'output', port: Number(nextCookie & 0xfffn) });
  return {
    priority: 10 * (1 + prng.below(shape.priorities)),
    match: randomMatch(
      prng,
      isAccept ? 1 : 2,
      isAccept || (isClause && prng.below(20) === 0) ? prng.below(shape.ids + 1) : null,
    ),
    actions,
    cookie: nextCookie++,
  };
}

/** Replacements, deletions and new rules, mostly of rules that are or were there. */
export function randomChanges(
  prng: Prng,
  shape: RandomShape,
  known: readonly ModelRule[],
  count: number,
): ModelChange[] {
  return Array.from({ length: count }, () => {
    const fresh = randomRule(prng, shape);
    const old = known.length > 0 && prng.below(4) > 0 ? prng.pick(known) : fresh;
    const rule = { ...fresh, match: old.match, priority: old.priority };
    return { op: prng.pick(['add', 'add', 'add', 'modify_strict', 'delete_strict'] as const), rule };
  });
}

export function flowModOf({ op, rule }: ModelChange): FlowMod {
  return {
    op,
    table: 0,
    priority: rule.priority,
    match: rule.match,
    actions: op === 'delete_strict' ? [] : rule.actions,
    newCookie: rule.cookie,
    modifyCookie: false,
    cookie: 0n,
    cookieMask: 0n,
    idleTimeout: 0,
    hardTimeout: 0,
    importance: 0,
    flags: NO_FLAGS,
    outPort: PORT.NONE,
    outGroup: 0xffffffff,
    of: '1.3',
  };
}

export function stepOf(changes: readonly ModelChange[]): Step {
  return {
    kind: 'tables',
    t: { earliest: 0n, latest: 0n },
    mods: changes.map(flowModOf),
    bundle: changes.length > 1,
    batch: null,
    note: null,
  };
}
