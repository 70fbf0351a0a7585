import assert from 'node:assert/strict';
import test from 'node:test';
import type { NormalEffect } from '../src/pipeline/effects.js';
import { DEFAULT_BRIDGE_CONFIG, type PipelinePort } from '../src/pipeline/env.js';
import { MacTable } from '../src/pipeline/mac.js';

const port = (ofport: number, more: Partial<PipelinePort> = {}): PipelinePort => ({
  name: `p${ofport}`,
  ofport,
  tag: null,
  trunks: null,
  vlanMode: null,
  peer: null,
  noFlood: false,
  noForward: false,
  ...more,
});

const bridge = (...ports: PipelinePort[]) => new Map(ports.map((each) => [each.ofport, each]));

/** A frame from MAC `src` to MAC `dst` (small numbers), untagged unless a VLAN is given. */
function frame(inPort: number, src: number, dst: number, vlan = 0): NormalEffect {
  return {
    kind: 'normal',
    inPort,
    vlanTci: vlan === 0 ? 0 : vlan | 0x1000,
    vlanTpid: vlan === 0 ? 0 : 0x8100,
    vlanTci1: 0,
    vlanTpid1: 0,
    gratuitousArp: false,
    srcHigh: 0x0200,
    srcLow: src,
    dstHigh: dst === -1 ? 0xffff : 0x0200,
    dstLow: dst === -1 ? 0xffffffff : dst,
    edit: null,
    nested: { key: new Int32Array(0), lookups: 0, depth: 0, resubmits: 0, wasMpls: false },
  };
}

/** Ports that the frame leaves through after its source was learned. */
function send(table: MacTable, effect: NormalEffect, seconds: number): number[] {
  const admission = table.learn(effect, seconds);
  return admission === null ? [] : table.outputs(effect, admission, seconds).map((each) => each.ofport);
}

test('an address is flooded until it is learned, moves at once, and is never sent back', () => {
  const table = new MacTable(bridge(port(1), port(2), port(3)), DEFAULT_BRIDGE_CONFIG);
  assert.deepEqual(send(table, frame(1, 7, 8), 0), [2, 3]);
  assert.deepEqual(send(table, frame(2, 8, 7), 1), [1]);
  assert.deepEqual(send(table, frame(3, 7, 8), 2), [2]);
  assert.deepEqual(send(table, frame(2, 8, 7), 3), [3]);
  assert.deepEqual(send(table, frame(2, 9, 8), 4), []);
  assert.deepEqual(send(table, frame(3, 7, -1), 5), [1, 2]);
});

test('an entry is gone 300 full seconds after its last frame; being a destination does not count', () => {
  const table = new MacTable(bridge(port(1), port(2), port(3)), DEFAULT_BRIDGE_CONFIG);
  send(table, frame(1, 7, -1), 10);
  assert.deepEqual(send(table, frame(2, 8, 7), 309), [1]);
  assert.deepEqual(send(table, frame(2, 8, 7), 310), [1, 3]);
});

test('a full table evicts the oldest entry of the port that has most', () => {
  const table = new MacTable(bridge(port(1), port(2)), { ...DEFAULT_BRIDGE_CONFIG, macTableSize: 4 });
  send(table, frame(2, 100, -1), 0);
  for (const mac of [1, 2, 3]) send(table, frame(1, mac, -1), mac);
  send(table, frame(1, 1, -1), 5);
  send(table, frame(2, 101, -1), 6);
  assert.deepEqual(
    table.list(6).map(([number, , mac]) => [number, mac.slice(-2)]),
    [
      [1, '01'],
      [1, '03'],
      [2, '64'],
      [2, '65'],
    ],
  );
});

test('an access port takes no tag of its own VLAN, and what it refuses is not learned', () => {
  const table = new MacTable(bridge(port(1, { tag: 10 }), port(2), port(3, { tag: 20 })), DEFAULT_BRIDGE_CONFIG);
  assert.deepEqual(send(table, frame(1, 7, -1, 10), 0), []);
  assert.deepEqual(table.list(0), []);
  assert.deepEqual(send(table, frame(1, 7, -1), 0), [2]);
  assert.deepEqual(send(table, frame(2, 8, 7, 10), 0), [1]);
  assert.deepEqual(send(table, frame(2, 8, 7, 20), 0), [3]);
});
