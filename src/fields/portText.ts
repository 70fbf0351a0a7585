/** Port numbers and names in flow text (lib/ofp-port.c:ofputil_port_from_string, ofputil_format_port; lib/namemap.c). */
import { PORT } from './key.js';
import { parseSigned } from './numberText.js';

/** Names that texts may use instead of numbers: of ports, or of tables. */
export interface PortNames {
  readonly byName: ReadonlyMap<string, number>;
  readonly byNumber: ReadonlyMap<number, string>;
}

const NAMES_BY_NUMBER = new Map<number, string>([
  [PORT.UNSET, 'UNSET'],
  [PORT.IN_PORT, 'IN_PORT'],
  [PORT.TABLE, 'TABLE'],
  [PORT.NORMAL, 'NORMAL'],
  [PORT.FLOOD, 'FLOOD'],
  [PORT.ALL, 'ALL'],
  [PORT.CONTROLLER, 'CONTROLLER'],
  [PORT.LOCAL, 'LOCAL'],
  [PORT.NONE, 'ANY'],
]);

const NUMBERS_BY_NAME = new Map<string, number>([...NAMES_BY_NUMBER].map(([port, name]) => [name, port]));
NUMBERS_BY_NAME.set('NONE', PORT.NONE);

/** Number in the 16-bit space, or null. Numbers are decimal; those of OpenFlow 1.1+ (0xffffff..) are folded. */
export function parsePort(text: string, ports: PortNames | null): number | null {
  if (text.startsWith('-')) return null;
  const number = parseSigned(text, 0, 0xffffffff, 10);
  if (number !== null) {
    if (number <= 0xffff) return number;
    return number < 0xffffff00 ? null : number - 0xffff0000;
  }
  const reserved = NUMBERS_BY_NAME.get(text.toUpperCase());
  if (reserved !== undefined) return reserved;
  const name = text.startsWith('"') ? unquote(text) : text;
  return name === null ? null : (ports?.byName.get(name) ?? null);
}

/** Reserved name, known name, or number. */
export function formatPort(port: number, ports: PortNames | null): string {
  const reserved = NAMES_BY_NUMBER.get(port);
  if (reserved !== undefined) return reserved;
  const name = ports?.byNumber.get(port);
  return name === undefined ? `${port}` : quoteName(name);
}

/** Plain when it is ASCII letters and digits from a letter on, else a JSON string (lib/namemap.c:namemap_put_name). */
export function quoteName(name: string): string {
  return /^[A-Za-z][A-Za-z0-9]*$/.test(name) ? name : JSON.stringify(name);
}

/** The content of a JSON string, null when it is none. */
export function unquote(text: string): string | null {
  if (text.length < 2 || !text.endsWith('"')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}
