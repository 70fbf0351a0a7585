/** The demo incident of traces/, replayed as it happened and as one bundle. */
import { fileURLToPath } from 'node:url';
import { demoText } from '../report/demoText.js';
import { replay } from './replay.js';
import type { ReplayOptions, RunOptions } from './replayOptions.js';

/** Folder of the incident's files, in the package as in the repository. */
export const INCIDENT = fileURLToPath(new URL('../../../traces/incident/', import.meta.url));

/** The options of the first replay, with files in `folder`. */
export function incidentOptions(folder: string): ReplayOptions {
  return {
    captures: [`${folder}capture.pcapng`],
    before: `${folder}before.dump`,
    changes: [`${folder}restart.ndjson`],
    ports: [`${folder}ports.json`],
    conntrack: 'ovs-userspace',
  };
}

/** The incident told in words: a drop, a reply direction that stays dead, a leak, and the same as one bundle without any. */
export async function demo(options: RunOptions = {}): Promise<string> {
  const asItHappened = incidentOptions(INCIDENT);
  const incident = await replay({ ...asItHappened, ...options });
  const oneBundle = await replay({ ...asItHappened, changes: [`${INCIDENT}one-bundle.ndjson`], ...options });
  return demoText(incident.result, oneBundle.result);
}
