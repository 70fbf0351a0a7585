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
    (error) => error instanceof InputError && error.format().startsWith('cases.jsonl:2: no case: steps'),
  );
  assert.throws(() => runCaseFile('{', 'x'), /not JSON/);
});

test('rules that learned rules would learn go with them', () => {
  const flows = [
    'table=0,reg0=1 actions=learn(table=1,delete_learned,cookie=0x10)',
    'cookie=0x10,table=1,reg0=2 actions=learn(table=2,delete_learned,cookie=0x20)',
    'cookie=0x20,table=2,reg0=3 actions=drop',
    'table=0,reg0=9 actions=drop',
  ];
  const left = ['reg0=0x9 actions=drop'];
  const mods = [{ op: 'delete', flow: 'table=0,reg0=1' }];
  assert.deepEqual(ask(flows, [{ mods }, { dump: true, expect: { flows: left } }]), []);
});

test('a dot1q-tunnel port puts its own tag over those of its customers, and takes it off again', () => {
  const more = {
    ports: [
      { name: 'p1', ofport: 1, tag: 7, vlan_mode: 'dot1q-tunnel', cvlans: [3] },
      { name: 'p2', ofport: 2, tag: 7, vlan_mode: 'dot1q-tunnel' },
      { name: 'p3', ofport: 3 },
    ],
  };
  const packet = 'dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_type=0x1234';
  const steps = [
    {
      flow: `in_port=1,dl_vlan=3,${packet}`,
      expect: {
        out: [
          [2, '='],
          [3, '~'],
          [65534, '~'],
        ],
      },
    },
    { flow: `in_port=1,dl_vlan=4,${packet}`, expect: { out: [] } },
    {
      flow: `in_port=3,dl_vlan=7,${packet}`,
      expect: {
        out: [
          [2, '~'],
          [65534, '='],
        ],
      },
    },
  ];
  assert.deepEqual(ask(['actions=NORMAL'], steps, more), []);
});

test('other_config:priority-tags keeps the priority of a tag that is taken off', () => {
  const ports = [
    { name: 'p1', ofport: 1 },
    { name: 'p2', ofport: 2, tag: 5 },
    { name: 'p3', ofport: 3, tag: 5, port_other_config: { 'priority-tags': 'if-nonzero' } },
  ];
  const hex = '020000000002020000000001810060050800';
  const steps = [
    {
      packet: { in_port: 1, hex },
      expect: {
        out: [
          [2, '0200000000020200000000010800'],
          [3, '020000000002020000000001810060000800'],
          [65534, '='],
        ],
      },
    },
  ];
  assert.deepEqual(ask(['actions=NORMAL'], steps, { ports }), []);
});

test('set_field of NSH fields writes the base header and the context', () => {
  const ethernet = '02000000000202000000000'.padEnd(24, '1');
  const hex = `${ethernet}894f0fc60103aabbccff${'00'.repeat(16)}`;
  const changed = `${ethernet}894f2a060103000102fe0000000500000000${'00'.repeat(8)}`;
  const actions =
    'set_field:2->nsh_flags,set_field:40->nsh_ttl,set_field:0x102->nsh_spi,set_field:254->nsh_si,set_field:5->nsh_c1,2';
  const steps = [{ packet: { in_port: 1, hex }, expect: { out: [[2, changed]] } }];
  assert.deepEqual(ask([`dl_type=0x894f,nsh_mdtype=1 actions=${actions}`], steps), []);
});

test('a packet whose last label was popped is parsed anew behind a patch port', () => {
  const more = {
    ports: [
      { name: 'p1', ofport: 1 },
      { name: 'a', ofport: 2, peer: 'b' },
    ],
    bridges: [
      {
        name: 'br1',
        ports: [
          { name: 'b', ofport: 1, peer: 'a' },
          { name: 'q', ofport: 2 },
        ],
        flows: ['ip,nw_dst=10.0.0.2 actions=2'],
      },
    ],
  };
  const ip = '4500001400000000400066e70a0000010a000002';
  const hex = `0200000000020200000000018847${'00010140'}${ip}`;
  const steps = [
    { packet: { in_port: 1, hex }, expect: { out: [[2, `0200000000020200000000010800${ip}`, 'br1']] } },
    { flow: 'in_port=1,mpls,mpls_label=16,mpls_bos=1', expect: { out: [] } },
  ];
  assert.deepEqual(ask(['mpls actions=pop_mpls:0x0800,output:2'], steps, more), []);
});

test('fields that are set back leave a packet without bytes unchanged', () => {
  const actions =
    'set_field:10.0.0.9->ip_dst,output:2,set_field:10.0.0.2->ip_dst,output:3,push_vlan:0x8100,pop_vlan,output:in_port';
  const flow = 'in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2';
  assert.deepEqual(
    ask(
      [`ip actions=${actions}`],
      [
        {
          flow,
          expect: {
            out: [
              [1, '='],
              [2, '~'],
              [3, '='],
            ],
          },
        },
      ],
    ),
    [],
  );
});

test('group commands are refused as a switch refuses them', () => {
  const group = (flow: string) => ({ op: 'group', flow });
  const one = (flow: string, error: string | null) => ({ bundle: true, mods: [group(flow)], expect: { error } });
  const steps = [
    one('group_id=1,type=indirect', 'OFPGMFC_INVALID_GROUP'),
    one('delete group_id=0xfffffff0', 'invalid group id'),
    one('add group_id=1,type=ff,bucket=actions=2', 'OFPGMFC_INVALID_GROUP'),
    one('group_id=1,type=all,bucket=actions=2', null),
    one('add group_id=1,type=all,bucket=actions=3', 'OFPGMFC_GROUP_EXISTS'),
    one('modify group_id=2,type=all,bucket=actions=3', 'OFPGMFC_UNKNOWN_GROUP'),
    one('modify group_id=1,type=indirect,bucket=actions=3', null),
    { flow: 'in_port=1,ip', expect: { out: [[3, '=']] } },
  ];
  assert.deepEqual(
    ask(
      [],
      [{ mods: [] }, ...steps.slice(0, 4), { mods: [{ op: 'add', flow: 'actions=group:1' }] }, ...steps.slice(4)],
    ),
    [],
  );
});
