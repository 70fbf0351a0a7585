import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { matchFrames, type Observed, type Predicted } from '../src/api/matchFrames.js';
import { compareResult } from '../src/report/result.js';
import { dropwindow, scratch } from './cliRun.js';

const ms = 1e6;
const sent = (n: number, tMs: number, key: string, ...ports: number[]): Predicted => ({
  n,
  tNs: tMs * ms,
  key,
  ports,
  conversation: key,
});
const seen = (frame: number, tMs: number, key: string, port: number): Observed => ({ frame, tNs: tMs * ms, key, port });
const both = new Set([1, 2]);

test('frames that left as predicted make no mismatch, whatever their delay and order', () => {
  const predicted = [sent(1, 0, 'a', 2), sent(2, 1, 'b', 1, 2)];
  assert.deepEqual(matchFrames(predicted, [seen(3, 0.5, 'b', 1), seen(1, 3, 'b', 2), seen(2, 700, 'a', 2)], both), []);
});

test('a predicted frame that was not seen is missing, but only where outgoing frames were captured', () => {
  const predicted = [sent(1, 0, 'a', 2), sent(2, 1, 'b', 7)];
  assert.deepEqual(matchFrames(predicted, [], both), [{ kind: 'missing', packet: predicted[0], port: 2 }]);
});

test('a frame that left against the prediction names its packet; one that nobody sent is unknown', () => {
  const predicted = [sent(1, 0, 'a')];
  const observed = [seen(1, 1, 'a', 2), seen(2, 2, 'x', 2), seen(3, 5000, 'a', 2)];
  const [extra, ...unknown] = matchFrames(predicted, observed, both);
  assert.deepEqual(extra, { kind: 'extra', packet: predicted[0], frame: observed[0] });
  assert.deepEqual(
    unknown.map(({ kind }) => kind),
    ['unknown', 'unknown'],
  );
});

test('of equal packets, those predicted to leave take the frames that left', () => {
  const predicted = [sent(1, 0, 'a'), sent(2, 10, 'a', 2), sent(3, 20, 'a', 2)];
  const left = matchFrames(predicted, [seen(1, 11, 'a', 2), seen(2, 21, 'a', 2)], both);
  assert.deepEqual(left, []);
});

const incident = (name: string) => `traces/incident/${name}`;

test('compare holds entries against a dump, names each that differs, and wants the inputs of the result', (t) => {
  const folder = scratch(t);
  const [result, dump] = [join(folder, 'result.json'), join(folder, 'entries.txt')];
  const tables = [
    '--before',
    incident('before.dump'),
    '--ports',
    incident('ports.json'),
    '--conntrack',
    'ovs-userspace',
  ];
  const changes = ['--changes', incident('restart.ndjson')];
  dropwindow(['replay', ...tables, ...changes, '--format', 'json', '-o', result, incident('capture.pcapng')]);
  // What Open vSwitch 3.1.0 had at the end, but for one mark and one entry (traces/README.md).
  const line = (a: number, b: number, sport: number, dport: number, mark: string) =>
    `tcp,orig=(src=10.0.0.${a},dst=10.0.0.${b},sport=${sport},dport=${dport}),reply=(src=10.0.0.${b},dst=10.0.0.${a},sport=${dport},dport=${sport}),zone=1,${mark}protoinfo=(state=ESTABLISHED)\n`;
  const real = [
    line(1, 2, 40001, 80, 'mark=1,'),
    line(2, 3, 40002, 5432, ''),
    line(3, 2, 40003, 22, 'mark=1,'),
    line(3, 2, 40007, 80, 'mark=1,'),
  ];
  writeFileSync(dump, real.join(''));
  const same = dropwindow(['compare', result, '--observed', dump, '--inputs', 'traces/incident']);
  assert.deepEqual(same, { code: 0, out: '4 conntrack entries compared: 4 agree, 0 disagreements\n', err: '' });

  writeFileSync(dump, real.slice(0, 3).join('').replace('mark=1,', ''));
  const ran = dropwindow(['compare', result, '--observed', dump, '--inputs', 'traces/incident', '--format', 'json']);
  assert.equal(ran.code, 1);
  const { disagreements } = compareResult.parse(JSON.parse(ran.out));
  assert.deepEqual(
    disagreements.map(({ predicted, observed }) => [predicted, observed]),
    [
      ['mark=1', 'mark=0'],
      ['mark=1', 'no entry'],
    ],
  );

  const elsewhere = dropwindow(['compare', result, '--observed', dump]);
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.err, /its input .* is not here\nsay with --inputs in which folder it lies\n$/);
});

test('compare refuses what is no result', () => {
  const ran = dropwindow(['compare', incident('ports.json'), '--observed', incident('capture.pcapng')]);
  assert.equal(ran.code, 2);
  assert.match(
    ran.err,
    /^dropwindow: traces\/incident\/ports\.json: no result of replay: .*\nit is what replay --format json writes\n$/,
  );
  assert.ok(readFileSync(incident('ports.json')).length > 0);
});
