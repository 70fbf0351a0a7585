/** A field's value as text, both ways (lib/meta-flow.c:mf_parse, mf_format). */
import { InputError } from '../util/errors.js';
import { portFrom32, portTo32 } from './access.js';
import {
  formatIpv4Masked,
  formatIpv6Masked,
  formatMacMasked,
  type Masked,
  parseIpv4,
  parseIpv6,
  parseMac,
} from './addressText.js';
import type { Field } from './fieldTable.js';
import { CT_STATE_FLAGS, type FlagNames, formatFlags, parseFlags, TCP_FLAGS, TUNNEL_FLAGS } from './flagText.js';
import { scanFieldNumber } from './numberText.js';
import { formatPort, type PortNames, parsePort } from './portText.js';

const onesCache = new Map<number, bigint>();

/** All bits of so many bytes. */
export function ones(bytes: number): bigint {
  let value = onesCache.get(bytes);
  if (value === undefined) {
    value = (1n << BigInt(8 * bytes)) - 1n;
    onesCache.set(bytes, value);
  }
  return value;
}

/** FLOW_NW_FRAG_*: 1 any, 2 later. First fit prints; the last two lines cannot be reached by a full mask. */
const FRAGMENTS: readonly { name: string; mask: number; value: number }[] = [
  { name: 'no', mask: 3, value: 0 },
  { name: 'first', mask: 3, value: 1 },
  { name: 'later', mask: 3, value: 3 },
  { name: 'no', mask: 1, value: 0 },
  { name: 'yes', mask: 1, value: 1 },
  { name: 'not_later', mask: 2, value: 0 },
  { name: 'later', mask: 2, value: 2 },
];

/**
 * Value and mask, both as wide as the field's bytes (so 0xff is the full mask of a 3-bit field).
 * Throws InputError; `*` is mask 0.
 */
export function parseFieldValue(field: Field, text: string, ports: PortNames | null): Masked {
  const parsed = parseAnyMask(field, text, ports);
  if (!field.maskable && parsed.mask !== 0n && parsed.mask !== ones(field.nBytes))
    throw new InputError(`${text}: invalid mask for field ${field.name}`);
  return parsed;
}

/** The same, with a mask on any field: switches print what they do not read. */
export function parseAnyMask(field: Field, text: string, ports: PortNames | null): Masked {
  if (text === '*') return { value: 0n, mask: 0n };
  const parsed = parseByFormat(field, text, ports);
  if (typeof parsed === 'string') throw new InputError(parsed);
  return parsed;
}

/** A value without a mask: wildcards are refused (lib/meta-flow.c:mf_parse_value). */
export function parseExactValue(field: Field, text: string, ports: PortNames | null): bigint {
  const { value, mask } = parseFieldValue(field, text, ports);
  if (mask !== ones(field.nBytes)) throw new InputError(`${text}: wildcards not allowed here`);
  return value;
}

function parseByFormat(field: Field, text: string, ports: PortNames | null): Masked | string {
  switch (field.format) {
    case 'decimal':
    case 'hex':
      return parseInteger(field, text);
    case 'ctState':
      return parseFlagField(text, CT_STATE_FLAGS, 4);
    case 'tcpFlags':
      return parseFlagField(text, TCP_FLAGS, 2);
    case 'tunnelFlags':
      return parseFlagField(text, TUNNEL_FLAGS, 2);
    case 'ethernet':
      return parseMac(text) ?? `${text}: invalid Ethernet address`;
    case 'ipv4':
      return parseIpv4(text);
    case 'ipv6':
      return parseIpv6(text);
    case 'port':
    case 'port32': {
      const port = parsePort(text, ports);
      if (port === null)
        return field.format === 'port'
          ? `${text}: invalid or unknown port for ${field.name}`
          : `${text}: port value out of range for ${field.name}`;
      return { value: BigInt(field.format === 'port' ? port : portTo32(port)), mask: ones(field.nBytes) };
    }
    case 'frag': {
      const lower = text.toLowerCase();
      const found = FRAGMENTS.find((fragment) => fragment.name === lower);
      if (found === undefined)
        return `${text}: unknown fragment type (valid types are "no", "yes", "first", "later", "not_later")`;
      // The bits above are forced on so that a full mask counts as exact (mf_from_frag_string).
      return { value: BigInt(found.value), mask: BigInt(found.mask | 0xfc) };
    }
    case 'packetType':
      return parsePacketType(text);
  }
}

function parseInteger(field: Field, text: string): Masked | string {
  const problem = (what: string, tooLarge: boolean): string =>
    tooLarge
      ? `${text}: ${what} too large for ${field.nBytes}-byte field ${field.name}`
      : `${text}: bad syntax for ${field.name} ${what}`;
  const value = scanFieldNumber(text, 0, field.nBytes);
  if (value === null || value.tooLarge) return problem('value', value?.tooLarge ?? false);
  if (value.end === text.length) return { value: value.value, mask: ones(field.nBytes) };
  if (text[value.end] !== '/') return problem('value', false);
  const mask = scanFieldNumber(text, value.end + 1, field.nBytes);
  if (mask === null || mask.tooLarge || mask.end !== text.length) return problem('mask', mask?.tooLarge ?? false);
  return { value: value.value, mask: mask.value };
}

function parseFlagField(text: string, flags: FlagNames, bytes: number): Masked | string {
  const parsed = parseFlags(text, flags);
  if (typeof parsed === 'string') return parsed;
  return { value: BigInt(parsed.value >>> 0), mask: BigInt(parsed.mask >>> 0) & ones(bytes) };
}

function parsePacketType(text: string): Masked | string {
  const wrong = (what: string): string => `${text}: bad syntax for packet type ${what}`;
  if (text[0] !== '(') return wrong("missing '('");
  const namespace = scanFieldNumber(text, 1, 2);
  if (namespace === null || namespace.tooLarge) return wrong('ns');
  if (text[namespace.end] !== ',') return wrong("missing ','");
  const type = scanFieldNumber(text, namespace.end + 1, 2);
  if (type === null || type.tooLarge) return wrong('ns_type');
  if (text[type.end] !== ')') return wrong("missing ')'");
  return { value: (namespace.value << 16n) | type.value, mask: ones(4) };
}

export const hex = (value: bigint | number): string => (value === 0n || value === 0 ? '0' : `0x${value.toString(16)}`);

/** As set_field and learn print a value: mask `ones` of the bytes is exact, mask 0 prints `ANY`. */
export function formatFieldValue(field: Field, value: bigint, mask: bigint, ports: PortNames | null): string {
  const full = ones(field.nBytes);
  if (mask === 0n) return 'ANY';
  const exact = mask === full;
  switch (field.format) {
    case 'port':
      if (exact) return formatPort(Number(value), ports);
      return `${value}/${hex(mask)}`;
    case 'port32':
      if (exact) return formatPort(portFrom32(Number(value)) ?? 0xffff, ports);
      // A masked 32-bit port falls through to the plain number (mf_format).
      return `${value}/${hex(mask)}`;
    case 'decimal':
      return `${value}${exact ? '' : `/${hex(mask)}`}`;
    case 'hex':
      return `${hex(value)}${exact ? '' : `/${hex(mask)}`}`;
    case 'ctState':
      return formatFlags(Number(value), Number(mask & 0xffffffffn) | 0, 0xffff, CT_STATE_FLAGS);
    case 'tcpFlags':
      return formatFlags(Number(value), Number(mask & 0xfffn), 0xfff, TCP_FLAGS);
    case 'tunnelFlags':
      return formatFlags(Number(value), Number(mask & 1n), 1, TUNNEL_FLAGS);
    case 'ethernet':
      return formatMacMasked(value, mask);
    case 'ipv4':
      return formatIpv4Masked(value, mask);
    case 'ipv6':
      return formatIpv6Masked(value, mask);
    case 'frag':
      return formatFragment(Number(value), Number(mask & 3n));
    case 'packetType':
      return formatPacketType(Number(value), Number(mask));
  }
}

export function formatFragment(value: number, mask: number): string {
  return FRAGMENTS.find((fragment) => fragment.mask === mask && fragment.value === (value & mask))?.name ?? '<error>';
}

/** `eth`, or `packet_type=(ns,type)` (lib/flow.c:format_packet_type_masked); 32 bits each. */
export function formatPacketType(value: number, mask: number): string {
  if (value === 0 && mask >>> 0 === 0xffffffff) return 'eth';
  const part = (bits: number, maskBits: number): string => {
    if (maskBits === 0) return '*';
    const text = bits > 9 ? `0x${bits.toString(16)}` : `${bits}`;
    return maskBits === 0xffff ? text : `${text}/0x${maskBits.toString(16)}`;
  };
  return `packet_type=(${part(value >>> 16, mask >>> 16)},${part(value & 0xffff, mask & 0xffff)})`;
}
