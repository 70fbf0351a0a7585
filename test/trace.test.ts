/** `trace` against Open vSwitch's own `ofproto/trace`, and against the replay. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { replay } from '../src/api/replay.js';
import { trace } from '../src/api/trace.js';
import type { TraceNode, TraceResult } from '../src/api/traceResult.js';
import { traceText } from '../src/api/traceText.js';
import { type VerdictLine, verdicts } from '../src/report/result.js';
import { dropwindow, scratch } from './cliRun.js';

const incident = (name: string) => `traces/incident/${name}`;
const restart = {
  before: incident('before.dump'),
  ports: [incident('ports.json')],
  changes: [incident('restart.ndjson')],
  conntrack: 'ovs-userspace',
};
const captures = [incident('capture.pcapng')];

/** What both say: no megaflow, ports of the datapath, recirculation ids, values of what was just moved. */
function comparable(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !/^Megaflow|^Datapath actions|^Actions|^Outcome|^ (Initial|Modified) flow|^Replacing/.test(line))
    .filter((line) => !/ -> .* is now | -> action set is| -> no learned MAC/.test(line))
    .map((line) => line.replace(/recirc\((0x\w+|table=\d+)\)/, 'recirc').replace(/recirc_id=0x\w+,/, ''))
    .map((line) => line.replace(/(ct_\w+=[^,]*,)?eth,/, '$1').trimEnd())
    .filter((line) => line !== '');
}

interface Golden {
  readonly flow: string;
  readonly ctNext: string[];
  readonly text: string;
}

test('a flow is told as Open vSwitch 3.1.0 tells it, action by action, indented alike, through ct()', async (t) => {
  const ports = join(scratch(t), 'ports.json');
  const list = [1, 2, 3, 4, 5].map((n) => ({ name: `p${n}`, ofport: n }));
  writeFileSync(ports, JSON.stringify({ ports: list }));
  const golden = readFileSync('test/golden/trace.jsonl', 'utf8').trimEnd().split('\n');
  for (const line of golden) {
    const { flow, ctNext, text } = JSON.parse(line) as Golden;
    const result = await trace({ before: 'test/golden/trace.flows', ports: [ports], bridge: 'br0', flow, ctNext });
    assert.deepEqual(comparable(traceText(result)), comparable(text), flow);
  }
});

test('a packet is traced with the state that its connection has, in each world, as the replay treats it', async () => {
  const pieces: string[] = [];
  await replay({
    ...restart,
    captures,
    onVerdicts: (piece) => {
      pieces.push(piece);
    },
  });
  const lines = pieces.join('').trimEnd().split('\n');
  const packets = lines.map((line) => verdicts.parse(JSON.parse(line))).filter((line) => 'n' in line) as VerdictLine[];
  for (const { n, outcome, out, before, after, rules, ct, version } of packets.filter(({ n }) => n % 23 === 5)) {
    const result = await trace({ ...restart, captures, packet: n });
    const told = result.worlds.map((world) => ({ outcome: world.outcome, out: world.out }));
    const mine = { outcome, out };
    assert.deepEqual(told, [mine, before ?? mine, after ?? mine], `packet ${n}`);
    const [actual] = result.worlds;
    assert.equal(result.packet!.version, version);
    assert.equal(actual!.version, version);
    assert.deepEqual(
      tablesOf(actual!.passes.flatMap(({ nodes }) => nodes)),
      rules.map(([table]) => table),
    );
    const shown = actual!.passes.flatMap(({ resumed }) => (resumed?.ct ? [resumed.ct] : []));
    assert.deepEqual(
      shown.map(({ zone, state, mark }) => ({ zone, state, mark })),
      ct,
    );
  }
});

function tablesOf(nodes: readonly TraceNode[]): number[] {
  return nodes.flatMap(({ type, text, nodes: inner = [] }) => [
    ...(type === 'table' ? [Number.parseInt(text, 10)] : []),
    ...tablesOf(inner),
  ]);
}

test('the versions that a trace names are those in which the same comes out', async () => {
  const at = (version: number): Promise<TraceResult> => trace({ ...restart, captures, packet: 120, version });
  const results = await Promise.all([0, 1, 2, 3, 4, 5].map(at));
  for (const [version, { worlds }] of results.entries()) {
    const [from, to] = worlds[0]!.versions;
    assert.ok(from <= version && (to === null || version < to));
    const told = (i: number) => JSON.stringify(results[i]!.worlds[0]!.passes);
    for (let other = 0; other < results.length; other++) {
      const isInside = other >= from && (to === null || other < to);
      if (isInside) assert.equal(told(other), told(version));
    }
  }
  assert.deepEqual(results.at(-1)!.worlds[0]!.passes, results.at(-1)!.worlds[2]!.passes);
});

test('a conjunction is told with the clause flows that the packet met', async () => {
  const result = await trace({ ...restart, captures, packet: 4 });
  const all = (nodes: readonly TraceNode[]): TraceNode[] => nodes.flatMap((node) => [node, ...all(node.nodes ?? [])]);
  const found = result.worlds.flatMap(({ passes }) => passes.flatMap(({ nodes }) => all(nodes)));
  const told = found.filter(({ conjunction }) => conjunction !== undefined);
  assert.equal(told.length, 3, 'one lookup in each world');
  for (const { conjunction, rule } of told) {
    assert.match(rule!, new RegExp(`conj_id=${conjunction!.id}\\b`));
    assert.equal(conjunction!.clauses.length, 2);
    for (const clause of conjunction!.clauses) assert.match(clause, new RegExp(`conjunction\\(${conjunction!.id},`));
  }
});

test('a time is a version, and flow text that is wrong says where', async () => {
  const flow = 'in_port=1,ip,dl_src=fa:16:3e:00:00:01,nw_src=10.0.0.1';
  const [world] = (await trace({ ...restart, flow, at: '2021-04-28T12:35:12.38Z' })).worlds;
  assert.equal(world!.version, 3);
  await assert.rejects(trace({ ...restart, flow: 'in_port=1,tcpp' }), /unknown field tcpp/);
  await assert.rejects(trace({ ...restart, flow, packet: 3 }), /what is to be traced/);
});

test('the command traces flows and packets, in text and JSON, and says what does not fit together', () => {
  const tables = ['trace', '--before', restart.before, '--ports', restart.ports[0]!, '--changes', restart.changes[0]!];
  const flow = 'in_port=1,ip,dl_src=fa:16:3e:00:00:01,nw_src=10.0.0.1';
  const asText = dropwindow([...tables, flow, '--ct-next', 'trk,est']);
  assert.equal(asText.code, 0, asText.err);
  assert.match(asText.out, /^### before \(version 0\)\nFlow: ip,in_port=1,/);
  assert.match(asText.out, /resume conntrack with ct_state=est\|trk\n/);
  const asJson = dropwindow([...tables, '--json', '--packet', '5', '--conntrack', 'ovs-userspace', captures[0]!]);
  assert.equal((JSON.parse(asJson.out) as TraceResult).packet!.n, 5);
  assert.match(dropwindow([...tables, '--packet', '5000', captures[0]!]).err, /there is no packet 5000\n.*231 packets/);
  assert.match(dropwindow([...tables, flow, '--version', '9']).err, /there is no version 9\n.*the last one is 5/);
  assert.match(dropwindow([...tables, flow, '-o', restart.ports[0]!]).err, /is also an input/);
});
