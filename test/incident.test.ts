import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { scratch } from './cliRun.js';

test('the demo incident is made again byte for byte by traces/make.mjs', (t) => {
  const folder = scratch(t);
  execFileSync(process.execPath, ['traces/make.mjs', folder]);
  const made = readdirSync(folder);
  assert.deepEqual([...made, 'before.dump'].sort(), readdirSync('traces/incident').sort());
  for (const name of made) {
    assert.deepEqual(readFileSync(join(folder, name)), readFileSync(join('traces/incident', name)), name);
  }
});
