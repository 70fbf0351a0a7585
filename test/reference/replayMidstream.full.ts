/** Recorded traces that begin late: connections first seen in their middle, taken as established, have the windows of the whole trace. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { FlowName, ReplayResult, Window } from '../../src/index.js';
import { linesOf, RECORDED } from './recorded.js';
import { readShared, skipWithoutShared } from './shared.js';
import { SharedRun } from './sharedTables.js';

const CUTS = 20;
const folder = mkdtempSync(join(tmpdir(), 'dropwindow-'));
after(() => rmSync(folder, { recursive: true }));

for (const run of RECORDED) {
  test(`${run} cut at ${CUTS} places before its restart has the same windows`, {
    skip: skipWithoutShared,
  }, async (t) => {
    const shared = new SharedRun(run);
    const whole = await shared.replay({});
    const { records, header, times } = recordsOf(run);
    const ports = linesOf(`neutron/${run}/sent.ports.jsonl.gz`);
    const restart = Number(whole.summary.restart!.from);
    const before = times.findIndex((time) => time >= restart);
    const problems: string[] = [];
    let taken = 0;
    let guessed = 0;
    let turned = 0;
    for (let i = 1; i <= CUTS; i++) {
      const cut = Math.floor((before * i) / CUTS);
      const capture = join(folder, 'cut.pcap');
      const portOf = join(folder, 'cut.ports.jsonl');
      writeFileSync(capture, Buffer.concat([header, ...records.slice(cut)]));
      writeFileSync(portOf, ports.slice(cut).join('\n'));
      const result = await shared.replay({ captures: [capture], portOf, midstream: 'established' });
      const unsure = new Set(result.midstream!.guessed.map(tupleOf));
      for (const [window, problem] of differing(whole, result, cut)) {
        if (unsure.has(tupleOf(window.flow))) turned++;
        else problems.push(`cut at ${cut}: ${problem}`);
      }
      taken += result.midstream!.taken;
      guessed += unsure.size;
    }
    t.diagnostic(
      `${CUTS} cuts before packet ${before}, ${whole.windows.length} windows each; ${taken} connections taken as ` +
        `established; ${guessed} times it was a guess who opened one, for which ${turned} windows differ`,
    );
    assert.deepEqual(problems.slice(0, 20), [], `${problems.length} differ`);
  });
}

function recordsOf(run: string): { header: Buffer; records: Buffer[]; times: number[] } {
  const pcap = readShared(`neutron/${run}/sent.pcap.gz`);
  const records: Buffer[] = [];
  const times: number[] = [];
  for (let at = 24; at < pcap.length; ) {
    const end = at + 16 + pcap.readUInt32LE(at + 8);
    records.push(pcap.subarray(at, end));
    times.push(pcap.readUInt32LE(at) + pcap.readUInt32LE(at + 4) / 1e9);
    at = end;
  }
  return { header: pcap.subarray(0, 24), records, times };
}

/** What a window is without what only the whole trace can tell: numbers of packets and connections before the cut. */
function essence(result: ReplayResult, cut: number): Map<number, string> {
  const numbered = (n: number | null | undefined) => (n === null || n === undefined || n + cut < 0 ? null : n + cut);
  return new Map(
    result.windows.map((window) => {
      const { id, flow, firstPacket, lastPacket, lastGood, nextGood, cause, healedBy, ...rest } = window;
      const by = cause?.by ? { ...cause.by, packet: numbered(cause.by.packet) } : null;
      const told = {
        ...rest,
        flow: { ...flow, connection: 0 },
        packets: [firstPacket, lastPacket, nextGood].map(numbered),
        cause: { ...cause, by },
        healedBy: healedBy && { ...healedBy, packet: numbered(healedBy.packet) },
      };
      return [id + cut, JSON.stringify(told)];
    }),
  );
}

/** The same for both directions. */
const tupleOf = ({
  proto,
  src,
  sport,
  dst,
  dport,
}: Omit<FlowName, 'connection' | 'direction' | 'zone' | 'vlan' | 'inPort'>) =>
  [proto, ...[`${src}:${sport}`, `${dst}:${dport}`].sort()].join(' ');

function differing(whole: ReplayResult, part: ReplayResult, cut: number): [Window, string][] {
  const [expected, got] = [essence(whole, 0), essence(part, cut)];
  const windows = new Map([
    ...part.windows.map((window) => [window.id + cut, window] as const),
    ...whole.windows.map((window) => [window.id, window] as const),
  ]);
  const problems: [Window, string][] = [];
  for (const id of new Set([...expected.keys(), ...got.keys()])) {
    const [a, b] = [expected.get(id), got.get(id)];
    if (a === b) continue;
    if (a === undefined || b === undefined)
      problems.push([windows.get(id)!, `window ${id} is ${a === undefined ? 'extra' : 'missing'}`]);
    else problems.push([windows.get(id)!, `window ${id}: ${firstApart(a, b)}`]);
  }
  return problems;
}

function firstApart(a: string, b: string): string {
  let at = 0;
  while (a[at] === b[at]) at++;
  const from = Math.max(0, at - 40);
  return `${a.slice(from, at + 60)} / ${b.slice(from, at + 60)}`;
}
