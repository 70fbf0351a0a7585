/** Every case file of the reference data, through the function behind `dropwindow test`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { runCaseFile } from '../../src/cases/runCaseFile.js';
import { readShared, skipWithoutShared } from './shared.js';

const FILES = [
  'ovs/scenarios/actions.jsonl.gz',
  'ovs/scenarios/bug.jsonl.gz',
  'ovs/scenarios/ct.jsonl.gz',
  'ovs/scenarios/ipv6.jsonl.gz',
  'ovs/scenarios/neutron.jsonl.gz',
  'ovs/scenarios/others.jsonl.gz',
  'ovs/cases/conj.jsonl.gz',
  'ovs/cases/conj_random.jsonl.gz',
  'ovs/cases/conntrack_random.jsonl.gz',
  'ovs/cases/dumporder.jsonl.gz',
  'ovs/cases/flowmod.jsonl.gz',
  'ovs/cases/lookup.jsonl.gz',
  'ovs/cases/normal.jsonl.gz',
  'kernel/conntrack.jsonl.gz',
];

/** Cases that differ, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'act-077': 'multipath: the member hangs on a hash of Open vSwitch, which is named and not executed',
};

for (const file of FILES) {
  test(`${file}: our answers are the recorded ones`, { skip: skipWithoutShared }, () => {
    const { passed, failed, differences } = runCaseFile(readShared(file).toString('utf8'), file);
    console.log(`${file}: ${passed} passed, ${failed} failed`);
    const unexpected = differences.filter((difference) => !(difference.case in EXCEPTIONS));
    assert.deepEqual(unexpected.slice(0, 5), []);
    assert.ok(failed <= 0.01 * (passed + failed), `${failed} exceptions of ${passed + failed} cases`);
  });
}
