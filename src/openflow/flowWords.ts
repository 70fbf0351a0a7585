/** The words of a flow beside match and actions: table, priority, cookie, flags, statistics (parse_ofp_str__). */
import { PORT } from '../fields/key.js';
import { parseSigned, scanNumber } from '../fields/numberText.js';
import { parsePort } from '../fields/portText.js';
import type { TlvMap } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import type { DenseMatch } from './denseMatch.js';
import { F11_UP, F12_UP, F13_UP, NXM_OF11_UP } from './formats.js';
import { KeyValueReader } from './keyValue.js';
import { parseMatchPair, unknownKeyword } from './matchText.js';
import { type FlowModOp, NO_FLAGS, type RuleFlags, type RuleStats } from './rule.js';
import { atColumn, type ParseContext, parseSmall, parseTable, parseU64Argument } from './textContext.js';

/** Which words an operation knows; `dump` reads what switches print, wider than what they read. */
export interface Grammar {
  readonly op: FlowModOp;
  readonly outPort: boolean;
  readonly actions: boolean;
  readonly importance: boolean;
  readonly priority: boolean;
  readonly dump: boolean;
}

const grammar = (op: FlowModOp, words: Partial<Grammar>): Grammar => ({
  op,
  outPort: false,
  actions: false,
  importance: false,
  priority: false,
  dump: false,
  ...words,
});

export const GRAMMARS: Readonly<Record<FlowModOp | 'dump', Grammar>> = {
  add: grammar('add', { actions: true, importance: true, priority: true }),
  modify: grammar('modify', { actions: true, priority: true }),
  modify_strict: grammar('modify_strict', { actions: true, priority: true }),
  delete: grammar('delete', { outPort: true }),
  delete_strict: grammar('delete_strict', { outPort: true, priority: true }),
  dump: grammar('add', { actions: true, importance: true, priority: true, dump: true }),
};

export const DEFAULT_PRIORITY = 32768;
export const ALL_TABLES = 255;
export const ANY_GROUP = 0xffffffff;
const ALL_GROUPS = 0xfffffffc;

/** Ignored in input, so that a line of a dump can be fed back. */
const STATISTICS = ['duration', 'n_packets', 'n_bytes', 'idle_age', 'hard_age'];
const IGNORED = ['no_readonly_table', 'allow_hidden_fields'];
const FLAG_WORDS: Readonly<Record<string, keyof RuleFlags>> = {
  send_flow_rem: 'sendFlowRem',
  check_overlap: 'checkOverlap',
  reset_counts: 'resetCounts',
  no_packet_counts: 'noPacketCounts',
  no_byte_counts: 'noByteCounts',
};

/** Names that a dump prints but no command reads. */
const DUMP_FIELDS: Readonly<Record<string, string>> = {
  gtpu_flags: 'tun_gtpu_flags',
  gtpu_msgtype: 'tun_gtpu_msgtype',
};
const OFFLOAD_STATISTICS = ['n_offload_packets', 'n_offload_bytes'];

/** What the words of a flow say, before the wire. */
export class FlowDraft {
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
  /** Mostly none, so one object is shared. */
  flags: RuleFlags = NO_FLAGS;
  readonly stats: { -readonly [Item in keyof RuleStats]: RuleStats[Item] } = {
    duration: null,
    nPackets: null,
    nBytes: null,
    idleAge: null,
    hardAge: null,
  };
}

/** Reads everything in front of the actions into draft and match. */
export function parseFlowWords(
  text: string,
  words: Grammar,
  draft: FlowDraft,
  match: DenseMatch,
  context: ParseContext,
  tlvMap: TlvMap,
): void {
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) {
    const { key, value } = reader;
    try {
      if (words.actions && Object.hasOwn(FLAG_WORDS, key)) parseFlag(key, draft, context);
      else if (IGNORED.includes(key)) continue;
      else if (parseMatchPair(key, value, match, context, tlvMap)) checkSayable(key, context);
      else if (words.dump && Object.hasOwn(DUMP_FIELDS, key))
        parseMatchPair(DUMP_FIELDS[key]!, value, match, context, tlvMap);
      else parseWord(key, value, words, draft, context);
    } catch (error) {
      atColumn(reader.keyAt, () => {
        throw error;
      });
    }
  }
}

/** Some fields can be printed but never sent (tun_ttl, skb_priority), some only with certain masks. */
function checkSayable(key: string, context: ParseContext): void {
  if (context.formats === 0) throw new InputError(`no OpenFlow version has a way to say ${key} here`);
}

function parseFlag(key: string, draft: FlowDraft, context: ParseContext): void {
  draft.flags = { ...draft.flags, [FLAG_WORDS[key]!]: true };
  if (key === 'reset_counts') context.formats &= F12_UP;
  else if (key.startsWith('no_')) context.formats &= F13_UP;
}

function parseWord(key: string, value: string, words: Grammar, draft: FlowDraft, context: ParseContext): void {
  if (value === '') throw missingValue(key);
  if (key === 'table' || (words.dump && key === 'table_id')) {
    const table = parseTable(value, context.tables);
    if (table === null) throw new InputError(`unknown table "${value}"`);
    draft.table = table;
  } else if (words.outPort && key === 'out_port') {
    const port = parsePort(value, context.ports);
    if (port === null) throw new InputError(`${value} is not a valid OpenFlow port`);
    draft.outPort = port;
  } else if (words.outPort && key === 'out_group') {
    context.formats &= F11_UP;
    draft.outGroup = parseGroup(value);
  } else if (words.priority && key === 'priority') {
    // Rules of the switch itself stand above what OpenFlow can say (in-band control: from 180000 on).
    draft.priority = parseSmall(value, key, words.dump ? 0x7fffffff : 0xffff);
  } else if (words.actions && key === 'idle_timeout') draft.idleTimeout = parseSmall(value, key, 0xffff);
  else if (words.actions && key === 'hard_timeout') draft.hardTimeout = parseSmall(value, key, 0xffff);
  else if (words.importance && key === 'importance') draft.importance = parseSmall(value, key, 0xffff);
  else if (key === 'cookie') parseCookie(value, words.op, draft, context);
  else if (STATISTICS.includes(key)) parseStatistic(key, value, draft);
  else if (!words.dump || !OFFLOAD_STATISTICS.includes(key)) throw unknownKeyword(key, knownWords(words));
}

/** Anything goes in input; what a dump prints is kept. */
function parseStatistic(key: string, value: string, draft: FlowDraft): void {
  const number = scanNumber(value, 0, 10);
  const count = number === null || number.end !== value.length ? null : number.value;
  if (key === 'duration') draft.stats.duration = value;
  else if (key === 'n_packets') draft.stats.nPackets = count;
  else if (key === 'n_bytes') draft.stats.nBytes = count;
  else if (key === 'idle_age') draft.stats.idleAge = count === null ? null : Number(count);
  else draft.stats.hardAge = count === null ? null : Number(count);
}

function missingValue(key: string): InputError {
  const lower = key.toLowerCase();
  const hint = key === lower ? undefined : `words of the match are case-sensitive; did you mean '${lower}'?`;
  return new InputError(`field ${key} missing value`, {}, hint);
}

function knownWords(words: Grammar): string[] {
  const known = ['table', 'cookie', ...IGNORED];
  if (words.outPort) known.push('out_port', 'out_group');
  if (words.priority) known.push('priority');
  if (words.actions) known.push('actions', 'idle_timeout', 'hard_timeout', ...Object.keys(FLAG_WORDS));
  if (words.importance) known.push('importance');
  return known;
}

function parseGroup(text: string): number {
  const lower = text.toLowerCase();
  if (lower === 'any') return ANY_GROUP;
  if (lower === 'all') return ALL_GROUPS;
  const group = parseSigned(text, 0, 0xffffffff, 10);
  if (group === null) throw new InputError(`${text} is not a valid OpenFlow group`);
  return group;
}

/** With a mask it selects, without it is set. */
function parseCookie(value: string, op: FlowModOp, draft: FlowDraft, context: ParseContext): void {
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
