/**
 * OpenFlow messages as Open vSwitch prints them (lib/ofp-print.c:ofp_to_string), in `ovs-ofctl snoop --timestamp` text
 * and in the log of ovs-vswitchd with vconn:dbg (lib/vconn.c:do_recv, do_send): which message, when, on which connection.
 * What the messages do to the tables is told by timeline/printedSteps.ts.
 */
import { InputError, type Place } from '../util/errors.js';
import { linesOf } from '../util/lines.js';
import type { FlowModOp, OfVersion } from './rule.js';

export interface PrintedHead {
  /** `OFPT_FLOW_MOD`, `OFPST_FLOW reply`, `ONFT_BUNDLE_CONTROL` … */
  readonly name: string;
  readonly of: OfVersion;
  readonly xid: number;
  /** What follows `(xid=0x…):` in the line. */
  readonly rest: string;
  /** Offset of `rest` in the line. */
  readonly restAt: number;
}

export interface PrintedMessage extends PrintedHead {
  /** ns since 1970, printed to the ms. */
  readonly t: bigint;
  readonly line: number;
  /** Name in the log; '' in snoop text. */
  readonly connection: string;
  /** As the switch sees it; null in snoop text, which does not say. */
  readonly direction: 'received' | 'sent' | null;
  /** Lines after the first one. */
  readonly more: string[];
}

export interface PrintedMessages {
  readonly messages: readonly PrintedMessage[];
  /** `Dropped N log messages …`: where and how many. */
  readonly dropped: readonly { readonly line: number; readonly t: bigint; readonly count: number }[];
}

const HEAD = /^([A-Z][A-Z0-9_]*(?: (?:request|reply))?)(?: \(OF(1\.[0-6])\))? \(xid=0x([0-9a-f]{1,8})\):/;
const STAMP = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?: /;
const LOG_LINE =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z\|\d+\|([a-z_0-9]+)(?:\([^)]*\))?\|([A-Z]+)\|/;
const VCONN_MESSAGE = /^(\S+): (?:(received): |(sent) \(([^)]*)\): )/;

/** The head of a printed message that begins at `at`; null if none does. OpenFlow 1.0 prints no version. */
export function parseHead(line: string, at: number): PrintedHead | null {
  const found = HEAD.exec(at === 0 ? line : line.slice(at));
  if (found === null) return null;
  const restAt = at + found[0].length;
  const of = (found[2] ?? '1.0') as OfVersion;
  return { name: found[1]!, of, xid: Number.parseInt(found[3]!, 16), rest: line.slice(restAt).trim(), restAt };
}

/** `2026-11-24 08:21:21.595: ` (UTC) at the start of a line, with its length. */
export function parsePrintedStamp(line: string): { t: bigint; length: number } | null {
  const found = STAMP.exec(line);
  return found === null ? null : { t: stampNs(found), length: found[0].length };
}

/** Messages of `ovs-ofctl snoop BRIDGE --timestamp`: both directions, one stream. */
export function readSnoopText(text: string, file: string): PrintedMessages {
  const messages: PrintedMessage[] = [];
  let current: PrintedMessage | null = null;
  for (const line of linesOf(text, file)) {
    const stamp = parsePrintedStamp(line.text);
    if (stamp === null) {
      if (LOG_LINE.test(line.text) || /^\d{4}-\d\d-\d\dT[\d:]{8}Z\|/.test(line.text)) current = null;
      else if (current !== null) current.more.push(line.text);
      else if (parseHead(line.text, 0) !== null) {
        throw new InputError(
          'a message without time',
          { file, line: line.number },
          'run ovs-ofctl snoop with --timestamp',
        );
      }
      continue;
    }
    const head = parseHead(line.text, stamp.length);
    current = head && { ...head, t: stamp.t, line: line.number, connection: '', direction: null, more: [] };
    if (current !== null) messages.push(current);
  }
  return { messages, dropped: [] };
}

/** Messages of all connections in a log of ovs-vswitchd. Lines of other modules are passed over. */
export function readVconnLog(text: string, file: string): PrintedMessages {
  const messages: PrintedMessage[] = [];
  const dropped: { line: number; t: bigint; count: number }[] = [];
  let current: PrintedMessage | null = null;
  for (const line of linesOf(text, file)) {
    const log = LOG_LINE.exec(line.text);
    if (log === null) {
      current?.more.push(line.text);
      continue;
    }
    current = null;
    if (log[8] !== 'vconn') continue;
    const body = line.text.slice(log[0].length);
    const drop = /^Dropped (\d{1,12}) log messages in last /.exec(body);
    if (drop !== null) dropped.push({ line: line.number, t: stampNs(log), count: Number(drop[1]) });
    const message = VCONN_MESSAGE.exec(body);
    // A message that was not sent after all ("Resource temporarily unavailable") is tried again later.
    if (message === null || (message[3] !== undefined && message[4] !== 'Success')) continue;
    const head = parseHead(line.text, log[0].length + message[0].length);
    if (head === null) continue;
    const direction = message[2] === undefined ? 'sent' : 'received';
    current = { ...head, t: stampNs(log), line: line.number, connection: message[1]!, direction, more: [] };
    messages.push(current);
  }
  return { messages, dropped };
}

/** A flow-mod in the words of ovs-ofctl: what parseFlowMod reads. */
export interface PrintedFlowMod {
  readonly op: FlowModOp;
  readonly flow: string;
}

const OPS: Readonly<Record<string, FlowModOp>> = {
  ADD: 'add',
  MOD: 'modify',
  MOD_STRICT: 'modify_strict',
  DEL: 'delete',
  DEL_STRICT: 'delete_strict',
};
const RENAMED: Readonly<Record<string, string>> = {
  idle: 'idle_timeout',
  hard: 'hard_timeout',
  importance: 'importance',
};

/**
 * Rewrites `ADD table:72 priority=73,ip cookie:0xb2 idle:60 … actions=…` (lib/ofp-flow.c:ofputil_flow_mod_format) as flow
 * text. `tableIds`: on OpenFlow 1.0, the connection had switched on NXT_FLOW_MOD_TABLE_ID, so no table printed is table 0
 * and not all tables.
 */
export function parsePrintedFlowMod(rest: string, of: OfVersion, tableIds: boolean, place: Place): PrintedFlowMod {
  const actionsAt = rest.indexOf('actions=');
  const words = (actionsAt < 0 ? rest : rest.slice(0, actionsAt)).split(' ').filter((word) => word !== '');
  const op = OPS[words[0] ?? ''];
  if (op === undefined || actionsAt < 0) throw new InputError(`not a flow-mod: "${rest.slice(0, 60)}"`, place);
  const loose = op === 'modify' || op === 'delete';
  const deletes = op === 'delete' || op === 'delete_strict';
  const items: string[] = [];
  let table: string | null = null;
  for (const word of words.slice(1)) {
    const found = /^(table|cookie|idle|hard|importance|pri|buf|out_port|flags):(.+)$/.exec(word);
    if (found === null) items.push(op === 'delete' ? withoutPriority(word) : word);
    else if (found[1] === 'table') table = found[2]!;
    else if (found[1] === 'out_port') items.push(...(deletes ? [`out_port=${found[2]}`] : []));
    else if (found[1] === 'cookie') items.push(`cookie=${found[2]}`);
    else if (found[1] === 'pri' && !loose) items.push(`priority=${found[2]}`);
    else if (RENAMED[found[1]!] !== undefined && !deletes) items.push(`${RENAMED[found[1]!]}=${found[2]}`);
  }
  // In print, no table is table 0 (1.0 without table ids: all tables) and 255 is all; in flow text no table of a delete is all.
  if (table === null && (of !== '1.0' || tableIds) && op !== 'add') table = '0';
  if (table !== null && table !== '255') items.unshift(`table=${table}`);
  const match = items.filter((item) => item !== '').join(',');
  return { op, flow: deletes ? match : `${match} ${rest.slice(actionsAt)}`.trim() };
}

/** In print a priority stands on loose flow-mods too, where it means nothing; ovs-ofctl refuses it in a loose delete. */
function withoutPriority(match: string): string {
  return match
    .split(',')
    .filter((item) => !item.startsWith('priority='))
    .join(',');
}

function stampNs(found: RegExpExecArray): bigint {
  const [, year, month, day, hour, minute, second, decimals = ''] = found;
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  return BigInt(ms) * 1_000_000n + BigInt(decimals.padEnd(9, '0'));
}
