/**
 * The library: typed, promise-based functions that do what the commands do.
 * Long ones take an AbortSignal and report progress; results are plain data (see report/result.ts).
 */
import type { SchemaName } from './report/names.js';

export {
  type FlowFileOptions,
  type FlowLine,
  type FlowsOptions,
  flowToJson,
  type ParsedFlows,
  parseFlows,
  readFlows,
} from './api/flows.js';
export { type PacketsOptions, packets, type ReadPacket } from './api/packets.js';
export type { Progress, ReplayOptions, ReplayOutcome, RunOptions } from './api/replayOptions.js';
export { loadRestart, type ScheduleOptions, writeSchedule } from './api/schedule.js';
export { canonicalJson, digest } from './report/digest.js';
export { FAIL_ON, type FailOn, holding } from './report/failOn.js';
export { jsonText } from './report/json.js';
export { KINDS, MODELLED, OUTCOMES, SCHEMA_NAMES, SCHEMA_VERSION, type SchemaName } from './report/names.js';
export type * from './report/result.js';
export { type TextOptions, textReport } from './report/text.js';
export { DefectError, InputError, type Place, UnsupportedError, UsageError } from './util/errors.js';

/** The JSON Schema of a result or of a line of a format. */
export async function jsonSchema(name: SchemaName): Promise<Record<string, unknown>> {
  // Loaded when asked for: zod costs more time than a whole `packets` of a small capture.
  return (await import('./report/schemas.js')).jsonSchema(name);
}
