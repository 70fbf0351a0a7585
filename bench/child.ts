/** Entry of the benchmark processes that only bench/ has: the part, its input as JSON; figures as JSON on standard output. */
import { measurePart } from './parts/parts.js';

const [part = '', input = '{}'] = process.argv.slice(2);
process.stdout.write(JSON.stringify(measurePart(part, JSON.parse(input) as object)));
