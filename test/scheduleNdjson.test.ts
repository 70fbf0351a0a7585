import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFlowMod } from '../src/openflow/flowText.js';
import type { FlowMod } from '../src/openflow/rule.js';
import type { ConntrackStep, Schedule, Step } from '../src/timeline/schedule.js';
import { readSchedule, writeSchedule } from '../src/timeline/scheduleNdjson.js';
import { mergeSchedules, resolveClock, skipDumped, startAt } from '../src/timeline/scheduleTimes.js';
import { InputError } from '../src/util/errors.js';
import { runsOf } from './oracle/runs.js';

const HEAD = '{"schedule":1,"source":"test","clock":"unix","fidelity":"wire"}';
const read = (...lines: string[]) => readSchedule([HEAD, ...lines].join('\n'), { file: 'x.ndjson' });

function failure(...lines: string[]): string {
  try {
    read(...lines);
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return `${error.format()}${error.hint ? ` | ${error.hint}` : ''}`;
  }
  return 'no error';
}

test('a line with several flow-mods and no bundle is as many steps at one time', () => {
  const mods = '"mods":[{"op":"add","flow":"table=1,ip actions=drop"},{"op":"delete","flow":"table=2"}]';
  const { steps } = read(`{"t":"1.5",${mods},"batch":3,"note":"n"}`, `{"t":"1.5",${mods},"bundle":true}`);
  const shape = steps.map((step) => step.kind === 'tables' && [step.mods.length, step.bundle, step.batch, step.note]);
  assert.deepEqual(shape, [
    [1, false, 3, 'n'],
    [1, false, 3, null],
    [2, true, null, null],
  ]);
  assert.ok(steps.every(({ t }) => t.earliest === 1_500_000_000n && t.latest === t.earliest));
});

test('times are decimal text or numbers, exact to the nanosecond, or brackets', () => {
  const { steps } = read(
    '{"t":1619606112.123456789,"conntrack":"flush"}',
    '{"t":["1619606112.2",1619606113],"conntrack":"flush","worlds":"all"}',
  );
  assert.deepEqual(
    steps.map(({ t }) => [t.earliest, t.latest]),
    [
      [1619606112123456789n, 1619606112123456789n],
      [1619606112200000000n, 1619606113000000000n],
    ],
  );
});

test('the order of the steps narrows their brackets', () => {
  const { steps } = read(
    '{"t":["1","9"],"conntrack":"flush"}',
    '{"t":"5","conntrack":"flush"}',
    '{"t":["2","7"],"conntrack":"flush"}',
  );
  assert.deepEqual(
    steps.map(({ t }) => [t.earliest / 1_000_000_000n, t.latest / 1_000_000_000n]),
    [
      [1n, 5n],
      [5n, 5n],
      [5n, 7n],
    ],
  );
});

test('errors name line and column, and the near miss', () => {
  assert.equal(
    failure('{"t":"2","conntrack":"flush"}', '{"t":"1.5","conntrack":"flush"}'),
    'x.ndjson:3:6: time goes back: 1.500000000 after 2.000000000',
  );
  assert.equal(failure('{"t":"2","mod":[]}'), 'x.ndjson:2:10: unknown key "mod" | did you mean "mods"?');
  assert.equal(failure('{"t":"2","mods":[{"op":"ad","flow":"ip actions=drop"}]}').slice(0, 17), 'x.ndjson:2:24: "o');
  assert.equal(
    failure('{"t":"2","group_mods":[]}'),
    'x.ndjson:2:10: "group_mods" is reserved: changes of groups and meters are not replayed',
  );
  assert.equal(failure('{"t":["3","2"],"conntrack":"flush"}'), 'x.ndjson:2:6: the bracket ends before it begins');
  assert.equal(
    failure('{"t":"2","conntrack":{"delete":{"zone":70000}}}'),
    'x.ndjson:2:40: "zone" is an integer from 0 to 65535',
  );
  assert.equal(failure('{"t":"2","conntrack":{"delete":{"src":"10.0.0"}}}'), 'x.ndjson:2:39: not an address: "10.0.0"');
  assert.equal(failure('{"t":"2","conntrack":"flush"'), 'x.ndjson:2:29: not JSON: "," or "}" is expected');
  assert.match(failure('{"t":"2","mods":[{"op":"add","flow":"tbale=1 actions=drop"}]}'), /^x\.ndjson:2:\d+: .*tbale/);
});

test('a file that does not begin as a schedule, and one of a later version, are refused', () => {
  const fail = (text: string) => assert.throws(() => readSchedule(text, { file: 'x' }), InputError);
  fail('');
  fail('{"t":"1","conntrack":"flush"}');
  fail('{"schedule":2,"clock":"unix"}');
  fail('{"schedule":1}');
});

test('cookieMask beside the flow is the mask of its cookie', () => {
  const { steps } = read('{"t":"2","mods":[{"op":"delete","flow":"cookie=0xa1,table=73","cookieMask":"0xff"}]}');
  const step = steps[0]!;
  assert.ok(step.kind === 'tables');
  assert.deepEqual([step.mods[0]!.cookie, step.mods[0]!.cookieMask, step.mods[0]!.table], [0xa1n, 0xffn, 73]);
});

test('schedules merge in the order of their times, at equal times the first one first', () => {
  const a = read('{"t":"1","conntrack":"flush","note":"a1"}', '{"t":"3","conntrack":"flush","note":"a3"}');
  const b = read('{"t":"1","conntrack":"flush","note":"b1"}', '{"t":"2","conntrack":"flush","note":"b2"}');
  assert.deepEqual(notes(mergeSchedules([a, b])), ['a1', 'b1', 'b2', 'a3']);
});

test('moving the restart leaves events of all worlds where they are', () => {
  const schedule = read(
    '{"t":"1","conntrack":"flush","note":"world","worlds":"all"}',
    '{"t":"2","conntrack":"flush","note":"first"}',
    '{"t":"3","conntrack":"flush","note":"second"}',
  );
  const moved = startAt(schedule, 500_000_000n);
  assert.deepEqual(notes(moved), ['first', 'world', 'second']);
  assert.deepEqual(
    moved.steps.map(({ t }) => t.earliest / 1_000_000n),
    [500n, 1000n, 1500n],
  );
});

test('a start gives relative times their place', () => {
  const text =
    '{"schedule":1,"source":"","clock":"relative"}\n{"t":"0.5","conntrack":"flush"}\n{"t":"2","conntrack":"flush"}';
  const moved = startAt(readSchedule(text), 9_000_000_000n);
  assert.equal(moved.clock, 'unix');
  assert.deepEqual(
    moved.steps.map(({ t }) => t.earliest),
    [9_000_000_000n, 10_500_000_000n],
  );
});

test('steps that a dump shows already are skipped, and counted', () => {
  const add = '"mods":[{"op":"add","flow":"ip actions=drop"}]';
  const schedule = read(`{"t":"1",${add}}`, '{"t":"1","conntrack":"flush"}', `{"t":"3",${add}}`);
  const left = skipDumped(schedule, 2_000_000_000n);
  assert.deepEqual(
    left.steps.map(({ kind }) => kind),
    ['conntrack', 'tables'],
  );
  assert.match(left.warnings[0] ?? '', /^1 of 3 steps/);
});

test('relative times count from the start of the trace', () => {
  const text = '{"schedule":1,"source":"","clock":"relative"}\n{"t":"0.5","conntrack":"flush"}';
  assert.equal(resolveClock(readSchedule(text), 7_000_000_000n).steps[0]!.t.earliest, 7_500_000_000n);
});

const notes = (schedule: Schedule) => schedule.steps.map(({ note }) => note);

const FLOWS: readonly [FlowMod['op'], string][] = [
  [
    'add',
    'table=72,cookie=0xb2,priority=73,ct_state=+est-rel-rpl,ip,reg6=0x1,nw_dst=10.94.128.196 actions=conjunction(86,1/2)',
  ],
  [
    'add',
    'idle_timeout=60,hard_timeout=9,importance=3,send_flow_rem,tcp6,tp_dst=0x8000/0x8000 actions=resubmit(,72),output:3',
  ],
  ['add', 'priority=65535,vlan_tci=0x0fff/0x1fff actions=drop'],
  [
    'add',
    'reset_counts,check_overlap,ip,dl_vlan=7 actions=strip_vlan,ct(commit,zone=NXM_NX_REG6[0..15],exec(load:0x1->NXM_NX_CT_MARK[]))',
  ],
  ['modify', 'table=73,arp actions=output:1'],
  ['modify', 'cookie=0x5/0xff,table=73,priority=9,arp actions=output:1'],
  ['modify', 'cookie=0x6,cookie=0x5/-1,table=73,arp actions=output:1'],
  ['modify_strict', 'table=72,priority=50,ct_mark=0x1,ip,reg5=0x5 actions=resubmit(,93)'],
  ['delete', 'cookie=0xa1/-1'],
  ['delete', 'table=0'],
  ['delete', 'table=3,out_port=5,udp'],
  ['delete', ''],
  ['delete_strict', 'table=73,priority=81,arp,arp_tpa=10.94.128.1,arp_op=1'],
  ['delete_strict', 'table=73,arp'],
];

const bracket = fc
  .tuple(fc.bigInt(-(10n ** 12n), 2n * 10n ** 18n), fc.bigInt(0n, 10n ** 9n))
  .map(([earliest, length]) => ({ earliest, latest: earliest + length }));
const note = fc.option(fc.string({ maxLength: 10 }), { nil: null });
const VERSIONS = ['1.0', '1.1', '1.2', '1.3', '1.4', '1.5'] as const;
/** Every flow-mod in every version that can say it. */
const MODS = FLOWS.flatMap(([op, text]) =>
  VERSIONS.flatMap((of) => {
    try {
      return [parseFlowMod(op, text, { of }).mod];
    } catch {
      return [];
    }
  }),
);
const flowMod: fc.Arbitrary<FlowMod> = fc.constantFrom(...MODS);
const filter = fc.record(
  {
    zone: fc.integer({ min: 0, max: 65535 }),
    proto: fc.constantFrom(1, 6, 17, 58),
    src: fc.ipV4(),
    dst: fc.ipV6(),
    sport: fc.integer({ min: 0, max: 65535 }),
    mark: fc.integer({ min: 0, max: 0xffffffff }),
    markMask: fc.integer({ min: 0, max: 0xffffffff }),
    dir: fc.constantFrom('orig', 'reply', 'any'),
  },
  { requiredKeys: [], noNullPrototype: true },
) as fc.Arbitrary<NonNullable<ConntrackStep['filter']>>;
const PLAIN = { noNullPrototype: true } as const;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('tables' as const),
      t: bracket,
      mods: fc.array(flowMod, { minLength: 1, maxLength: 1 }),
      bundle: fc.constant(false),
      batch: fc.option(fc.nat(), { nil: null }),
      note,
    },
    PLAIN,
  ),
  fc.record(
    {
      kind: fc.constant('tables' as const),
      t: bracket,
      mods: fc.array(flowMod, { maxLength: 4 }),
      bundle: fc.constant(true),
      batch: fc.option(fc.nat(), { nil: null }),
      note,
    },
    PLAIN,
  ),
  fc.record(
    {
      kind: fc.constant('conntrack' as const),
      t: bracket,
      filter: fc.option(filter, { nil: null }),
      worlds: fc.constantFrom('actual' as const, 'all' as const),
      note,
    },
    PLAIN,
  ),
);

test('what is written reads back the same', (t) => {
  assert.ok(MODS.length > 4 * FLOWS.length);
  const schedule = fc.record(
    {
      source: fc.string(),
      clock: fc.constantFrom('unix' as const, 'relative' as const),
      fidelity: fc.constantFrom(
        'wire' as const,
        'monitor' as const,
        'log' as const,
        'dumps' as const,
        'model' as const,
      ),
      of: fc.constantFrom('1.0' as const, '1.3' as const, '1.5' as const),
      steps: fc.array(step, { maxLength: 8 }),
      warnings: fc.constant([]),
    },
    PLAIN,
  );
  const law = fc.property(schedule, (drawn) => {
    const merged = mergeSchedules([{ ...drawn, steps: [] }, ...drawn.steps.map((one) => ({ ...drawn, steps: [one] }))]);
    const written = { ...drawn, steps: merged.steps };
    assert.deepEqual(readSchedule(writeSchedule(written)), written);
  });
  fc.assert(law, runsOf(t, 150));
});
