/** `--verdicts`: one NDJSON line per replayed packet, in order; a rule is introduced by a line of its own before its first use. */
import { CS_DNAT, CS_EST, CS_INV, CS_NEW, CS_REL, CS_RPL, CS_SNAT, CS_TRK } from '../fields/key.js';
import type { PacketTable } from '../packet/columns.js';
import type { ToldPacket } from '../replay/coordinator.js';
import type { ResolvedTreatment } from '../replay/macPass.js';
import { ACTUAL, AFTER, BEFORE } from '../replay/restart.js';
import type { Naming } from '../report/fromReplay.js';
import { formatUnixNs, NEVER } from '../util/units.js';
import { type SentFrame, sentFrames } from './sentFrames.js';

const STATES: readonly (readonly [number, string])[] = [
  [CS_NEW, 'new'],
  [CS_EST, 'est'],
  [CS_REL, 'rel'],
  [CS_RPL, 'rpl'],
  [CS_INV, 'inv'],
  [CS_TRK, 'trk'],
  [CS_SNAT, 'snat'],
  [CS_DNAT, 'dnat'],
];

/** As `ofproto/trace` prints it: `est|rpl|trk`. */
export function ctStateText(state: number): string {
  return STATES.filter(([bit]) => (state & bit) !== 0)
    .map(([, name]) => name)
    .join('|');
}

export class VerdictLines {
  private readonly naming: Naming;
  private readonly frames: boolean;
  private readonly introduced = new Set<number>();

  /** `frames`: with rewritten bytes, which the chunks then keep. */
  constructor(naming: Naming, frames: boolean) {
    this.naming = naming;
    this.frames = frames;
  }

  /** Lines with their ends. `version`: of `actual`. */
  lines(packet: ToldPacket, version: number, chunk: PacketTable): string {
    const { row, number, results, treatments, kind, window, either } = packet;
    const actual = results[ACTUAL];
    let text = '';
    for (const { rule } of actual.lookups) text += this.introduce(rule);
    const { columns } = chunk;
    const mine = treatments[ACTUAL];
    const line = {
      n: number,
      file: columns.file[row]!,
      frame: columns.frame[row]!,
      t: formatUnixNs(this.naming.startUnixNs + BigInt(columns.tsNs[row]!)),
      in: columns.inPort[row]!,
      outcome: mine.outcome,
      out: mine.ports,
      ct: actual.seen.map(({ zone, state, mark }) => ({ zone, state: ctStateText(state), mark: mark >>> 0 })),
      rules: actual.lookups.map(({ table, rule }) => [table, rule < 0 ? null : rule]),
      version,
      ...worldOf('before', treatments[BEFORE], mine),
      ...worldOf('after', treatments[AFTER], mine),
      ...(either.length === 0 ? {} : { either: either.map(({ outcome, out }) => ({ outcome, out })) }),
      ...(kind === null ? {} : { kind }),
      ...(window === null ? {} : { window }),
      ...(this.frames ? framesOf(sentFrames(actual, mine, chunk, row)) : {}),
    };
    return `${text}${JSON.stringify(line)}\n`;
  }

  private introduce(index: number): string {
    if (index < 0 || this.introduced.has(index)) return '';
    this.introduced.add(index);
    const { rule, from, to } = this.naming.timeline.rules[index]!;
    const line = {
      rule: index,
      table: rule.table,
      versions: [from, to === NEVER ? null : to],
      text: this.naming.rule(index),
    };
    return `${JSON.stringify(line)}\n`;
  }
}

const framesOf = (frames: readonly SentFrame[]): object => (frames.length === 0 ? {} : { frames });

function worldOf(name: 'before' | 'after', theirs: ResolvedTreatment, mine: ResolvedTreatment): object {
  const isSame = theirs.outcome === mine.outcome && theirs.ports.join() === mine.ports.join();
  return isSame ? {} : { [name]: { outcome: theirs.outcome, out: theirs.ports } };
}
