import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRule } from '../src/openflow/flowPrint.js';
import { parseFlowMod } from '../src/openflow/flowText.js';
import type { FlowMod, FlowModOp, OfVersion } from '../src/openflow/rule.js';
import { buildTimeline, FlowTables } from '../src/timeline/flowTables.js';
import type { Step } from '../src/timeline/schedule.js';
import { NEVER } from '../src/util/units.js';

/** `add FLOW`, `delete FLOW` ... one per line. */
function mods(text: string, of: OfVersion = '1.3'): FlowMod[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [, op, flow] = /^\s*(\w+) ?(.*)$/.exec(line)!;
      return parseFlowMod(op as FlowModOp, flow!, { of }).mod;
    });
}

function tablesWith(text: string, of: OfVersion = '1.3'): FlowTables {
  const tables = new FlowTables();
  assert.equal(tables.install(mods(text, of)), null);
  return tables;
}

const step = (list: readonly FlowMod[], bundle: boolean): Step => ({
  kind: 'tables',
  t: { earliest: 0n, latest: 0n },
  mods: list,
  bundle,
  batch: null,
  note: null,
});

const dumpOf = (tables: FlowTables, of: OfVersion = '1.3'): string[] =>
  tables.dump().map((rule) => formatRule(rule, { of }));
/** The ports that the rules output to, in the order of a dump: short names for rules. */
const ports = (tables: FlowTables): string =>
  dumpOf(tables)
    .map((line) => /output:(\d)/.exec(line)?.[1])
    .join(' ');

const FOUR_MASKS = `add priority=5,ip,nw_src=10.0.0.1 actions=output:1
  add priority=5,ip,nw_dst=10.0.0.1 actions=output:2
  add priority=5,tcp,tp_dst=80 actions=output:3
  add priority=5,udp,tp_src=80 actions=output:4`;

test('when the last rule of a mask goes, the last mask of the list takes its place', () => {
  const tables = tablesWith(FOUR_MASKS);
  tables.applyMods(mods('delete_strict priority=5,ip,nw_src=10.0.0.1'), false);
  assert.equal(ports(tables), '4 2 3');
});

test('a rule of high priority that comes and goes leaves the other masks in another order', () => {
  const tables = tablesWith(FOUR_MASKS);
  tables.applyMods(mods('add priority=9,dl_src=02:00:00:00:00:01 actions=output:5'), false);
  assert.equal(ports(tables), '5 1 2 3 4');
  tables.applyMods(mods('delete dl_src=02:00:00:00:00:01'), false);
  assert.equal(ports(tables), '4 1 2 3');
  const orders = tables
    .timeline()
    .tables.get(0)!
    .epochs.map(({ from, order }) => [from, ...order].join(' '));
  assert.deepEqual(orders, ['0 0 1 2 3', '1 4 0 1 2 3', '2 3 0 1 2']);
});

test('deleting and adding the same mask keeps its place in a bundle and loses it one by one', () => {
  const again = `delete_strict priority=5,ip,nw_src=10.0.0.1
    add priority=5,ip,nw_src=10.0.0.2 actions=output:1`;
  const bundled = tablesWith(FOUR_MASKS);
  bundled.applyMods(mods(again), true);
  assert.equal(ports(bundled), '1 2 3 4');
  assert.equal(bundled.version, 1);
  const single = tablesWith(FOUR_MASKS);
  single.applyMods(mods(again), false);
  assert.equal(ports(single), '4 2 3 1');
  assert.equal(single.version, 2);
});

test('a mask that is raised and falls back stands in front of those it was behind', () => {
  const tables = tablesWith(FOUR_MASKS);
  tables.applyMods(mods('add priority=9,udp,tp_src=81 actions=output:5'), false);
  assert.equal(ports(tables), '4 5 1 2 3');
  tables.applyMods(mods('delete_strict priority=9,udp,tp_src=81'), false);
  assert.equal(ports(tables), '4 1 2 3');
});

test('a delete by full cookie mask begins with the leader and goes from youngest to oldest', () => {
  const tables = tablesWith(`${FOUR_MASKS.replaceAll('actions', 'cookie=0x7,actions')}
    add priority=5,dl_dst=02:00:00:00:00:09 actions=output:5
    add priority=5,icmp actions=output:6
    add priority=5,arp actions=output:8`);
  tables.applyMods(mods('delete cookie=0x7/-1'), false);
  // 1: 8 2 3 4 5 6, then 4: 8 2 3 6 5, then 3: 8 2 5 6, then 2: 8 6 5.
  assert.equal(ports(tables), '8 6 5');
});

test('a bundle that fails changes no rule, but may leave the masks in another order', () => {
  const tables = tablesWith(FOUR_MASKS);
  const error = tables.applyMods(
    mods(`add priority=9,dl_src=02:00:00:00:00:01 actions=output:5
      modify tcp actions=output:7
      add check_overlap,priority=5,ip actions=output:8`),
    true,
  );
  assert.equal(error, 'OFPFMFC_OVERLAP');
  assert.equal(ports(tables), '4 1 2 3');
  assert.equal(tables.timeline().rules.length, 4);
});

test('in a bundle a loose delete does not see rules whose mask has to be sorted in front', () => {
  const tables = tablesWith(FOUR_MASKS);
  tables.applyMods(mods('add priority=9,dl_src=02:00:00:00:00:01 actions=output:5\ndelete'), true);
  assert.equal(ports(tables), '5');
  const low = tablesWith('add priority=5,icmp actions=output:1');
  low.applyMods(mods('add priority=1,dl_src=02:00:00:00:00:01 actions=output:5\ndelete'), true);
  assert.deepEqual(dumpOf(low), []);
});

test('lifetimes say who ended a rule: replaced, modified or deleted', () => {
  const tables = tablesWith('add cookie=0x1,ip,nw_src=10.0.0.1 actions=output:1\nadd cookie=0x2,arp actions=output:2');
  tables.applyStep(
    step(
      mods(`add cookie=0x3,ip,nw_src=10.0.0.1 actions=output:3
        add cookie=0x4,ip,nw_src=10.0.0.1 actions=output:4
        add tcp actions=output:5
        delete arp
        delete tcp`),
      true,
    ),
  );
  tables.applyStep(step(mods('modify ip actions=output:6'), false));
  const told = tables
    .timeline()
    .rules.map(({ rule, from, to, addedBy, removedBy, replacedBy }) => [
      `0x${rule.cookie.toString(16)}`,
      from,
      to,
      addedBy,
      removedBy,
      replacedBy,
    ]);
  assert.deepEqual(told, [
    ['0x1', 0, 1, null, { step: 1, mod: 2 }, 2],
    ['0x2', 0, 1, null, { step: 1, mod: 4 }, null],
    ['0x4', 1, 2, { step: 1, mod: 2 }, { step: 2, mod: 1 }, 3],
    ['0x4', 2, NEVER, { step: 2, mod: 1 }, null, null],
  ]);
});

test('a modify that matches nothing adds in OpenFlow 1.0 and 1.1 only', () => {
  for (const [of, count] of [
    ['1.0', 1],
    ['1.1', 1],
    ['1.3', 0],
    ['1.5', 0],
  ] as const) {
    const tables = new FlowTables();
    assert.equal(tables.applyMods(mods('modify tcp actions=output:1', of), false), null);
    assert.equal(tables.dump().length, count, of);
  }
});

test('a modify keeps cookie, flags and time-outs, and sets the cookie only in OpenFlow 1.0', () => {
  const tables = tablesWith('add cookie=0x5,idle_timeout=7,importance=3,send_flow_rem,tcp actions=output:1', '1.4');
  tables.applyMods(mods('modify cookie=0x9,tcp actions=output:2', '1.4'), false);
  assert.deepEqual(dumpOf(tables, '1.4'), [
    'cookie=0x5, idle_timeout=7, send_flow_rem importance=3, tcp actions=output:2',
  ]);
  tables.applyMods(mods('modify tcp actions=output:3', '1.0'), false);
  assert.deepEqual(dumpOf(tables, '1.4'), ['idle_timeout=7, send_flow_rem importance=3, tcp actions=output:3']);
});

test('a rule expires strictly after its time, which a modify starts anew and a packet prolongs', () => {
  const tables = tablesWith('add hard_timeout=10,tcp actions=output:1\nadd idle_timeout=10,udp actions=output:2');
  assert.equal(tables.expire(10_000), 0);
  tables.touch(1, 9_000);
  tables.applyMods(mods('modify tcp actions=output:3'), false, 5_000);
  assert.equal(tables.expire(15_000), 0);
  assert.equal(tables.expire(15_001), 1);
  assert.equal(ports(tables), '2');
  assert.equal(tables.expire(19_001), 1);
  assert.deepEqual(tables.dump(), []);
  assert.equal(tables.version, 3);
});

test('groups and meters that do not exist are refused when the change is made, not before', () => {
  const tables = new FlowTables({ groups: new Set([1]), meters: new Set() });
  assert.equal(tables.applyMods(mods('add tcp actions=group:1'), false), null);
  assert.equal(tables.applyMods(mods('add udp actions=group:2'), false), 'OFPBAC_BAD_OUT_GROUP');
  assert.equal(tables.applyMods(mods('add udp actions=meter:2,output:1'), false), 'OFPMMFC_INVALID_METER');
  assert.equal(tables.applyMods(mods('delete out_group=1', '1.3'), false), null);
  assert.deepEqual(tables.dump(), []);
});

test('conntrack steps count as versions, refused steps too, and say so', () => {
  const [before, added] = mods('add tcp actions=output:1\nadd check_overlap,ip actions=output:2');
  const conntrack: Step = {
    kind: 'conntrack',
    t: { earliest: 0n, latest: 0n },
    filter: null,
    worlds: 'all',
    note: null,
  };
  const rule = { ...before!, cookie: 0n };
  const timeline = buildTimeline([{ rule }], [conntrack, step([added!], false)]);
  assert.equal(timeline.lastVersion, 2);
  assert.equal(timeline.rules.length, 1);
  assert.deepEqual(timeline.warnings, ['step 2: the switch would answer OFPFMFC_OVERLAP; it changes nothing']);
});

test('a clean-up by cookie says when the order of masks after it is a guess', () => {
  const line = (text: string) => ({ rule: mods(`add ${text}`).map((mod) => ({ ...mod, cookie: mod.newCookie }))[0]! });
  const before = [
    line('cookie=0x1,priority=5,ip,nw_src=10.0.0.1 actions=output:1'),
    line('cookie=0x2,priority=5,ip,nw_dst=10.0.0.1 actions=output:2'),
    line('cookie=0x1,priority=5,tcp,tp_dst=80 actions=output:3'),
    line('cookie=0x2,priority=5,udp,tp_src=80 actions=output:4'),
  ];
  const clean = step(mods('delete cookie=0x1/-1'), false);
  assert.match(
    buildTimeline(before, [clean]).warnings.join(),
    /step 1: the delete of cookie 0x1 empties 2 masks of table 0/,
  );
  const cookieDumps = new Map([[1n, [before[0]!.rule, before[2]!.rule]]]);
  assert.deepEqual(buildTimeline(before, [clean], { cookieDumps }).warnings, []);
});

test('a dump that shows a cookie in its own order gives the order of a clean-up', () => {
  const rules = [1, 2, 3, 4, 5, 6].map((port) => {
    const match = ['icmp', 'arp', 'tcp,tp_dst=80', 'udp,tp_src=80', 'dl_dst=02:00:00:00:00:09', 'ip,nw_src=10.0.0.1'][
      port - 1
    ]!;
    const [mod] = mods(`add cookie=${port < 4 ? 0x1 : 0x2},priority=5,${match} actions=output:${port}`);
    return { ...mod!, cookie: mod!.newCookie };
  });
  const lines = rules.map((rule) => ({ rule }));
  const after = (order: number[] | null): string => {
    const tables = new FlowTables();
    const cookieDumps = new Map(order === null ? [] : [[1n, order.map((port) => rules[port - 1]!)]]);
    tables.installDump(lines, { cookieDumps });
    tables.applyMods(mods('delete cookie=0x1/-1'), false);
    return ports(tables);
  };
  // By age: 1, then 3, then 2. In each case the last mask takes the place of the one that goes.
  assert.equal(after(null), '6 4 5');
  assert.equal(after([3, 2, 1]), '4 5 6');
});

test('one delete takes more rules than a call has room for arguments', () => {
  const [mod] = mods('add priority=5,ip,nw_src=10.0.0.1 actions=drop');
  const { match } = mod!;
  const count = 150_000;
  const many = Array.from({ length: count }, (_, i) => {
    const values = match.values.map((value, at) => (match.masks[at] === -1 ? value + i : value));
    return { ...mod!, match: { ...match, values } };
  });
  const tables = new FlowTables();
  assert.equal(tables.install(many), null);
  assert.equal(tables.dump().length, count);
  assert.equal(tables.applyMods(mods('delete'), false), null);
  assert.equal(tables.dump().length, 0);
});
