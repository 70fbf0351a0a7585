import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChannelReader } from '../../src/openflow/channel.js';
import { formatRule } from '../../src/openflow/flowPrint.js';
import { parseFlowMod, parseRule, ruleOf } from '../../src/openflow/flowText.js';
import type { FlowMod, FlowModOp, OfVersion } from '../../src/openflow/rule.js';
import { decodeMessage, type WireMessage } from '../../src/openflow/wire.js';
import { buildTimeline } from '../../src/timeline/flowTables.js';
import { channelToSchedule } from '../../src/timeline/fromChannel.js';
import type { Timeline } from '../../src/timeline/timeline.js';
import { formatUnixNs } from '../../src/util/units.js';
import { pcapFrames } from '../pcapFrames.js';
import { readJsonLines, readShared, skipWithoutShared } from './shared.js';

interface WireCase {
  id: string;
  of: OfVersion;
  what: string;
  hex: string;
  text: string;
  flow?: {
    op: FlowModOp;
    table: number;
    flow: string;
    cookie: string;
    cookieMask?: string;
    outPort?: number;
    outGroup?: number;
  };
}

const ANY_PORT = 0xffff;
const ANY_GROUP = 0xffffffff;

function flowModIn({ body }: WireMessage): FlowMod {
  const inner = body.kind === 'bundleAdd' ? body.inner.body : body;
  assert.equal(inner.kind, 'flowMod');
  if (inner.kind !== 'flowMod') throw new Error('unreachable');
  return inner.mod;
}

/** The mod as the cases write it: the rule that the same bytes would add, dumped through the same version. */
function caseOf(mod: FlowMod): Required<WireCase>['flow'] {
  const deletes = mod.op.startsWith('delete');
  const table = mod.table === 255 ? 0 : mod.table;
  const rule = { ...ruleOf(mod), table, cookie: 0n, actions: deletes ? [] : mod.actions };
  const text = formatRule(rule, { of: mod.of });
  const setsCookie = mod.op === 'add' || (mod.modifyCookie && mod.cookieMask === 0n);
  return {
    op: mod.op,
    table: mod.table,
    flow: deletes ? text.replace(/ ?actions=drop$/, '') : text,
    cookie: `0x${(setsCookie ? mod.newCookie : mod.cookie).toString(16)}`,
    ...(mod.cookieMask === 0n ? {} : { cookieMask: `0x${mod.cookieMask.toString(16)}` }),
    ...(mod.outPort === ANY_PORT ? {} : { outPort: mod.outPort }),
    ...(mod.outGroup === ANY_GROUP ? {} : { outGroup: mod.outGroup }),
  };
}

test('every recorded message has the name, the error and the flow that Open vSwitch gives it', {
  skip: skipWithoutShared,
}, () => {
  const cases = readJsonLines<WireCase>('ovs/cases/wire.jsonl.gz');
  assert.equal(cases.length, 668);
  let flows = 0;
  for (const { id, what, hex, text, flow } of cases) {
    const message = decodeMessage(Buffer.from(hex, 'hex'));
    assert.equal(message.what, what, id);
    const [first = ''] = text.split('\n');
    const refused = /\*\*\*decode error: (\w+)\*\*\*/.exec(first)?.[1] ?? null;
    assert.equal(message.error, refused, id);
    if (message.body.kind === 'error') assert.equal(message.body.name, /xid=\w+\): (\w+)/.exec(first)?.[1], id);
    if (flow === undefined) continue;
    flows++;
    const got = caseOf(flowModIn(message));
    // A match that is empty behind the table still has its comma there.
    assert.deepEqual({ ...got, flow: got.flow.trim() }, { ...flow, flow: flow.flow.trim() }, id);
  }
  assert.equal(flows, 278);
});

test('flows in statistics replies print the lines of the dump', { skip: skipWithoutShared }, () => {
  let flows = 0;
  for (const { id, of, what, hex, text } of readJsonLines<WireCase>('ovs/cases/wire.jsonl.gz')) {
    if (what !== 'multipart_reply') continue;
    const { body } = decodeMessage(Buffer.from(hex, 'hex'));
    if (body.kind !== 'flowStats') continue;
    const got = body.flows.map(({ rule, stats }) => formatRule(rule, { of, stats }));
    flows += got.length;
    const lines = text.split('\n').slice(1);
    assert.deepEqual(
      got,
      lines.map((line) => line.trim()).filter((line) => line !== ''),
      id,
    );
  }
  assert.equal(flows, 51);
});

interface ScheduleLine {
  t: string;
  bundle?: boolean;
  mods?: { op: FlowModOp; flow: string; cookieMask?: string; of?: OfVersion }[];
}

/** The schedules leave out what OpenFlow 1.0 implies and what has no meaning: ports of an add, priority of a loose change. */
function comparable(mod: FlowMod): string {
  const rule = ruleOf(mod);
  const text = formatRule({
    ...rule,
    table: mod.table === 255 ? 0 : mod.table,
    priority: mod.op === 'delete' || mod.op === 'modify' ? 0 : mod.priority,
    cookie: mod.op === 'add' ? mod.newCookie : mod.cookie & mod.cookieMask,
    flags: { ...rule.flags, resetCounts: false },
  });
  const selects = mod.op.startsWith('delete') ? ` out_port ${mod.outPort} out_group ${mod.outGroup}` : '';
  return `${mod.op} table ${mod.table} mask ${mod.cookieMask.toString(16)}${selects}: ${text}`;
}

const RUNS = ['small-collide', 'medium-collide', 'medium-same', 'medium-die', 'medium-fixed', 'medium-perport'];

test('the recorded channels give the steps that ovs-ofctl ofp-parse found in them', { skip: skipWithoutShared }, () => {
  for (const run of RUNS) {
    const reader = new ChannelReader();
    for (const frame of pcapFrames(readShared(`neutron/${run}/of.pcap.gz`))) reader.push(frame);
    const schedule = channelToSchedule(reader.finish(), { source: 'of.pcap.gz', bridge: 'br-int' });
    assert.deepEqual(schedule.warnings, [], run);
    const lines = readJsonLines<ScheduleLine>(`neutron/${run}/schedule.ndjson.gz`).filter(
      (line) => line.mods !== undefined,
    );
    assert.equal(schedule.steps.length, lines.length, run);
    for (const [i, step] of schedule.steps.entries()) {
      assert.equal(step.kind, 'tables');
      if (step.kind !== 'tables') continue;
      const line = lines[i]!;
      const where = `${run}, step ${i + 1}`;
      assert.deepEqual([formatUnixNs(step.t.earliest), step.bundle], [line.t, line.bundle ?? false], where);
      const wanted = line.mods!.map((mod, n) => comparable(fromText(mod, step.mods[n]!)));
      assert.deepEqual(step.mods.map(comparable), wanted, where);
    }
  }
});

/** The mask stands beside the text. `ofp-parse` names neither table 0 nor "all tables", so the wire says which it was. */
function fromText({ op, flow, cookieMask }: NonNullable<ScheduleLine['mods']>[number], onWire: FlowMod): FlowMod {
  const text = cookieMask === undefined ? flow : flow.replace(/cookie=(0x\w+)/, `cookie=$1/${cookieMask}`);
  const { mod } = parseFlowMod(op, text);
  if (/(^|,)table=/.test(flow)) return mod;
  assert.ok(onWire.table === 0 || (onWire.table === 255 && op !== 'add'), flow);
  return { ...mod, table: onWire.table };
}

/** Rules of a version, as a dump in OpenFlow 1.3 shows them, sorted. */
function dumpAt(timeline: Timeline, version: number): string[] {
  return timeline.rules
    .filter(({ from, to }) => from <= version && version < to)
    .map(({ rule }) => formatRule(rule))
    .sort();
}

/** The rules of a dump without what depends on time. */
function dumpLines(name: string): string[] {
  return readShared(name)
    .toString('utf8')
    .split('\n')
    .filter((line) => line.includes('actions='))
    .map((line) => formatRule(parseRule(line).rule))
    .sort();
}

test('a captured restart through OpenFlow 1.0, 1.3 and 1.4 leads through the dumps taken meanwhile', {
  skip: skipWithoutShared,
}, () => {
  const reader = new ChannelReader();
  for (const frame of pcapFrames(readShared('captures/files/of13-of14-conjunction-restart.pcap'))) reader.push(frame);
  const schedule = channelToSchedule(reader.finish(), { source: 'restart.pcap' });
  assert.deepEqual(schedule.warnings, [
    '1 flow-mods were refused by the switch (OFPBAC_BAD_OUT_GROUP) and change nothing',
  ]);
  assert.equal(schedule.steps.length, 47);
  const timeline = buildTimeline([], schedule.steps);
  assert.deepEqual(dumpAt(timeline, 22), dumpLines('captures/openflow/old.dump'));
  assert.deepEqual(dumpAt(timeline, 45), dumpLines('captures/openflow/mid.dump'));
  assert.deepEqual(dumpAt(timeline, 47), dumpLines('captures/openflow/end.dump'));
});
