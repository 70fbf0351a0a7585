/**
 * The text formats of ClassBench (Taylor and Turner, INFOCOM 2005; db_generator's output): filter sets, one filter per line,
 * best first: `@src/len TAB dst/len TAB from : to TAB from : to TAB proto/mask [TAB flags/mask]`, flags not looked at;
 * header traces: `src dst sport dport proto [first match or -1]`, decimal.
 */
import { InputError } from '../../util/errors.js';
import { type Line, linesOf } from '../../util/lines.js';
import { ANY_PROTO, emptyFilters, emptyHeaders, type FilterSet, type HeaderTrace, prefixMask } from './filters.js';

/** More would not fit into what filters are numbered by. */
const FILTERS_MAX = 1 << 24;
const HEADERS_MAX = 1 << 26;

/** InputError with line and column for a line that is none of the format. */
export function parseFilters(text: string, file: string): FilterSet {
  const lines = contentLines(text, file, FILTERS_MAX);
  const set = emptyFilters(lines.length);
  lines.forEach((line, i) => {
    const fields = line.text.trim().replace(/^@/, '').split(/\t+/);
    if (fields.length < 5) {
      const what = `expected 5 fields separated by tabs, found ${fields.length}`;
      throw new InputError(
        what,
        { file, line: line.number },
        'a filter: @1.2.3.0/24\t0.0.0.0/0\t0 : 65535\t80 : 80\t0x06/0xFF',
      );
    }
    const at = (what: string): InputError => new InputError(what, { file, line: line.number });
    [set.src[i], set.srcBits[i]] = parsePrefix(fields[0]!, at) as [number, number];
    [set.dst[i], set.dstBits[i]] = parsePrefix(fields[1]!, at) as [number, number];
    [set.sportFrom[i], set.sportTo[i]] = parseRange(fields[2]!, at) as [number, number];
    [set.dportFrom[i], set.dportTo[i]] = parseRange(fields[3]!, at) as [number, number];
    set.proto[i] = parseProto(fields[4]!, at);
  });
  return set;
}

export interface ReadTrace {
  readonly headers: HeaderTrace;
  /** The answer that the trace says is right, per header; null: it does not say. */
  readonly expected: Int32Array | null;
}

/** InputError for a line that is none of the format. */
export function parseHeaders(text: string, file: string): ReadTrace {
  const lines = contentLines(text, file, HEADERS_MAX);
  const headers = emptyHeaders(lines.length);
  const expected = new Int32Array(lines.length);
  let hasExpected = lines.length > 0;
  const limits = [0xffff_ffff, 0xffff_ffff, 0xffff, 0xffff, 0xff];
  lines.forEach((line, i) => {
    const fields = line.text.trim().split(/\s+/);
    const numbers = fields.map(Number);
    if (fields.length < 5)
      throw new InputError(`expected 5 numbers, found ${fields.length}`, { file, line: line.number });
    for (let field = 0; field < 5; field++) {
      const number = numbers[field]!;
      if (!Number.isInteger(number) || number < 0 || number > limits[field]!)
        throw new InputError(`${fields[field]}: expected 0 to ${limits[field]}`, { file, line: line.number });
    }
    headers.src[i] = numbers[0]!;
    headers.dst[i] = numbers[1]!;
    headers.sport[i] = numbers[2]!;
    headers.dport[i] = numbers[3]!;
    headers.proto[i] = numbers[4]!;
    if (Number.isInteger(numbers[5]) && numbers[5]! >= -1) expected[i] = numbers[5]!;
    else hasExpected = false;
  });
  return { headers, expected: hasExpected ? expected : null };
}

type Complain = (what: string) => InputError;

function contentLines(text: string, file: string, max: number): Line[] {
  const lines: Line[] = [];
  for (const line of linesOf(text, file)) {
    if (line.text.trim() === '') continue;
    if (lines.length === max) throw new InputError(`more than ${max} lines`, { file, line: line.number });
    lines.push(line);
  }
  return lines;
}

function parsePrefix(text: string, complain: Complain): [number, number] {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text.trim());
  const parts = match?.slice(1).map(Number) ?? [];
  if (match === null || parts.slice(0, 4).some((byte) => byte > 255) || parts[4]! > 32)
    throw complain(`${text}: expected an IPv4 prefix such as 10.0.0.0/8`);
  const [a, b, c, d, bits] = parts as [number, number, number, number, number];
  return [((a << 24) | (b << 16) | (c << 8) | d) & prefixMask(bits), bits];
}

function parseRange(text: string, complain: Complain): [number, number] {
  const match = /^\s*(\d{1,5})\s*:\s*(\d{1,5})\s*$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || to > 0xffff || from > to) throw complain(`${text}: expected a port range such as 0 : 65535`);
  return [from, to];
}

function parseProto(text: string, complain: Complain): number {
  const match = /^\s*0x([0-9a-f]{1,2})\/0x([0-9a-f]{1,2})\s*$/i.exec(text);
  const [value, mask] = [Number.parseInt(match?.[1] ?? '', 16), Number.parseInt(match?.[2] ?? '', 16)];
  if (match === null || (mask !== 0 && mask !== 0xff))
    throw complain(`${text}: expected a protocol such as 0x06/0xFF, or 0x00/0x00 for any`);
  return mask === 0 ? ANY_PROTO : value;
}
