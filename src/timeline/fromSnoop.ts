import { readSnoopText } from '../openflow/ofpPrint.js';
import type { PortNames } from '../openflow/rule.js';
import { printedSteps } from './printedSteps.js';
import type { Schedule } from './schedule.js';

/**
 * Schedule of `ovs-ofctl snoop BRIDGE --timestamp` text. It shows only controllers that the switch connects to, so flow-mods
 * of ovs-ofctl are not in it. Times are those of printing, to the ms.
 */
export function scheduleFromSnoop(text: string, file: string, ports?: PortNames): Schedule {
  const { steps, of, warnings } = printedSteps(readSnoopText(text, file).messages, file, ports);
  return { source: 'snoop', clock: 'unix', fidelity: 'log', of, steps, warnings };
}
