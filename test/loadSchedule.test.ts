import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parseDump } from '../src/openflow/dumpText.js';
import { loadSchedule, type ScheduleSources } from '../src/timeline/loadSchedule.js';
import { recogniseChanges } from '../src/timeline/recognise.js';
import { InputError, UsageError } from '../src/util/errors.js';
import { unpack } from '../src/util/inputFile.js';

const bytes = (text: string) => Buffer.from(text);
const file = (name: string, text: string) => ({ name, bytes: bytes(text) });
const dump = (...lines: string[]) => parseDump(lines.map((line) => ` ${line}\n`).join('')).rules;
const noCapture: ScheduleSources['readOpenflow'] = () => Promise.reject(new Error('no capture here'));

const MONITOR =
  '2026-11-24 08:21:21.598: ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x0):\n event=ADDED table=1 cookie=0xb ip actions=output:1\n';
const SNOOP =
  '2026-11-24 08:21:21.595: OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD priority=0 cookie:0xb2 actions=resubmit(,60)\n';
const LOG =
  '2026-11-24T08:21:21.594Z|00534|vconn|DBG|unix#1: received: OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD actions=drop\n';

test('the kind of a changes file is recognised by its content', () => {
  const kind = (text: string) => recogniseChanges(bytes(text), 'f');
  assert.equal(kind(MONITOR), 'monitor');
  assert.equal(kind(SNOOP), 'snoop');
  assert.equal(kind(`2026-11-24T08:21:18.421Z|00493|rconn|INFO|new\n${LOG}`), 'log');
  assert.equal(kind('{"schedule":1,"clock":"unix"}'), 'schedule');
  assert.equal(recogniseChanges(Buffer.from('d4c3b2a1', 'hex'), 'f'), 'openflow');
  assert.equal(recogniseChanges(Buffer.from('0a0d0d0a', 'hex'), 'f'), 'openflow');
});

test('what is no record of changes is refused with what to do', () => {
  const hint = (text: string) => {
    try {
      recogniseChanges(bytes(text), 'f');
    } catch (error) {
      assert.ok(error instanceof InputError);
      return error.hint ?? error.message;
    }
    return 'known';
  };
  assert.match(hint('NXST_FLOW reply (xid=0x4):\n cookie=0x0, actions=drop\n'), /--after/);
  assert.match(hint('{"conntrackEvents":1,"clock":"unix"}'), /--conntrack-events/);
  assert.match(hint('2026-11-24T08:21:18.421Z|00493|rconn|INFO|new\n'), /vlog\/set vconn:file:dbg/);
  assert.match(hint('hello'), /--changes-format/);
  assert.equal(hint(''), 'the file is empty');
});

test('several records and conntrack events make one schedule in the order of time', async () => {
  const schedule = await loadSchedule({
    before: dump('table=1, priority=7,ip actions=drop'),
    changes: [file('m', MONITOR), file('s', SNOOP)],
    conntrackEvents: [file('e', '{"conntrackEvents":1,"clock":"unix"}\n{"t":"1795508481.597","conntrack":"flush"}')],
    readOpenflow: noCapture,
  });
  assert.deepEqual(
    schedule.steps.map((step) => (step.kind === 'tables' ? step.mods[0]!.priority : step.kind)),
    [0, 'conntrack', 7],
  );
  assert.equal(schedule.fidelity, 'monitor');
});

test('dumps afterwards take their times, or a model that is said to be assumed', async () => {
  const before = dump('cookie=0x1, duration=5s, table=1, priority=7,ip actions=drop');
  const after = [dump('cookie=0x2, duration=2s, table=1, priority=7,ip actions=drop')];
  const dated = await loadSchedule({ before, after, dumpedAt: [9_000_000_000n], readOpenflow: noCapture });
  assert.equal(dated.fidelity, 'dumps');
  const assumed = await loadSchedule({ before, after, traceStart: 50n, readOpenflow: noCapture });
  assert.equal(assumed.steps[0]?.t.earliest, 50n);
  assert.match(assumed.warnings[0] ?? '', /--install/);
});

test('without a record of a restart there are no steps', async () => {
  const schedule = await loadSchedule({ before: dump('priority=7,ip actions=drop'), readOpenflow: noCapture });
  assert.deepEqual(schedule.steps, []);
});

test('sources that do not fit together are wrong usage', async () => {
  const before = dump('table=1, priority=7,ip actions=drop');
  const wrong = (sources: Omit<ScheduleSources, 'readOpenflow'>) =>
    assert.rejects(() => loadSchedule({ ...sources, readOpenflow: noCapture }), UsageError);
  await wrong({ before: null, after: [before] });
  await wrong({ before, after: [before], dumpedAt: [1n, 2n] });
  await wrong({ before, changes: [file('s', SNOOP)], dumpedAt: [1n] });
});

test('gzip is found by content, and other packings are named', () => {
  assert.equal(Buffer.from(unpack(gzipSync('abc'), 'f')).toString(), 'abc');
  assert.throws(() => unpack(Buffer.from('28b52ffd00', 'hex'), 'f'), /zstd/);
  assert.throws(() => unpack(gzipSync('abcdefgh').subarray(0, 20), 'f'), /damaged gzip/);
});
