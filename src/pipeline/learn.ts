/** The flow-mod that a learn action sends, made from the packet (lib/learn.c:learn_execute). */
import { fieldByName } from '../fields/fieldTable.js';
import { PORT } from '../fields/key.js';
import type { Action, LearnSpec } from '../openflow/actions.js';
import { MatchBuilder } from '../openflow/match.js';
import { type FlowMod, NO_FLAGS } from '../openflow/rule.js';
import { readSlot, slotOf } from './compile.js';
import type { LearnEffect } from './effects.js';

const ALL_ONES_64 = (1n << 64n) - 1n;
const ANY_GROUP = 0xffffffff;

/** `exists`: a rule with this match and priority is there: it gets new actions and cookie. Else it is added. */
export function learnedFlowMod(effect: LearnEffect, exists: (mod: FlowMod) => boolean): FlowMod {
  const { action, key } = effect;
  const match = new MatchBuilder();
  const actions: Action[] = [];
  for (const spec of action.specs) {
    const value = typeof spec.src === 'bigint' ? spec.src : readSlot(key, slotOf(spec.src)!);
    if (spec.kind === 'match') matchBits(match, spec, value);
    else if (spec.kind === 'load') actions.push(loadAction(spec, value));
    else if (isOutputPort(value)) actions.push({ type: 'output', port: Number(value) });
  }
  const hasFinTimeout = action.finIdleTimeout !== 0 || action.finHardTimeout !== 0;
  if (hasFinTimeout) actions.unshift({ type: 'finTimeout', idle: action.finIdleTimeout, hard: action.finHardTimeout });
  const mod: FlowMod = {
    op: 'add',
    table: action.table,
    priority: action.priority,
    match: match.build(),
    actions,
    newCookie: action.cookie,
    modifyCookie: action.cookie !== ALL_ONES_64,
    cookie: 0n,
    cookieMask: 0n,
    idleTimeout: action.idleTimeout,
    hardTimeout: action.hardTimeout,
    importance: 0,
    flags: { ...NO_FLAGS, sendFlowRem: action.sendFlowRem },
    outPort: PORT.NONE,
    outGroup: ANY_GROUP,
    of: '1.5',
  };
  // Only OpenFlow 1.0 has a modify that sets the cookie.
  return exists(mod) ? { ...mod, op: 'modify_strict', of: '1.0' } : mod;
}

/** Ordinary ports and those reserved ones that make sense for every packet. */
function isOutputPort(value: bigint): boolean {
  const reserved: readonly number[] = [PORT.IN_PORT, PORT.FLOOD, PORT.LOCAL, PORT.ALL];
  return value < 0xff00n || reserved.includes(Number(value));
}

function matchBits(match: MatchBuilder, spec: Extract<LearnSpec, { kind: 'match' }>, value: bigint): void {
  const field = fieldByName(spec.dst.field)!;
  const mask = ((1n << BigInt(spec.dst.nBits)) - 1n) << BigInt(spec.dst.ofs);
  const bits = value << BigInt(spec.dst.ofs);
  field.words.forEach((word, i) => {
    const shift = BigInt(32 * (field.words.length - 1 - i));
    const wordMask = (Number((mask >> shift) & 0xffffffffn) | 0) << field.shift;
    const wordBits = (Number((bits >> shift) & 0xffffffffn) | 0) << field.shift;
    if (wordMask !== 0) match.set(word, wordBits, wordMask);
  });
}

function loadAction(spec: Extract<LearnSpec, { kind: 'load' }>, value: bigint): Action {
  const ofs = BigInt(spec.dst.ofs);
  const mask = ((1n << BigInt(spec.dst.nBits)) - 1n) << ofs;
  return { type: 'setField', field: spec.dst.field, value: value << ofs, mask, load: true };
}
