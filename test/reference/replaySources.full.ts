/**
 * One restart told in other ways gives the same: the OpenFlow channel, monitor text with dumps, captures of both sides as a
 * user would have them, split and merged captures, the other reader, passes run anew for every packet.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ReplayOptions, type ReplayResult, replay } from '../../src/index.js';
import { differencesFromGold } from './gold.js';
import { fileOf, linesOf, optionsOf, RECORDED, replayWhole, windowsDiffer } from './recorded.js';
import { readShared, sharedPath, skipWithoutShared } from './shared.js';

const folder = mkdtempSync(join(tmpdir(), 'dropwindow-'));
after(() => rmSync(folder, { recursive: true }));

const resultOf = async (options: ReplayOptions): Promise<ReplayResult> => (await replay(options)).result;

const texts = new Map<string, Promise<ReplayResult>>();

/** The replay of a run's text schedule, that the others are held against. */
function fromText(run: string): Promise<ReplayResult> {
  let result = texts.get(run);
  if (result === undefined) {
    result = resultOf(optionsOf(run));
    texts.set(run, result);
  }
  return result;
}

for (const run of RECORDED) {
  test(`${run} from its OpenFlow channel is what the real switch did, with the windows of the text schedule`, {
    skip: skipWithoutShared,
  }, async (t) => {
    const channel = {
      ...optionsOf(run),
      changes: [fileOf(run, 'of.pcap.gz')],
      conntrackEvents: [fileOf(run, 'conntrack_events.ndjson')],
    };
    const replayed = await replayWhole(channel);
    const { counts, problems } = differencesFromGold(run, replayed);
    t.diagnostic(`${counts}, ${problems.length} differ`);
    assert.deepEqual(problems.slice(0, 10), []);
    const text = await fromText(run);
    const told = withoutResets(replayed.result);
    assert.deepEqual(windowsDiffer(told, text).slice(0, 12), []);
    assert.deepEqual(told.flows, text.flows);
    assert.deepEqual(told.culprits, text.culprits);
    t.diagnostic(`${text.windows.length} windows, ${text.flows.length} flows are equal`);
  });
}

/** OpenFlow 1.0 adds with `reset_counts`, which the text schedules do not say. */
const withoutResets = (result: ReplayResult): ReplayResult =>
  JSON.parse(JSON.stringify(result).replaceAll('reset_counts ', '')) as ReplayResult;

for (const run of ['small-collide', 'medium-collide']) {
  test(`${run} from monitor text and dumps alone has the same windows, with times within 2 ms`, {
    skip: skipWithoutShared,
  }, async (t) => {
    const result = await resultOf({
      ...optionsOf(run),
      changes: [fileOf(run, 'monitor.txt.gz')],
      after: [fileOf(run, 'after.dump')],
    });
    const text = await resultOf({ ...optionsOf(run), changes: [tablesOnly(run)] });
    const differing = windowsDiffer(result, text, 2e6);
    t.diagnostic(`${text.windows.length} windows, ${differing.length} differ`);
    assert.deepEqual(differing.slice(0, 12), []);
    assert.equal(result.steps.rules.after, text.steps.rules.after);
  });
}

/** A monitor shows no deletions of entries (here they find none): the schedule without them, so that steps have the same numbers. */
function tablesOnly(run: string): string {
  const lines = linesOf(`neutron/${run}/schedule.ndjson.gz`).filter((line) => !line.includes('"conntrack":'));
  const file = join(folder, `${run}.tables.ndjson`);
  writeFileSync(file, lines.join('\n'));
  return file;
}

for (const run of ['small-collide', 'medium-die', 'medium-perport']) {
  test(`${run} in captures of both sides of every port: the same packets enter, and the same windows are found`, {
    skip: skipWithoutShared,
  }, async (t) => {
    const [ng, any] = [join(folder, `${run}.pcapng`), join(folder, `${run}.pcap`)];
    const script = sharedPath('neutron/two_sided.py');
    const made = spawnSync('/usr/bin/python3', [script, sharedPath(`neutron/${run}`), '-o', ng, '--any', any]);
    assert.equal(made.status, 0, made.stderr.toString());
    const text = await fromText(run);
    const { portOf: _, ...options } = optionsOf(run);
    const ways: Record<string, Partial<ReplayOptions>> = {
      pcapng: { captures: [ng] },
      'any, interfaces listed': { captures: [any], ports: [...options.ports!, fileWithIndices(run)] },
      'any, interfaces found': { captures: [any] },
    };
    for (const [name, way] of Object.entries(ways)) {
      const result = await resultOf({ ...options, ...way });
      const { replayed, notReplayed } = result.summary.packets;
      t.diagnostic(`${name}: ${replayed} replayed, ${JSON.stringify(notReplayed)} not; ${result.warnings.join(' | ')}`);
      assert.equal(replayed, text.summary.packets.replayed);
      assert.deepEqual(windowsDiffer(result, text).slice(0, 12), []);
      assert.deepEqual(result.flows, text.flows);
      t.diagnostic(`${result.windows.length} windows, ${result.flows.length} flows are equal`);
    }
  });
}

/** Interface indices of two_sided.py's cooked captures: place in ports.json + 10. */
function fileWithIndices(run: string): string {
  const ports = JSON.parse(readShared(`neutron/${run}/ports.json`).toString('utf8')) as { name: string }[];
  const file = join(folder, `${run}.interfaces.json`);
  const data = ports.map(({ name }, i) => [name, i + 10]);
  writeFileSync(file, JSON.stringify({ headings: ['name', 'ifindex'], data }));
  return file;
}

test('one digest for both readers, split and merged captures, and passes run anew', {
  skip: skipWithoutShared,
}, async (t) => {
  for (const run of ['small-collide', 'churn-die']) {
    const { digest, summary } = await fromText(run);
    const options = optionsOf(run);
    const merged = { ...options, captures: split(run) };
    const variants: Record<string, ReplayOptions> = {
      'pcap-parser': { ...options, reader: 'pcap-parser' },
      'three files': merged,
      'run anew': { ...options, reuse: false },
    };
    for (const [name, variant] of Object.entries(variants)) {
      assert.equal((await resultOf(variant)).digest, digest, `${run}: ${name}`);
    }
    t.diagnostic(`${run}: ${summary.packets.replayed} packets, ${Object.keys(variants).length + 1} ways, ${digest}`);
  }
});

/** The capture dealt out to three files, each packet to one of them; the port of each packet goes by place, so no `--port-of`. */
function split(run: string): string[] {
  const pcap = readShared(`neutron/${run}/sent.pcap.gz`);
  const parts: Buffer[][] = [0, 1, 2].map(() => [pcap.subarray(0, 24)]);
  let n = 0;
  for (let at = 24; at < pcap.length; n++) {
    const end = at + 16 + pcap.readUInt32LE(at + 8);
    parts[Math.floor((n * n) / 7) % 3]!.push(pcap.subarray(at, end));
    at = end;
  }
  return parts.map((pieces, i) => {
    const file = join(folder, `${run}.${i}.pcap`);
    writeFileSync(file, Buffer.concat(pieces));
    return file;
  });
}
