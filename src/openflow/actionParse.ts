/**
 * Action text to actions, as written: what the wire makes of them is actionWire.ts, what the match must allow is
 * actionCheck.ts. lib/ofp-actions.c:ofpacts_parse__ and the parse_* functions; names are not case-sensitive.
 */

import { type Field, fieldByName, preferredCode } from '../fields/fieldTable.js';
import { parseAnyMask, parseFieldValue } from '../fields/fieldText.js';
import { PORT } from '../fields/key.js';
import { parseU64, scanFieldNumber, U64_MAX } from '../fields/numberText.js';
import { parsePort } from '../fields/portText.js';
import { InputError } from '../util/errors.js';
import { nearMiss } from '../util/text.js';
import {
  parseBundle,
  parseCheckPacketLarger,
  parseController,
  parseDecap,
  parseEncap,
  parseEnqueue,
  parseFinTimeout,
  parseHex,
  parseMac,
  parseMultipath,
  parsePlainIp,
  parseResubmit,
  parseSample,
} from './actionArguments.js';
import { type Outer, verifyActions } from './actionOrder.js';
import type { Action } from './actions.js';
import { parseCt, parseNat } from './ctText.js';
import { isValidValue } from './fieldValue.js';
import { F11_UP, F13_UP, F15_UP, fieldFormats, NXM_OF11_UP } from './formats.js';
import { KeyValueReader } from './keyValue.js';
import { parseLearn } from './learnText.js';
import { parseSubField, scanSubField, subFieldMask, subFieldOf, unknownField } from './subField.js';
import { atColumn, type ParseContext, parseSmall, parseTable, parseU32, parseU64Argument } from './textContext.js';

/** One parser per action word: argument text and its offset in the whole input. */
type Parser = (argument: string, context: ParseContext, at: number) => Action;

const MAX_DEPTH = 100;

const small = (text: string, what: string, max: number, bits = max): number => {
  const value = parseSmall(text, what, max);
  if ((value & ~bits) !== 0) throw new InputError(`${text}: not a valid ${what}`);
  return value;
};

const vlanVid = (text: string, pushIfNeeded: boolean): Action => ({
  type: 'setVlanVid',
  vid: small(text, 'VLAN VID', 0xffff, 0xfff),
  pushIfNeeded,
  flowHasVlan: false,
});

const vlanPcp = (text: string, pushIfNeeded: boolean): Action => ({
  type: 'setVlanPcp',
  pcp: small(text, 'VLAN PCP', 0xff, 7),
  pushIfNeeded,
  flowHasVlan: false,
});

const PARSERS: Readonly<Record<string, Parser>> = {
  output: parseOutput,
  output_reg: parseOutput,
  group: (text) => ({ type: 'group', group: parseU32(text) }),
  controller: parseController,
  enqueue: parseEnqueue,
  bundle: (text, context) => parseBundle(text, context, false),
  bundle_load: (text, context) => parseBundle(text, context, true),
  set_field: parseSetField,
  load: (text) => parseLoad(text),
  set_vlan_vid: (text) => vlanVid(text, false),
  mod_vlan_vid: (text) => vlanVid(text, true),
  set_vlan_pcp: (text) => vlanPcp(text, false),
  mod_vlan_pcp: (text) => vlanPcp(text, true),
  strip_vlan: () => ({ type: 'stripVlan' }),
  pop_vlan: () => ({ type: 'stripVlan' }),
  push_vlan: (text, context) => {
    context.formats &= F11_UP;
    const ethertype = parseSmall(text, 'ethertype', 0xffff);
    if (ethertype !== 0x8100 && ethertype !== 0x88a8) throw new InputError(`${text}: not a valid VLAN ethertype`);
    return { type: 'pushVlan', ethertype };
  },
  mod_dl_src: (text) => ({ type: 'setEthSrc', mac: parseMac(text) }),
  mod_dl_dst: (text) => ({ type: 'setEthDst', mac: parseMac(text) }),
  mod_nw_src: (text) => ({ type: 'setIpv4Src', ip: parsePlainIp(text) }),
  mod_nw_dst: (text) => ({ type: 'setIpv4Dst', ip: parsePlainIp(text) }),
  mod_nw_tos: (text) => ({ type: 'setIpDscp', dscp: small(text, 'TOS', 0xff, 0xfc) }),
  mod_nw_ecn: (text) => ({ type: 'setIpEcn', ecn: small(text, 'ECN', 0xff, 3) }),
  mod_nw_ttl: (text) => ({ type: 'setIpTtl', ttl: small(text, 'TTL', 0xff) }),
  set_nw_ttl: (text) => ({ type: 'setIpTtl', ttl: small(text, 'TTL', 0xff) }),
  mod_tp_src: (text) => ({ type: 'setL4SrcPort', port: small(text, 'source port', 0xffff) }),
  mod_tp_dst: (text) => ({ type: 'setL4DstPort', port: small(text, 'destination port', 0xffff) }),
  move: parseMove,
  push: (text) => ({ type: 'push', src: wholeSubField(text) }),
  pop: (text) => ({ type: 'pop', dst: wholeSubField(text) }),
  dec_ttl: (text) => ({ type: 'decTtl', ids: parseIds(text) }),
  set_mpls_label: (text) => ({ type: 'setMplsLabel', label: mplsLabel(text) }),
  set_mpls_tc: (text) => ({
    type: 'setMplsTc',
    tc: small(needed(text, 'set_mpls_tc: expected tc.'), 'MPLS TC', 0xff, 7),
  }),
  set_mpls_ttl: (text) => ({
    type: 'setMplsTtl',
    ttl: small(needed(text, 'set_mpls_ttl: expected ttl.'), 'MPLS TTL', 0xff),
  }),
  dec_mpls_ttl: () => ({ type: 'decMplsTtl' }),
  push_mpls: (text) => ({ type: 'pushMpls', ethertype: parseSmall(text, 'push_mpls', 0xffff) }),
  pop_mpls: (text) => ({ type: 'popMpls', ethertype: parseSmall(text, 'pop_mpls', 0xffff) }),
  dec_nsh_ttl: () => ({ type: 'decNshTtl' }),
  delete_field: (text) => {
    const found = fieldByName(text);
    if (found === undefined) throw unknownField(`${text}: unknown field \`${text}'`, text);
    return { type: 'deleteField', field: found.name };
  },
  encap: parseEncap,
  decap: parseDecap,
  set_tunnel: (text) => ({ type: 'setTunnel', id: parseU64Argument(text) }),
  set_tunnel64: (text) => ({ type: 'setTunnel', id: parseU64Argument(text), wide: true }),
  set_queue: (text) => ({ type: 'setQueue', queue: parseU32(text) }),
  pop_queue: () => ({ type: 'popQueue' }),
  fin_timeout: parseFinTimeout,
  resubmit: parseResubmit,
  learn: parseLearn,
  conjunction: (text) => parseConjunction(text),
  multipath: (text) => parseMultipath(text),
  note: (text) => ({ type: 'note', data: parseHex(text, "bad hex digit in `note' argument") }),
  exit: () => ({ type: 'exit' }),
  sample: parseSample,
  unroll_xlate: () => {
    throw new InputError("UNROLL is an internal action that shouldn't be used via OpenFlow");
  },
  ct: (text, context, at) => parseCt(text, context, at, parseNested),
  ct_clear: () => ({ type: 'ctClear' }),
  nat: (text, context, at) => {
    parseNat(text, context, at);
    throw new InputError('Cannot have NAT action outside of "ct" action');
  },
  clone: (text, context, at) => ({ type: 'clone', actions: parseNested(text, context, at, 'clone') }),
  check_pkt_larger: (text) => parseCheckPacketLarger(text),
  debug_recirc: () => ({ type: 'debugRecirc' }),
  debug_slow: () => ({ type: 'debugSlow' }),
  meter: (text, context) => {
    context.formats &= F13_UP;
    return { type: 'meter', meter: parseU32(text) };
  },
  clear_actions: () => ({ type: 'clearActions' }),
  write_actions: (text, context, at) => ({
    type: 'writeActions',
    actions: parseNested(text, context, at, 'write_actions'),
  }),
  write_metadata: (text, context) => {
    context.formats &= NXM_OF11_UP;
    const slash = text.indexOf('/');
    if (slash < 0) return { type: 'writeMetadata', value: parseU64Argument(text), mask: U64_MAX };
    const mask = parseU64Argument(text.slice(slash + 1));
    return { type: 'writeMetadata', value: parseU64Argument(text.slice(0, slash)), mask };
  },
  goto_table: (text, context) => {
    const table = parseTable(text, context.tables);
    if (table === null) throw new InputError(`unknown table "${text}"`);
    return { type: 'gotoTable', table };
  },
};

/** The list behind `actions=`; instructions allowed. */
export function parseActionList(text: string, context: ParseContext, at: number): Action[] {
  return parseList(text, context, at, 'none', true);
}

function parseNested(text: string, context: ParseContext, at: number, outer: Outer): Action[] {
  return parseList(text, context, at, outer, false);
}

/** What a list takes in the memory of Open vSwitch, at least (lib/ofp-actions.c:ofpacts_parse__, struct ofpact_output). */
const LIST_BYTES_MAX = 0xffff;
const OUTPUT_BYTES = 16;
const ACTION_BYTES_MIN = 8;

function parseList(text: string, context: ParseContext, at: number, outer: Outer, instructions: boolean): Action[] {
  if (context.depth >= MAX_DEPTH) throw new InputError('Action nested too deeply');
  context.depth++;
  const actions: Action[] = [];
  const reader = new KeyValueReader(text, at);
  let drop = false;
  let bytes = 0;
  while (reader.next()) {
    const { key, value, valueAt, keyAt } = reader;
    atColumn(keyAt, () => {
      const word = key.toLowerCase();
      const parser = Object.hasOwn(PARSERS, word) ? PARSERS[word] : undefined;
      if (parser !== undefined) {
        // nat is an action of its own only inside ct's exec; parseCt handles it there.
        actions.push(parser(value, context, valueAt));
        if (word === 'meter' && !instructions) context.formats &= F15_UP;
      } else if (word === 'drop') {
        drop = true;
      } else if (word === 'apply_actions') {
        throw new InputError('apply_actions is the default instruction');
      } else {
        const port = parsePort(key, context.ports);
        if (port === null) throw unknownAction(key);
        actions.push(port === PORT.CONTROLLER ? { type: 'output', port, maxLen: 0 } : { type: 'output', port });
      }
      bytes += actions.at(-1)?.type === 'output' ? OUTPUT_BYTES : ACTION_BYTES_MIN;
      if (bytes > LIST_BYTES_MAX) throw new InputError('input too big');
    });
  }
  if (drop && actions.length > 0)
    throw new InputError('"drop" must not be accompanied by any other action or instruction');
  atColumn(at, () => verifyActions(actions, '1.1', outer, instructions));
  context.depth--;
  return actions;
}

function unknownAction(word: string): InputError {
  const near = nearMiss(word.toLowerCase(), [...Object.keys(PARSERS), 'drop']);
  return new InputError(`unknown action ${word}`, {}, near === null ? undefined : `did you mean '${near}'?`);
}

function parseOutput(text: string, context: ParseContext): Action {
  if (text.includes('port') && text.includes('max_len')) return parseTruncatedOutput(text, context);
  const port = parsePort(text, context.ports);
  if (port !== null)
    return port === PORT.CONTROLLER ? { type: 'output', port, maxLen: 0xffff } : { type: 'output', port };
  try {
    return { type: 'outputReg', src: parseSubField(text), maxLen: 0xffff };
  } catch {
    throw new InputError(`${text}: output to unknown port`);
  }
}

function parseTruncatedOutput(text: string, context: ParseContext): Action {
  let port = 0;
  let maxLen = 0;
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) {
    const { key, value } = reader;
    if (key === 'port') {
      const parsed = parsePort(value, context.ports);
      if (parsed === null) throw new InputError(`output to unknown truncate port: ${value}`);
      if (parsed > 0xff00 && parsed !== PORT.LOCAL && parsed !== PORT.IN_PORT)
        throw new InputError(`output to unsupported truncate port: ${value}`);
      port = parsed;
    } else if (key === 'max_len') {
      maxLen = parseU32(value);
      // An Ethernet header (ETH_HEADER_LEN) must remain.
      if (maxLen < 14) throw new InputError(`max_len ${maxLen} is less than the minimum value 14`);
    } else {
      throw new InputError(`invalid key '${key}' in output_trunc argument`);
    }
  }
  return { type: 'outputTrunc', port, maxLen };
}

/** `VALUE->FIELD` split at the first arrow. */
export function splitArrow(text: string): { value: string; key: string } {
  const arrow = text.indexOf('->');
  if (arrow < 0) throw new InputError(`${text}: missing \`->'`);
  if (arrow + 2 >= text.length) throw new InputError(`${text}: missing field name following \`->'`);
  return { value: text.slice(0, arrow), key: text.slice(arrow + 2) };
}

function parseSetField(text: string, context: ParseContext): Action {
  const { value, key } = splitArrow(text);
  const of = fieldByName(key);
  if (of === undefined) throw unknownField(`${key} is not a valid OXM field name`, key);
  if (!of.writable) throw new InputError(`${key} is read-only`);
  if (context.asPrinted) return printedSetField(of, value, context);
  const parsed = parseFieldValue(of, value, context.ports);
  if (!isValidValue(of, parsed.value)) throw new InputError(`${value} is not a valid value for field ${key}`);
  context.formats &= fieldFormats(of).exact;
  return { type: 'setField', field: of.name, value: parsed.value, mask: parsed.mask, load: false };
}

/** What came from a load may have a mask or a value that set_field does not take. */
function printedSetField(of: Field, text: string, context: ParseContext): Action {
  const { value, mask } = parseAnyMask(of, text, context.ports);
  const set = { type: 'setField', field: of.name, value, mask, load: false } as const;
  return preferredCode(of, 0)?.oxmClass === 0xffff ? { ...set, load2: true } : set;
}

function parseLoad(text: string): Action {
  const { value, key } = splitArrow(text);
  const dst = parseSubField(key);
  const of = subFieldOf(dst);
  const number = scanFieldNumber(value, 0, of.nBytes);
  // What follows the number is not looked at (lib/ofp-actions.c:parse_reg_load).
  if (number === null || number.tooLarge) throw new InputError(`${text}: cannot parse integer value`);
  if (number.value >> BigInt(dst.nBits) !== 0n)
    throw new InputError(`${text}: value ${value} does not fit into ${dst.nBits} bits`);
  const mask = subFieldMask(dst);
  return { type: 'setField', field: of.name, value: number.value << BigInt(dst.ofs), mask, load: true };
}

function parseMove(text: string): Action {
  const { sub: src, end } = scanSubField(text, 0);
  if (!text.startsWith('->', end)) throw new InputError(`${text}: missing \`->' following source`);
  const dst = parseSubField(text.slice(end + 2));
  if (src.nBits !== dst.nBits)
    throw new InputError(`${text}: source field is ${src.nBits} bits wide but destination is ${dst.nBits} bits wide`);
  return { type: 'move', src, dst };
}

function wholeSubField(text: string): ReturnType<typeof parseSubField> {
  const { sub, end } = scanSubField(text, 0);
  if (end !== text.length) throw new InputError(`${text.slice(end)}: trailing garbage following push or pop`);
  return sub;
}

/** Controller ids as C's atoi reads them; none given at all is plain dec_ttl. */
function parseIds(text: string): number[] {
  if (text === '') return [];
  const ids = text.split(/[, ]/).filter((word) => word !== '');
  if (ids.length === 0) throw new InputError('dec_ttl_cnt_ids: expected at least one controller id.');
  return ids.map((word) => (Number.parseInt(word, 10) || 0) & 0xffff);
}

const needed = (text: string, message: string): string => {
  if (text === '') throw new InputError(message);
  return text;
};

function mplsLabel(text: string): number {
  const label = parseU32(needed(text, 'set_mpls_label: expected label.'));
  if (label > 0xfffff) throw new InputError(`${text}: not a valid MPLS label`);
  return label;
}

function parseConjunction(text: string): Action {
  const match = /^\s*([-+]?\w+)\s*,\s*([-+]?\d+)\s*\/\s*([-+]?\d+)\s*$/.exec(text);
  const id = match === null ? null : parseU64(match[1]!);
  if (match === null || id === null) throw new InputError('"conjunction" syntax is "conjunction(id,i/n)"');
  // Cut to 32 and 8 bits, as lib/util.c:ovs_scan stores them.
  const clause = Number(match[2]) & 0xff;
  const nClauses = Number(match[3]) & 0xff;
  if (nClauses < 2) throw new InputError('conjunction must have at least 2 clauses');
  if (nClauses > 64) throw new InputError('conjunction must have at most 64 clauses');
  if (clause < 1) throw new InputError('clause index must be positive');
  if (clause > nClauses) throw new InputError('clause index must be less than or equal to number of clauses');
  return { type: 'conjunction', id: Number(id & 0xffffffffn), clause, nClauses };
}
