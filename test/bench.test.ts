import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONJUNCTION_SIZES, makeConjunctions } from '../bench/inputs.js';
import { measure } from '../src/api/benchMeasure.js';
import type { BenchRow } from '../src/api/benchRun.js';
import { short } from '../src/api/benchText.js';
import { benchClassifier, UsageError } from '../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'dropwindow-bench-test-'));
after(() => rmSync(folder, { recursive: true }));

test('every benchmark runs at its tiny size, with the same answers by every method', () => {
  const main = fileURLToPath(new URL('../bench/main.js', import.meta.url));
  const json = join(folder, 'rows.json');
  const plots = join(folder, 'plots');
  execFileSync(process.execPath, [main, '--tiny', '--json', json, '--plots', plots], { stdio: 'pipe' });
  const rows = JSON.parse(readFileSync(json, 'utf8')) as BenchRow[];
  const benches = ['scan', 'lookup', 'compile', 'conntrack', 'replay', 'scaling'];
  assert.deepEqual([...new Set(rows.map(({ bench }) => bench))], benches);
  for (const row of rows) {
    assert.ok(Number.isFinite(row.value) && row.value >= 0, JSON.stringify(row));
    assert.ok(row.min <= row.value && row.value <= row.max && row.rounds === 1, JSON.stringify(row));
    assert.notEqual(row.checksum, '');
    assert.equal(row.mismatches ?? 0, 0, JSON.stringify(row));
  }
  for (const size of ['acl-tiny', 'conjunctions-tiny', '200 connections']) {
    const checksums = new Set(rows.filter((row) => row.size === size).map(({ checksum }) => checksum));
    assert.equal(checksums.size, 1, size);
  }
  for (const name of readdirSync(plots))
    assert.match(readFileSync(join(plots, name), 'utf8'), /^<svg (.|\n)*<\/svg>\n$/);
});

test('bench classifier measures a generated set, one process per method, and warns of few headers', async () => {
  const methods = ['linear', 'tuple-merge'];
  const report = await benchClassifier({ generate: 'ipc', size: 'S', count: 2000, rounds: 1, passes: 1, methods });
  const units = [
    'lookups/cpu-s',
    'lookups/cpu-s first pass',
    'ns p50',
    'ns p90',
    'ns p99',
    'ns p99.9',
    'build ms',
    'B/rule',
  ];
  const ofLinear = report.rows.filter(({ method }) => method === 'linear');
  assert.deepEqual(
    ofLinear.map(({ unit }) => unit),
    units,
  );
  assert.deepEqual(Object.keys(ofLinear[0]!).sort(), [
    'bench',
    'checksum',
    'max',
    'method',
    'min',
    'mismatches',
    'note',
    'peer',
    'rounds',
    'size',
    'unit',
    'value',
  ]);
  assert.equal(report.rows.filter(({ unit }) => unit === 'updates/cpu-s').length, 1);
  assert.equal(new Set(report.rows.map(({ checksum }) => checksum)).size, 1);
  assert.deepEqual(
    report.histograms.map(({ name }) => name),
    ['linear.hgrm', 'tuple-merge.hgrm'],
  );
  assert.match(report.warnings.join(), /distinct headers: below 100000/);
});

test('options of bench classifier that do not fit together are named', async () => {
  await assert.rejects(benchClassifier({}), UsageError);
  await assert.rejects(benchClassifier({ flows: 'x' }), { message: '--flows needs --headers' });
  await assert.rejects(benchClassifier({ generate: 'acl', methods: ['tuple-merg'] }), {
    hint: 'did you mean tuple-merge?',
  });
});

test('answers that a trace says are right are compared, and wrong ones counted', async () => {
  const filters = join(folder, 'two.filters');
  const trace = join(folder, 'two.tsv');
  writeFileSync(
    filters,
    '@10.0.0.0/8\t0.0.0.0/0\t0 : 65535\t80 : 80\t0x06/0xFF\n@0.0.0.0/0\t0.0.0.0/0\t0 : 65535\t0 : 65535\t0x00/0x00\n',
  );
  writeFileSync(trace, '167772161 1 5 80 6 0\n167772161 1 5 81 6 1\n1 1 1 1 17 0\n');
  const task = { task: 'filters', method: 'cross-product', passes: 1, checkBudget: 100 } as const;
  const { checked, mismatches } = await measure({ ...task, filters: { file: filters }, trace: { file: trace } });
  assert.deepEqual([checked, mismatches], [3, 1]);
});

test('headers for OpenFlow tables are flow text or the columns of the generator', async () => {
  const { flows, headers } = makeConjunctions(CONJUNCTION_SIZES.tiny, 50, 3);
  assert.deepEqual(makeConjunctions(CONJUNCTION_SIZES.tiny, 50, 3), { flows, headers });
  const files = { flows: join(folder, 'flows'), headers: join(folder, 'headers') };
  writeFileSync(files.flows, flows);
  const asText = headers
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [table, state, reg5, reg6, src, dst, , sport, dport] = line.split('\t');
      const ports = `tp_src=${sport},tp_dst=${dport}`;
      return `table=${table},ct_state=trk|${state},reg5=${reg5},reg6=${reg6},tcp,nw_src=${src},nw_dst=${dst},${ports}\n`;
    });
  const checksums = [];
  for (const text of [headers, asText.join('')]) {
    writeFileSync(files.headers, text);
    const task = { task: 'tables', method: 'tuple-space', passes: 1, checkBudget: 1e6, ...files } as const;
    const { checksum, mismatches } = await measure(task);
    assert.equal(mismatches, 0);
    checksums.push(checksum);
  }
  assert.equal(checksums[0], checksums[1]);
});

test('figures are printed with three digits', () => {
  assert.deepEqual([12_345_678, 870_400, 64.07, 3, 0.5].map(short), ['12.3 M', '870 k', '64.1', '3', '0.50']);
});
