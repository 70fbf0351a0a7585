/** A benchmark task done in this process. */
import type { BenchMeasure, BenchTask } from './benchTask.js';

export async function measure(task: BenchTask): Promise<BenchMeasure> {
  switch (task.task) {
    case 'filters':
      return (await import('./benchFilters.js')).measureFilters(task);
    case 'tables':
      return (await import('./benchTables.js')).measureTables(task);
    case 'scan':
      return (await import('./benchPackets.js')).measureScan(task);
    case 'replay':
      return (await import('./benchPackets.js')).measureReplay(task);
  }
}
