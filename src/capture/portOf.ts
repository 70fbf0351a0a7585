/** `--port-of`: NDJSON with the ingress port of each packet, as numbers or as objects with `in_port`. */
import { InputError } from '../util/errors.js';
import { linesOf } from '../util/lines.js';

const LOCAL = 65_534;

/** One port per packet in merged order. */
export function parsePortOf(text: string, file: string): Uint16Array {
  let ports = new Uint16Array(1024);
  let count = 0;
  for (const line of linesOf(text, file)) {
    if (line.text.trim() === '') continue;
    if (count === ports.length) {
      const larger = new Uint16Array(count * 2);
      larger.set(ports);
      ports = larger;
    }
    ports[count++] = portOfLine(line.text, file, line.number);
  }
  return ports.slice(0, count);
}

function portOfLine(text: string, file: string, line: number): number {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError('not JSON', { file, line }, 'one line per packet: a port number, or an object with "in_port"');
  }
  if (typeof value === 'object' && value !== null) value = (value as Record<string, unknown>)['in_port'];
  if (value === 'LOCAL') return LOCAL;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > LOCAL) {
    throw new InputError(`"in_port" is no port number from 1 to ${LOCAL}`, { file, line });
  }
  return value;
}
