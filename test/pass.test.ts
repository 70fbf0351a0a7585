import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LinearClassifier } from '../src/classify/linear.js';
import { K } from '../src/fields/key.js';
import { parseFlowMod } from '../src/openflow/flowText.js';
import type { FlowModOp } from '../src/openflow/rule.js';
import { parseTraceFlow } from '../src/openflow/traceFlow.js';
import type { Edit, Effect } from '../src/pipeline/effects.js';
import { DEFAULT_BRIDGE_CONFIG, type PipelineEnv, type PipelinePort } from '../src/pipeline/env.js';
import { packetInput } from '../src/pipeline/packetRun.js';
import { runPass } from '../src/pipeline/pass.js';
import { rewriteFrame } from '../src/pipeline/rewrite.js';
import { FlowTables } from '../src/timeline/flowTables.js';
import { NEVER } from '../src/util/units.js';
import { runsOf } from './oracle/runs.js';

const port = (ofport: number): PipelinePort => ({
  name: `p${ofport}`,
  ofport,
  tag: null,
  trunks: null,
  vlanMode: null,
  peer: null,
  noFlood: false,
  noForward: false,
});

/** A bridge with ports 1 to 4; each further text is a step `op flow`. */
function bridge(flows: readonly string[], steps: readonly string[] = []): PipelineEnv {
  const tables = new FlowTables();
  assert.equal(tables.install(flows.map((flow) => parseFlowMod('add', flow).mod)), null);
  for (const step of steps) {
    const [, op, flow] = /^(\w+) (.*)$/.exec(step)!;
    assert.equal(tables.applyMods([parseFlowMod(op as FlowModOp, flow!).mod], true), null);
  }
  const timeline = tables.timeline();
  return {
    bridge: 'br0',
    classifier: new LinearClassifier(timeline),
    ruleAt: (index) => timeline.rules[index]!.rule,
    ports: new Map([1, 2, 3, 4].map((number) => [number, port(number)])),
    groups: new Map(),
    config: DEFAULT_BRIDGE_CONFIG,
  };
}

const outputs = (effects: readonly Effect[]): number[] =>
  effects.flatMap((effect) => (effect.kind === 'output' ? [effect.port] : []));

const udp = parseTraceFlow('in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,udp_src=1,udp_dst=2', null);

test('a pass holds for the versions in which all its lookups give the same rules', () => {
  const env = bridge(
    ['table=0,actions=resubmit(,1),resubmit(,2)', 'table=1,actions=2', 'table=2,actions=3'],
    ['add table=7,actions=drop', 'add table=1,priority=40000,udp,actions=4', 'delete table=7', 'delete table=2'],
  );
  const pieces = [0, 1, 2, 3, 4].map((version) => {
    const { effects, from, to } = runPass(env, udp, version);
    return [outputs(effects), from, to];
  });
  assert.deepEqual(pieces, [
    [[2, 3], 0, 2],
    [[2, 3], 0, 2],
    [[4, 3], 2, 4],
    [[4, 3], 2, 4],
    [[4], 4, NEVER],
  ]);
});

test('the key that a pass is given stays as it was', () => {
  const before = Int32Array.from(udp);
  runPass(bridge(['actions=set_field:7->reg0,mod_dl_src:02:00:00:00:00:09,push_vlan:0x8100,2']), udp, 0);
  assert.deepEqual(udp, before);
});

test('a limit empties the pass but says which one', () => {
  const { error, lookups } = runPass(bridge(['actions=2,resubmit(,0)']), udp, 0);
  assert.equal(error, 'over max translation depth 64');
  assert.equal(lookups.length, 65);
});

test('a step that is not executed ends the pass and names its rule', () => {
  const env = bridge(['actions=resubmit(,1),3', 'table=1,actions=2,bundle(eth_src,0,hrw,ofport,members:2,3),4']);
  const { unsupported, effects } = runPass(env, udp, 0);
  assert.deepEqual(outputs(effects), [2]);
  assert.equal(unsupported!.rule, 1);
  assert.match(unsupported!.what, /bundle/);
});

test('ct() carries zone, writes and the key of its fork; after it the ct fields are gone', () => {
  const env = bridge([
    'ip,actions=load:5->NXM_NX_REG6[],ct(commit,zone=NXM_NX_REG6[0..15],exec(load:1->NXM_NX_CT_MARK[1]),table=3),resubmit(,1)',
    'table=1,ct_state=0,ct_mark=0,actions=2',
  ]);
  const [ct, output] = runPass(env, udp, 0).effects;
  assert.ok(ct!.kind === 'ct' && output!.kind === 'output');
  assert.equal(ct.zone, 5);
  assert.equal(ct.table, 3);
  assert.deepEqual(ct.mark, { value: 2, mask: 2 });
  assert.equal(ct.key[K.reg0 + 6], 5);
  assert.equal(ct.reparse, false);
});

test('a fork has to be parsed anew where a pop uncovers what the key does not show', () => {
  const env = bridge([
    'vlan_tci=0x1000/0x1000,ip,actions=strip_vlan,ct(table=1)',
    'mpls,actions=pop_mpls:0x0800,resubmit(,1)',
  ]);
  const tagged = parseTraceFlow('in_port=1,dl_vlan=5,ip', null);
  const [fork] = runPass(env, tagged, 0).effects;
  assert.ok(fork!.kind === 'ct' && !fork.reparse);
  const [recirculation] = runPass(env, parseTraceFlow('in_port=1,mpls,mpls_label=7,mpls_bos=1', null), 0).effects;
  assert.ok(recirculation!.kind === 'recirc' && recirculation.reparse);
});

/** 10.0.0.1 > 10.0.0.2, UDP 1000 > 80, checksums right. */
const FRAME = Buffer.from(
  '02000000000202000000000108004500002100010000401166c90a0000010a00000203e80050000d942768656c6c6f',
  'hex',
);

test('edits undone leave the frame as it was, its checksums too', (t) => {
  const words = [K.dl_src, K.dl_src + 1, K.dl_dst, K.nw_src, K.nw_dst, K.nw_tos, K.nw_ttl, K.tp_src, K.tp_dst];
  const key = packetInput('br0', 1, FRAME).key;
  const limits = new Map<number, number>([
    [K.dl_src, 0xffff],
    [K.dl_dst, 0xffff],
    [K.nw_tos, 0xff],
    [K.nw_ttl, 0xff],
    [K.tp_src, 0xffff],
    [K.tp_dst, 0xffff],
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...words), fc.nat(0x7fffffff)), { minLength: 1, maxLength: 8 }),
      (changes) => {
        const done: Edit = changes.map(([word, value]) => ({
          op: 'set',
          word,
          value: value & (limits.get(word) ?? -1),
        }));
        const undone: Edit = [...new Set(changes.map(([word]) => word))].map((word) => ({
          op: 'set',
          word,
          value: key[word]!,
        }));
        const changed = rewriteFrame(FRAME, done);
        assert.deepEqual(packetInput('br0', 1, changed).key.subarray(0, 4), key.subarray(0, 4));
        assert.deepEqual(Buffer.from(rewriteFrame(changed, undone)), FRAME);
        assert.deepEqual(
          Buffer.from(
            rewriteFrame(rewriteFrame(FRAME, [{ op: 'pushVlan', tpid: 0x8100, tci: 0x1005 }]), [{ op: 'popVlan' }]),
          ),
          FRAME,
        );
      },
    ),
    runsOf(t, 200),
  );
});
