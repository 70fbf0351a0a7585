/** A small result made by hand: one connection, hit in its original direction and dead in its reply direction. */
import type { ReplayResult, Window } from '../src/report/result.js';

export function sampleWindow(id: number, direction: 'original' | 'reply'): Window {
  const reply = direction === 'reply';
  const [a, b] = [
    { address: '10.0.0.1', port: 40000 },
    { address: '10.0.0.2', port: 80 },
  ];
  const [from, to] = reply ? [b, a] : [a, b];
  return {
    id,
    kind: 'drop',
    flow: {
      connection: 3,
      direction,
      proto: 'tcp',
      src: from.address,
      sport: from.port,
      dst: to.address,
      dport: to.port,
      zone: 5,
      vlan: null,
      inPort: reply ? 2 : 1,
    },
    from: '1619606112.500000000',
    to: reply ? '1619606118.500000000' : '1619606112.910000000',
    open: reply,
    packets: reply ? 5 : 2,
    bytes: 500,
    firstPacket: id,
    lastPacket: id + 20,
    lastGood: id - 3,
    nextGood: reply ? null : id + 23,
    versions: [2, 3],
    rule: 'table=82,priority=40,ct_state=+est actions=drop',
    instead: 'table=82,priority=70,conj_id=14,ip actions=output:2',
    path: ['table=0,priority=0 actions=resubmit(,82)'],
    cause: {
      step: 2,
      t: '1619606112.400000000',
      flowMod: { n: 3, op: 'add', flow: 'table=82,priority=70,ip,nw_src=10.0.0.1 actions=conjunction(15,1/2)' },
      batch: 7,
      effect: 'clause-lost',
      detail: {
        table: 82,
        id: 14,
        clause: '1/2',
        how: 'replaced',
        piece: 'table=82,priority=70,ip,nw_src=10.0.0.1 actions=conjunction(14,1/2)',
      },
      then: [],
      by: reply
        ? {
            packet: id - 1,
            t: '1619606112.490000000',
            rule: 'table=82,priority=40 actions=ct(commit,exec(set_field:0x1->ct_mark))',
            what: 'mark',
          }
        : null,
      candidates: false,
    },
    tableOutage: { fromStep: 2, toStep: 3, ns: 280_000_000 },
    healedBy: reply ? null : { step: 3, t: '1619606112.680000000' },
  };
}

export function sampleResult(): ReplayResult {
  const windows = [sampleWindow(100, 'original'), sampleWindow(104, 'reply')];
  const kinds = { drop: 2, partial: 0, leak: 0, misdelivery: 0, transitional: 0 };
  return {
    schemaVersion: 1,
    tool: 'dropwindow 0.0.0',
    options: { judge: 'auto' },
    inputs: [
      {
        name: 'a.pcap',
        bytes: 1000,
        sha256: '0'.repeat(64),
        packets: 1200,
        first: '1619606110.000000000',
        last: '1619606120.000000000',
      },
    ],
    summary: {
      packets: { replayed: 1200, notReplayed: {} },
      connections: 12,
      flows: 24,
      connectionsHit: 1,
      flowsHit: 2,
      windows: kinds,
      packetsLost: 7,
      worstWindow: 104,
      dead: 1,
      deadBefore: 0,
      lingering: 0,
      exposed: 0,
      flooded: 0,
      policy: { flows: 0, packets: 0, lost: 0, gained: 0, changed: 0 },
      restart: { from: '1619606112.000000000', to: '1619606114.000000000', ns: 2_000_000_000 },
      judge: 'both',
      fidelity: 'wire',
      unfinished: { tableSteps: 3, cookies: 1, oldRules: 0, of: 40, newRules: 41, before: false },
    },
    steps: {
      count: 4,
      first: '1619606112.000000000',
      last: '1619606114.000000000',
      bundles: 2,
      rules: { before: 40, after: 41 },
      list: [
        { t: '1619606112.000000000', kind: 'flow-mod', mods: 1, batch: null },
        { t: '1619606112.400000000', kind: 'bundle', mods: 5, batch: 7 },
        { t: '1619606112.680000000', kind: 'bundle', mods: 5, batch: 8 },
        { t: '1619606114.000000000', kind: 'conntrack', mods: 0, batch: null },
      ],
    },
    windows,
    culprits: [
      { step: 2, flowMods: [windows[0]!.cause!.flowMod!], connections: 1, flows: 2, packets: 7, windows: kinds },
    ],
    flows: windows.map((window) => ({
      flow: window.flow,
      windows: [window.id],
      dead: window.open ? 'mark' : null,
      lingering: false,
      exposed: false,
      policy: null,
    })),
    warnings: [],
  };
}
