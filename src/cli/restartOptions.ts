/** Options that say what the restart was: the same for every command that is told one. */
import type { Command } from 'commander';
import { collect } from './values.js';

export function addRestartOptions(command: Command): Command {
  return command
    .option('--before-at <time>', 'when --before was dumped: steps already in it are skipped')
    .option(
      '--changes <file>',
      'the restart: OpenFlow capture, schedule, monitor or snoop text, ovs-vswitchd log (repeatable)',
      collect,
    )
    .option('--changes-format <format>', 'kind of --changes, where it is not recognised')
    .option('--after <file>', 'instead: a dump taken afterwards (repeatable, in order)', collect)
    .option('--dumped-at <time>', 'when the --after at the same place was taken (repeatable)', collect)
    .option('--install <model>', 'without --dumped-at: how it was installed (batch=100,gap=20ms,order=dump)')
    .option('--bridge <name>', 'name or datapath id, where a file holds several bridges')
    .option('--start <time>', 'when the first step happens (default: as recorded)')
    .option('--ports <file>', 'ports of the bridge: JSON, ovs-ofctl show, ovs-vsctl show (repeatable)', collect)
    .option('--conntrack-events <file>', 'deletions of conntrack entries with their times (repeatable)', collect);
}
