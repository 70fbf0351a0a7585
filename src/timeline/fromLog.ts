import { readVconnLog } from '../openflow/ofpPrint.js';
import type { PortNames } from '../openflow/rule.js';
import { printedSteps } from './printedSteps.js';
import type { Schedule } from './schedule.js';

/**
 * Schedule of a log of ovs-vswitchd with `vlog/set vconn:file:dbg`: flow-mods of all connections to all bridges, which the
 * log does not name. Where the switch dropped messages (600, then 600 a minute: lib/vconn.c:ofmsg_rl) a warning says so.
 */
export function scheduleFromLog(text: string, file: string, ports?: PortNames): Schedule {
  const { messages, dropped } = readVconnLog(text, file);
  const { steps, of, warnings } = printedSteps(messages, file, ports);
  const holes: string[] = [];
  if (dropped.length > 0) {
    const count = dropped.reduce((sum, drop) => sum + drop.count, 0);
    const first = dropped[0]!;
    holes.push(
      `${file}:${first.line}: the schedule has holes: the switch dropped ${count} log messages (${dropped.length} times, first noted at ${new Date(Number(first.t / 1_000_000n)).toISOString()}), flow-mods may be among them; vlog/disable-rate-limit vconn prevents it`,
    );
  }
  return { source: 'vlog', clock: 'unix', fidelity: 'log', of, steps, warnings: [...holes, ...warnings] };
}
