/** All versions of a restart to a compiled classifier: reading the tables, the timeline, the classifier, and its first answers. */
import { INCIDENT } from '../src/api/demo.js';
import { type Bench, type BenchContext, ofChild } from './harness.js';
import type { RestartFiles } from './parts/restartTables.js';

export const compile: Bench = {
  name: 'compile',
  contestants: async (context) => ({
    contestants: recordings(context).map(({ size, ...files }) =>
      ofChild(context, size, 'all versions', 'compile', { ...files, passes: context.tiny ? 1 : 3 }),
    ),
    absent: [],
  }),
};

export interface Recording extends RestartFiles {
  readonly size: string;
}

/** The demo incident, and a recorded restart of a Neutron agent where the reference data are there. */
export function recordings({ tiny, shared }: BenchContext): Recording[] {
  if (tiny || shared === null) {
    const files = { before: 'before.dump', changes: 'restart.ndjson', ports: 'ports.json' };
    return [{ size: 'incident', ...inFolder(INCIDENT, files) }];
  }
  const files = { before: 'before.dump.gz', changes: 'schedule.ndjson.gz', ports: 'bridge.json' };
  return [{ size: 'medium-collide', ...inFolder(`${shared}neutron/medium-collide/`, files) }];
}

function inFolder<T extends Record<string, string>>(folder: string, files: T): T {
  return Object.fromEntries(Object.entries(files).map(([name, file]) => [name, folder + file])) as T;
}
