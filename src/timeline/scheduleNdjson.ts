/**
 * Schedules as NDJSON: a head line `{"schedule":1,…}`, then a line per step. What is written reads back the same.
 * A line with several flow-mods and no bundle is as many steps at one time.
 */
import { flowModText } from '../openflow/flowModText.js';
import type { FlowMod, FlowModOp, OfVersion, PortNames } from '../openflow/rule.js';
import { InputError, type Place } from '../util/errors.js';
import type { JsonNode } from '../util/jsonPlaces.js';
import { linesOf } from '../util/lines.js';
import { formatUnixNs } from '../util/units.js';
import { filterToJson, readFilter } from './conntrackFilter.js';
import { type Fields, JsonLine } from './jsonLine.js';
import { readFlowMod } from './readFlowMod.js';
import type { ConntrackStep, Fidelity, Schedule, Step, TableStep, TimeBracket } from './schedule.js';
import { narrow } from './scheduleTimes.js';

export interface ReadScheduleOptions {
  /** Name for error messages. */
  readonly file?: string;
  readonly ports?: PortNames;
}

const FIDELITIES: readonly Fidelity[] = ['wire', 'monitor', 'log', 'dumps', 'model'];
const VERSIONS: readonly OfVersion[] = ['1.0', '1.1', '1.2', '1.3', '1.4', '1.5'];
const OPS: readonly FlowModOp[] = ['add', 'modify', 'modify_strict', 'delete', 'delete_strict'];
const HEAD_KEYS = ['schedule', 'source', 'clock', 'fidelity', 'of'];
const TABLE_KEYS = ['t', 'mods', 'bundle', 'batch', 'note'];
const CONNTRACK_KEYS = ['t', 'conntrack', 'worlds', 'note'];
const MOD_KEYS = ['op', 'flow', 'cookieMask', 'of'];
const CLOCKS: readonly Schedule['clock'][] = ['unix', 'relative'];

/** Reads a schedule. InputError with line and column; a file without fidelity counts as a model. */
export function readSchedule(text: string, options: ReadScheduleOptions = {}): Schedule {
  const file = options.file ?? 'schedule';
  let head: Omit<Schedule, 'steps' | 'warnings'> | null = null;
  const order = new StepOrder();
  const warnings: string[] = [];
  for (const { text: content, number } of linesOf(text, file)) {
    if (content.trim() === '') continue;
    const line = JsonLine.parse(content, { file, line: number });
    if (head === null) head = readHead(line);
    else for (const step of readStep(line, head.of, options)) order.add(step, line);
    warnings.push(...line.warnings);
  }
  if (head === null) throw new InputError('empty: a schedule begins with {"schedule":1,…}', { file });
  return { ...head, steps: narrow(order.steps), warnings };
}

/** Reads the conntrack lines of a `{"conntrackEvents":1,…}` file. */
export function readConntrackEventLines(text: string, options: ReadScheduleOptions = {}): Schedule {
  const file = options.file ?? 'conntrack events';
  let clock: Schedule['clock'] | null = null;
  const order = new StepOrder();
  for (const { text: content, number } of linesOf(text, file)) {
    if (content.trim() === '') continue;
    const line = JsonLine.parse(content, { file, line: number });
    const fields = line.root();
    if (clock === null) {
      fields.only(['conntrackEvents', 'clock']);
      if (fields.integer('conntrackEvents', 1, 1) === null) throw fields.missing('conntrackEvents');
      clock = fields.need('clock', CLOCKS);
    } else {
      if (!fields.has('conntrack')) throw fields.missing('conntrack');
      order.add(readConntrackStep(fields), line);
    }
  }
  if (clock === null)
    throw new InputError('empty: the file begins with {"conntrackEvents":1,"clock":"unix"}', { file });
  return { source: file, clock, fidelity: 'log', of: '1.3', steps: narrow(order.steps), warnings: [] };
}

/** One line per step; lines longer than the reader takes do not come about, since a flow-mod has its own limits. */
export function writeSchedule(schedule: Schedule): string {
  const { source, clock, fidelity, of } = schedule;
  const lines = [JSON.stringify({ schedule: 1, source, clock, fidelity, of })];
  for (const step of schedule.steps) lines.push(JSON.stringify(stepToJson(step, of)));
  return `${lines.join('\n')}\n`;
}

/** Steps so far, in an order that their times allow. */
class StepOrder {
  readonly steps: Step[] = [];
  private latest: bigint | null = null;

  add(step: Step, line: JsonLine): void {
    if (this.latest !== null && step.t.latest < this.latest) {
      const [now, before] = [formatUnixNs(step.t.latest), formatUnixNs(this.latest)];
      throw line.root().error('t', `time goes back: ${now} after ${before}`);
    }
    if (this.latest === null || step.t.earliest > this.latest) this.latest = step.t.earliest;
    this.steps.push(step);
  }
}

function readHead(line: JsonLine): Omit<Schedule, 'steps' | 'warnings'> {
  const fields = line.root();
  if (!fields.has('schedule')) {
    throw new InputError(
      'not a schedule',
      { ...line.place, column: 1 },
      'its first line is {"schedule":1,"source":"…","clock":"unix",…}',
    );
  }
  fields.only(HEAD_KEYS);
  if (fields.integer('schedule', 0, 1000) !== 1) throw fields.error('schedule', 'this version reads schedule 1 only');
  return {
    source: fields.string('source') ?? '',
    clock: fields.need('clock', CLOCKS),
    fidelity: fields.oneOf('fidelity', FIDELITIES) ?? 'model',
    of: fields.oneOf('of', VERSIONS) ?? '1.3',
  };
}

function readStep(line: JsonLine, of: OfVersion, options: ReadScheduleOptions): Step[] {
  const fields = line.root();
  const reserved = fields.keys().find((key) => /^(group|meter)_/.test(key));
  if (reserved !== undefined)
    throw fields.keyError(reserved, `"${reserved}" is reserved: changes of groups and meters are not replayed`);
  if (fields.has('conntrack')) return [readConntrackStep(fields)];
  fields.only(TABLE_KEYS, [...TABLE_KEYS, ...CONNTRACK_KEYS]);
  const t = readTime(fields);
  const bundle = fields.boolean('bundle') ?? false;
  const batch = fields.integer('batch', 0, 0x7fffffff);
  const note = fields.string('note');
  const nodes = fields.array('mods');
  if (nodes === null) throw fields.missing('mods');
  if (nodes.length === 0 && !bundle) throw fields.error('mods', 'no flow-mod in the step');
  const mods = nodes.map((node) => readMod(line, node, of, options));
  const step = (part: readonly FlowMod[], first: boolean): TableStep => ({
    kind: 'tables',
    t,
    mods: part,
    bundle,
    batch,
    note: first ? note : null,
  });
  return bundle ? [step(mods, true)] : mods.map((mod, i) => step([mod], i === 0));
}

function readMod(line: JsonLine, node: JsonNode, of: OfVersion, options: ReadScheduleOptions): FlowMod {
  const fields = line.object(node);
  fields.only(MOD_KEYS);
  const op = fields.oneOf('op', OPS);
  if (op === null) throw fields.missing('op');
  const flow = fields.string('flow');
  if (flow === null) throw fields.missing('flow');
  const mask = fields.string('cookieMask');
  const version = fields.oneOf('of', VERSIONS) ?? of;
  const text = mask === null ? flow : withCookieMask(flow, mask, fields);
  const place: Place = { ...line.place, column: fields.column('flow') + 1 };
  const { mod, warnings } = readFlowMod(op, text, {
    of: version,
    place,
    ...(options.ports && { ports: options.ports }),
  });
  line.warnings.push(...warnings);
  return mod;
}

/** `cookieMask` beside a cookie in the text is the same as `cookie=X/MASK` there. */
function withCookieMask(flow: string, mask: string, fields: Fields): string {
  if (!/^(0x[0-9a-fA-F]{1,16}|\d{1,20}|-1)$/.test(mask)) throw fields.error('cookieMask', `not a mask: "${mask}"`);
  const end = flow.indexOf('actions');
  const match = end < 0 ? flow : flow.slice(0, end);
  const masked = match.replace(/(^|[\s,])cookie=([^\s,/]+)/, `$1cookie=$2/${mask}`);
  if (masked === match)
    throw fields.error('cookieMask', 'cookieMask without cookie= in the flow, or the flow has a mask already');
  return masked + (end < 0 ? '' : flow.slice(end));
}

function readConntrackStep(fields: Fields): ConntrackStep {
  fields.only(CONNTRACK_KEYS, [...CONNTRACK_KEYS, ...TABLE_KEYS]);
  return {
    kind: 'conntrack',
    t: readTime(fields),
    filter: readFilter(fields),
    worlds: fields.oneOf('worlds', ['actual', 'all'] as const) ?? 'actual',
    note: fields.string('note'),
  };
}

function readTime(fields: Fields): TimeBracket {
  const pair = fields.isArray('t') ? fields.array('t') : null;
  if (pair === null) {
    const t = fields.seconds('t');
    if (t === null) throw fields.missing('t');
    return { earliest: t, latest: t };
  }
  const times = pair.map((node) => fields.secondsOf(node));
  if (times.length !== 2) throw fields.error('t', 'a bracket is ["earliest","latest"]');
  const [earliest, latest] = times as [bigint, bigint];
  if (latest < earliest) throw fields.error('t', 'the bracket ends before it begins');
  return { earliest, latest };
}

function stepToJson(step: Step, of: OfVersion): Record<string, unknown> {
  const { earliest, latest } = step.t;
  const t = earliest === latest ? formatUnixNs(earliest) : [formatUnixNs(earliest), formatUnixNs(latest)];
  const note = step.note === null ? {} : { note: step.note };
  if (step.kind === 'conntrack') {
    const worlds = step.worlds === 'actual' ? {} : { worlds: step.worlds };
    return { t, conntrack: filterToJson(step.filter), ...worlds, ...note };
  }
  const mods = step.mods.map((mod) => ({
    op: mod.op,
    flow: flowModText(mod),
    ...(mod.of === of ? {} : { of: mod.of }),
  }));
  return { t, mods, ...(step.bundle && { bundle: true }), ...(step.batch !== null && { batch: step.batch }), ...note };
}
