/** Captures to headers and connection numbers, beside what reads captures elsewhere. */
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { outputOf } from '../src/api/benchRun.js';
import {
  type Absent,
  type Bench,
  type BenchContext,
  type Contestant,
  hasProgram,
  ofTask,
  PEER_CACHE,
  peerCpu,
} from './harness.js';
import { makeCapture } from './inputs.js';

export const scan: Bench = {
  name: 'scan',
  async contestants(context) {
    const shapes = context.tiny
      ? [{ packets: 3000, connections: 200, bytes: 80 }]
      : [
          { packets: 600_000, connections: 8376, bytes: 128 },
          { packets: 600_000, connections: 485_437, bytes: 128 },
        ];
    const contestants: Contestant[] = [];
    const absent: Absent[] = [];
    for (const shape of shapes) {
      const size = `${shape.connections} connections`;
      const capture = makeCapture(context.work, `scan-${shape.connections}`, shape);
      for (const reader of ['native', 'pcap-parser'] as const) {
        const method = reader === 'native' ? 'dropwindow' : 'dropwindow --reader pcap-parser';
        contestants.push(ofTask(context, size, method, { task: 'scan', reader, captures: [capture], passes: 1 }));
      }
      if (context.peers) contestants.push(...(await peers(context, size, capture, shape.packets, absent)));
    }
    return { contestants, absent: absent.slice(0, absent.length / shapes.length) };
  },
};

async function peers(
  context: BenchContext,
  size: string,
  capture: string,
  packets: number,
  absent: Absent[],
): Promise<Contestant[]> {
  const made: Contestant[] = [];
  const add = (method: string, argv: readonly string[], says: (output: string) => string): void => {
    made.push({
      size,
      method,
      peer: true,
      async run() {
        const { seconds, output } = await peerCpu(argv, context.core);
        const note = 'start of the process included';
        return [{ unit: 'packets/cpu-s', value: packets / Math.max(seconds, 1e-3), checksum: says(output), note }];
      },
    });
  };
  const loop = await buildLoop(context);
  if (loop === null)
    absent.push({ method: 'libpcap_loop', bring: 'apt-get install gcc libpcap-dev, and ../shared/bench-peers' });
  else {
    add('libpcap_loop', [loop, capture], firstNumbers);
    add('libpcap_loop -c', [loop, '-c', capture], firstNumbers);
  }
  if (hasProgram('tcpdump'))
    add(
      'tcpdump -w /dev/null, a filter',
      ['tcpdump', '-r', capture, '-w', '/dev/null', 'tcp port 80 or udp port 53'],
      () => '',
    );
  else absent.push({ method: 'tcpdump', bring: 'apt-get install tcpdump' });
  add(
    'npm pcap-parser, counting',
    [process.execPath, fileURLToPath(new URL('./peers/pcapParser.js', import.meta.url)), capture],
    firstNumbers,
  );
  return made;
}

const firstNumbers = (output: string): string =>
  (/^[^\n]*/.exec(output)?.[0] ?? '')
    .replace(/[^\d]+/g, ' ')
    .trim()
    .replaceAll(' ', '-')
    .slice(0, 24);

/** The C loop of the reference data, compiled here. */
async function buildLoop({ shared }: BenchContext): Promise<string | null> {
  const source = shared === null ? '' : `${shared}bench-peers/libpcap_loop.c`;
  if (!existsSync(source) || !hasProgram('gcc') || !existsSync('/usr/include/pcap/pcap.h')) return null;
  mkdirSync(PEER_CACHE, { recursive: true });
  const program = `${PEER_CACHE}/libpcap_loop`;
  await outputOf(['gcc', '-O3', '-march=native', '-o', program, source, '-lpcap'], undefined);
  return program;
}
