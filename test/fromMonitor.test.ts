import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDump } from '../src/openflow/dumpText.js';
import { scheduleFromMonitor } from '../src/timeline/fromMonitor.js';
import type { Schedule } from '../src/timeline/schedule.js';
import { writeSchedule } from '../src/timeline/scheduleNdjson.js';
import { InputError } from '../src/util/errors.js';

const rules = (...lines: string[]) =>
  parseDump(lines.map((line) => ` ${line}\n`).join('')).rules.map(({ rule }) => rule);
const reply = (ms: string, events: string[], more = '') =>
  [
    `2026-11-24 08:21:21.${ms}: ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x0):${more}`,
    ...events.map((event) => ` event=${event}`),
  ].join('\n');

function read(text: string, before: string[], after: string[] = []): Schedule {
  return scheduleFromMonitor(`${text}\n`, 'm.txt', { before: rules(...before), later: [rules(...after)] });
}

function drawn(schedule: Schedule): string[] {
  const [, ...lines] = writeSchedule(schedule).trim().split('\n');
  return lines.filter(Boolean).map((line) => {
    const { t, bundle, mods } = JSON.parse(line) as {
      t: string | string[];
      bundle?: boolean;
      mods: { op: string; flow: string }[];
    };
    const times = [t].flat().map((text) => text.replace(/^\d+/, '').slice(0, 4));
    return `${times.join('..')}${bundle ? ' bundle' : ''} ${mods.map(({ op, flow }) => `${op} ${flow}`).join('; ')}`;
  });
}

test('one reply is one step, and one with flags=[more] goes on in the next', () => {
  const text = [
    reply('100', ['ADDED table=1 cookie=0xb in_port=1'], ' flags=[more]'),
    reply('103', ['ADDED table=1 cookie=0xb in_port=2']),
    reply('103', ['ADDED table=1 cookie=0xb in_port=3 actions=output:1']),
  ].join('\n');
  const dump = [1, 2, 3].map((port) => `cookie=0xb, table=1, priority=9,in_port=${port} actions=drop`);
  assert.deepEqual(drawn(read(text, dump)), [
    '.100 bundle add table=1,cookie=0xb,priority=9,in_port=1 actions=drop; add table=1,cookie=0xb,priority=9,in_port=2 actions=drop',
    '.103 add table=1,cookie=0xb,priority=9,in_port=3 actions=output:1',
  ]);
});

test('of two priorities the one with the same cookie and actions is meant', () => {
  const text = reply('100', [
    'ADDED table=1 cookie=0xb ip actions=output:2',
    'DELETED reason=delete table=1 cookie=0xa ip',
  ]);
  const schedule = read(
    text,
    ['cookie=0xa, table=1, priority=5,ip actions=drop'],
    ['cookie=0xb, table=1, priority=6,ip actions=output:2'],
  );
  assert.deepEqual(drawn(schedule), [
    '.100 bundle add table=1,cookie=0xb,priority=6,ip actions=output:2; delete_strict table=1,priority=5,ip',
  ]);
  assert.deepEqual(schedule.warnings, []);
});

test('a clause rule whose ids still grow takes the priority of the rule that its id leads to', () => {
  const text = reply('100', ['ADDED table=1 cookie=0xb ip,nw_dst=10.0.0.1 actions=conjunction(7,1/2)']);
  const schedule = read(
    text,
    ['cookie=0xa, table=1, priority=70,ip,nw_dst=10.0.0.1 actions=conjunction(3,1/2)'],
    [
      'cookie=0xb, table=1, priority=73,ip,nw_dst=10.0.0.1 actions=conjunction(7,1/2),conjunction(8,1/2)',
      'cookie=0xb, table=1, priority=73,conj_id=7,ip actions=drop',
    ],
  );
  assert.deepEqual(drawn(schedule), [
    '.100 add table=1,cookie=0xb,priority=73,ip,nw_dst=10.0.0.1 actions=conjunction(7,1/2)',
  ]);
});

test('a priority that text and dumps leave open is a warning that names the rule', () => {
  const text = reply('100', [
    'ADDED table=1 cookie=0xb arp actions=NORMAL',
    'ADDED table=1 cookie=0xb ip actions=NORMAL',
  ]);
  const schedule = read(
    text,
    ['cookie=0xa, table=1, priority=5,ip actions=drop'],
    ['cookie=0xc, table=1, priority=6,ip actions=output:2'],
  );
  assert.deepEqual(schedule.warnings, [
    'm.txt:2: the priority of cookie=0xb,table=1,arp is not known: no dump has this rule',
    'm.txt:3: the priority of cookie=0xb,table=1,ip is not known: the dumps have it with 5 and 6',
  ]);
});

test('the list of all rules at the start is no step, and lines of ovs-ofctl itself are none', () => {
  const text = [
    'ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x6):',
    ' event=ADDED table=1 cookie=0xa ip',
    reply('100', ['MODIFIED table=1 cookie=0xa ip actions=output:2']),
    '2026-11-24T08:21:25Z|00001|fatal_signal|WARN|terminating with signal 15 (Terminated)',
  ].join('\n');
  const schedule = read(text, ['cookie=0xa, table=1, priority=5,ip actions=drop']);
  assert.deepEqual(drawn(schedule), ['.100 modify_strict table=1,priority=5,ip actions=output:2']);
  assert.deepEqual(schedule.warnings, []);
});

test('a pause of the monitor is said, and what was sent in it has a bracket', () => {
  const text = [
    '2026-11-24 08:21:21.100: ONFT_FLOW_MONITOR_PAUSED (OF1.3) (xid=0x0):',
    reply('150', ['ADDED table=1 cookie=0xa ip']),
    '2026-11-24 08:21:21.151: ONFT_FLOW_MONITOR_RESUMED (OF1.3) (xid=0x0):',
    reply('160', ['ADDED table=1 cookie=0xa ip actions=output:1']),
  ].join('\n');
  const schedule = read(text, ['cookie=0xa, table=1, priority=5,ip actions=drop']);
  assert.deepEqual(
    drawn(schedule).map((step) => step.split(' ')[0]),
    ['.100...150', '.160'],
  );
  assert.match(schedule.warnings[0] ?? '', /^m\.txt:1: the switch paused the monitor/);
});

test('a text without times, an unknown event, and a last line cut off', () => {
  const noTime = 'ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x0):\n event=ADDED table=1 cookie=0xa ip';
  const failure = (text: string): string => {
    try {
      read(text, []);
    } catch (error) {
      assert.ok(error instanceof InputError);
      return error.format();
    }
    return 'read';
  };
  assert.equal(failure(noTime), 'm.txt:1: a monitor reply without time');
  assert.equal(failure(reply('100', ['ADED table=1 cookie=0xa ip'])), 'm.txt:2:8: unknown event "ADED"');
  const cut = `${reply('100', ['ADDED table=1 cookie=0xa ip'])}\n event=ADDED tab`;
  const schedule = scheduleFromMonitor(cut, 'm.txt', {
    before: rules('table=1, priority=5,ip actions=drop'),
    later: [],
  });
  assert.equal(schedule.steps.length, 1);
  assert.deepEqual(schedule.warnings, ['m.txt:3: the last line is cut off and was not read']);
});
