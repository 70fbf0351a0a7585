import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDump } from '../src/openflow/dumpText.js';
import { readConntrackEvents } from '../src/timeline/conntrackEvents.js';
import { scheduleFromLog } from '../src/timeline/fromLog.js';
import { scheduleFromMonitor } from '../src/timeline/fromMonitor.js';
import { scheduleFromSnoop } from '../src/timeline/fromSnoop.js';
import { readSchedule } from '../src/timeline/scheduleNdjson.js';
import { InputError } from '../src/util/errors.js';
import { runsOf } from './oracle/runs.js';

const FLOW_MOD =
  'OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD table:72 priority=73,ct_state=+est-rel,ip cookie:0xb2 actions=conjunction(8,1/2)';
const BUNDLE = ['ONFT_BUNDLE_CONTROL (OF1.3) (xid=0xc):', ' bundle_id=0 type=OPEN_REQUEST flags=atomic ordered'];
const ADD = ['ONFT_BUNDLE_ADD_MESSAGE (OF1.3) (xid=0x6):', ' bundle_id=0 flags=atomic ordered', FLOW_MOD];
const COMMIT = ['ONFT_BUNDLE_CONTROL (OF1.3) (xid=0xe):', ' bundle_id=0 type=COMMIT_REQUEST flags=atomic ordered'];
const ERROR = ['OFPT_ERROR (OF1.3) (xid=0x6): OFPBMC_BAD_FIELD', FLOW_MOD];

const printed = (head: string) =>
  [[FLOW_MOD], BUNDLE, ADD, COMMIT, ERROR]
    .map(([first, ...more]) => [`${head}${first}`, ...more].join('\n'))
    .join('\n');
const rules = parseDump(
  'table=72, priority=73,ip actions=conjunction(8,1/2)\ntable=72, priority=7,ip actions=drop',
).rules.map(({ rule }) => rule);
const MONITOR = [
  '2026-11-24 08:21:21.598: ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x0): flags=[more]',
  ' event=ADDED table=72 idle_timeout=5 cookie=0xb2 ip actions=conjunction(8,1/2)',
  '2026-11-24 08:21:21.599: ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x0):',
  ' event=DELETED reason=group delete table=72 cookie=0xb2 ip',
  '2026-11-24 08:21:21.700: ONFT_FLOW_MONITOR_PAUSED (OF1.3) (xid=0x0):',
].join('\n');
const SCHEDULE = [
  '{"schedule":1,"source":"x","clock":"unix","fidelity":"wire","of":"1.3"}',
  '{"t":["1.5","2"],"mods":[{"op":"delete","flow":"cookie=0xb2,table=72","cookieMask":"0xff"}],"bundle":true,"batch":7,"note":"\\u00e4"}',
  '{"t":"3","conntrack":{"delete":{"zone":5,"src":"10.0.0.1","mark":"0x1/0xff"}},"worlds":"all"}',
].join('\n');
const EVENTS =
  '[1619606113.000001]\t[DESTROY] tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=80 src=10.0.0.9 dst=10.0.0.1 sport=80 dport=6 zone=5';

const SOURCES: readonly [string, string, (text: string) => unknown][] = [
  ['snoop text', printed('2026-11-24 08:21:21.595: '), (text) => scheduleFromSnoop(text, 'f')],
  ['log', printed('2026-11-24T08:21:21.594Z|00534|vconn|DBG|unix#1: received: '), (text) => scheduleFromLog(text, 'f')],
  ['monitor text', MONITOR, (text) => scheduleFromMonitor(text, 'f', { before: rules, later: [] })],
  ['schedule', SCHEDULE, (text) => readSchedule(text, { file: 'f' })],
  ['conntrack events', EVENTS, (text) => readConntrackEvents(text, 'f')],
];

const edit = fc.record({
  at: fc.nat(),
  cut: fc.nat({ max: 12 }),
  insert: fc.string({ unit: 'grapheme', maxLength: 3 }),
});

for (const [name, sound, read] of SOURCES) {
  test(`a damaged ${name} is read, or refused with its file`, (t) => {
    read(sound);
    const law = fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), fc.boolean(), (edits, truncate) => {
      let text = sound;
      for (const { at, cut, insert } of edits) {
        const from = at % (text.length + 1);
        text = text.slice(0, from) + insert + text.slice(truncate ? text.length : from + cut);
      }
      try {
        read(text);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
        assert.equal(error.place.file, 'f', error.format());
      }
    });
    fc.assert(law, runsOf(t, 200));
  });
}
