/** The packets of a replay, chunk by chunk: in this thread, or in worker threads if there is more than a chunk. */
import { availableParallelism } from 'node:os';
import type { Classifier } from '../classify/classifier.js';
import type { Scan } from '../packet/scan.js';
import { Coordinator, type ToldPacket } from '../replay/coordinator.js';
import { LocalShard } from '../replay/localShard.js';
import { MacPass } from '../replay/macPass.js';
import type { ShardResult } from '../replay/records.js';
import { VersionCursor } from '../replay/restart.js';
import { makeEnv, type ReplaySetup, setupRestart } from '../replay/setup.js';
import { makeNaming } from './naming.js';
import type { ReplayOptions } from './replayOptions.js';
import { VerdictLines } from './verdictLines.js';

/** How the packets ended; what was found until then counts. */
export interface TraceEnd {
  readonly found: ShardResult;
  /** Stopped before the end. */
  readonly interrupted: boolean;
  /** Stopped because the process took more memory than `options.memory`. */
  readonly overBudget: boolean;
}

export async function runTrace(
  options: ReplayOptions,
  scan: Scan,
  setup: ReplaySetup,
  classifier: Classifier,
): Promise<TraceEnd> {
  const workers = options.workers ?? availableParallelism();
  const { timeline, startUnixNs, bridge, ports } = setup;
  const restart = setupRestart(setup);
  const cursor = new VersionCursor(restart);
  const macs = new MacPass(makeEnv(timeline, ports, bridge, classifier));
  const lines = new VerdictLines(makeNaming(timeline, scan.groups, startUnixNs), setup.frames);
  const { onVerdicts } = options;
  const chunks = scan.chunks(false);
  // A trace of one chunk is done before threads have started.
  let chunk = await chunks.next();
  let ahead = chunk.done === true ? chunk : await chunks.next();
  // Threads cost start-up time that a small trace does not need.
  const pool =
    workers > 1 && ahead.done !== true
      ? new (await import('../replay/pool.js')).ShardPool(setup, workers, () => scan.variants.parts)
      : null;
  const coordinator = new Coordinator(pool?.shards ?? [new LocalShard(setup, scan.variants, 0, 1, classifier)], macs);
  try {
    while (chunk.done !== true) {
      const table = chunk.value;
      let text = '';
      const onTold = (packet: ToldPacket): void => {
        text += lines.lines(packet, cursor.moveTo(table.columns.tsNs[packet.row]!), table);
      };
      const [next] = await Promise.all([
        ahead.done === true ? ahead : chunks.next(),
        coordinator.take(table, onVerdicts === undefined ? null : onTold),
      ]);
      if (text !== '') await onVerdicts?.(text);
      options.onProgress?.({ what: 'packets', done: scan.frames, total: null });
      const isAborted = options.signal?.aborted === true;
      const overBudget = options.memory !== undefined && process.memoryUsage.rss() > options.memory;
      if (isAborted || overBudget) return { found: await coordinator.finish(), interrupted: true, overBudget };
      chunk = ahead;
      ahead = next;
    }
    return { found: await coordinator.finish(), interrupted: false, overBudget: false };
  } finally {
    await pool?.close();
  }
}
