/** Schedule of `ovs-ofctl monitor BRIDGE watch: --timestamp` text: one reply, one step; priorities from the dumps. */
import { formatMatch } from '../openflow/flowPrint.js';
import { type MonitorEvent, type MonitorReply, parseMonitorText } from '../openflow/monitorText.js';
import { type FlowMod, type FlowModOp, NO_FLAGS, type OfVersion, type PortNames, type Rule } from '../openflow/rule.js';
import { InputError } from '../util/errors.js';
import { PriorityBook } from './priorityBook.js';
import { readFlowMod } from './readFlowMod.js';
import type { Schedule, TableStep } from './schedule.js';

export interface MonitorOptions {
  /** Rules before the first change; null: no such dump. */
  readonly before: readonly Rule[] | null;
  /** Rules of dumps taken later. */
  readonly later: readonly (readonly Rule[])[];
  readonly ports?: PortNames;
}

/** All ones: a modify from OpenFlow 1.2 on, and a deletion, set no cookie. */
const KEEP_COOKIE = 0xffff_ffff_ffff_ffffn;

const OPS: Readonly<Record<MonitorEvent['event'], FlowModOp>> = {
  ADDED: 'add',
  MODIFIED: 'modify_strict',
  DELETED: 'delete_strict',
};

/** Names of rules with an open priority that a warning lists before it only counts. */
const NAMED_MAX = 20;

/**
 * InputError with the line of an event that cannot be read, or if priorities are asked of no dump at all. The text does not
 * say whether a step was a bundle: a reply with several events counts as one, which it is but for a loose delete or modify.
 */
export function scheduleFromMonitor(text: string, file: string, options: MonitorOptions): Schedule {
  const { replies, warnings } = parseMonitorText(text, file);
  const maker = new StepMaker(file, options);
  const steps = replies.flatMap((reply) => (reply.t === null ? [] : maker.step(reply, reply.t)));
  return {
    source: 'monitor',
    clock: 'unix',
    fidelity: 'monitor',
    of: versionOfMods(replies.at(-1)?.of ?? '1.3'),
    steps,
    warnings: [...warnings, ...maker.warnings()],
  };
}

class StepMaker {
  private readonly file: string;
  private readonly options: MonitorOptions;
  private readonly book: PriorityBook;
  private readonly open = new Map<string, { line: number; candidates: readonly number[] }>();
  private lastTime: bigint | null = null;
  private backwards: number | null = null;

  constructor(file: string, options: MonitorOptions) {
    this.file = file;
    this.options = options;
    this.book = new PriorityBook(options.before, options.later);
  }

  step(reply: MonitorReply, t: bigint): TableStep[] {
    if (reply.events.length === 0) return [];
    if (this.lastTime !== null && t < this.lastTime) this.backwards ??= reply.line;
    const latest = this.lastTime !== null && t < this.lastTime ? this.lastTime : t;
    this.lastTime = latest;
    const notes: string[] = [];
    const mods = reply.events.map((event) => this.mod(event, versionOfMods(reply.of), notes));
    const earliest = reply.pausedAt !== null && reply.pausedAt < latest ? reply.pausedAt : latest;
    return [
      {
        kind: 'tables',
        t: { earliest, latest },
        mods,
        bundle: mods.length > 1,
        batch: null,
        note: notes.length === 0 ? null : notes.join('; '),
      },
    ];
  }

  warnings(): string[] {
    const lines = [...this.open].slice(0, NAMED_MAX).map(([rule, { line, candidates }]) => {
      const which =
        candidates.length === 0 ? 'no dump has this rule' : `the dumps have it with ${candidates.join(' and ')}`;
      return `${this.file}:${line}: the priority of ${rule} is not known: ${which}`;
    });
    if (this.open.size > NAMED_MAX)
      lines.push(`${this.file}: the priority of ${this.open.size - NAMED_MAX} further rules is not known`);
    if (this.backwards !== null) {
      lines.push(`${this.file}:${this.backwards}: the times go back here: taken as the latest time before`);
    }
    return lines;
  }

  private mod(event: MonitorEvent, of: OfVersion, notes: string[]): FlowMod {
    const place = { file: this.file, line: event.line };
    const op = OPS[event.event];
    const items = [`table=${event.table}`];
    if (op === 'add') {
      if (event.idleTimeout !== null) items.push(`idle_timeout=${event.idleTimeout}`);
      if (event.hardTimeout !== null) items.push(`hard_timeout=${event.hardTimeout}`);
    }
    if (event.match !== '') items.push(event.match);
    const { ports } = this.options;
    // Read as an add, whatever the event: this way the text's actions and cookie are there to tell rules apart.
    const text = `cookie=${event.cookie},${items.join(',')} actions=${event.actions === '' ? 'drop' : event.actions}`;
    const { mod: seen } = readFlowMod('add', text, { of, place, ...(ports && { ports }) });
    const priority = /(^|,)priority=/.test(event.match) ? seen.priority : this.priority(event, seen, notes);
    const { cookie, match, actions } = { ...seen, cookie: seen.newCookie };
    this.book.apply(event.event, { table: seen.table, match, cookie, actions }, priority);
    if (event.reason !== null && event.reason !== 'delete') notes.push(`reason=${event.reason}`);
    return toMod(op, seen, priority);
  }

  private priority(event: MonitorEvent, seen: FlowMod, notes: string[]): number {
    const { before, later } = this.options;
    if (before === null && later.length === 0) {
      throw new InputError(
        'monitor text has no priorities, and no dump was given to take them from',
        { file: this.file, line: event.line },
        'give the rules before the restart with --before and, if there is one, a dump taken afterwards with --after',
      );
    }
    const { table, match, newCookie, actions } = seen;
    const { priority, candidates } = this.book.find(event.event, { table, match, cookie: newCookie, actions });
    if (candidates.length === 1) return priority;
    const words = formatMatch(match);
    const rule = `cookie=${event.cookie},table=${table}${words === '' ? '' : `,${words}`}`;
    if (!this.open.has(rule)) this.open.set(rule, { line: event.line, candidates });
    const why = candidates.length === 0 ? 'in no dump' : `left open by the dumps, ${priority} is taken`;
    notes.push(`priority of ${rule} is not in the text and ${why}`);
    return priority;
  }
}

function toMod(op: FlowModOp, seen: FlowMod, priority: number): FlowMod {
  if (op === 'add') return { ...seen, priority };
  const deletes = op === 'delete_strict';
  return {
    ...seen,
    op,
    priority,
    actions: deletes ? [] : seen.actions,
    newCookie: KEEP_COOKIE,
    flags: NO_FLAGS,
  };
}

/** The monitor's version says how rules are printed; modify is told by its outcome, for which 1.2 and later have the words. */
function versionOfMods(of: OfVersion): OfVersion {
  return of === '1.0' || of === '1.1' ? '1.3' : of;
}
