/** JSON Schemas of everything that is printed or read as JSON, made from the zod types. */
import * as z from 'zod';
import type { SchemaName } from './names.js';
import { compareResult, packetLine, replayResult, scheduleLine, verdicts } from './result.js';

const SCHEMAS: Record<SchemaName, { type: z.ZodType; title: string }> = {
  replay: { type: replayResult, title: 'Result of dropwindow replay --format json' },
  verdict: { type: verdicts, title: 'A line of dropwindow replay --verdicts' },
  schedule: { type: scheduleLine, title: 'A line of a schedule (NDJSON)' },
  compare: { type: compareResult, title: 'Result of dropwindow compare --format json' },
  packets: { type: packetLine, title: 'A line of dropwindow packets' },
};

/** JSON Schema (draft 2020-12). Unknown keys are allowed everywhere: adding one is no change of the schema's version. */
export function jsonSchema(name: SchemaName): Record<string, unknown> {
  const { type, title } = SCHEMAS[name];
  return { title, ...z.toJSONSchema(type, { io: 'input' }) };
}
