import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { stripChart } from '../src/report/charts.js';
import { canonicalJson, digest } from '../src/report/digest.js';
import { SCHEMA_NAMES, SCHEMA_VERSION } from '../src/report/names.js';
import { replayResult } from '../src/report/result.js';
import { jsonSchema } from '../src/report/schemas.js';
import { textReport } from '../src/report/text.js';
import { sampleResult, sampleWindow } from './sampleResult.js';

test('canonical JSON sorts keys by UTF-16 units and writes numbers and strings as ECMAScript does (RFC 8785, 3.2.3)', () => {
  const value = {
    '\u20ac': 'Euro',
    '\r': 'CR',
    '\ufb33': 'Dalet',
    '1': 'One',
    '\u0080': 'Control',
    '\ud83d\ude00': 'Smile',
    '\u00f6': 'o',
  };
  assert.equal(
    canonicalJson(value),
    '{"\\r":"CR","1":"One","\u0080":"Control","\u00f6":"o","\u20ac":"Euro","\ud83d\ude00":"Smile","\ufb33":"Dalet"}',
  );
  assert.equal(canonicalJson([1e30, 4.5, 2e-3, 1e-27, true, null]), '[1e+30,4.5,0.002,1e-27,true,null]');
  assert.throws(() => canonicalJson(Number.NaN), RangeError);
});

test('the digest covers what the inputs decide and nothing else', () => {
  const result = sampleResult();
  const { summary, steps, windows, culprits, flows } = result;
  const text = canonicalJson({ summary, steps, windows, culprits, flows, histograms: { modelled: {} } });
  assert.equal(digest(result), `sha256:${createHash('sha256').update(text).digest('hex')}`);
  assert.equal(
    digest({ ...result, tool: 'another', options: { workers: 7 }, warnings: ['x'] } as typeof result),
    digest(result),
  );
  assert.notEqual(digest({ ...result, windows: [] }), digest(result));
});

test('a result validates, with keys added by a later version too', () => {
  const parsed = replayResult.safeParse({ ...sampleResult(), addedLater: 1 });
  assert.equal(parsed.success, true);
  assert.equal(replayResult.safeParse({ ...sampleResult(), schemaVersion: SCHEMA_VERSION + 1 }).success, false);
});

test('every JSON Schema is an object that names its title and dialect', () => {
  for (const name of SCHEMA_NAMES) {
    const schema = jsonSchema(name);
    assert.match(String(schema['$schema']), /2020-12/, name);
    assert.match(String(schema['title']), /dropwindow|schedule/, name);
  }
});

test('the first five lines say what was replayed, what the restart was, who was hit, who is to blame, what healed', () => {
  const lines = textReport(sampleResult(), { colour: false }).split('\n');
  assert.deepEqual(lines.slice(0, 6), [
    'Replayed a.pcap: 1,200 packets of 12 connections over 10.0 s from 2021-04-28 10:35:10.000 UTC.',
    'Restart from 2021-04-28 10:35:12.000 UTC for 2.00 s: 3 table steps (2 bundles), 1 deletion of conntrack entries; 40 flows in the tables before, 41 after.',
    '1 of 12 connections hit: 7 packets lost, no leaks, 1 connection dead in the reply direction and not healing (by ct_mark=1).',
    '1 of 2 bundles accounts for the one connection: bundle 7 took the address clause 1/2 of conjunction 14 and hit 1 connection.',
    "1 of 2 windows closed (1 by a later step), 1 did not. The agent's 1 conntrack deletion helped none of them. No old flow is left.",
    '',
  ]);
});

test('a window shows the gap in packets beside the outage of the tables and the fate of the other direction', () => {
  const text = textReport(sampleResult(), { colour: false });
  assert.match(
    text,
    /2 packets lost for 410 ms from 10:35:12\.500, tables wrong for 280 ms, replies dead since then by ct_mark=1, healed by step 3/,
  );
});

test('a restart that never finished is said first, with the numbers of old and new flows', () => {
  const result = sampleResult();
  result.summary.judge = 'before';
  result.summary.unfinished = { tableSteps: 3, cookies: 1, oldRules: 30, of: 40, newRules: 11, before: true };
  const [first] = textReport(result, { colour: false }).split('\n');
  assert.match(
    first!,
    /^THE RESTART NEVER FINISHED: 30 of 40 old flows are still there beside 11 new ones; judged by the tables before it\. Replayed/,
  );
});

test('an interrupted run says so before anything else', () => {
  const [first] = textReport({ ...sampleResult(), interrupted: true }, { colour: false }).split('\n');
  assert.match(first!, /^INTERRUPTED: /);
});

test('a restart that broke nothing says that in each of its lines', () => {
  const result = sampleResult();
  Object.assign(result, { windows: [], culprits: [], flows: [] });
  Object.assign(result.summary, { connectionsHit: 0, flowsHit: 0, packetsLost: 0, dead: 0, worstWindow: null });
  result.summary.windows.drop = 0;
  const lines = textReport(result, { colour: false }).split('\n');
  assert.equal(lines[2], 'No connection of 12 was hit: 0 packets lost, no leaks, none dead at the end.');
  assert.equal(lines[3], 'No step of the restart broke anything.');
  assert.match(lines[4]!, /^Nothing had to heal\. The agent's 1 conntrack deletion broke nothing\./);
});

test('control characters of an input never reach the report, and only a terminal gets colour', () => {
  const result = sampleResult();
  result.inputs[0]!.name = 'a\x1b[31m\x07\u202e.pcap';
  result.warnings = ['bad \x9b2Jname'];
  const plain = textReport(result, { colour: false });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the point of the test
  assert.doesNotMatch(plain, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  assert.match(plain, /a\?\[31m\?\?\.pcap/);
});

test('every report says that a replay is open loop', () => {
  assert.match(textReport(sampleResult(), { colour: false }), /Open loop: these are the recorded packets\./);
});

test('the strip chart draws the hit flows over time and marks the steps that caused windows', () => {
  const lines = textReport(sampleResult(), { colour: false }).split('\n');
  const from = lines.findIndex((line) => line.startsWith('Flows hit over time'));
  assert.notEqual(from, -1);
  const bars = lines.slice(from + 1, from + 7);
  assert.match(bars[0]!, /^ {11}2 \|.*█/);
  assert.match(bars[5]!, /^ {11}0 \|/);
  assert.match(lines[from + 8]!, /table steps .*\./);
});

test('a conntrack deletion to blame is described by its filter', () => {
  const result = sampleResult();
  const window = sampleWindow(9, 'original');
  window.cause = {
    step: 4,
    t: '1619606114.000000000',
    conntrack: { delete: { zone: 5, src: '10.0.0.9' } },
    batch: null,
    effect: 'entry-deleted',
    detail: null,
    then: [],
    by: { step: 4, t: '1619606114.000000000', rule: null, what: 'deleted' },
    candidates: false,
  };
  result.windows = [window];
  result.culprits = [
    {
      step: 4,
      flowMods: [],
      connections: 1,
      flows: 1,
      packets: 2,
      windows: { drop: 1, partial: 0, leak: 0, misdelivery: 0, transitional: 0 },
    },
  ];
  const lines = textReport(result, { colour: false }).split('\n');
  assert.equal(
    lines[3],
    '1 conntrack deletion accounts for the one connection: step 4 deleted conntrack entries (zone 5, src 10.0.0.9) and hit 1 connection.',
  );
});

test('a trace with more windows than a call has room for arguments has its strip chart', () => {
  const result = sampleResult();
  const windows = Array.from({ length: 150_000 }, () => result.windows[0]!);
  assert.match(stripChart({ ...result, windows })[1]!, /^ +150,000 \|/);
});
