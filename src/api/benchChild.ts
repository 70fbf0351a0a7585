/** Entry of a benchmark process: the task as JSON on the command line, the measure as JSON on standard output. */
import { DefectError, InputError, UsageError } from '../util/errors.js';
import type { BenchMeasure, BenchTask } from './benchTask.js';

async function run(task: BenchTask): Promise<BenchMeasure> {
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

const text = process.argv[2];
if (text === undefined) throw new DefectError('a benchmark process without a task');
try {
  process.stdout.write(JSON.stringify({ measure: await run(JSON.parse(text) as BenchTask) }));
} catch (error) {
  // Errors do not survive JSON: what a user must see is sent as its parts.
  if (error instanceof InputError)
    process.stdout.write(JSON.stringify({ input: { message: error.message, place: error.place, hint: error.hint } }));
  else if (error instanceof UsageError)
    process.stdout.write(JSON.stringify({ usage: { message: error.message, hint: error.hint } }));
  else throw error;
}
