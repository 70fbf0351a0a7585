/** `--verdict-frames` against the pipeline that carries every frame through packet by packet. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { replay } from '../src/api/replay.js';
import { LinearClassifier } from '../src/classify/linear.js';
import { CtStore } from '../src/conntrack/store.js';
import { Tracker } from '../src/conntrack/tracker.js';
import { parseDump } from '../src/openflow/dumpText.js';
import { MacTable } from '../src/pipeline/mac.js';
import { packetInput, runPacket } from '../src/pipeline/packetRun.js';
import { makeEnv } from '../src/replay/setup.js';
import { type VerdictLine, verdicts } from '../src/report/result.js';
import { buildTimeline } from '../src/timeline/flowTables.js';
import { scratch } from './cliRun.js';
import { pcapFile } from './pcapFrames.js';

const DUMP = `
 priority=10,ip,in_port=1 actions=set_field:02:00:00:00:00:09->eth_dst,ct(commit,zone=1,nat(src=10.9.9.9),table=1),output:4
 priority=10,ip,in_port=2 actions=ct(zone=1,nat,table=2)
 priority=5 actions=NORMAL
 table=1, priority=1,ip actions=dec_ttl,output:2,push_vlan:0x8100,set_field:4103->vlan_vid,output:3
 table=2, priority=1,ip actions=set_field:32->ip_dscp,output:1,output(port=3,max_len=40)
`;
const PORTS = [
  { name: 'p1', ofport: 1, tag: 5 },
  { name: 'p2', ofport: 2 },
  { name: 'p3', ofport: 3 },
  { name: 'p4', ofport: 4, tag: 5 },
];

const mac = (n: number) => [2, 0, 0, 0, 0, n];

function udp(from: number, to: number[], source: number[], sport: number, dport: number): Uint8Array {
  const ip = [0x45, 0, 0, 36, 0, 9, 0x40, 0, 64, 17, 0x12, 0x34, ...source, ...to];
  return Uint8Array.from([
    ...mac(7),
    ...mac(from),
    8,
    0,
    ...ip,
    0,
    sport,
    0,
    dport,
    0,
    16,
    0xaa,
    0xbb,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
  ]);
}

/** Each frame enters at the port of its file, one a second. */
const FRAMES: readonly (readonly [port: number, frame: Uint8Array])[] = [
  [1, udp(1, [10, 0, 0, 2], [10, 0, 0, 1], 77, 53)],
  [2, udp(2, [10, 0, 0, 1], [10, 0, 0, 2], 53, 77)],
  [1, udp(1, [10, 0, 0, 2], [10, 0, 0, 1], 77, 53)],
  [4, Uint8Array.from([...mac(1), ...mac(4), 0x88, 0xb5, ...new Array(46).fill(1)])],
  [3, Uint8Array.from([...mac(4), ...mac(3), 0x81, 0, 0, 5, 0x88, 0xb5, ...new Array(46).fill(2)])],
];

test('rewritten frames, through several passes, NAT, truncation and the tags of NORMAL, are those of the time-ordered pipeline', async (t) => {
  const folder = scratch(t);
  const [before, ports, portOf, capture] = ['dump', 'ports.json', 'ports.ndjson', 'sent.pcap'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  writeFileSync(before, DUMP);
  writeFileSync(ports, JSON.stringify({ ports: PORTS }));
  writeFileSync(portOf, FRAMES.map(([port]) => `${port}\n`).join(''));
  writeFileSync(capture, pcapFile(FRAMES.map(([, frame]) => frame)));
  const lines: string[] = [];
  await replay({
    before,
    ports: [ports],
    portOf,
    conntrack: 'ovs-userspace',
    captures: [capture],
    verdictFrames: true,
    onVerdicts: (text) => {
      lines.push(...text.trimEnd().split('\n'));
    },
  });
  const packets = lines.map((line) => verdicts.parse(JSON.parse(line))).filter((line) => 'n' in line) as VerdictLine[];

  const timeline = buildTimeline(parseDump(DUMP, { file: 'dump', ports: null }).rules, [], {});
  const env = makeEnv(timeline, PORTS, 'br-int', new LinearClassifier(timeline));
  const nothing = (): void => {};
  const bridge = {
    env,
    macs: new MacTable(env.ports, env.config),
    version: () => 0,
    learn: nothing,
    finTimeout: nothing,
  };
  const where = {
    bridges: new Map([['br-int', bridge]]),
    tracker: new Tracker('ovs-userspace', {}),
    store: new CtStore(),
  };
  let told = 0;
  FRAMES.forEach(([port, frame], i) => {
    const { outputs } = runPacket(where, packetInput('br-int', port, frame), i * 1e9);
    const changed = outputs.filter((output) => output.changed);
    const expected = changed.map((output) => [output.port, Buffer.from(output.frame!).toString('hex')]);
    expected.sort((a, b) => Number(a[0]) - Number(b[0]));
    assert.deepEqual(packets[i]!.frames ?? [], expected, `frame ${i + 1}`);
    assert.deepEqual(
      packets[i]!.out,
      outputs.map((output) => output.port).sort((a, b) => a - b),
    );
    told += expected.length;
  });
  assert.ok(told > 8, `${told} frames changed`);
});
