/** Text of ct() and nat() (lib/ofp-actions.c:parse_CT, parse_NAT, format_CT, format_NAT). */
import { formatIpv4, formatIpv6, parseIpv6Address, scanIpv4 } from '../fields/addressText.js';
import { parseSigned, scanNumber } from '../fields/numberText.js';
import type { PortNames } from '../fields/portText.js';
import { InputError } from '../util/errors.js';
import type { Outer } from './actionOrder.js';
import type { Action, ActionOf, NatSpec, SubField } from './actions.js';
import { KeyValueReader } from './keyValue.js';
import { formatSubField, parseSubField } from './subField.js';
import { atColumn, formatTable, type ParseContext, parseTable } from './textContext.js';

/** Well-known ports that stand for helpers. */
const HELPERS: Readonly<Record<string, number>> = { ftp: 21, tftp: 69 };

type NestedParser = (text: string, context: ParseContext, at: number, outer: Outer) => Action[];

export function parseCt(text: string, context: ParseContext, at: number, parseNested: NestedParser): Action {
  let commit = false;
  let force = false;
  let table: number | null = null;
  let zone: number | SubField = 0;
  let alg = 0;
  let nat: NatSpec | null = null;
  let natAt = 0;
  const exec: Action[] = [];
  const reader = new KeyValueReader(text, at);
  while (reader.next()) {
    const { key, value, valueAt } = reader;
    atColumn(reader.keyAt, () => {
      if (key === 'commit') commit = true;
      else if (key === 'force') force = true;
      else if (key === 'table') {
        table = parseTable(value, context.tables);
        if (table === null) throw new InputError(`unknown table ${value}`);
        if (table === 255) throw new InputError('invalid table 0xff');
      } else if (key === 'zone') zone = parseSigned(value, 0, 0xffff) ?? parseSubField(value);
      else if (key === 'alg') {
        const helper = Object.hasOwn(HELPERS, value) ? HELPERS[value] : undefined;
        if (helper === undefined) throw new InputError(`invalid conntrack helper "${value}"`);
        alg = helper;
      } else if (key === 'nat') {
        nat = parseNat(value, context, valueAt);
        natAt = exec.length;
      } else if (key === 'exec') {
        const split = splitNat(value);
        const before = parseNested(split.before, context, valueAt, 'ct');
        exec.push(...before);
        if (split.nat !== null) {
          nat = parseNat(split.nat, context, valueAt + split.natOffset);
          natAt = exec.length;
          exec.push(...parseNested(split.after, context, valueAt + split.afterOffset, 'ct'));
        }
      } else throw new InputError(`invalid argument to "ct" action: \`${key}'`);
    });
  }
  if (force && !commit) throw new InputError('"force" flag requires "commit" flag.');
  const base = { type: 'ct', commit, force, zone, table, alg, nat, exec } as const;
  return natAt === 0 ? base : { ...base, natAt };
}

/** `nat` may also stand among the actions of exec. */
function splitNat(text: string): {
  before: string;
  nat: string | null;
  natOffset: number;
  after: string;
  afterOffset: number;
} {
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) {
    if (reader.key.toLowerCase() !== 'nat') continue;
    const natOffset = reader.value === '' ? reader.keyAt + 3 : reader.valueAt;
    const afterOffset = Math.min(text.length, natOffset + reader.value.length + (reader.value === '' ? 0 : 1));
    const after = text.slice(afterOffset);
    return { before: text.slice(0, reader.keyAt), nat: reader.value, natOffset, after, afterOffset };
  }
  return { before: text, nat: null, natOffset: 0, after: '', afterOffset: 0 };
}

export function parseNat(text: string, _context: ParseContext, at: number): NatSpec {
  let src = false;
  let dst = false;
  let persistent = false;
  let hash = false;
  let random = false;
  let range: Range = NO_RANGE;
  const reader = new KeyValueReader(text, at);
  while (reader.next()) {
    const { key, value } = reader;
    atColumn(reader.keyAt, () => {
      if (key === 'src') {
        src = true;
        range = parseRange(value);
      } else if (key === 'dst') {
        dst = true;
        range = parseRange(value);
      } else if (key === 'persistent') persistent = true;
      else if (key === 'hash') hash = true;
      else if (key === 'random') random = true;
      else throw new InputError(`invalid key "${key}" in "nat" argument`);
    });
  }
  if (src && dst) throw new InputError('May only specify one of "src" or "dst".');
  if (!src && !dst && (persistent || hash || random)) throw new InputError('Flags allowed only with "src" or "dst".');
  if (hash && random) throw new InputError('Both "hash" and "random" are not allowed.');
  const kind = src ? 'src' : dst ? 'dst' : null;
  return { kind, persistent, selection: hash ? 'hash' : random ? 'random' : null, ...sentRange(range) };
}

interface Range {
  readonly family: 4 | 6 | null;
  readonly addrMin: bigint;
  /** 0: not given. */
  readonly addrMax: bigint;
  readonly portMin: number;
  readonly portMax: number;
}

const NO_RANGE: Range = { family: null, addrMin: 0n, addrMax: 0n, portMin: 0, portMax: 0 };

/** `A`, `A-B`, each with `:p` or `:p-q`; IPv6 may stand in brackets (lib/ofp-actions.c:str_to_nat_range). */
function parseRange(text: string): Range {
  const wrong = (): InputError => new InputError(`invalid nat range "${text}"`);
  const first = scanAddress(text, 0);
  if (first === null) {
    // What could be an IPv6 address by its letters alone is taken for "no range" (str_to_nat_range).
    if (/^(\[[0-9a-fA-F:.]{1,46}\]|[0-9a-fA-F:.]{0,46})$/.test(text)) return NO_RANGE;
    throw new InputError(`garbage (${text}) after nat range "${text}" (pos: 0)`);
  }
  let { end } = first;
  let addrMax = 0n;
  if (text[end] === '-') {
    const last = scanAddress(text, end + 1);
    if (last === null || last.family !== first.family || last.value < first.value) throw wrong();
    addrMax = last.value;
    end = last.end;
  }
  let portMin = 0;
  let portMax = 0;
  if (text[end] === ':') {
    const low = scanNumber(text, end + 1, 10);
    if (low === null) throw wrong();
    portMin = Number(low.value & 0xffffn);
    end = low.end;
    if (text[end] === '-') {
      const high = scanNumber(text, end + 1, 10);
      portMax = high === null ? -1 : Number(high.value & 0xffffn);
      if (high === null || portMax < portMin) throw wrong();
      end = high.end;
    }
  }
  if (end !== text.length) throw new InputError(`garbage (${text.slice(end)}) after nat range "${text}" (pos: ${end})`);
  return { family: first.family, addrMin: first.value, addrMax, portMin, portMax };
}

function scanAddress(text: string, from: number): { family: 4 | 6; value: bigint; end: number } | null {
  const ipv4 = scanIpv4(text, from);
  if (ipv4 !== null) return { family: 4, value: BigInt(ipv4.value), end: ipv4.end };
  const bracket = text[from] === '[';
  const start = bracket ? from + 1 : from;
  let end = start;
  while (end < text.length && '0123456789abcdefABCDEF:.'.includes(text[end]!)) end++;
  if (bracket && text[end] !== ']') return null;
  const value = parseIpv6Address(text.slice(start, end));
  return value === null ? null : { family: 6, value, end: bracket ? end + 1 : end };
}

/**
 * The range after the wire: zeros are not sent, so `src=0.0.0.0` is no range at all, and what then hangs in the air
 * is refused (encode_NAT, decode_NXAST_RAW_NAT). Upper ends that were not given equal the lower ones.
 */
function sentRange(range: Range): Range {
  if (range.family === null) return NO_RANGE;
  const portsAlone = range.portMin === 0 && range.portMax !== 0;
  if (range.addrMin === 0n) {
    if (range.addrMax !== 0n || range.portMin !== 0 || range.portMax !== 0) throw badArgument();
    return NO_RANGE;
  }
  if (portsAlone) throw badArgument();
  return {
    ...range,
    addrMax: range.addrMax === 0n ? range.addrMin : range.addrMax,
    portMax: range.portMax === 0 ? range.portMin : range.portMax,
  };
}

const badArgument = (): InputError => new InputError('the switch refuses it: OFPBAC_BAD_ARGUMENT');

export function formatNat(nat: NatSpec): string {
  if (nat.kind === null) return 'nat';
  if (nat.family === null) return `nat(${nat.kind})`;
  const address = (value: bigint): string => {
    if (nat.family === 4) return formatIpv4(value);
    return nat.portMin === 0 ? formatIpv6(value) : `[${formatIpv6(value)}]`;
  };
  let text = address(nat.addrMin);
  if (nat.addrMax !== 0n && nat.addrMax !== nat.addrMin) text += `-${address(nat.addrMax)}`;
  if (nat.portMin !== 0) text += `:${nat.portMin}`;
  if (nat.portMin !== 0 && nat.portMax !== 0 && nat.portMax !== nat.portMin) text += `-${nat.portMax}`;
  if (nat.persistent) text += ',persistent';
  if (nat.selection !== null) text += `,${nat.selection}`;
  return `nat(${nat.kind}=${text})`;
}

export function formatCt(
  ct: ActionOf<'ct'>,
  tables: PortNames | null,
  formatList: (actions: readonly Action[]) => string,
): string {
  const parts: string[] = [];
  if (ct.commit) parts.push('commit');
  if (ct.force) parts.push('force');
  if (ct.table !== null) parts.push(`table=${formatTable(ct.table, tables)}`);
  if (typeof ct.zone !== 'number') parts.push(`zone=${formatSubField(ct.zone)}`);
  else if (ct.zone !== 0) parts.push(`zone=${ct.zone}`);
  const natAt = ct.nat === null ? -1 : (ct.natAt ?? 0);
  if (ct.nat !== null && natAt === 0) parts.push(formatNat(ct.nat));
  if (ct.nat !== null && natAt > 0) {
    const lists = [formatList(ct.exec.slice(0, natAt)), formatNat(ct.nat)];
    if (natAt < ct.exec.length) lists.push(formatList(ct.exec.slice(natAt)));
    parts.push(`exec(${lists.join(',')})`);
  } else if (ct.exec.length > 0) parts.push(`exec(${formatList(ct.exec)})`);
  if (ct.alg !== 0) parts.push(`alg=${Object.keys(HELPERS).find((name) => HELPERS[name] === ct.alg) ?? ct.alg}`);
  return `ct(${parts.join(',')})`;
}
