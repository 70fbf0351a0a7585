/**
 * Deletions of conntrack entries with their times: NDJSON (`{"conntrackEvents":1,…}`, then lines as in a schedule) or text of
 * `conntrack -E -o timestamp`, of which the DESTROY events count.
 */
import { isIP } from 'node:net';
import { secondsToNs } from '../util/decimal.js';
import { InputError } from '../util/errors.js';
import { linesOf } from '../util/lines.js';
import { PROTO_NUMBERS } from './conntrackFilter.js';
import type { ConntrackFilter, ConntrackStep, Schedule } from './schedule.js';
import { readConntrackEventLines } from './scheduleNdjson.js';

/** Reads either form. InputError with line and column. */
export function readConntrackEvents(text: string, file: string): Schedule {
  return /^\s*\{/.test(text) ? readConntrackEventLines(text, { file }) : readConntrackText(text, file);
}

const EVENT = /^\s*\[(\d+\.\d+)\s*\]\s*\[(NEW|UPDATE|DESTROY)\]\s+(.*)$/;

/**
 * `[1619606112.250000]  [DESTROY] tcp      6 src=… dst=… sport=… dport=… [UNREPLIED] src=… … mark=1 zone=5`: one step for each,
 * which removes the entry with this original tuple. The text does not tell a deletion from an entry that timed out; one that
 * the model has let go by itself is simply not found.
 */
function readConntrackText(text: string, file: string): Schedule {
  const steps: ConntrackStep[] = [];
  const warnings: string[] = [];
  let last: bigint | null = null;
  for (const { text: line, number } of linesOf(text, file)) {
    if (line.trim() === '' || /^conntrack v/.test(line)) continue;
    const event = EVENT.exec(line);
    if (event === null) {
      const place = { file, line: number, column: 1 };
      if (/^\s*\[(NEW|UPDATE|DESTROY)\]/.test(line)) {
        throw new InputError('a conntrack event without time', place, 'run conntrack -E -o timestamp');
      }
      throw new InputError('neither a conntrack event nor {"conntrackEvents":1,…}', place);
    }
    if (event[2] !== 'DESTROY') continue;
    let t = secondsToNs(event[1]!)!;
    if (last !== null && t < last) {
      warnings.push(`${file}:${number}: the times go back here: taken as the latest time before`);
      t = last;
    }
    last = t;
    const filter = readTuple(event[3]!, { file, line: number });
    steps.push({ kind: 'conntrack', t: { earliest: t, latest: t }, filter, worlds: 'actual', note: null });
  }
  return { source: file, clock: 'unix', fidelity: 'log', of: '1.3', steps, warnings };
}

/** The first tuple is that of the original direction; an ICMP id stands for both ports. */
function readTuple(text: string, place: { file: string; line: number }): ConntrackFilter {
  const words = text.split(/\s+/);
  // `-o extended` puts the layer 3 protocol and its number in front.
  if (words[0] === 'ipv4' || words[0] === 'ipv6') words.splice(0, 2);
  const proto = PROTO_NUMBERS[words[0] ?? ''] ?? Number(words[1]);
  const first = new Map<string, string>();
  for (const word of words) {
    const [key, value] = word.split('=') as [string, string | undefined];
    if (value !== undefined && !first.has(key)) first.set(key, value);
  }
  const [src, dst] = [first.get('src'), first.get('dst')];
  if (!Number.isInteger(proto) || src === undefined || dst === undefined || isIP(src) === 0 || isIP(dst) === 0) {
    throw new InputError('protocol, src= or dst= of the entry are missing', place);
  }
  const number = (key: string) => {
    const value = first.get(key);
    return value === undefined ? null : Number(value);
  };
  const id = number('id');
  const isIcmp = proto === 1 || proto === 58;
  const sport = isIcmp ? id : number('sport');
  const dport = isIcmp ? id : number('dport');
  return {
    zone: number('zone') ?? 0,
    proto,
    src,
    dst,
    ...(sport !== null && { sport }),
    ...(dport !== null && { dport }),
  };
}
