/** `--port-of`: NDJSON with the ingress port of each packet, as numbers or as objects with `in_port`. May be as long as a capture. */
import { InputError } from '../util/errors.js';
import { LINE_MAX } from '../util/lines.js';
import { openFileBytes, prepend } from './bytes.js';
import { gunzipBytes } from './gzip.js';

const LOCAL = 65_534;
const HINT = 'one line per packet: a port number, or an object with "in_port"';

/** One port per packet in merged order; the file may be gzip. */
export async function readPortOf(path: string): Promise<Uint16Array> {
  const piece = new Uint8Array(1 << 16);
  const file = await openFileBytes(path);
  try {
    let count = await file.read(piece, 0);
    const isGzip = piece[0] === 0x1f && piece[1] === 0x8b;
    const bytes = isGzip ? gunzipBytes(prepend(piece.slice(0, count), file)) : file;
    if (isGzip) count = await bytes.read(piece, 0);
    const list = new PortOfList(path);
    const decoder = new TextDecoder();
    for (; count > 0; count = await bytes.read(piece, 0)) {
      list.add(decoder.decode(piece.subarray(0, count), { stream: true }));
    }
    if (bytes.problem !== null) throw new InputError(bytes.problem.why, { file: path });
    return list.finish();
  } finally {
    await file.close();
  }
}

export function parsePortOf(text: string, file: string): Uint16Array {
  const list = new PortOfList(file);
  list.add(text);
  return list.finish();
}

class PortOfList {
  private readonly file: string;
  private ports = new Uint16Array(1024);
  private count = 0;
  private line = 0;
  private rest = '';

  constructor(file: string) {
    this.file = file;
  }

  add(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) this.addLine(line);
    if (this.rest.length > LINE_MAX) {
      throw new InputError(`line longer than ${LINE_MAX} characters`, { file: this.file, line: this.line + 1 });
    }
  }

  finish(): Uint16Array {
    this.addLine(this.rest);
    this.rest = '';
    return this.ports.slice(0, this.count);
  }

  private addLine(text: string): void {
    this.line++;
    if (text.trim() === '') return;
    if (this.count === this.ports.length) {
      const larger = new Uint16Array(this.count * 2);
      larger.set(this.ports);
      this.ports = larger;
    }
    this.ports[this.count++] = this.port(text);
  }

  private port(text: string): number {
    const place = { file: this.file, line: this.line };
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
}
