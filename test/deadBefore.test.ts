/** Connections that the tables refused for their mark before any restart. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { replay } from '../src/api/replay.js';
import { scratch } from './cliRun.js';
import { pcapFile } from './pcapFrames.js';

/** A data segment of 10.0.0.2:80 to 10.0.0.1:40001. */
function segment(seq: number): Uint8Array {
  const mac = (n: number) => [0xfa, 0x16, 0x3e, 0, 0, n];
  const ip = [0x45, 0, 0, 44, 0, seq & 0xff, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
  const tcp = [0, 80, 0x9c, 0x41, 0, 0, 0, seq, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3, 4];
  return Uint8Array.from([...mac(1), ...mac(2), 8, 0, ...ip, ...tcp]);
}

const ENTRY =
  'tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=40001,dport=80),reply=(src=10.0.0.2,dst=10.0.0.1,sport=80,dport=40001),zone=1,';

test('a flow that a mark from before the restart keeps down is listed apart, one that the rules refuse is not', async (t) => {
  const folder = scratch(t);
  const [capture, entries] = [join(folder, 'sent.pcap'), join(folder, 'entries')];
  writeFileSync(capture, pcapFile([segment(1), segment(5), segment(9)]));
  const options = {
    captures: [`tap-web2=${capture}`],
    before: 'traces/incident/before.dump',
    ports: ['traces/incident/ports.json'],
    conntrack: 'ovs-userspace',
    conntrackBefore: entries,
  };
  const outcomes = [];
  for (const mark of ['mark=1,', '']) {
    writeFileSync(entries, `${ENTRY}${mark}protoinfo=(state=ESTABLISHED)\n`);
    const { summary, flows } = (await replay(options)).result;
    outcomes.push({ dead: summary.dead, deadBefore: summary.deadBefore, flows: flows.map((flow) => flow.dead) });
  }
  assert.deepEqual(outcomes, [
    { dead: 0, deadBefore: 1, flows: ['mark'] },
    { dead: 0, deadBefore: 0, flows: [] },
  ]);
  // The same mark on a connection that version 0 would refuse without it: policy, not death.
  const before = join(folder, 'closed.dump');
  writeFileSync(
    before,
    ' table=0, priority=1,in_port=2,ip actions=ct(table=1,zone=1)\n table=1, priority=0 actions=drop\n',
  );
  writeFileSync(entries, `${ENTRY}mark=1,protoinfo=(state=ESTABLISHED)\n`);
  assert.equal((await replay({ ...options, before })).result.summary.deadBefore, 0);
});
