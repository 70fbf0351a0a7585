/** A restart out of whatever recorded it, as a schedule: what `dropwindow schedule` writes. */
import type { Schedule } from '../timeline/schedule.js';
import type { ReplayOptions } from './replayOptions.js';
import { InputReader, type RestartOptions, readBridge, readDump, readRestart } from './restartInputs.js';

/** There is no trace, so times need a date. */
export type ScheduleOptions = RestartOptions & Partial<Pick<ReplayOptions, 'before' | 'ports'>>;

/** InputError for a bad file, UsageError where the sources do not fit together. */
export async function loadRestart(options: ScheduleOptions): Promise<Schedule> {
  const reader = new InputReader();
  const bridge = readBridge(reader, options.ports ?? [], options.bridge);
  const before = options.before === undefined ? null : readDump(reader, options.before, bridge.names).rules;
  return readRestart(reader, options, bridge, before, null);
}
