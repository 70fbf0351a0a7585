/** Two-sided captures of recorded runs: the replay against what really left, as far as the runs' READMEs know it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { compare, jsonText, replay } from '../../src/index.js';
import { sharedPath, skipWithoutShared } from './shared.js';

const hasPython = spawnSync('python3', ['--version']).status === 0;
const skip =
  skipWithoutShared || (hasPython ? false : 'python3, which makes two-sided captures, is not on this machine');

/** Disagreements by neutron/README.md ("How far the recording is from gold"), and those that no step explains (lab artefacts). */
const RUNS = [
  { run: 'small-collide', compared: 4397, disagreements: 0, unexplained: 0 },
  { run: 'medium-perport', compared: 12483, disagreements: 118 + 27, unexplained: 2 },
] as const;

for (const { run, compared, disagreements, unexplained } of RUNS) {
  test(`${run}: compare names the packets that the recording treats otherwise, and no others`, { skip }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'dropwindow-compare-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const [capture, saved] = [join(folder, 'two.pcapng'), join(folder, 'result.json')];
    const source = sharedPath(`neutron/${run}`);
    const made = spawnSync('python3', [sharedPath('neutron/two_sided.py'), source, '-o', capture], {
      encoding: 'utf8',
    });
    assert.equal(made.status, 0, made.stderr);
    const { result } = await replay({
      captures: [capture],
      before: `${source}/before.dump.gz`,
      changes: [`${source}/of.pcap.gz`],
      conntrackEvents: [`${source}/conntrack_events.ndjson`],
      ports: [`${source}/bridge.json`],
      conntrack: 'ovs-userspace',
    });
    writeFileSync(saved, jsonText(result));
    for (const name of ['before.dump.gz', 'of.pcap.gz', 'conntrack_events.ndjson', 'bridge.json']) {
      spawnSync('cp', [`${source}/${name}`, folder]);
    }
    const frames = await compare(saved, { observed: [capture] });
    assert.equal(frames.compared, compared);
    assert.equal(frames.disagreements.length, disagreements);
    assert.equal(frames.disagreements.filter(({ explained }) => explained === undefined).length, unexplained);
    const entries = await compare(saved, { observed: [`${source}/gold_conntrack.txt`] });
    assert.deepEqual(entries.disagreements, []);
    assert.ok(entries.compared > 50);
  });
}
