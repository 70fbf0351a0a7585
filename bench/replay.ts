/** The whole replay, with its restart and without, and lookups told in full, beside Open vSwitch on the same packets. */
import { existsSync } from 'node:fs';
import { outputOf, pinned } from '../src/api/benchRun.js';
import type { ReplayTask } from '../src/api/benchTask.js';
import { INCIDENT, incidentOptions } from '../src/api/demo.js';
import { recordings } from './compile.js';
import { type Absent, type Bench, type BenchContext, type Contestant, hasProgram, ofChild, ofTask } from './harness.js';

export const replayBench: Bench = {
  name: 'replay',
  async contestants(context) {
    const { size, options } = replayed(context);
    const { changes: _, ...steady } = options;
    const passes = context.tiny ? 1 : 3;
    const contestants: Contestant[] = [
      ofTask(context, `${size}, steady`, 'dropwindow', { task: 'replay', options: steady, passes }),
      ofTask(context, `${size}, restart`, 'dropwindow', { task: 'replay', options, passes }),
    ];
    for (const recording of recordings(context))
      contestants.push(ofChild(context, size, 'dropwindow, explained lookups', 'explain', { ...recording, passes: 1 }));
    const absent: Absent[] = [];
    if (context.peers) contestants.push(...switchPeers(context, size, absent));
    return { contestants, absent };
  },
};

/** The recorded restart where the reference data are there, else the demo incident. */
export function replayed({ tiny, shared }: BenchContext): { size: string; options: ReplayTask['options'] } {
  if (tiny || shared === null) return { size: 'incident', options: incidentOptions(INCIDENT) };
  const folder = `${shared}neutron/medium-collide/`;
  return {
    size: 'medium-collide',
    options: {
      captures: [`${folder}sent.pcap.gz`],
      before: `${folder}before.dump.gz`,
      changes: [`${folder}schedule.ndjson.gz`],
      ports: [`${folder}bridge.json`],
      portOf: `${folder}sent.ports.jsonl.gz`,
      conntrack: 'ovs-userspace',
    },
  };
}

/** Scripts of the reference data; each prints a JSON line per measurement. */
const SCRIPTS = [
  {
    file: 'ovs_datapath.py',
    only: 'steady/recorded',
    args: ['--quick'],
    size: 'steady',
    method: 'OVS-DPDK datapath',
    unit: 'packets/cpu-s',
  },
  {
    file: 'ovs_datapath.py',
    only: 'restart/recorded',
    args: ['--quick'],
    size: 'restart',
    method: 'OVS-DPDK datapath',
    unit: 'packets/cpu-s',
  },
  {
    file: 'ofproto_trace.py',
    only: 'trace/new',
    args: ['--quick'],
    size: '',
    method: 'ofproto/trace',
    unit: 'explanations/cpu-s',
  },
] as const;

function switchPeers({ shared, core }: BenchContext, recording: string, absent: Absent[]): Contestant[] {
  const bring = 'the reference data beside the repository (../shared/bench-peers), as root with apt-get';
  const folder = `${shared}bench-peers/`;
  if (shared === null || !existsSync(folder) || !hasProgram('python3') || process.getuid?.() !== 0) {
    absent.push({ method: 'OVS-DPDK datapath', bring }, { method: 'ofproto/trace', bring });
    return [];
  }
  return SCRIPTS.map(({ file, only, args, size, method, unit }) => ({
    size: size === '' ? recording : `${recording}, ${size}`,
    method,
    peer: true,
    async run() {
      const argv = ['python3', folder + file, ...args, '--rounds', '1', '--only', only, '--core', String(core)];
      const lines = (await outputOf(pinned(argv, undefined), undefined))
        .split('\n')
        .filter((line) => line.startsWith('{'));
      const line = lines.map((text) => JSON.parse(text) as { pps_cpu: number; note?: string })[0];
      if (line === undefined) throw new Error('no figures');
      return [{ unit, value: line.pps_cpu, checksum: '', note: (line.note ?? '').slice(0, 60) }];
    },
  }));
}
