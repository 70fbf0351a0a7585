/** Sets of named bits: ct_state, tcp_flags, tun_flags (lib/flow.c:parse_flags, format_flags, format_flags_masked). */
import { scanNumber } from './numberText.js';

/** Name of each bit, lowest first; null: the bit has no name. */
export interface FlagNames {
  readonly what: string;
  readonly names: readonly (string | null)[];
  /** Bits that may be matched. */
  readonly allowed: number;
}

export const CT_STATE_FLAGS: FlagNames = {
  what: 'ct_state',
  names: ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'],
  allowed: 0xff,
};

export const TCP_FLAGS: FlagNames = {
  what: 'TCP',
  names: ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns', '[200]', '[400]', '[800]'],
  allowed: 0xfff,
};

/** Only `oam` can be matched; the others are the datapath's (include/openvswitch/packets.h:FLOW_TNL_F_*). */
export const TUNNEL_FLAGS: FlagNames = { what: 'tunnel', names: ['oam', 'df', 'csum', 'key'], allowed: 1 };

export interface ParsedFlags {
  readonly value: number;
  readonly mask: number;
}

/** `V/M`, `+a-b`, or `a|b|0x10`; a string says what is wrong. The last form is exact: mask all ones. */
export function parseFlags(text: string, flags: FlagNames): ParsedFlags | string {
  const unknown = `${text}: unknown ${flags.what} flag(s)`;
  const masked = parseMaskedNumber(text);
  if (masked !== null) return ((masked.value | masked.mask) & ~flags.allowed) !== 0 ? unknown : masked;
  if (text.startsWith('+') || text.startsWith('-')) return parseSignedFlags(text, flags, unknown);
  let value = 0;
  let at = 0;
  while (at < text.length) {
    const number = scanNumber(text, at);
    const bar = text.indexOf('|', at);
    const end = bar < 0 ? text.length : bar;
    if (number !== null) {
      if ((number.value & ~BigInt(flags.allowed)) !== 0n) return unknown;
      value |= Number(number.value);
      at = number.end;
    } else {
      const bit = flags.names.indexOf(text.slice(at, end));
      if (bit < 0 || ((1 << bit) & flags.allowed) === 0) return unknown;
      value |= 1 << bit;
      at = end;
    }
    if (text[at] === '|') at++;
  }
  return { value, mask: 0xffffffff };
}

function parseMaskedNumber(text: string): ParsedFlags | null {
  const value = scanNumber(text);
  if (value === null || text[value.end] !== '/') return null;
  const mask = scanNumber(text, value.end + 1);
  if (mask === null || mask.end !== text.length) return null;
  return { value: Number(value.value & 0xffffffffn), mask: Number(mask.value & 0xffffffffn) };
}

function parseSignedFlags(text: string, flags: FlagNames, unknown: string): ParsedFlags | string {
  let value = 0;
  let mask = 0;
  let at = 0;
  while (at < text.length) {
    const set = text[at] === '+';
    if (!set && text[at] !== '-') return `${text}: ${flags.what} must be preceded by '+' (for SET) or '-' (NOT SET)`;
    let end = at + 1;
    while (end < text.length && text[end] !== '+' && text[end] !== '-') end++;
    const bit = flags.names.indexOf(text.slice(at + 1, end));
    if (bit < 0 || ((1 << bit) & flags.allowed) === 0) return unknown;
    if ((mask & (1 << bit)) !== 0) return `${text}: Each ${flags.what} flag can be specified only once`;
    mask |= 1 << bit;
    if (set) value |= 1 << bit;
    at = end;
  }
  return { value, mask };
}

/** `a|b`, bits without a name as one hex number; `0` when none is set. */
export function formatFlagSet(value: number, flags: FlagNames): string {
  if (value === 0) return '0';
  const parts: string[] = [];
  let unnamed = 0;
  for (let bit = 0; bit < 32; bit++) {
    if ((value & (1 << bit)) === 0) continue;
    const name = flags.names[bit];
    if (name) parts.push(name);
    else unnamed |= 1 << bit;
  }
  if (unnamed !== 0) parts.push(`0x${(unnamed >>> 0).toString(16)}`);
  return parts.join('|');
}

/** `+a-b`, or the exact form when the mask is `fullMask`. */
export function formatFlags(value: number, mask: number, fullMask: number, flags: FlagNames): string {
  if (mask === fullMask) return formatFlagSet(value, flags);
  if (mask === 0) return '0/0';
  let text = '';
  for (let bit = 0; bit < 32; bit++) {
    if ((mask & (1 << bit)) === 0) continue;
    text += `${(value & (1 << bit)) !== 0 ? '+' : '-'}${flags.names[bit] ?? '[Unknown]'}`;
  }
  return text;
}
