/** Entry of a benchmark process: the task as JSON on the command line, the measure as JSON on standard output. */
import { DefectError, InputError, UsageError } from '../util/errors.js';
import { measure } from './benchMeasure.js';
import type { BenchTask } from './benchTask.js';

const text = process.argv[2];
if (text === undefined) throw new DefectError('a benchmark process without a task');
try {
  process.stdout.write(JSON.stringify({ measure: await measure(JSON.parse(text) as BenchTask) }));
} catch (error) {
  // Errors do not survive JSON: what a user must see is sent as its parts.
  if (error instanceof InputError)
    process.stdout.write(JSON.stringify({ input: { message: error.message, place: error.place, hint: error.hint } }));
  else if (error instanceof UsageError)
    process.stdout.write(JSON.stringify({ usage: { message: error.message, hint: error.hint } }));
  else throw error;
}
