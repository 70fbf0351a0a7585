import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDump } from '../src/openflow/dumpText.js';
import { scheduleFromDumps } from '../src/timeline/fromDumps.js';
import { parseInstall, scheduleByModel } from '../src/timeline/installModel.js';
import type { Schedule } from '../src/timeline/schedule.js';
import { writeSchedule } from '../src/timeline/scheduleNdjson.js';
import { UsageError } from '../src/util/errors.js';

const dump = (...lines: string[]) => parseDump(lines.map((line) => ` ${line}\n`).join('')).rules;
const at = (seconds: number) => BigInt(seconds) * 1_000_000_000n;

interface WrittenStep {
  t: string | [string, string];
  mods: { op: string; flow: string; of?: string }[];
}

/** `add table=…` with its bracket, one string per step. */
function drawn(schedule: Schedule): string[] {
  const [, ...lines] = writeSchedule(schedule).trim().split('\n');
  return lines.map((line) => {
    const { t, mods } = JSON.parse(line) as WrittenStep;
    const bracket = [t].flat().map((text) => text.replace(/\.?0+$/, ''));
    return `${bracket.join('..')} ${mods.map(({ op, flow, of }) => `${op} ${flow}${of ? ` of ${of}` : ''}`).join('; ')}`;
  });
}

test('a rule that only the later dump has was added when its duration says, to the millisecond', () => {
  const before = dump('cookie=0x1, duration=50s, table=1, n_packets=0, n_bytes=0, priority=5,ip actions=drop');
  const after = dump(
    'cookie=0x1, duration=150s, table=1, n_packets=0, n_bytes=0, priority=5,ip actions=drop',
    'cookie=0x2, duration=10.250s, table=1, n_packets=0, n_bytes=0, priority=6,ip actions=output:1',
  );
  const schedule = scheduleFromDumps({ rules: before, at: at(900) }, [{ rules: after, at: at(1000) }]);
  assert.deepEqual(drawn(schedule), ['989.749..989.801 add table=1,cookie=0x2,priority=6,ip actions=output:1']);
  assert.equal(schedule.fidelity, 'dumps');
});

test('additions that follow closely may all have come with the last of them, as in a bundle', () => {
  const rule = (duration: string, port: number) =>
    `cookie=0x2, duration=${duration}s, table=1, n_packets=0, n_bytes=0, priority=6,in_port=${port} actions=drop`;
  const after = dump(rule('10.020', 3), rule('10.030', 1), rule('10.025', 2), rule('5.000', 4));
  const schedule = scheduleFromDumps({ rules: [], at: at(900) }, [{ rules: after, at: at(1000) }]);
  assert.deepEqual(
    drawn(schedule).map((text) => text.replace(/table.*(in_port=\d).*/, '$1')),
    [
      '989.969..990.031 add in_port=1',
      '989.974..990.031 add in_port=2',
      '989.979..990.031 add in_port=3',
      '994.999..995.051 add in_port=4',
    ],
  );
});

test('a deletion lies between the two dumps and acts after the additions', () => {
  const before = dump('cookie=0x1, duration=50s, table=1, n_packets=0, n_bytes=0, priority=5,ip actions=drop');
  const after = dump('cookie=0x2, duration=10s, table=1, n_packets=0, n_bytes=0, priority=6,ip actions=drop');
  const schedule = scheduleFromDumps({ rules: before, at: at(900) }, [{ rules: after, at: at(1000) }]);
  assert.deepEqual(drawn(schedule), [
    '989..991.05 add table=1,cookie=0x2,priority=6,ip actions=drop',
    '989..1000 delete_strict table=1,priority=5,ip',
  ]);
});

test('other actions under an old duration are a modify, under a new one an addition', () => {
  const rule = (duration: number, port: number, actions: string) =>
    `cookie=0x1, duration=${duration}s, table=1, n_packets=0, n_bytes=0, priority=5,in_port=${port} actions=${actions}`;
  const before = dump(rule(50, 1, 'drop'), rule(50, 2, 'drop'));
  const after = dump(rule(150, 1, 'output:7'), rule(20, 2, 'output:8'));
  const schedule = scheduleFromDumps({ rules: before, at: at(900) }, [{ rules: after, at: at(1000) }]);
  assert.deepEqual(drawn(schedule), [
    '979..981.05 add table=1,cookie=0x1,priority=5,in_port=2 actions=output:8',
    '979..1000 modify_strict table=1,priority=5,in_port=1 actions=output:7',
  ]);
});

test('without the time of the first dump, rules that stayed tell how long ago it was', () => {
  const before = dump(
    'cookie=0x1, duration=50s, table=1, n_packets=0, n_bytes=0, priority=5,ip actions=drop',
    'cookie=0x1, duration=50s, table=1, n_packets=0, n_bytes=0, priority=4,ip actions=drop',
  );
  const after = dump('cookie=0x1, duration=80s, table=1, n_packets=0, n_bytes=0, priority=5,ip actions=drop');
  const schedule = scheduleFromDumps({ rules: before, at: null }, [{ rules: after, at: at(1000) }]);
  assert.deepEqual(drawn(schedule), ['970..1000 delete_strict table=1,priority=4,ip']);
});

test('a rule that was added again unchanged makes no step', () => {
  const before = dump('cookie=0x1, duration=50s, table=1, n_packets=0, n_bytes=0, priority=5,ip actions=drop');
  const after = dump('cookie=0x1, duration=3s, table=1, n_packets=0, n_bytes=0, priority=5,ip actions=drop');
  assert.deepEqual(scheduleFromDumps({ rules: before, at: at(900) }, [{ rules: after, at: at(1000) }]).steps, []);
});

const OLD = dump('cookie=0x1, table=1, priority=1 actions=drop', 'cookie=0x1, table=2, priority=1,ip actions=drop');
const NEW = dump('cookie=0x2, table=1, priority=2 actions=drop', 'cookie=0x2, table=2, priority=2 actions=drop');

function modelled(install: string): string[] {
  const steps = drawn(scheduleByModel(OLD, [NEW], parseInstall(install)));
  return steps.map((text) => text.replaceAll(/(add|delete)\w* table=(\d)[^;]*/g, '$1 $2'));
}

test('an install model puts the difference of two dumps into batches, in the order it is told', () => {
  assert.deepEqual(modelled('batch=1,gap=20ms'), ['0 add 1', '0.02 delete 1', '0.04 add 2', '0.06 delete 2']);
  assert.deepEqual(modelled('batch=3,gap=1s,order=delete-last'), ['0 add 1; add 2; delete 1', '1 delete 2']);
  assert.deepEqual(modelled('batch=2,order=add-last'), ['0 delete 1; delete 2', '0.02 add 1; add 2']);
  assert.deepEqual(modelled('order=bundle'), ['0 add 1; add 2; delete 1; delete 2']);
});

test('a misspelt install model names the near miss', () => {
  const hintOf = (text: string) => {
    try {
      parseInstall(text);
    } catch (error) {
      assert.ok(error instanceof UsageError);
      return error.hint;
    }
    return 'accepted';
  };
  assert.equal(hintOf('bach=7'), 'did you mean "batch="?');
  assert.equal(hintOf('order=delete-lst'), 'did you mean "delete-last"?');
  assert.equal(hintOf('batch=0'), '--install batch=100');
});
