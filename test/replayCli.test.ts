/** `replay` and `demo` as a user runs them, on the demo incident. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { digest } from '../src/report/digest.js';
import { type ReplayResult, replayResult, type VerdictLine, verdicts } from '../src/report/result.js';
import { dropwindow, scratch } from './cliRun.js';

const incident = (name: string) => `traces/incident/${name}`;
const tables = ['--before', incident('before.dump'), '--ports', incident('ports.json'), '--conntrack', 'ovs-userspace'];
const asItHappened = ['replay', ...tables, '--changes', incident('restart.ndjson'), incident('capture.pcapng')];
const asOneBundle = ['replay', ...tables, '--changes', incident('one-bundle.ndjson'), incident('capture.pcapng')];

interface Golden {
  n: number;
  actual: number[];
  before: number[];
  ct: string[];
  mark: number[];
}

/** One run that writes everything: the tests below read what it wrote. */
const folder = mkdtempSync(join(tmpdir(), 'dropwindow-replay-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const [verdictFile, histogramFolder] = [join(folder, 'verdicts.ndjson'), join(folder, 'histograms')];
const asJson = dropwindow([
  ...asItHappened,
  ...['--format', 'json', '--verdicts', verdictFile, '--fail-on', 'policy,leak'],
  ...['--histograms', histogramFolder, '--profile'],
]);
const readLines = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n');

test('every packet of the incident goes where Open vSwitch 3.1.0 sent it, and its ct() shows the same', () => {
  const lines = readLines(verdictFile).map((line) => verdicts.parse(JSON.parse(line)));
  const packets = lines.filter((line): line is VerdictLine => 'n' in line);
  const golden = readLines('test/golden/incident.jsonl').map((line) => JSON.parse(line) as Golden);
  assert.equal(packets.length, golden.length);
  golden.forEach((expected, i) => {
    const packet = packets[i]!;
    assert.equal(packet.n, expected.n);
    assert.deepEqual(packet.out, expected.actual, `packet ${packet.n}`);
    assert.deepEqual((packet.before ?? packet).out, expected.before, `packet ${packet.n} without the restart`);
    const states = packet.ct.map(({ state }) => state);
    const marks = packet.ct.map(({ mark }) => mark);
    assert.deepEqual(states, expected.ct, `packet ${packet.n}`);
    assert.deepEqual(marks, expected.mark, `packet ${packet.n}`);
  });
});

test('a rule is introduced by a verdict line of its own before its first use', () => {
  const known = new Set<number>();
  for (const text of readLines(verdictFile)) {
    const line = verdicts.parse(JSON.parse(text));
    if (!('n' in line)) known.add(line.rule);
    else for (const [, rule] of line.rules) assert.ok(rule === null || known.has(rule), text);
  }
});

test('the JSON report validates, its digest is that of its content, and --fail-on gives exit code 1 beside it', () => {
  assert.equal(asJson.code, 1, asJson.err);
  const result: ReplayResult = replayResult.parse(JSON.parse(asJson.out));
  assert.equal(result.digest, digest(JSON.parse(asJson.out)));
  assert.equal(result.summary.connectionsHit, 3);
  assert.deepEqual(result.summary.windows, { drop: 4, partial: 0, leak: 2, misdelivery: 0, transitional: 0 });
});

test('--histograms writes three files for each histogram', () => {
  const names = readdirSync(histogramFolder);
  for (const name of ['outageNs', 'setupDelayNs', 'retransmitDelayNs', 'serviceNs']) {
    for (const suffix of ['hgrm', 'hlog', 'json']) assert.ok(names.includes(`${name}.${suffix}`), names.join());
  }
});

test('what TCP retries say of delays is in the report, and the measured time beside it and not in the digest', () => {
  const result = JSON.parse(asJson.out) as ReplayResult;
  const { modelled, measured } = result.histograms!;
  // Of five connections of TCP one is never let in.
  assert.equal(modelled.setupDelayNs!.count, 4);
  assert.equal(modelled.setupDelayNs!.zeros, 4);
  assert.ok(modelled.retransmitDelayNs!.min! > 0);
  assert.equal(measured!.serviceNs.batch, 64);
  assert.equal(measured!.serviceNs.count, Math.floor(result.summary.packets.replayed / 64));
});

test('the text report begins with the answer', () => {
  const ran = dropwindow([...asItHappened, '--fail-on', 'policy,partial']);
  assert.equal(ran.code, 0, ran.err);
  const [, restart, hit, culprit, healed] = ran.out.split('\n');
  assert.match(restart!, /^Restart from 2021-04-28 12:35:12\.000 UTC for 1\.10 s: 5 table steps/);
  assert.match(
    hit!,
    /^3 of 8 connections hit: 59 packets lost, 2 leaks \(5 packets let through\), 2 connections dead in the reply direction/,
  );
  assert.match(culprit!, /bundle 1 took the address clause 1\/2 of conjunctions 10 and 26 and hit 3 connections\.$/);
  assert.match(healed!, /^3 of 6 windows closed \(3 by a later step\), 3 did not\./);
});

test('the same restart as one bundle has no window', () => {
  const ran = dropwindow([
    ...asOneBundle,
    '--fail-on',
    'drop,partial,leak,misdelivery,transitional,dead,lingering,ambiguous',
  ]);
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.out, /\nNo connection of 8 was hit: 0 packets lost, no leaks, none dead at the end\.\n/);
});

test('a word that --fail-on does not know gets the near miss', () => {
  const wrong = dropwindow([...asItHappened, '--fail-on', 'leek']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /Did you mean leak\?/);
});

test('without --before, with an unknown port or a bad line in a dump, one line says what is wrong', () => {
  assert.match(
    dropwindow(['replay', incident('capture.pcapng')]).err,
    /^dropwindow: required option '--before <file>' not specified\n$/,
  );
  const bad = dropwindow(['replay', '--before', incident('ports.json'), incident('capture.pcapng')]);
  assert.equal(bad.code, 2);
  assert.match(bad.err, /^dropwindow: traces\/incident\/ports\.json:1:\d+: .*\n/);
  const ran = dropwindow([...asItHappened, '-o', incident('before.dump')]);
  assert.equal(ran.code, 2);
  assert.match(ran.err, /is also an input/);
});

test('a damaged capture gives the result of what could be read, one line that names the place, and exit code 2', (t) => {
  const file = join(scratch(t), 'damaged.pcapng');
  const bytes = readFileSync(incident('capture.pcapng'));
  // The captured length (byte 20 of an enhanced packet block) of a block in the second half.
  let at = 0;
  while (at < bytes.length / 2) at += bytes.readUInt32LE(at + 4);
  bytes.writeUInt32LE(0x7fffffff, at + 20);
  writeFileSync(file, bytes);
  const ran = dropwindow(['replay', ...tables, '--changes', incident('restart.ndjson'), file]);
  assert.equal(ran.code, 2);
  assert.match(ran.out, /^Replayed damaged\.pcapng: 1\d\d packets of /);
  assert.match(ran.err, /^dropwindow: .*damaged\.pcapng: packet 1\d\d at byte \d+: .*\n$/);
});

test('an empty capture is an error and no result', (t) => {
  const file = join(scratch(t), 'empty.pcap');
  writeFileSync(file, '');
  const ran = dropwindow(['replay', ...tables, '--changes', incident('restart.ndjson'), file]);
  assert.deepEqual({ code: ran.code, out: ran.out }, { code: 2, out: '' });
  assert.match(ran.err, /empty\.pcap: the file has 0 bytes\n$/);
});

test('demo shows a drop, a dead reply direction and a leak, each with its reason, and the same as one bundle without any', (t) => {
  const folder = join(scratch(t), "it's kept");
  const ran = dropwindow(['demo', '--keep', folder]);
  assert.equal(ran.code, 0, ran.err);
  for (const title of ['A drop: ', 'A reply direction that stays dead: ', 'A leak: '])
    assert.ok(ran.out.includes(`\n${title}`), title);
  assert.match(ran.out, /conjunction 10 no longer finds its clause 1\/2/);
  assert.match(ran.out, /wrote ct_mark=1 into the connection's entry/);
  assert.match(ran.out, /\nIN PLAIN WORDS\n/);
  assert.match(ran.out, /\n6 windows against 0 windows/);
  assert.deepEqual(readdirSync(folder), readdirSync('traces/incident'));
  assert.match(ran.out, /'.*it'\\''s kept\/before\.dump'/);
});
