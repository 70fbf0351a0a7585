/** The scan, and the whole replay, over captures. */
import { FrameJudge } from '../capture/direction.js';
import { MergedCapture } from '../capture/merge.js';
import { captureProblem, openCapture } from '../capture/open.js';
import { KEY_WORDS } from '../fields/key.js';
import { Scan } from '../packet/scan.js';
import { InputError } from '../util/errors.js';
import { cpuNs } from './benchMeter.js';
import type { BenchMeasure, ReplayTask, ScanTask } from './benchTask.js';
import { replay } from './replay.js';

/** Headers to columns and group numbers; no field makes a variant of its own. */
export async function scanOnce(
  captures: readonly string[],
  reader: 'native' | 'pcap-parser',
): Promise<{ packets: number; groups: number }> {
  const sources = [];
  for (const path of captures) sources.push(await openCapture(path, { reader }));
  const capture = new MergedCapture(sources);
  try {
    await capture.prime();
    const judge = new FrameJudge(capture.sources, {
      // Every frame is taken, as if all files were of one port.
      ports: [{ name: 'any', ofport: 1 }],
      mode: 'all',
      fileNames: captures.map(() => 'any'),
    });
    const scan = new Scan(capture, judge, { usedBits: new Int32Array(KEY_WORDS) });
    for await (const _ of scan.chunks());
    const problem = capture.sources.map((source) => captureProblem(source)).find((each) => each?.severity === 'error');
    if (problem != null) throw problem.error;
    return { packets: scan.packets, groups: scan.groups.count };
  } finally {
    await capture.close();
  }
}

export async function measureScan({ captures, reader, passes }: ScanTask): Promise<BenchMeasure> {
  const speeds: number[] = [];
  let last = { packets: 0, groups: 0 };
  for (let pass = 0; pass <= passes; pass++) {
    const before = cpuNs();
    try {
      last = await scanOnce(captures, reader);
    } catch (error) {
      // The library reads classic pcap only; what it makes of the rest is no figure.
      if (reader === 'native' || !(error instanceof InputError)) throw error;
      return { unsupported: error.message, what: 'packets', count: 0, firstPass: 0, passes: [], checksum: '' };
    }
    speeds.push((last.packets / Math.max(1, cpuNs() - before)) * 1e9);
  }
  const { packets, groups } = last;
  return {
    what: 'packets',
    count: packets,
    firstPass: speeds[0]!,
    passes: speeds.slice(1),
    checksum: `${packets}-${groups}`,
    note: `${groups} groups`,
  };
}

export async function measureReplay({ options, passes }: ReplayTask): Promise<BenchMeasure> {
  const speeds: number[] = [];
  const digests = new Set<string>();
  let packets = 0;
  let connections = 0;
  for (let pass = 0; pass <= passes; pass++) {
    const before = cpuNs();
    const { result } = await replay(options);
    packets = result.summary.packets.replayed;
    connections = result.summary.connections;
    speeds.push((packets / Math.max(1, cpuNs() - before)) * 1e9);
    digests.add(result.digest ?? '');
  }
  return {
    what: 'packets',
    count: packets,
    firstPass: speeds[0]!,
    passes: speeds.slice(1),
    checksum: [...digests].join(' and ').replace('sha256:', '').slice(0, 16),
    mismatches: digests.size - 1,
    note: `${connections} connections; inputs are read in every pass`,
  };
}
