import type { LiveRule } from './liveTable.js';

/**
 * Rules by cookie, in the order in which OVS walks them (lib/hindex.c): the leader first, then from youngest to oldest.
 * When the leader leaves, the youngest takes its role. A delete by full cookie mask removes in this order, which decides
 * the order of masks afterwards.
 */
export class CookieIndex {
  private readonly leaders = new Map<bigint, LiveRule>();

  /** hindex_insert_fast(): just below the leader. */
  insert(rule: LiveRule): void {
    const leader = this.leaders.get(rule.rule.cookie);
    if (leader === undefined) {
      this.leaders.set(rule.rule.cookie, rule);
      rule.cookieBefore = null;
      rule.cookieAfter = null;
      return;
    }
    rule.cookieBefore = leader;
    rule.cookieAfter = leader.cookieAfter;
    if (leader.cookieAfter !== null) leader.cookieAfter.cookieBefore = rule;
    leader.cookieAfter = rule;
  }

  /** hindex_remove() */
  remove(rule: LiveRule): void {
    const { cookieBefore: before, cookieAfter: after } = rule;
    if (after !== null) after.cookieBefore = before;
    if (before !== null) before.cookieAfter = after;
    else if (after !== null) this.leaders.set(rule.rule.cookie, after);
    else this.leaders.delete(rule.rule.cookie);
    rule.cookieBefore = null;
    rule.cookieAfter = null;
  }

  /** Rules with exactly this cookie. The list may change while it is used: it is a copy. */
  list(cookie: bigint): LiveRule[] {
    const rules: LiveRule[] = [];
    for (let rule = this.leaders.get(cookie) ?? null; rule !== null; rule = rule.cookieAfter) rules.push(rule);
    return rules;
  }

  /** Puts the rules of one cookie into this order, as a dump of that cookie shows it. */
  reorder(cookie: bigint, order: readonly LiveRule[]): void {
    for (const rule of this.list(cookie)) this.remove(rule);
    const [leader, ...rest] = order;
    if (leader === undefined) return;
    this.insert(leader);
    for (const rule of rest.reverse()) this.insert(rule);
  }
}
