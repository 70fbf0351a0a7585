/** Arguments of the actions that have a little grammar of their own (lib/ofp-actions.c, bundle.c, multipath.c). */
import { strictIpv4 } from '../fields/addressText.js';
import { preferredCode } from '../fields/fieldTable.js';
import { PORT } from '../fields/key.js';
import { digitValue, scanNumber } from '../fields/numberText.js';
import { parsePort } from '../fields/portText.js';
import { InputError } from '../util/errors.js';
import type { Action, SubField } from './actions.js';
import { F13_UP } from './formats.js';
import { KeyValueReader } from './keyValue.js';
import { parseSubField, subFieldOf } from './subField.js';
import { type ParseContext, parseSmall, parseTable, parseU32 } from './textContext.js';

const u16 = (text: string, what: string): number => parseSmall(text, what, 0xffff);

/** C's atoi: a leading decimal number, else 0. */
export function atoi(text: string): number {
  const number = scanNumber(text, 0, 10);
  return number === null ? 0 : Number(BigInt.asIntN(32, number.value));
}

/** The part in front may be a MAC; what follows is not looked at (lib/ofp-parse.c:str_to_mac). */
export function parseMac(text: string): bigint {
  let at = 0;
  let mac = 0n;
  for (let i = 0; i < 6; i++) {
    if (i > 0 && text[at++] !== ':') throw new InputError(`invalid mac address ${text}`);
    const byte = scanNumber(text, at, 16);
    if (byte === null) throw new InputError(`invalid mac address ${text}`);
    mac = (mac << 8n) | (byte.value & 0xffn);
    at = byte.end;
  }
  return mac;
}

/** A strict IPv4 address, signed 32 bits (lib/socket-util.c:lookup_ip). */
export function parsePlainIp(text: string): number {
  const address = strictIpv4(text);
  if (address === null) throw new InputError(`${text}: could not convert to IP address`);
  return address | 0;
}

/** Pairs of hex digits, dots and spaces between them skipped (lib/ofpbuf.c:ofpbuf_put_hex). */
export function parseHex(text: string, message: string): string {
  let hex = '';
  let at = 0;
  for (;;) {
    while (at < text.length && ' .\t\r\n'.includes(text[at]!)) at++;
    if (at >= text.length) return hex;
    if (digitValue(text.charCodeAt(at)) < 0 || digitValue(text.charCodeAt(at + 1)) < 0) throw new InputError(message);
    hex += text.slice(at, at + 2).toLowerCase();
    at += 2;
  }
}

/** Words between any of the delimiters; empty ones are skipped (strtok). */
const words = (text: string, delimiters: RegExp): string[] => text.split(delimiters).filter((word) => word !== '');

/** The empty one is a table miss, as the switch's own rules have it. */
const REASONS = ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out', ''];

export function parseController(text: string): Action {
  let maxLen = 0xffff;
  let reason = 'action';
  let controllerId = 0;
  let userdata: string | null = null;
  let pause = false;
  let meterId: number | null = null;
  if (/^[0-9]+$/.test(text)) maxLen = u16(text, 'max_len');
  else {
    const reader = new KeyValueReader(text, 0);
    while (reader.next()) {
      const { key, value } = reader;
      if (key === 'reason') {
        reason = value.toLowerCase();
        if (!REASONS.includes(reason)) throw new InputError(`unknown reason "${value}"`);
      } else if (key === 'max_len') maxLen = u16(value, 'max_len');
      else if (key === 'id') controllerId = u16(value, 'id');
      else if (key === 'userdata') userdata = value;
      else if (key === 'pause') pause = true;
      else if (key === 'meter_id') meterId = parseU32(value);
      else throw new InputError(`unknown key "${key}" parsing controller action`);
    }
  }
  // 0 is "no meter" (NX_CTLR_NO_METER).
  if (meterId === 0) meterId = null;
  if (reason === 'action' && controllerId === 0 && userdata === null && !pause && meterId === null)
    return { type: 'output', port: PORT.CONTROLLER, maxLen };
  const data = userdata === null ? '' : parseHex(userdata, "bad hex digit in `controller' action `userdata'");
  return { type: 'controller', maxLen, reason, controllerId, userdata: data, pause, meterId };
}

export function parseEnqueue(text: string, context: ParseContext): Action {
  const match = /^[:q,]*([^:q,]+)[:q,](.+)$/.exec(text);
  if (match === null) throw new InputError('"enqueue" syntax is "enqueue:PORT:QUEUE" or "enqueue(PORT,QUEUE)"');
  const port = parsePort(match[1]!, context.ports);
  if (port === null) throw new InputError(`${match[1]}: enqueue to unknown port`);
  return { type: 'enqueue', port, queue: parseU32(match[2]!) };
}

const HASH_FIELDS = [
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'nw_src',
  'nw_dst',
  'symmetric_l3',
];

function hashFields(text: string, of: string): string {
  const fields = text.toLowerCase();
  if (!HASH_FIELDS.includes(fields)) throw new InputError(`${of}: unknown fields \`${text}'`);
  return fields;
}

function oneOf(text: string, known: readonly string[], of: string): string {
  const algorithm = text.toLowerCase();
  if (!known.includes(algorithm)) throw new InputError(`${of}: unknown algorithm \`${text}'`);
  return algorithm;
}

/** Actions with a 32-bit field header cannot name experimenter fields (lib/nx-match.c:mf_nxm_header). */
export function checkPlainHeader(sub: SubField, of: string, text: string): void {
  const code = preferredCode(subFieldOf(sub), 0);
  if (code === null || code.oxmClass === 0xffff)
    throw new InputError(`${of}: experimenter OXM field '${text}' not supported`);
}

export function parseBundle(text: string, context: ParseContext, load: boolean): Action {
  const colon = text.indexOf(':');
  const head = words(colon < 0 ? text : text.slice(0, colon), /[, ]+/);
  const count = load ? 6 : 5;
  if (head.length < count) throw new InputError(`${text}: not enough arguments to bundle action`);
  const delimiter = head[count - 1]!.toLowerCase();
  if (delimiter !== 'members' && delimiter !== 'slaves')
    throw new InputError(`${text}: missing member delimiter, expected \`members', got \`${head[count - 1]}'`);
  // Without a colon the members follow the delimiter as words.
  const list = colon < 0 ? head.slice(count).join(',') : text.slice(colon + 1);
  const members = words(list, /[, [\]]+/).map((word) => {
    const port = parsePort(word, context.ports);
    if (port === null) throw new InputError(`${word}: bad port number`);
    return port;
  });
  const fields = hashFields(head[0]!, text);
  const algorithm = oneOf(head[2]!, ['active_backup', 'hrw'], text);
  if (head[3]!.toLowerCase() !== 'ofport') throw new InputError(`${text}: unknown member_type \`${head[3]}'`);
  let dst: SubField | null = null;
  if (load) {
    dst = parseSubField(head[4]!);
    checkPlainHeader(dst, text, head[4]!);
  }
  return { type: 'bundle', hashFields: fields, basis: atoi(head[1]!) & 0xffff, algorithm, members, dst };
}

export function parseMultipath(text: string): Action {
  const [fields, basis, algorithm, links, arg, dstText] = words(text, /[, ]+/);
  if (dstText === undefined) throw new InputError(`${text}: not enough arguments to multipath action`);
  const hash = hashFields(fields!, text);
  const known = ['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'];
  const chosen = oneOf(algorithm!, known, text);
  const count = atoi(links!);
  if (count < 1 || count > 65536) throw new InputError(`${text}: n_links ${count} is not in valid range 1 to 65536`);
  const dst = parseSubField(dstText);
  checkPlainHeader(dst, text, dstText);
  if (dst.nBits < 16 && count > 1 << dst.nBits)
    throw new InputError(
      `${text}: ${dst.nBits}-bit destination field has ${1 << dst.nBits} possible values, less than specified n_links ${count}`,
    );
  return {
    type: 'multipath',
    hashFields: hash,
    basis: atoi(basis!) & 0xffff,
    algorithm: chosen,
    maxLink: count - 1,
    arg: atoi(arg!) >>> 0,
    dst,
  };
}

export function parseFinTimeout(text: string): Action {
  let idle = 0;
  let hard = 0;
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) {
    const { key, value } = reader;
    if (key === 'idle_timeout') idle = u16(value, key);
    else if (key === 'hard_timeout') hard = u16(value, key);
    else throw new InputError(`invalid key '${key}' in 'fin_timeout' argument`);
  }
  return { type: 'finTimeout', idle, hard };
}

export function parseResubmit(text: string, context: ParseContext): Action {
  const [portText, tableText, ctText] = text.split(',') as [string, string | undefined, string | undefined];
  let port: number | null = null;
  if (portText !== '') {
    port = parsePort(portText, context.ports);
    if (port === null) throw new InputError(`${portText}: resubmit to unknown port`);
    if (port === PORT.IN_PORT) port = null;
  }
  let table: number | null = null;
  if (tableText) {
    table = parseTable(tableText, context.tables);
    if (table === null) throw new InputError(`${tableText}: resubmit to unknown table`);
    if (table === 255) table = null;
  }
  if (ctText && ctText !== 'ct') throw new InputError(`${ctText}: unknown parameter`);
  if (port === null && table === null)
    throw new InputError('at least one "in_port" or "table" must be specified on resubmit');
  return { type: 'resubmit', port, table, withCt: ctText === 'ct' };
}

export function parseSample(text: string, context: ParseContext): Action {
  let probability = 0;
  const ids: Record<string, number> = { collector_set_id: 0, obs_domain_id: 0, obs_point_id: 0 };
  let samplingPort: number | null = null;
  let direction: 'ingress' | 'egress' | null = null;
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) {
    const { key, value } = reader;
    if (key === 'probability') {
      probability = u16(value, 'probability');
      if (probability === 0) throw new InputError(`invalid probability value "${value}"`);
    } else if (Object.hasOwn(ids, key)) ids[key] = parseU32(value);
    else if (key === 'sampling_port') {
      samplingPort = parsePort(value, context.ports);
      if (samplingPort === null) throw new InputError(`${value}: unknown port`);
      if (samplingPort === PORT.NONE) samplingPort = null;
    } else if (key === 'ingress' || key === 'egress') direction = key;
    else throw new InputError(`invalid key "${key}" in "sample" argument`);
  }
  if (probability === 0) throw new InputError('non-zero "probability" must be specified on sample');
  return {
    type: 'sample',
    probability,
    collectorSetId: ids['collector_set_id']!,
    obsDomainId: ids['obs_domain_id']!,
    obsPointId: ids['obs_point_id']!,
    samplingPort,
    direction,
  };
}

export function parseCheckPacketLarger(text: string): Action {
  const arrow = text.indexOf('->');
  if (arrow < 0) throw new InputError(`${text}: missing \`->'`);
  if (arrow + 2 >= text.length) throw new InputError(`${text}: missing field name following \`->'`);
  const length = text.slice(0, arrow).replace(/\)$/, '');
  const dst = parseSubField(text.slice(arrow + 2));
  if (dst.nBits !== 1) throw new InputError('Only 1-bit destination field is allowed');
  return { type: 'checkPktLarger', pktLen: u16(length, '(null)'), dst };
}

/** Property names of an encapsulation; only NSH has any (lib/ofp-ed-props.c). */
export function parseEncap(text: string, context: ParseContext): Action {
  context.formats &= F13_UP;
  const reader = new KeyValueReader(text, 0);
  if (!reader.next()) throw new InputError(`Missing encap hdr: ${text}`);
  const header = reader.key;
  if (!['ethernet', 'nsh', 'mpls', 'mpls_mc'].includes(header))
    throw new InputError(`Encap hdr not supported: ${reader.value}`);
  const props: string[] = [];
  const properties = new KeyValueReader(reader.value, 0);
  while (properties.next()) {
    const { key, value } = properties;
    if (header !== 'nsh' || (key !== 'md_type' && key !== 'tlv')) throw new InputError(`Invalid property: ${key}`);
    if (value === '') throw new InputError('Value missing for encap property');
    props.push(key === 'md_type' ? parseMdType(value) : parseNshTlv(value));
  }
  return { type: 'encap', header, props };
}

function parseMdType(text: string): string {
  const type = parseSmall(text, 'md_type', 0xff);
  if (type < 1 || type > 2) throw new InputError('invalid md_type');
  return `md_type=${type}`;
}

function parseNshTlv(text: string): string {
  const match = /^0x([0-9a-fA-F]+),(\d+),0x([0-9a-fA-F]{1,251})/.exec(text);
  if (match === null) throw new InputError(`Invalid NSH TLV header: ${text}`);
  const optionClass = Number.parseInt(match[1]!, 16) & 0xffff;
  // An odd last digit is not taken (lib/ofpbuf.c:ofpbuf_put_hex reads pairs); leading zeros are not printed.
  const digits = match[3]!
    .slice(0, match[3]!.length & ~1)
    .toLowerCase()
    .replace(/^(00)+/, '');
  const data = digits === '' ? '0' : `0x${digits.replace(/^0/, '')}`;
  return `tlv(0x${optionClass.toString(16).padStart(4, '0')},${Number(match[2]) & 0xff},${data})`;
}

export function parseDecap(text: string): Action {
  const reader = new KeyValueReader(text, 0);
  if (!reader.next()) return { type: 'decap', packetType: null };
  if (reader.key !== 'packet_type') throw new InputError(`Invalid decap argument: ${reader.key}`);
  const parts = new KeyValueReader(reader.value, 0);
  if (!parts.next() || (parts.key as string) !== 'ns') throw new InputError('Missing packet_type attribute ns');
  const namespace = u16(parts.value, 'ns');
  // OFPHTN_N_TYPES
  if (namespace >= 5) throw new InputError(`Unsupported ns value: ${namespace}`);
  if (!parts.next() || (parts.key as string) !== 'type') throw new InputError('Missing packet_type attribute type');
  const type = u16(parts.value, 'type');
  // (0,0xfffe) is "whatever comes next", the default (PT_USE_NEXT_PROTO).
  if (namespace === 0 && type === 0xfffe) return { type: 'decap', packetType: null };
  const shown = type === 0 ? '0' : `0x${type.toString(16)}`;
  return { type: 'decap', packetType: `ns=${namespace},type=${shown}` };
}
