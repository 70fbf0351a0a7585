/**
 * Text of flows as ovs-ofctl takes it, to rules and flow-mods as the switch holds them: parsed, checked against the
 * match, and sent through the wire of one OpenFlow version. What ovs-ofctl or the switch refuse is an InputError with
 * the column. lib/ofp-flow.c:parse_ofp_str__, ofputil_encode_flow_mod, ofputil_decode_flow_mod.
 */

import { field } from '../fields/fieldTable.js';
import { K } from '../fields/key.js';
import { U64_MAX } from '../fields/numberText.js';
import type { PortNames } from '../fields/portText.js';
import { DEFAULT_TLV_MAP, mappedField, type TlvMap } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import { MatchState } from './actionCheck.js';
import { parseActionList } from './actionParse.js';
import type { Action } from './actions.js';
import { sendActions, subFieldsOf } from './actionWire.js';
import { DenseMatch } from './denseMatch.js';
import { ALL_TABLES, FlowDraft, GRAMMARS, parseFlowWords } from './flowWords.js';
import { F10_STANDARD, formatsOf } from './formats.js';
import { finishMatch, formatMatch } from './matchText.js';
import { type MatchFormat, refused, sendMatch } from './matchWire.js';
import { normalizeMatch } from './prerequisites.js';
import type { FlowMod, FlowModOp, OfVersion, Rule } from './rule.js';
import { atColumn, ParseContext } from './textContext.js';

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

export { DEFAULT_PRIORITY } from './flowWords.js';

/** The table that Open vSwitch keeps for itself. */
const HIDDEN_TABLE = 254;

const parsed = new DenseMatch();
const held = new DenseMatch();

/** One flow-mod as the switch receives it: `ovs-ofctl -O OF add-flow`, `mod-flows`, `del-flows`, with or without --strict. */
export function parseFlowMod(op: FlowModOp, text: string, options: FlowTextOptions = {}): ParsedFlowMod {
  const { mod, warnings } = parseFlow(op, text, options);
  return { mod, warnings };
}

/** The same with the words as they stood, statistics among them. */
export function parseFlow(op: FlowModOp, text: string, options: FlowTextOptions): ParsedFlowMod & { draft: FlowDraft } {
  const of = options.of ?? '1.3';
  const tlvMap = options.tlvMap ?? DEFAULT_TLV_MAP;
  const context = new ParseContext({ ports: options.ports ?? null, tables: options.tables ?? null });
  const draft = new FlowDraft();
  parsed.clear();
  const words = GRAMMARS[op];
  const { matchText, actionText, actionsAt } = words.actions ? splitActions(text) : wholeMatch(text);
  parseFlowWords(matchText, words, draft, parsed, context, tlvMap);
  finishMatch(parsed, context);
  let given: readonly Action[] = [];
  if (words.actions) {
    given = parseActionList(actionText, context, actionsAt);
    const state = new MatchState(parsed);
    atColumn(actionsAt, () => state.checkAll(given, draft.table));
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
    const sent = sendActions(given, state, of);
    checkTunnelOptions(sent, tlvMap);
    checkGroupsAndMeters(sent, options);
    new MatchState(held).checkAll(sent, op === 'add' && draft.table === ALL_TABLES ? 0 : draft.table);
    return sent;
  });
  if (draft.table === HIDDEN_TABLE && words.actions) throw refused('OFPBRC_EPERM');
  return { mod: toFlowMod(op, of, draft, actions, isExactMatch10(format)), warnings, draft };
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

/** ovs-ofctl prefers OpenFlow 1.0's own structure, and takes Nicira's where that is not enough. */
function matchFormat(formats: number, of: OfVersion): MatchFormat {
  const usable = formats & formatsOf(of);
  if (usable === 0) throw new InputError(`OpenFlow ${of} has no way to say this flow`);
  if (of === '1.0') return (usable & F10_STANDARD) !== 0 ? 'standard10' : 'nxm';
  return of === '1.1' ? 'standard11' : 'oxm';
}

/** ovs-ofctl logs what it drops; a packet type that implied the protocol stays. */
function normalizationWarning(tlvMap: TlvMap): string[] {
  if (!normalizeMatch(parsed, false)) return [];
  const pre = formatMatch(parsed.toMatch(), { tlvMap });
  normalizeMatch(parsed);
  const post = formatMatch(parsed.toMatch(), { tlvMap });
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

function toFlowMod(op: FlowModOp, of: OfVersion, draft: FlowDraft, actions: Action[], exact10: boolean): FlowMod {
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
    flags: old && op === 'add' ? { ...draft.flags, resetCounts: true } : draft.flags,
    outPort: draft.outPort,
    outGroup: draft.outGroup,
    of,
  };
}
