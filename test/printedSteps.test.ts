import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scheduleFromLog } from '../src/timeline/fromLog.js';
import { scheduleFromSnoop } from '../src/timeline/fromSnoop.js';
import type { Schedule } from '../src/timeline/schedule.js';
import { writeSchedule } from '../src/timeline/scheduleNdjson.js';
import { InputError } from '../src/util/errors.js';

interface WrittenStep {
  t: string;
  bundle?: boolean;
  batch?: number;
  mods: { op: string; flow: string }[];
}

/** `.100 bundle 2: add …; delete …` per step: milliseconds, batch, flow-mods. */
function drawn(schedule: Schedule): string[] {
  const [, ...lines] = writeSchedule(schedule).trim().split('\n');
  return lines.filter(Boolean).map((line) => {
    const { t, bundle, batch, mods } = JSON.parse(line) as WrittenStep;
    const head = `${t.replace(/^\d+/, '').slice(0, 4)}${bundle ? ' bundle' : ''} ${batch}`;
    return `${head}: ${mods.map(({ op, flow }) => `${op} ${flow}`).join('; ')}`;
  });
}

const log = (...lines: string[]) =>
  scheduleFromLog(
    lines.map((line) => `${line.replace(/^(\.\d+) /, '2026-11-24T08:21:21$1Z|00001|vconn|DBG|')}\n`).join(''),
    'v.log',
  );
const snoop = (...lines: string[]) =>
  scheduleFromSnoop(lines.map((line) => `${line.replace(/^(\.\d+) /, '2026-11-24 08:21:21$1: ')}\n`).join(''), 's.txt');

const DROP = 'actions=drop';

test('only flow-mods that the switch received are steps, whatever it passes on to a snooper', () => {
  const schedule = log(
    `.100 tcp:1.2.3.4:6653: received: OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD table:3 priority=5,ip cookie:0xb2 ${DROP}`,
    `.100 unix#7: sent (Success): OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD table:3 priority=5,ip cookie:0xb2 ${DROP}`,
  );
  assert.deepEqual(drawn(schedule), ['.100 0: add table=3,cookie=0xb2,priority=5,ip actions=drop']);
});

test('bundles of two connections with the same id are kept apart, and act at their commits', () => {
  const add = (connection: string, ms: string, port: number) => [
    `${ms} ${connection}: received: ONFT_BUNDLE_ADD_MESSAGE (OF1.3) (xid=0x${port}):`,
    ' bundle_id=0 flags=atomic ordered',
    `OFPT_FLOW_MOD (OF1.3) (xid=0x${port}): ADD in_port=${port} ${DROP}`,
  ];
  const control = (connection: string, ms: string, type: string) => [
    `${ms} ${connection}: received: ONFT_BUNDLE_CONTROL (OF1.3) (xid=0x9):`,
    ` bundle_id=0 type=${type} flags=atomic ordered`,
  ];
  const schedule = log(
    ...control('unix#1', '.100', 'OPEN_REQUEST'),
    ...control('unix#2', '.101', 'OPEN_REQUEST'),
    ...add('unix#1', '.102', 1),
    ...add('unix#2', '.103', 2),
    ...add('unix#1', '.104', 3),
    ...control('unix#2', '.105', 'COMMIT_REQUEST'),
    ...control('unix#1', '.106', 'COMMIT_REQUEST'),
  );
  assert.deepEqual(drawn(schedule), [
    '.105 bundle 0: add table=0,in_port=2 actions=drop',
    '.106 bundle 1: add table=0,in_port=1 actions=drop; add table=0,in_port=3 actions=drop',
  ]);
});

test('an error takes back the flow-mod that it repeats, though an xid is used twice', () => {
  const schedule = snoop(
    `.100 OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD in_port=1 ${DROP}`,
    `.101 OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD in_port=2 ${DROP}`,
    '.102 OFPT_ERROR (OF1.3) (xid=0x6): OFPFMFC_OVERLAP',
    `OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD in_port=1 ${DROP}`,
    '.102 OFPT_BARRIER_REPLY (OF1.3) (xid=0x7):',
  );
  assert.deepEqual(drawn(schedule), ['.101 0: add table=0,in_port=2 actions=drop']);
  assert.deepEqual(schedule.warnings, ['s.txt: the switch refused 1 flow-mods: they are not in the schedule']);
});

test('a bundle whose commit fails is no step', () => {
  const schedule = snoop(
    '.100 OFPT_BUNDLE_CONTROL (OF1.4) (xid=0xc):',
    ' bundle_id=0 type=OPEN_REQUEST flags=atomic ordered',
    '.100 OFPT_BUNDLE_ADD_MESSAGE (OF1.4) (xid=0x6):',
    ' bundle_id=0 flags=atomic ordered',
    `OFPT_FLOW_MOD (OF1.4) (xid=0x6): ADD in_port=1 ${DROP}`,
    '.101 OFPT_BUNDLE_CONTROL (OF1.4) (xid=0xe):',
    ' bundle_id=0 type=COMMIT_REQUEST flags=atomic ordered',
    '.101 OFPT_ERROR (OF1.4) (xid=0x6): OFPBMC_BAD_FIELD',
    '.101 OFPT_ERROR (OF1.4) (xid=0xe): OFPBFC_MSG_FAILED',
  );
  assert.deepEqual(schedule.steps, []);
  assert.deepEqual(schedule.warnings, ['s.txt: 1 bundles failed: they are not in the schedule']);
});

test('a plain flow-mod between open and commit acts at once', () => {
  const schedule = snoop(
    '.100 ONFT_BUNDLE_CONTROL (OF1.3) (xid=0xc):',
    ' bundle_id=0 type=OPEN_REQUEST flags=atomic ordered',
    '.101 ONFT_BUNDLE_ADD_MESSAGE (OF1.3) (xid=0x6):',
    ' bundle_id=0 flags=atomic ordered',
    `OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD in_port=1 ${DROP}`,
    `.102 OFPT_FLOW_MOD (OF1.3) (xid=0x8): DEL table:255 cookie:0xa1/0xffffffffffffffff ${DROP}`,
    '.103 ONFT_BUNDLE_CONTROL (OF1.3) (xid=0xe):',
    ' bundle_id=0 type=COMMIT_REQUEST flags=atomic ordered',
  );
  assert.deepEqual(drawn(schedule), [
    '.102 0: delete cookie=0xa1/-1',
    '.103 bundle 0: add table=0,in_port=1 actions=drop',
  ]);
});

test('a deletion that prints no table is one of table 0, and one of table 255 of all', () => {
  const schedule = snoop(
    `.100 OFPT_FLOW_MOD (OF1.3) (xid=0x6): DEL priority=7,ip ${DROP}`,
    `.101 OFPT_FLOW_MOD (OF1.3) (xid=0x7): DEL table:255 ip ${DROP}`,
    `.102 OFPT_FLOW_MOD (xid=0x8): DEL ip ${DROP}`,
    '.103 NXT_FLOW_MOD_TABLE_ID (xid=0x9): enable',
    `.104 OFPT_FLOW_MOD (xid=0xa): DEL ip ${DROP}`,
  );
  assert.deepEqual(
    drawn(schedule).map((text) => text.slice(8)),
    ['delete table=0,ip', 'delete ip', 'delete ip', 'delete table=0,ip'],
  );
});

test('messages that the switch dropped from its log are holes in the schedule, said with their number', () => {
  const schedule = log(
    `.100 unix#3: received: OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD table:9 priority=1 ${DROP}`,
    '.200 Dropped 638 log messages in last 0 seconds (most recently, 0 seconds ago) due to excessive rate',
    '.300 Dropped 12 log messages in last 0 seconds (most recently, 0 seconds ago) due to excessive rate',
  );
  assert.equal(schedule.steps.length, 1);
  assert.match(schedule.warnings[0] ?? '', /^v\.log:2: the schedule has holes: the switch dropped 650 log messages/);
});

test('a bundle that is never committed is said and left out', () => {
  const schedule = log(
    '.100 unix#3: received: OFPT_BUNDLE_CONTROL (OF1.4) (xid=0x1):',
    ' bundle_id=0 type=OPEN_REQUEST flags=atomic',
  );
  assert.deepEqual(schedule.warnings, ['v.log: a bundle on unix#3 is never committed: it is not in the schedule']);
});

test('a flow-mod that cannot be read names file, line and column', () => {
  assert.throws(
    () => snoop(`.100 OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD in_prt=1 ${DROP}`),
    (error) =>
      error instanceof InputError &&
      error.place.file === 's.txt' &&
      error.place.line === 1 &&
      error.place.column === 59,
  );
});
