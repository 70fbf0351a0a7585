/** Packets whose rule hangs on an order of masks that the dump does not tell. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { replay } from '../src/api/replay.js';
import { trace } from '../src/api/trace.js';
import { type VerdictLine, verdicts } from '../src/report/result.js';
import { scratch } from './cliRun.js';
import { pcapFile } from './pcapFrames.js';

const MAC = (n: number) => [2, 0, 0, 0, 0, n];
const frame = (from: number, to: number) =>
  Uint8Array.from([...MAC(to), ...MAC(from), 0x88, 0xb5, ...new Array(46).fill(from)]);

/** Masks in no order that an insertion could have given: which rule of priority 5 is met first is open. */
const DUMP = `
 priority=1,reg0=0 actions=output:3
 priority=5,reg1=0 actions=load:1->NXM_NX_REG5[],resubmit(,1)
 priority=1,reg2=0 actions=output:4
 priority=5,reg3=0 actions=NORMAL
 priority=0,reg1=0 actions=output:5
 table=1, priority=1,reg0=0 actions=output:3
 table=1, priority=5,reg1=0 actions=drop
 table=1, priority=1,reg2=0 actions=output:4
 table=1, priority=5,reg3=0 actions=output:2
 table=1, priority=0,reg1=0 actions=output:5
`;

test('an ambiguous packet is not judged, and every outcome that some order gives is told, NORMAL by what was learned', async (t) => {
  const folder = scratch(t);
  const [before, ports] = [join(folder, 'before.dump'), join(folder, 'ports.json')];
  const [one, two] = [join(folder, 'one.pcap'), join(folder, 'two.pcap')];
  writeFileSync(before, DUMP);
  writeFileSync(ports, JSON.stringify({ ports: [1, 2, 3].map((n) => ({ name: `p${n}`, ofport: n })) }));
  writeFileSync(one, pcapFile([frame(1, 2), frame(1, 2)]));
  writeFileSync(two, pcapFile([frame(2, 1)]));
  const captures = [`p1=${one}`, `p2=${two}`];
  const lines: string[] = [];
  const { result } = await replay({
    before,
    ports: [ports],
    captures,
    onVerdicts: (text) => {
      lines.push(...text.trimEnd().split('\n'));
    },
  });
  const packets = lines.map((line) => verdicts.parse(JSON.parse(line))).filter((line) => 'n' in line) as VerdictLine[];
  assert.deepEqual(new Set(packets.map(({ outcome }) => outcome)), new Set(['ambiguous']));
  // The first packet: by the first rule to the second table and there to drop or output:2, by the other one to NORMAL.
  const texts = new Set(packets[0]!.either!.map(({ outcome, out }) => `${outcome} ${out.join()}`));
  assert.deepEqual([...texts].sort(), ['delivered 2', 'delivered 2,3,65534', 'dropped ']);
  assert.equal(result.ambiguous!.length, 3);
  assert.equal(result.summary.packets.outcomes!.ambiguous, 3);
  const [first] = result.ambiguous!;
  assert.equal(first!.packet, 1);
  assert.ok(first!.either.every(({ rule }) => rule?.startsWith('priority=5')));

  const traced = await trace({ before, ports: [ports], captures, packet: 1 });
  const told = traced.worlds[0]!.either.map(({ outcome, out, rule }) => ({ outcome, out, rule }));
  assert.deepEqual(told, first!.either);
});
