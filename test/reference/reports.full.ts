/** The recorded runs' reports: they have our form, and their first five lines say what the runs' READMEs say. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { replayResult } from '../../src/report/result.js';
import { leadLines } from '../../src/report/textLead.js';
import { readShared, skipWithoutShared } from './shared.js';

/** Per run, from docs/WINDOWS.md and the READMEs: hit connections, lost packets, leaks, dead flows, and what is special. */
const RUNS: Readonly<Record<string, readonly RegExp[]>> = {
  'small-collide': [
    /^9 of 69 connections hit: 59 packets lost, 1 leak .*, 8 connections dead in the reply/,
    /^3 of 5 bundles account/,
  ],
  'medium-collide': [
    /^43 of 270 connections hit: 889 packets lost, 2 leaks .*, 40 connections dead/,
    /^12 of 114 bundles/,
  ],
  'medium-same': [/^13 of 270 connections hit: 287 packets lost, no leaks, 13 connections dead/, /^5 of 114 bundles/],
  'medium-die': [
    /^THE RESTART NEVER FINISHED: 4,136 of 5,785 old flows are still there beside 1,723 new ones/,
    /^55 of 270 connections hit: 1,156 packets lost, 1 leak .*, 88 flows of 48 connections dead .*48 by ct_mark=1, 40 refused by the last tables/,
    /4,136 old flows were never removed\.$/,
  ],
  'medium-fixed': [
    /^78 of 270 connections hit: 1,523 packets lost, no leaks, 75 connections dead/,
    /^15 of 113 bundles/,
  ],
  'medium-perport': [
    /^56 of 270 connections hit: 1,064 packets lost, no leaks, 40 connections dead/,
    /^3 of 20 bundles and 2 conntrack deletions account for all 56 connections: bundle 3 took the address clause 1\/2 of /,
  ],
  'churn-small': [
    /^No connection of 340 was hit: .*policy changed for 88 flows \(346 packets lost to it, 75 newly let through\)/,
  ],
  'churn-medium': [
    /^25 of 399 connections hit: 74 packets lost, 24 leaks .* 120 flows \(290 packets lost to it, 150 newly/,
  ],
  'churn-die': [
    /^THE RESTART NEVER FINISHED: 2,531 of 5,808 old flows are still there beside 3,633 new ones/,
    /^92 of 403 connections hit: 748 packets lost, 16 leaks .*\(45 refused by the last tables, 14 by a conntrack entry that is missing, 11 by ct_mark=1\)/,
  ],
};

for (const [run, patterns] of Object.entries(RUNS)) {
  test(`${run}: its report has our form and is told in five true lines`, { skip: skipWithoutShared }, () => {
    const report = replayResult.parse(JSON.parse(readShared(`neutron/${run}/windows.json.gz`).toString('utf8')));
    const lines = leadLines(report);
    assert.equal(lines.length, 5);
    for (const pattern of patterns)
      assert.ok(
        lines.some((line) => pattern.test(line)),
        `${pattern} in\n${lines.join('\n')}`,
      );
  });
}
