/** Where the recorded truth lies, for the long comparisons. Absent on a user's machine: those tests then say so and skip. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../../../../shared/', import.meta.url));

/** False, or the reason for node:test's `skip` option. */
export const skipWithoutShared: false | string = existsSync(root)
  ? false
  : 'the reference data (../shared) is not on this machine';

export const sharedPath = (name: string): string => root + name;

/** File content, unpacked when it is gzip. */
export function readShared(name: string): Buffer {
  const bytes = readFileSync(root + name);
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

/** One JSON value per line. The caller names the shape it expects. */
export function readJsonLines<T>(name: string): T[] {
  return readShared(name)
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as T);
}
