/**
 * Workers against one, in wall time, and the machine's own bound: two independent copies of the one-worker run at once.
 * Not pinned: the cores are what is measured.
 */
import { measure } from '../src/api/benchMeasure.js';
import { runTasks } from '../src/api/benchRun.js';
import type { BenchMeasure, BenchTask } from '../src/api/benchTask.js';
import type { Bench, BenchContext, Contestant } from './harness.js';
import type { Figure } from './parts/figure.js';
import { replayed } from './replay.js';

export const scaling: Bench = {
  name: 'scaling',
  contestants: async (context) => ({
    contestants: [workers(context, 1, 1), workers(context, 2, 1), workers(context, 1, 2)],
    absent: [],
  }),
};

function workers(context: BenchContext, count: number, copies: number): Contestant {
  const { size, options } = replayed(context);
  const method = copies === 1 ? `${count} worker${count > 1 ? 's' : ''}` : `${copies} copies at once`;
  const passes = context.tiny ? 1 : 3;
  const run = async (task: BenchTask): Promise<BenchMeasure> =>
    context.tiny ? measure(task) : (await runTasks([task], { rounds: 1 }))[0]![0]!;
  return {
    size,
    method,
    async run(): Promise<Figure[]> {
      const task = { task: 'replay', options: { ...options, workers: count }, passes } as const;
      const start = performance.now();
      const runs = await Promise.all(Array.from({ length: copies }, () => run(task)));
      const seconds = (performance.now() - start) / 1000;
      const [first] = runs;
      const packets = first!.count * (passes + 1) * copies;
      return [
        {
          unit: 'packets/s',
          value: packets / seconds,
          checksum: first!.checksum,
          note: 'start of the processes included',
        },
      ];
    },
  };
}
