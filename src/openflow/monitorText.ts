/**
 * Text of `ovs-ofctl monitor BRIDGE watch: --timestamp`: replies and their events, as printed by
 * OVS lib/ofp-monitor.c:ofputil_flow_update_format. One reply is one atomic change of the tables; a reply with
 * `flags=[more]` goes on in the next one. What the text lacks (priorities, flags) is not this file's business.
 */
import { InputError } from '../util/errors.js';
import { linesOf } from '../util/lines.js';
import { parseHead, parsePrintedStamp } from './ofpPrint.js';
import type { OfVersion } from './rule.js';

export interface MonitorEvent {
  readonly event: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** `delete`, `idle`, `hard`, `group delete`, `eviction` …; null unless DELETED. */
  readonly reason: string | null;
  readonly table: string;
  readonly cookie: string;
  readonly idleTimeout: string | null;
  readonly hardTimeout: string | null;
  readonly match: string;
  /** Text after `actions=`; a rule that drops has none. */
  readonly actions: string;
  readonly line: number;
}

/** One or, with `flags=[more]`, several printed replies: one atomic change. */
export interface MonitorReply {
  /** Time of the first part. Null: the list of all rules at the start, which `--timestamp` does not stamp. */
  readonly t: bigint | null;
  /** Time at which the switch stopped reporting, when this reply was sent during a pause. */
  readonly pausedAt: bigint | null;
  readonly of: OfVersion;
  readonly events: MonitorEvent[];
  readonly line: number;
}

export interface MonitorText {
  readonly replies: readonly MonitorReply[];
  readonly warnings: readonly string[];
}

/** Reads the whole text. InputError with line and column; an incomplete last line is a warning. */
export function parseMonitorText(text: string, file: string): MonitorText {
  const reader = new MonitorReader(file);
  for (const line of linesOf(text, file)) reader.take(line.text, line.number, line.ended);
  return reader.finish();
}

class MonitorReader {
  private readonly file: string;
  private readonly replies: MonitorReply[] = [];
  private readonly warnings: string[] = [];
  /** The reply that event lines belong to. */
  private current: MonitorReply | null = null;
  private more = false;
  private pausedAt: bigint | null = null;
  private strayLines = 0;
  private firstStray = 0;

  constructor(file: string) {
    this.file = file;
  }

  take(text: string, line: number, ended: boolean): void {
    if (text.startsWith(' event=')) {
      this.event(text, line, ended);
      return;
    }
    if (text.trim() === '' || isLogLine(text)) return;
    const stamp = parsePrintedStamp(text);
    const head = parseHead(text, stamp?.length ?? 0);
    if (head !== null && /_FLOW_MONITOR reply$/.test(head.name)) {
      this.reply(stamp?.t ?? null, head, line);
      return;
    }
    if (!this.more) this.current = null;
    if (head !== null && /_FLOW_MONITOR_(PAUSED|RESUMED)$/.test(head.name))
      this.pause(head.name, stamp?.t ?? null, line);
    else if (head === null) this.stray(line);
  }

  finish(): MonitorText {
    if (this.more) {
      this.warnings.push(`${this.file}: the text ends inside a reply (flags=[more]): its last step may lack changes`);
    }
    if (this.pausedAt !== null)
      this.warnings.push(`${this.file}: the text ends while the switch had paused the monitor`);
    if (this.strayLines > 0) {
      this.warnings.push(
        `${this.file}:${this.firstStray}: ${this.strayLines} lines are no part of a monitor reply and were not read`,
      );
    }
    return { replies: this.replies, warnings: this.warnings };
  }

  private reply(t: bigint | null, head: { of: OfVersion; xid: number; rest: string }, line: number): void {
    // The first reply answers the request and carries its xid; updates are sent unasked, with xid 0 (ofmonitor_flush).
    if (t === null && head.xid === 0) {
      throw new InputError(
        'a monitor reply without time',
        { file: this.file, line },
        'run ovs-ofctl monitor with --timestamp',
      );
    }
    const goesOn = this.more && this.current !== null && (t === null) === (this.current.t === null);
    if (!goesOn) {
      this.current = { t, pausedAt: this.pausedAt, of: head.of, events: [], line };
      this.replies.push(this.current);
    }
    this.more = head.rest.includes('flags=[more]');
  }

  private pause(name: string, t: bigint | null, line: number): void {
    if (name.endsWith('PAUSED')) {
      this.pausedAt = t;
      this.warnings.push(
        `${this.file}:${line}: the switch paused the monitor (too much was waiting): of changes made until it resumed only the last state is in the text`,
      );
    } else this.pausedAt = null;
  }

  private event(text: string, line: number, ended: boolean): void {
    if (this.current === null) {
      throw new InputError('an event outside a monitor reply', { file: this.file, line, column: 2 });
    }
    try {
      const event = parseEvent(text, this.file, line);
      if (event !== null) this.current.events.push(event);
      else if (!/^ event=(PAUSED|RESUMED)/.test(text)) this.stray(line);
      else this.pause(text.trim(), this.current.t, line);
    } catch (error) {
      if (ended) throw error;
      this.warnings.push(`${this.file}:${line}: the last line is cut off and was not read`);
    }
  }

  private stray(line: number): void {
    if (this.strayLines++ === 0) this.firstStray = line;
  }
}

const EVENT_WORDS: Readonly<Record<string, MonitorEvent['event']>> = {
  INITIAL: 'ADDED',
  ADDED: 'ADDED',
  MODIFIED: 'MODIFIED',
  DELETED: 'DELETED',
};

/** Null for events without a rule (ABBREV, PAUSED, RESUMED). */
function parseEvent(text: string, file: string, line: number): MonitorEvent | null {
  const word = /^ event=([A-Z_]+)/.exec(text)?.[1] ?? '';
  const event = EVENT_WORDS[word];
  if (event === undefined) {
    if (['ABBREV', 'PAUSED', 'RESUMED'].includes(word)) return null;
    throw new InputError(`unknown event "${word}"`, { file, line, column: 8 });
  }
  let rest = text.slice(7 + word.length);
  const take = (key: string): string | null => {
    const found = new RegExp(`^ ${key}=(\\S*)`).exec(rest);
    if (found === null) return null;
    rest = rest.slice(found[0].length);
    return found[1]!;
  };
  const need = (key: string): string => {
    const value = take(key);
    if (value === null)
      throw new InputError(`${key}= is missing`, { file, line, column: text.length - rest.length + 1 });
    return value;
  };
  let reason: string | null = null;
  if (event === 'DELETED') {
    // The reason may hold a blank ("group delete", ofp-flow.c:ofp_flow_removed_reason_to_string).
    const end = rest.indexOf(' table=');
    const found = / ?reason=(.*)$/.exec(end < 0 ? rest : rest.slice(0, end));
    if (found === null || end < 0)
      throw new InputError('reason= or table= is missing', { file, line, column: 9 + word.length });
    reason = found[1]!;
    rest = rest.slice(end);
  }
  const table = need('table');
  const idleTimeout = take('idle_timeout');
  const hardTimeout = take('hard_timeout');
  const cookie = need('cookie');
  const actionsAt = rest.indexOf(' actions=');
  const match = (actionsAt < 0 ? rest : rest.slice(0, actionsAt)).trim();
  const actions = actionsAt < 0 ? '' : rest.slice(actionsAt + 9);
  return { event, reason, table, cookie, idleTimeout, hardTimeout, match, actions, line };
}

/** A line of ovs-ofctl's own log, such as the one at its SIGTERM. */
function isLogLine(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}T[\d:.]{8,}Z\|\d+\|/.test(text);
}
