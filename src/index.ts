/**
 * The library: typed, promise-based functions that do what the commands do.
 * Long ones take an AbortSignal and report progress; results are plain data (see report/result.ts).
 */
export { canonicalJson, digest } from './report/digest.js';
export type * from './report/result.js';
export { jsonSchema, SCHEMA_NAMES, type SchemaName } from './report/schemas.js';
export { DefectError, InputError, type Place, UnsupportedError, UsageError } from './util/errors.js';
