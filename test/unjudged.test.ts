/** What cannot be modelled connection by connection is named with its rule and count, and not judged. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { INCIDENT, incidentOptions } from '../src/api/demo.js';
import { type ReplayResult, replay } from '../src/index.js';

/** The demo traffic through one rule that stays. */
async function withRule(rule: string): Promise<ReplayResult> {
  const folder = mkdtempSync(join(tmpdir(), 'dropwindow-'));
  try {
    const before = join(folder, 'before.dump');
    writeFileSync(before, `${rule}\n`);
    return (await replay({ ...incidentOptions(INCIDENT), before, changes: [], workers: 1 })).result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('rules that packets make, rules that packets age and address translation are named and not judged', async () => {
  for (const [actions, what] of [
    ['learn(table=1,NXM_OF_VLAN_TCI[0..11],output:NXM_OF_IN_PORT[]),NORMAL', 'learn in a replay'],
    ['ct(commit,nat(src=192.0.2.1)),NORMAL', 'ct(nat(src)) in a replay'],
  ] as const) {
    const { unsupported, summary } = await withRule(`table=0, priority=0 actions=${actions}`);
    const { replayed, outcomes } = summary.packets;
    assert.ok(replayed > 0);
    assert.deepEqual(
      unsupported?.map((use) => [use.what, use.packets, use.firstPacket]),
      [[what, replayed, 1]],
    );
    assert.ok(unsupported?.[0]?.rule.includes(actions.slice(0, 5)));
    assert.deepEqual(outcomes, { unsupported: replayed });
  }
});

test('a replay that can do all says so by saying nothing', async () => {
  const { unsupported, summary } = await withRule('table=0, priority=0 actions=NORMAL');
  assert.equal(unsupported, undefined);
  assert.equal(summary.packets.outcomes, undefined);
});
