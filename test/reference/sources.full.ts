/** Every text record of a restart in ../shared against the schedule that is known to be true. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDump } from '../../src/openflow/dumpText.js';
import { flowModText } from '../../src/openflow/flowModText.js';
import { formatActions, formatRule } from '../../src/openflow/flowPrint.js';
import { ruleOf } from '../../src/openflow/flowText.js';
import { matchKey } from '../../src/openflow/match.js';
import type { FlowMod, Rule } from '../../src/openflow/rule.js';
import { readConntrackEvents } from '../../src/timeline/conntrackEvents.js';
import { dumpChanges, entryKey } from '../../src/timeline/dumpChanges.js';
import { FlowTables } from '../../src/timeline/flowTables.js';
import { scheduleFromDumps } from '../../src/timeline/fromDumps.js';
import { scheduleFromLog } from '../../src/timeline/fromLog.js';
import { scheduleFromMonitor } from '../../src/timeline/fromMonitor.js';
import { scheduleFromSnoop } from '../../src/timeline/fromSnoop.js';
import { parseInstall, scheduleByModel } from '../../src/timeline/installModel.js';
import { recogniseChanges } from '../../src/timeline/recognise.js';
import type { Schedule, Step, TableStep } from '../../src/timeline/schedule.js';
import { readSchedule, writeSchedule } from '../../src/timeline/scheduleNdjson.js';
import { secondsToNs } from '../../src/util/decimal.js';
import { readShared, skipWithoutShared } from './shared.js';

const text = (name: string) => readShared(name).toString('utf8');
const dump = (name: string) => parseDump(text(name), { file: name }).rules;
const rulesOf = (name: string) => dump(name).map(({ rule }) => rule);
const tableSteps = (steps: readonly Step[]) => steps.filter((step): step is TableStep => step.kind === 'tables');

/** What a flow-mod means, as text: a cookie on a modify of OpenFlow 1.1 and later is none, nor is reset_counts seen by a monitor. */
function meaning(mod: FlowMod): string {
  const newCookie = mod.op === 'add' ? mod.newCookie : 0n;
  const flags = { ...mod.flags, resetCounts: false };
  return `${mod.op} ${flowModText({ ...mod, of: '1.3', newCookie, modifyCookie: false, flags })}`;
}

const shape = (step: TableStep) => ({ bundle: step.bundle, mods: step.mods.map(meaning) });
const sorted = (rules: readonly Rule[]) =>
  rules.map((rule) => formatRule({ ...rule, flags: { ...rule.flags, resetCounts: false } })).sort();

function applied(before: string, schedule: Schedule): FlowTables {
  const tables = new FlowTables();
  tables.installDump(dump(before));
  for (const step of schedule.steps) assert.equal(tables.applyStep(step), null);
  return tables;
}

const RESTART = 'ovs/text/restart/';
const KINDS = [
  { kind: 'monitor', file: 'monitor.txt' },
  { kind: 'snoop', file: 'snoop.txt' },
  { kind: 'log', file: 'ovs-vswitchd.log', schedule: 'vlog' },
] as const;

for (const { kind, file, ...rest } of KINDS) {
  test(`the ${kind} text of the small restart gives its schedule`, { skip: skipWithoutShared }, () => {
    const source = text(RESTART + file);
    assert.equal(recogniseChanges(readShared(RESTART + file), file), kind);
    const truth = readSchedule(text(`${RESTART}${'schedule' in rest ? rest.schedule : kind}.schedule.ndjson`));
    const later = [rulesOf(`${RESTART}after.dump`)];
    const schedule =
      kind === 'monitor'
        ? scheduleFromMonitor(source, file, { before: rulesOf(`${RESTART}before.dump`), later })
        : kind === 'snoop'
          ? scheduleFromSnoop(source, file)
          : scheduleFromLog(source, file);
    const steps = tableSteps(schedule.steps);
    const trueSteps = tableSteps(truth.steps);
    assert.deepEqual(steps.map(shape), trueSteps.map(shape));
    assert.deepEqual(
      steps.map(({ t, batch }) => [t, batch]),
      trueSteps.map(({ t, batch }) => [t, batch]),
    );
    assert.equal(schedule.warnings.length, kind === 'monitor' ? 1 : 0, schedule.warnings.join('\n'));
    // The one rule of unknown priority comes and goes, so the monitor's schedule ends in the same table too.
    assert.deepEqual(
      sorted(applied(`${RESTART}before.dump`, schedule).dump()),
      sorted(rulesOf(`${RESTART}after.dump`)),
    );
  });
}

test('a log with dropped messages says how many', { skip: skipWithoutShared }, () => {
  const schedule = scheduleFromLog(text('ovs/text/samples/vlog-rate-limited.log'), 'v.log');
  assert.equal(schedule.steps.length, 10);
  assert.match(schedule.warnings[0] ?? '', /holes: the switch dropped 4609 log messages \(8 times/);
});

test('monitor text of OpenFlow 1.5 tells the same additions as that of 1.3', { skip: skipWithoutShared }, () => {
  const before = rulesOf(`${RESTART}before.dump`);
  const later = [rulesOf(`${RESTART}after.dump`)];
  const additions = (name: string) =>
    tableSteps(scheduleFromMonitor(text(name), name, { before, later }).steps)
      .flatMap(({ mods }) => mods.filter(({ op }) => op === 'add'))
      .map(
        (mod) =>
          `${mod.table} ${mod.priority} ${mod.newCookie} ${matchKey(mod.match)} ${formatActions(mod.actions, mod.match, { of: '1.5' })}`,
      )
      .sort();
  const of13 = additions(`${RESTART}monitor.txt`);
  assert.equal(of13.length, 9);
  assert.deepEqual(additions('ovs/text/samples/monitor-of15.txt'), of13);
});

test('dumps of the same rules through other versions and options differ in nothing', {
  skip: skipWithoutShared,
}, () => {
  const file = (version: string) => `ovs/text/samples/dump-flows-of${version}.txt`;
  const ports = {
    byName: new Map([
      ['tap1', 1],
      ['tap2', 2],
      ['patch-tun', 3],
      ['5weird', 5],
    ]),
    byNumber: new Map<number, string>(),
  };
  const read = (name: string) => parseDump(text(name), { file: name, ports }).rules;
  const plain = read(file('13'));
  assert.equal(plain.length, 4);
  const changes = (version: string) =>
    dumpChanges(plain, read(file(version)), () => null).map(({ mod }) => flowModText(mod));
  for (const version of ['10', '10-names', '10-rsort', '13-names', '13-rsort', '15', '15-names', '15-rsort']) {
    assert.deepEqual(changes(version), [], version);
  }
});

const MONITORED = [
  { run: 'small-collide', steps: 24, invisible: 0, latestMs: 0.2, earliestMs: -1.4 },
  { run: 'medium-collide', steps: 134, invisible: 0, latestMs: 1.5, earliestMs: -1.8 },
  { run: 'medium-perport', steps: 63, invisible: 20, latestMs: 6.2, earliestMs: -1.4 },
] as const;

for (const { run, steps: count, invisible, latestMs, earliestMs } of MONITORED) {
  test(`monitor text and dumps of ${run} give the recorded steps`, { skip: skipWithoutShared }, () => {
    const folder = `neutron/${run}/`;
    const [before, after] = [`${folder}before.dump.gz`, `${folder}after.dump.gz`].map(existing) as [string, string];
    const truth = tableSteps(readSchedule(text(`${folder}schedule.ndjson.gz`)).steps);
    assert.equal(truth.length, count);
    const schedule = scheduleFromMonitor(text(`${folder}monitor.txt.gz`), 'monitor.txt', {
      before: rulesOf(before),
      later: [rulesOf(after)],
    });
    assert.deepEqual(schedule.warnings, []);
    const visible = visibleSteps(before, truth);
    assert.equal(visible.length, count - invisible);
    const steps = tableSteps(schedule.steps);
    assert.equal(steps.length, visible.length);
    let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const [i, step] of steps.entries()) {
      const { t, mods, loose } = visible[i]!;
      const seen = step.mods.map(meaning);
      assert.deepEqual(loose ? seen.sort() : seen, loose ? mods.sort() : mods, `step ${i + 1}`);
      const late = Number(step.t.latest - t) / 1e6;
      [first, last] = [Math.min(first, late), Math.max(last, late)];
    }
    assert.ok(first >= earliestMs && last <= latestMs, `printed from ${first} to ${last} ms later than recorded`);
    assert.deepEqual(sorted(applied(before, schedule).dump()), sorted(rulesOf(after)));
  });
}

/** The true steps as a monitor shows them: deletions rule by rule, and no step that changes nothing but by add. */
function visibleSteps(before: string, truth: readonly TableStep[]): { t: bigint; mods: string[]; loose: boolean }[] {
  const tables = new FlowTables();
  tables.installDump(dump(before));
  const visible: { t: bigint; mods: string[]; loose: boolean }[] = [];
  for (const step of truth) {
    const adds = step.mods.filter(({ op }) => op === 'add');
    const there = adds.length === step.mods.length ? [] : tables.dump();
    assert.equal(tables.applyStep(step), null);
    const left = new Set(there.length === 0 ? [] : tables.dump());
    const gone = there.filter((rule) => !left.has(rule)).map((rule) => meaning(strictDelete(rule, step.mods[0]!)));
    const mods = [...adds.map(meaning), ...gone];
    if (mods.length > 0) visible.push({ t: step.t.earliest, mods, loose: gone.length > 1 });
  }
  return visible;
}

function strictDelete(rule: Rule, like: FlowMod): FlowMod {
  const { table, priority, match } = rule;
  const none = { idleTimeout: 0, hardTimeout: 0, importance: 0, cookie: 0n, cookieMask: 0n, newCookie: 0n };
  return { ...like, ...none, op: 'delete_strict', table, priority, match, actions: [] };
}

const RUNS = [
  'small-collide',
  'medium-collide',
  'medium-same',
  'medium-die',
  'medium-fixed',
  'medium-perport',
  'churn-small',
  'churn-medium',
  'churn-die',
];

for (const run of RUNS) {
  test(`the schedule of ${run} written and read again is the same, and its conntrack lines are the events`, {
    skip: skipWithoutShared,
  }, () => {
    const name = `neutron/${run}/schedule.ndjson.gz`;
    const schedule = readSchedule(text(name), { file: name });
    const again = readSchedule(writeSchedule(schedule), { file: name });
    assert.deepEqual(again, schedule);
    const events = readConntrackEvents(text(`neutron/${run}/conntrack_events.ndjson`), 'events');
    assert.deepEqual(
      events.steps,
      schedule.steps.filter(({ kind }) => kind === 'conntrack'),
    );
  });
}

for (const run of ['small-collide', 'medium-collide', 'churn-die']) {
  test(`the difference of the dumps of ${run} leads from one to the other, in every order`, {
    skip: skipWithoutShared,
  }, () => {
    const folder = `neutron/${run}/`;
    const [before, after] = [`${folder}before.dump.gz`, `${folder}after.dump.gz`].map(existing) as [string, string];
    const end = sorted(rulesOf(after));
    const at = 1_795_486_475_000_000_000n;
    const dated = scheduleFromDumps({ rules: dump(before), at: null }, [{ rules: dump(after), at }]);
    assert.deepEqual(sorted(applied(before, dated).dump()), end);
    for (const order of ['dump', 'delete-last', 'add-last', 'bundle']) {
      const modelled = scheduleByModel(dump(before), [dump(after)], parseInstall(`order=${order}`));
      assert.deepEqual(sorted(applied(before, modelled).dump()), end, order);
    }
  });
}

for (const run of ['small-collide', 'medium-collide', 'medium-perport']) {
  test(`durations of ${run} date its additions: brackets hold the recorded times`, { skip: skipWithoutShared }, () => {
    const folder = `neutron/${run}/`;
    const [before, after] = [`${folder}before.dump.gz`, `${folder}after.dump.gz`].map(existing) as [string, string];
    const recorded = new Map<string, TableStep>();
    for (const step of tableSteps(readSchedule(text(`${folder}schedule.ndjson.gz`)).steps)) {
      for (const mod of step.mods) if (mod.op === 'add') recorded.set(entryKey({ rule: ruleOf(mod) }), step);
    }
    const rules = dump(after);
    // When the dump was taken is not recorded: a rule added by a single flow-mod was created when that acted.
    const guesses = rules.flatMap(({ rule, stats }) => {
      const step = recorded.get(entryKey({ rule }));
      return step === undefined || step.bundle
        ? []
        : [step.t.earliest + secondsToNs(stats.duration!.replace('s', ''))!];
    });
    guesses.sort((a, b) => Number(a - b));
    const at = guesses[guesses.length >> 1]!;
    const dated = tableSteps(scheduleFromDumps({ rules: dump(before), at: null }, [{ rules, at }]).steps);
    const additions = dated.filter(({ mods }) => mods[0]!.op === 'add');
    assert.equal(additions.length, rules.length);
    const outside = additions.filter(({ t, mods }) => {
      const acted = recorded.get(entryKey({ rule: ruleOf(mods[0]!) }))!.t.earliest;
      return acted < t.earliest || acted > t.latest;
    });
    assert.ok(outside.length <= 6, `${outside.length} of ${additions.length}`);
  });
}

/** Some runs hold their dumps packed, some plain. */
function existing(name: string): string {
  try {
    readShared(name);
    return name;
  } catch {
    return name.replace(/\.gz$/, '');
  }
}
