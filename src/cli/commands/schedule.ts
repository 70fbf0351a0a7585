import type { Command } from 'commander';
import type { ScheduleOptions } from '../../index.js';
import { UsageError } from '../../util/errors.js';
import { warn } from '../failure.js';
import { openOutput } from '../output.js';
import { addRestartOptions } from '../restartOptions.js';

interface Options extends ScheduleOptions {
  output?: string;
}

const EXAMPLE = '\nExample:\n  dropwindow schedule --before before.dump --changes monitor.txt -o restart.ndjson';

export function configure(command: Command): void {
  command.option('--before <file>', 'rules before the restart: ovs-ofctl dump-flows text');
  addRestartOptions(command)
    .option('-o, --output <file>', 'write there instead of standard output')
    .addHelpText('after', EXAMPLE)
    .action((options: Options) => run(options));
}

async function run(options: Options): Promise<void> {
  const { before, changes = [], after = [], ports = [], conntrackEvents = [] } = options;
  if (changes.length === 0 && after.length === 0 && conntrackEvents.length === 0) {
    throw new UsageError('nothing tells of the restart', 'give --changes, or --before and --after');
  }
  const inputs = [...(before === undefined ? [] : [before]), ...changes, ...after, ...ports, ...conntrackEvents];
  const output = openOutput(options.output, inputs);
  const { loadRestart, writeSchedule } = await import('../../index.js');
  const schedule = await loadRestart(options);
  for (const warning of schedule.warnings) warn(warning);
  await output.write(await writeSchedule(schedule));
  output.commit();
}
