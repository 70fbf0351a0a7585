// Runs the compiled tests with node:test. `node --test DIR` means different things on Node 20 and 26, so the files are listed here.
// Usage: node test/run.mjs [--full] [NAME...]   NAME: only test files whose path contains one of the names.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const words = process.argv.slice(2);
const suffix = words.includes('--full') ? '.full.js' : '.test.js';
const names = words.filter((word) => !word.startsWith('--'));
const files = readdirSync(`${root}dist/test`, { recursive: true })
  .map((file) => `dist/test/${file}`)
  .filter((file) => file.endsWith(suffix) && (names.length === 0 || names.some((name) => file.includes(name))))
  .sort();
if (files.length === 0) {
  console.error(`no compiled test file ends in ${suffix}${names.length ? ` and contains ${names.join(' or ')}` : ''}`);
  process.exit(2);
}
const result = spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
