/**
 * Text of flows as ovs-ofctl takes it, to rules and flow-mods as the switch holds them: parsed, checked against the
 * match, and sent through the wire of one OpenFlow version. What ovs-ofctl or the switch refuse is an InputError with
 * the column. lib/ofp-flow.c:parse_ofp_str__, ofputil_encode_flow_mod, ofputil_decode_flow_mod.
 */

import { field } from '../fields/fieldTable.js';
import { K, PORT } from '../fields/key.js';
import { parseSigned, U64_MAX } from '../fields/numberText.js';
import { type PortNames, parsePort } from '../fields/portText.js';
import { DEFAULT_TLV_MAP, mappedField, type TlvMap } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import { MatchState } from './actionCheck.js';
import { parseActionList, parseU64Argument } from './actionParse.js';
import type { Action } from './actions.js';
import { sendActions, subFieldsOf } from './actionWire.js';
import { DenseMatch } from './denseMatch.js';
import { F10_STANDARD, F11_UP, F12_UP, F13_UP, formatsOf, NXM_OF11_UP } from './formats.js';
import { KeyValueReader } from './keyValue.js';
import { finishMatch, formatMatch, parseMatchPair, unknownKeyword } from './matchText.js';
import { type MatchFormat, refused, sendMatch } from './matchWire.js';
import { normalizeMatch } from './prerequisites.js';
import type { FlowMod, FlowModOp, OfVersion, Rule, RuleFlags } from './rule.js';
import { atColumn, ParseContext, parseSmall, parseTable } from './textContext.js';

export interface FlowTextOptions {
  /** OpenFlow version the text is entered with; default 1.3. */
  readonly of?: OfVersion;
  readonly ports?: PortNames | null;
  readonly tables?: PortNames | null;
  readonly tlvMap?: TlvMap;
  /** Groups and meters that exist; absent: not known, any is taken. */
  readonly groups?: ReadonlySet<number>;
  readonly meters?: ReadonlySet<number>;
}

export interface ParsedFlowMod {
  readonly mod: FlowMod;
  /** For instance: a field that was dropped for want of a prerequisite. */
  readonly warnings: readonly string[];
}

export interface ParsedRule {
  readonly rule: Rule;
  readonly warnings: readonly string[];
}

/** Groups of words that only some operations know. */
interface Grammar {
  readonly outPort: boolean;
  readonly actions: boolean;
  readonly importance: boolean;
  readonly priority: boolean;
}

const GRAMMAR: Readonly<Record<FlowModOp, Grammar>> = {
  add: { outPort: false, actions: true, importance: true, priority: true },
  modify: { outPort: false, actions: true, importance: false, priority: true },
  modify_strict: { outPort: false, actions: true, importance: false, priority: true },
  delete: { outPort: true, actions: false, importance: false, priority: false },
  delete_strict: { outPort: true, actions: false, importance: false, priority: true },
};

export const DEFAULT_PRIORITY = 32768;
const ALL_TABLES = 255;
const ANY_GROUP = 0xffffffff;
/** The table that Open vSwitch keeps for itself. */
const HIDDEN_TABLE = 254;

/** Ignored, so that a line of a dump can be fed back. */
const STATISTICS = ['duration', 'n_packets', 'n_bytes', 'idle_age', 'hard_age'];
const IGNORED = ['no_readonly_table', 'allow_hidden_fields'];
const FLAG_WORDS: Readonly<Record<string, keyof RuleFlags>> = {
  send_flow_rem: 'sendFlowRem',
  check_overlap: 'checkOverlap',
  reset_counts: 'resetCounts',
  no_packet_counts: 'noPacketCounts',
  no_byte_counts: 'noByteCounts',
};

/** What the words of a flow say, before the wire. */
class Draft {
  table = ALL_TABLES;
  priority = DEFAULT_PRIORITY;
  /** null: none given. */
  newCookie: bigint | null = null;
  cookie = 0n;
  cookieMask = 0n;
  idleTimeout = 0;
  hardTimeout = 0;
  importance = 0;
  outPort: number = PORT.NONE;
  outGroup = ANY_GROUP;
  readonly flags: { -readonly [Flag in keyof RuleFlags]: boolean } = {
    sendFlowRem: false,
    checkOverlap: false,
    resetCounts: false,
    noPacketCounts: false,
    noByteCounts: false,
  };
  actions: Action[] = [];
}

const parsed = new DenseMatch();
const held = new DenseMatch();

/** One flow-mod as the switch receives it: `ovs-ofctl -O OF add-flow`, `mod-flows`, `del-flows`, with or without --strict. */
export function parseFlowMod(op: FlowModOp, text: string, options: FlowTextOptions = {}): ParsedFlowMod {
  const of = options.of ?? '1.3';
  const tlvMap = options.tlvMap ?? DEFAULT_TLV_MAP;
  const context = new ParseContext({ ports: options.ports ?? null, tables: options.tables ?? null });
  const draft = new Draft();
  parsed.clear();
  const grammar = GRAMMAR[op];
  const { matchText, actionText, actionsAt } = grammar.actions ? splitActions(text) : wholeMatch(text);
  parseWords(matchText, op, draft, context, tlvMap);
  finishMatch(parsed, context);
  if (grammar.actions) {
    draft.actions = parseActionList(actionText, context, actionsAt);
    const state = new MatchState(parsed);
    atColumn(actionsAt, () => state.checkAll(draft.actions, draft.table));
    context.formats &= state.formats;
    if (context.formats === 0)
      throw new InputError('actions are invalid with specified match (OFPBAC_MATCH_INCONSISTENT)', {
        column: actionsAt + 1,
      });
  }
  const format = matchFormat(context.formats, of);
  sendMatch(parsed, format, held);
  const warnings = normalizationWarning(tlvMap);
  const state = new MatchState(held);
  const actions = atColumn(actionsAt, () => {
    const sent = sendActions(draft.actions, state, of);
    checkTunnelOptions(sent, tlvMap);
    checkGroupsAndMeters(sent, options);
    new MatchState(held).checkAll(sent, op === 'add' && draft.table === ALL_TABLES ? 0 : draft.table);
    return sent;
  });
  if (draft.table === HIDDEN_TABLE && grammar.actions) throw refused('OFPBRC_EPERM');
  return { mod: toFlowMod(op, of, draft, actions, isExactMatch10(format)), warnings };
}

/** The rule that adding this text leaves in an empty table. */
export function parseRule(text: string, options: FlowTextOptions = {}): ParsedRule {
  const { mod, warnings } = parseFlowMod('add', text, options);
  return { rule: ruleOf(mod), warnings };
}

/** The rule that an add installs. */
export function ruleOf(mod: FlowMod): Rule {
  return {
    table: mod.table,
    priority: mod.priority,
    match: mod.match,
    actions: mod.actions,
    cookie: mod.newCookie,
    idleTimeout: mod.idleTimeout,
    hardTimeout: mod.hardTimeout,
    importance: mod.importance,
    flags: mod.flags,
  };
}

interface SplitText {
  readonly matchText: string;
  readonly actionText: string;
  readonly actionsAt: number;
}

const wholeMatch = (text: string): SplitText => ({ matchText: text, actionText: '', actionsAt: 0 });

/** At the first `action`, wherever it stands; the list begins behind the next `=` (lib/ofp-parse.c:ofp_extract_actions). */
function splitActions(text: string): SplitText {
  const word = text.indexOf('action');
  const equals = word < 0 ? -1 : text.indexOf('=', word);
  if (equals < 0) throw new InputError('must specify an action', { column: text.length + 1 });
  return { matchText: text.slice(0, word), actionText: text.slice(equals + 1), actionsAt: equals + 1 };
}

function parseWords(text: string, op: FlowModOp, draft: Draft, context: ParseContext, tlvMap: TlvMap): void {
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) {
    const { key, value } = reader;
    atColumn(reader.keyAt, () => {
      if (GRAMMAR[op].actions && Object.hasOwn(FLAG_WORDS, key)) parseFlag(key, draft, context);
      else if (!IGNORED.includes(key) && !parseMatchPair(key, value, parsed, context, tlvMap))
        parseWord(key, value, op, draft, context);
    });
  }
}

function parseFlag(key: string, draft: Draft, context: ParseContext): void {
  draft.flags[FLAG_WORDS[key]!] = true;
  if (key === 'reset_counts') context.formats &= F12_UP;
  else if (key.startsWith('no_')) context.formats &= F13_UP;
}

function parseWord(key: string, value: string, op: FlowModOp, draft: Draft, context: ParseContext): void {
  const grammar = GRAMMAR[op];
  if (value === '') throw missingValue(key);
  if (key === 'table') {
    const table = parseTable(value, context.tables);
    if (table === null) throw new InputError(`unknown table "${value}"`);
    draft.table = table;
  } else if (grammar.outPort && key === 'out_port') {
    const port = parsePort(value, context.ports);
    if (port === null) throw new InputError(`${value} is not a valid OpenFlow port`);
    draft.outPort = port;
  } else if (grammar.outPort && key === 'out_group') {
    context.formats &= F11_UP;
    draft.outGroup = parseGroup(value);
  } else if (grammar.priority && key === 'priority') draft.priority = parseSmall(value, key, 0xffff);
  else if (grammar.actions && key === 'idle_timeout') draft.idleTimeout = parseSmall(value, key, 0xffff);
  else if (grammar.actions && key === 'hard_timeout') draft.hardTimeout = parseSmall(value, key, 0xffff);
  else if (grammar.importance && key === 'importance') draft.importance = parseSmall(value, key, 0xffff);
  else if (key === 'cookie') parseCookie(value, op, draft, context);
  else if (!STATISTICS.includes(key)) throw unknownKeyword(key, knownWords(grammar));
}

function missingValue(key: string): InputError {
  const lower = key.toLowerCase();
  const hint = key === lower ? undefined : `words of the match are case-sensitive; did you mean '${lower}'?`;
  return new InputError(`field ${key} missing value`, {}, hint);
}

function knownWords(grammar: Grammar): string[] {
  const words = ['table', 'cookie', ...IGNORED];
  if (grammar.outPort) words.push('out_port', 'out_group');
  if (grammar.priority) words.push('priority');
  if (grammar.actions) words.push('idle_timeout', 'hard_timeout', ...Object.keys(FLAG_WORDS));
  if (grammar.importance) words.push('importance');
  return words;
}

function parseGroup(text: string): number {
  const lower = text.toLowerCase();
  if (lower === 'any') return ANY_GROUP;
  if (lower === 'all') return 0xfffffffc;
  const group = parseSigned(text, 0, 0xffffffff, 10);
  if (group === null) throw new InputError(`${text} is not a valid OpenFlow group`);
  return group;
}

/** With a mask it selects, without it is set. */
function parseCookie(value: string, op: FlowModOp, draft: Draft, context: ParseContext): void {
  const slash = value.indexOf('/');
  if (slash >= 0) {
    if (op === 'add') throw new InputError('flow additions cannot use a cookie mask');
    draft.cookie = parseU64Argument(value.slice(0, slash));
    draft.cookieMask = parseU64Argument(value.slice(slash + 1));
    if (draft.cookieMask !== 0n) context.formats &= NXM_OF11_UP;
    return;
  }
  if (op === 'delete' || op === 'delete_strict')
    throw new InputError(`cannot set cookie (to match on a cookie, specify a mask, e.g. cookie=${value}/-1)`);
  draft.newCookie = parseU64Argument(value);
}

/** ovs-ofctl prefers OpenFlow 1.0's own structure, and takes Nicira's where that is not enough. */
function matchFormat(formats: number, of: OfVersion): MatchFormat {
  const usable = formats & formatsOf(of);
  if (usable === 0) throw new InputError(`OpenFlow ${of} has no way to say this flow`);
  if (of === '1.0') return (usable & F10_STANDARD) !== 0 ? 'standard10' : 'nxm';
  return of === '1.1' ? 'standard11' : 'oxm';
}

/** ovs-ofctl logs what it drops; a packet type that implied the protocol stays. */
function normalizationWarning(tlvMap: TlvMap): string[] {
  const before = parsed.toMatch();
  if (!normalizeMatch(parsed)) return [];
  const [pre, post] = [formatMatch(before, { tlvMap }), formatMatch(parsed.toMatch(), { tlvMap })];
  return [`normalization changed the match: '${pre}' became '${post}' (a field lacks its prerequisite)`];
}

/** A part of a tunnel option must lie inside the option that is mapped. */
function checkTunnelOptions(actions: readonly Action[], tlvMap: TlvMap): void {
  for (const action of actions) {
    for (const sub of subFieldsOf(action)) {
      const mapped = mappedField(field(sub.field), tlvMap);
      if (mapped === null) throw refused('NXFMFC_INVALID_TLV_FIELD');
      if (sub.ofs + sub.nBits > mapped.nBits) throw refused('OFPBAC_BAD_SET_LEN');
    }
    if (action.type === 'setField' && mappedField(field(action.field), tlvMap) === null)
      throw refused('NXFMFC_INVALID_TLV_FIELD');
  }
}

/** OFPG_MAX: no group has a higher number. */
const GROUP_MAX = 0xffffff00;

function checkGroupsAndMeters(actions: readonly Action[], options: FlowTextOptions): void {
  for (const action of actions) {
    if (action.type === 'group' && (action.group > GROUP_MAX || options.groups?.has(action.group) === false))
      throw refused('OFPBAC_BAD_OUT_GROUP');
    if (action.type === 'meter' && options.meters?.has(action.meter) === false) throw refused('OFPMMFC_INVALID_METER');
    if (action.type === 'clone' || action.type === 'writeActions') checkGroupsAndMeters(action.actions, options);
  }
}

/** OpenFlow 1.0: a match without any wildcard has the highest priority (lib/ofp-flow.c:ofputil_decode_flow_mod). */
function isExactMatch10(format: MatchFormat): boolean {
  if (format !== 'standard10') return false;
  const { mask } = held;
  const words = [K.in_port, K.dl_src, K.dl_dst, K.dl_type, K.nw_proto, K.tp_src, K.tp_dst, K.nw_tos];
  const addresses = mask[K.nw_src] === -1 && mask[K.nw_dst] === -1;
  return addresses && mask[K.vlan_tci] === 0xffff && words.every((word) => mask[word] !== 0);
}

function toFlowMod(op: FlowModOp, of: OfVersion, draft: Draft, actions: Action[], exact10: boolean): FlowMod {
  const old = of === '1.0' || of === '1.1';
  const modifies = op === 'modify' || op === 'modify_strict';
  const deletes = op === 'delete' || op === 'delete_strict';
  const noCookie = modifies && draft.cookieMask !== 0n;
  const given = draft.newCookie ?? (noCookie ? U64_MAX : 0n);
  // From 1.2 on a modify carries no new cookie, in 1.1 only for the rule that it may add.
  const carriesCookie = !deletes && (op === 'add' || of === '1.0' || (of === '1.1' && draft.cookieMask === 0n));
  const newCookie = carriesCookie ? given : U64_MAX;
  const allTables = deletes ? of !== '1.1' : of === '1.0' && modifies;
  return {
    op,
    table: draft.table === ALL_TABLES && !allTables ? 0 : draft.table,
    priority: exact10 ? 0xffff : draft.priority,
    match: held.toMatch(),
    actions,
    newCookie,
    modifyCookie: of === '1.0' && modifies && newCookie !== U64_MAX,
    cookie: draft.cookie & draft.cookieMask,
    cookieMask: draft.cookieMask,
    idleTimeout: draft.idleTimeout,
    hardTimeout: draft.hardTimeout,
    importance: op === 'add' && (of === '1.4' || of === '1.5') ? draft.importance : 0,
    flags: { ...draft.flags, resetCounts: draft.flags.resetCounts || (old && op === 'add') },
    outPort: draft.outPort,
    outGroup: draft.outGroup,
    of,
  };
}
