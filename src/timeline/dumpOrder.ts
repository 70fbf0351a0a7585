import { type Match, maskKey } from '../openflow/match.js';
import type { Rule } from '../openflow/rule.js';

/**
 * What the order of a dump's lines says about the order of masks.
 * `plain`: as the switch sent it; `sorted`: by priority, by ovs-ofctl; both give the order of masks when installed line
 * by line. `unknown`: neither.
 */
export type DumpOrder = 'plain' | 'sorted' | 'unknown';

export function dumpOrder(rules: readonly Rule[]): DumpOrder {
  const byTable = new Map<number, Rule[]>();
  for (const rule of rules) {
    const list = byTable.get(rule.table);
    if (list === undefined) byTable.set(rule.table, [rule]);
    else list.push(rule);
  }
  if ([...byTable.values()].every(isPlain)) return 'plain';
  return isMonotone(rules.map((rule) => rule.priority)) ? 'sorted' : 'unknown';
}

/** Each mask one run of lines, and the highest priorities of the runs never rise. */
function isPlain(rules: readonly Rule[]): boolean {
  const seen = new Set<string>();
  const maskKeyOf = cachedMaskKey();
  let mask: string | null = null;
  let highest = -1;
  let ceiling = Number.POSITIVE_INFINITY;
  for (const rule of rules) {
    const key = maskKeyOf(rule.match);
    if (key !== mask) {
      if (seen.has(key)) return false;
      seen.add(key);
      if (mask !== null) ceiling = highest;
      mask = key;
      highest = -1;
    }
    highest = Math.max(highest, rule.priority);
    if (highest > ceiling) return false;
  }
  return true;
}

/** Neighbouring lines mostly have the same mask: its key is then made once. */
function cachedMaskKey(): (match: Match) => string {
  let last: Match | null = null;
  let key = '';
  return (match) => {
    if (last === null || !sameMask(last, match)) key = maskKey(match);
    last = match;
    return key;
  };
}

function sameMask(a: Match, b: Match): boolean {
  return (
    a.words.length === b.words.length && a.words.every((word, i) => word === b.words[i] && a.masks[i] === b.masks[i])
  );
}

function isMonotone(priorities: readonly number[]): boolean {
  let rises = false;
  let falls = false;
  for (let i = 1; i < priorities.length; i++) {
    if (priorities[i]! > priorities[i - 1]!) rises = true;
    if (priorities[i]! < priorities[i - 1]!) falls = true;
  }
  return !(rises && falls);
}
