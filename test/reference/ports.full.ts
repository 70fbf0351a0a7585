/** Recorded Neutron runs as a user would capture them, on every port at once: each frame finds its port and its direction. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { FRAME, FrameJudge } from '../../src/capture/direction.js';
import { MergedCapture } from '../../src/capture/merge.js';
import { openCapture } from '../../src/capture/open.js';
import { parsePortOf } from '../../src/capture/portOf.js';
import { type BridgePort, mergePorts, parsePorts } from '../../src/capture/ports.js';
import { KEY_WORDS } from '../../src/fields/key.js';
import { Scan } from '../../src/packet/scan.js';
import { readJsonLines, readShared, sharedPath, skipWithoutShared } from './shared.js';

interface Sent {
  in_port: number;
  ts: number;
}

const hasPython = spawnSync('python3', ['--version']).status === 0;
const skip = skipWithoutShared || (hasPython ? false : 'python3 is not on this machine');

async function enteredPorts(path: string, ports: readonly BridgePort[], portOf?: Uint16Array) {
  const capture = new MergedCapture([await openCapture(path)]);
  const judge = new FrameJudge(capture.sources, { ports, portOf: portOf ?? null });
  const entered: number[] = [];
  const left = new Map<number, number>();
  let packet = 0;
  for (let batch = await capture.next(); batch !== null; batch = await capture.next()) {
    for (let i = 0; i < batch.count; i++) {
      const reason = judge.judge(batch.source[i]!, batch.batches[batch.source[i]!]!, batch.row[i]!, packet++);
      if (reason === FRAME.ENTERED) entered.push(judge.port);
      else left.set(reason, (left.get(reason) ?? 0) + 1);
    }
  }
  await capture.close();
  assert.equal(capture.sources[0]!.end?.kind, 'clean');
  return { entered, left, packets: packet };
}

for (const run of ['small-collide', 'medium-perport']) {
  test(`${run}: two-sided captures give the packets that were sent, with their ports`, { skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dropwindow-'));
    try {
      const [ng, any] = [join(folder, 'both.pcapng'), join(folder, 'any.pcap')];
      const made = spawnSync('python3', [
        sharedPath('neutron/two_sided.py'),
        sharedPath(`neutron/${run}`),
        '-o',
        ng,
        '--any',
        any,
      ]);
      assert.equal(made.status, 0, made.stderr.toString());
      const sent = readJsonLines<Sent>(`neutron/${run}/sent.ports.jsonl.gz`).map((line) => line.in_port);
      const list = JSON.parse(readShared(`neutron/${run}/ports.json`).toString()) as { name: string }[];
      // two_sided.py numbers the interfaces of its cooked form from 10 on, in the order of this file.
      const withIndex = list.map((port, i) => ({ ...port, ifindex: i + 10 }));
      const bridge = readShared(`neutron/${run}/bridge.json`).toString();
      const { ports } = mergePorts([
        parsePorts(JSON.stringify({ ports: withIndex }), 'ports.json'),
        parsePorts(bridge, 'bridge.json'),
      ]);
      const pcapng = await enteredPorts(ng, ports);
      assert.deepEqual(pcapng.entered, sent);
      assert.deepEqual([...pcapng.left.keys()], [FRAME.LEFT_BY_SOURCE]);
      const cooked = await enteredPorts(any, ports);
      assert.deepEqual(cooked.entered, sent);
      assert.deepEqual([...cooked.left.keys()], [FRAME.LEFT_BY_PACKET_TYPE]);
      console.log(`${run}: ${pcapng.packets} frames, ${sent.length} entered`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test('small-collide: a list of ports and the source addresses alone agree', { skip: skipWithoutShared }, async () => {
  const path = sharedPath('neutron/small-collide/sent.pcap.gz');
  const listed = await enteredPorts(
    path,
    [],
    parsePortOf(readShared('neutron/small-collide/sent.ports.jsonl.gz').toString(), 'sent.ports.jsonl'),
  );
  const sent = readJsonLines<Sent>('neutron/small-collide/sent.ports.jsonl.gz');
  assert.deepEqual(
    listed.entered,
    sent.map((line) => line.in_port),
  );
  const { ports } = mergePorts([parsePorts(readShared('neutron/small-collide/bridge.json').toString(), 'bridge.json')]);
  const bySource = await enteredPorts(path, ports);
  const stations = new Set(ports.filter((port) => port.mac !== undefined).map((port) => port.ofport));
  // Stations behind the trunk are not named: their port stays unknown.
  assert.deepEqual(
    bySource.entered,
    sent.map((line) => line.in_port).filter((port) => stations.has(port)),
  );
});

for (const run of ['small-collide', 'medium-collide', 'churn-medium']) {
  test(`${run}: every connection lies in one group, its two ways told apart`, { skip: skipWithoutShared }, async () => {
    const sent = readJsonLines<{ in_port: number; conn: number | null; dir: string }>(
      `neutron/${run}/sent.ports.jsonl.gz`,
    );
    const capture = new MergedCapture([await openCapture(sharedPath(`neutron/${run}/sent.pcap.gz`))]);
    const judge = new FrameJudge(capture.sources, { ports: [], portOf: sent.map((line) => line.in_port) });
    const scan = new Scan(capture, judge, { usedBits: new Int32Array(KEY_WORDS), rows: 1000 });
    const flows = new Map<string, string>();
    for await (const { columns, count } of scan.chunks()) {
      for (let row = 0; row < count; row++) {
        const line = sent[columns.packet[row]!]!;
        assert.equal(columns.inPort[row], line.in_port);
        if (line.conn === null) continue;
        const flow = `${columns.group[row]}/${columns.direction[row]}`;
        const name = `${line.conn} ${line.dir}`;
        assert.equal(flows.get(name) ?? flow, flow, `packet ${columns.packet[row]}`);
        flows.set(name, flow);
      }
    }
    assert.equal(scan.packets, sent.length);
    const both = [...flows]
      .filter(([name]) => name.endsWith('fwd'))
      .map(([name, flow]) => [flow, flows.get(name.replace('fwd', 'rev'))]);
    for (const [there, back] of both) {
      if (back !== undefined) assert.deepEqual(back, `${there!.slice(0, -1)}${1 - Number(there!.slice(-1))}`);
    }
    console.log(`${run}: ${sent.length} packets, ${flows.size} flows of connections, ${scan.groups.count} groups`);
  });
}
