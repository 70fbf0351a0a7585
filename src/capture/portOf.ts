/** `--port-of`: NDJSON with the ingress port of each packet, as numbers or as objects with `in_port`. */
import { InputError } from '../util/errors.js';
import { linesOf } from '../util/lines.js';

const LOCAL = 65_534;
const HINT = 'one line per packet: a port number, or an object with "in_port"';

/** One port per packet in merged order. */
export function parsePortOf(text: string, file: string): Uint16Array {
  let ports = new Uint16Array(1024);
  let count = 0;
  for (const { text: line, number } of linesOf(text, file)) {
    if (line.trim() === '') continue;
    if (count === ports.length) {
      const larger = new Uint16Array(count * 2);
      larger.set(ports);
      ports = larger;
    }
    ports[count++] = parsePort(line, file, number);
  }
  return ports.slice(0, count);
}

function parsePort(text: string, file: string, line: number): number {
  const place = { file, line };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError('not JSON', place, HINT);
  }
  if (typeof value === 'object' && value !== null) value = (value as Record<string, unknown>)['in_port'];
  if (value === 'LOCAL') return LOCAL;
  // 0 and null: whoever wrote the list does not know where this packet came in.
  if (value === null) return 0;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > LOCAL) {
    throw new InputError(`"in_port" is no port number up to ${LOCAL}`, place, HINT);
  }
  return value;
}
