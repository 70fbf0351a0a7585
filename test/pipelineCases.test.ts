import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { runCaseFile } from '../src/cases/runCaseFile.js';
import { InputError } from '../src/util/errors.js';

/**
 * test/golden/pipeline.jsonl: answers of Open vSwitch 3.1.0 (userspace datapath, each packet translated anew) to cases of our own:
 * every kind of set_field, MPLS, groups, patch ports, NAT, learn, clones with ct(), check_pkt_larger, truncated outputs.
 */
test('our answers are those of Open vSwitch for actions of every kind', () => {
  const { passed, failed, differences } = runCaseFile(readFileSync('test/golden/pipeline.jsonl', 'utf8'));
  assert.deepEqual(differences, []);
  assert.equal(failed, 0);
  assert.ok(passed > 60, `${passed} cases`);
});

const ports = [1, 2, 3].map((ofport) => ({ name: `p${ofport}`, ofport }));

/** One case whose steps are asked; its differences. */
function ask(flows: readonly string[], steps: readonly object[], more: object = {}): string[] {
  const given = { id: 'own', ports, flows, steps: steps.map((step, i) => ({ t: i, ...step })), ...more };
  return runCaseFile(JSON.stringify(given)).differences.map(({ step, key, got }) => `${step} ${key}: ${got}`);
}

test('a packet given as a flow runs as ofproto/trace runs it: ct() leads where ctNext says', () => {
  const flows = [
    'table=0,ip actions=ct(table=1)',
    'table=1,ct_state=+est,ip actions=2',
    'table=1,ct_state=+new,ip actions=3',
  ];
  const flow = 'in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2';
  const differences = ask(flows, [
    { flow, ctNext: ['trk|est'], expect: { out: [[2, '=']], ct: [{ state: 'est|trk', zone: 0, mark: 0 }] } },
    { packet: { flow }, expect: { out: [[3, '=']] } },
    { conntrackDump: true, expect: { conntrack: [] } },
  ]);
  assert.deepEqual(differences, []);
});

test('frames of a packet without bytes are told as changed or not', () => {
  const flows = ['ip actions=2,dec_ttl,3'];
  const flow = 'in_port=1,udp,nw_ttl=9';
  const right: object = {
    out: [
      [2, '='],
      [3, '~'],
    ],
  };
  const unasked: object = {
    out: [
      [2, '?'],
      [3, '?'],
    ],
  };
  const wrong: object = {
    out: [
      [2, '~'],
      [3, '='],
    ],
  };
  assert.deepEqual(
    ask(flows, [
      { flow, expect: right },
      { flow, expect: unasked },
    ]),
    [],
  );
  assert.equal(ask(flows, [{ flow, expect: wrong }]).length, 1);
});

test('a flow-mod that is refused is an error with its OpenFlow name, and what stands before it in the step remains', () => {
  const mods = [
    { op: 'add', flow: 'table=1,actions=2' },
    { op: 'add', flow: 'table=1,actions=group:7' },
  ];
  const differences = ask(
    [],
    [
      { mods, expect: { error: 'OFPBAC_BAD_OUT_GROUP' } },
      { dump: true, expect: { flows: ['table=1, actions=output:2'] } },
    ],
  );
  assert.deepEqual(differences, []);
});

test('what is not executed is named beside the difference that it makes', () => {
  const multipath = 'multipath(symmetric_l4,0,modulo_n,4,0,NXM_NX_REG0[])';
  const [out, unsupported] = ask([`actions=${multipath},2`], [{ flow: 'in_port=1,tcp', expect: { out: [[2, '=']] } }]);
  assert.equal(out, '0 out: []');
  assert.match(unsupported!, /unsupported: multipath/);
});

test('a line that is no case is an error that names file and line', () => {
  assert.throws(
    () => runCaseFile('\n{"id":"a"}\n', 'cases.jsonl'),
    (error) => error instanceof InputError && error.format() === 'cases.jsonl:2: case a needs "steps"',
  );
  assert.throws(() => runCaseFile('{', 'x'), /not JSON/);
});
