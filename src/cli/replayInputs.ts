/** Options that say what is replayed, and how it is read: the same for every command that replays. */
import { type Command, Option } from 'commander';
import type { ReplayOptions } from '../index.js';
import { addRestartOptions } from './restartOptions.js';
import { collect, countFrom } from './values.js';

/** What commander makes of them: as the library takes it, but for one name. */
export interface ReplayInputs
  extends Omit<ReplayOptions, 'captures' | 'cookieDumps' | 'signal' | 'onProgress' | 'onVerdicts'> {
  readonly cookieDump?: string[];
}

export function addReplayInputs(command: Command): Command {
  const one = (flag: string, what: string, ...words: string[]) => new Option(flag, what).choices(words);
  command
    .requiredOption('--before <file>', 'rules before the restart: ovs-ofctl dump-flows text')
    .option('--cookie-dump <file>', 'dump-flows cookie=X/-1 of the same moment (repeatable)', collect);
  return addRestartOptions(command)
    .option('--port-of <file>', 'ingress port per packet, NDJSON')
    .addOption(one('--direction <which>', 'which frames entered the bridge', 'auto', 'in', 'all').default('auto'))
    .option('--conntrack <profile>', 'linux or ovs-userspace', 'linux')
    .option('--conntrack-before <file>', 'conntrack entries at the start')
    .option('--conntrack-max <n>', 'size of the conntrack table', countFrom(1))
    .option('--sysctl <name=value>', 'a conntrack setting (repeatable)', collect)
    .addOption(one('--midstream <rule>', 'connections first seen in the middle', 'established', 'strict'))
    .addOption(one('--reader <reader>', 'who takes captures apart', 'native', 'pcap-parser').default('native'))
    .option('--verify-checksums', 'for lab traces; captures at taps show unset checksums');
}

/** The same under the names of the library. */
export function replayInputs<T extends ReplayInputs>({ cookieDump, ...rest }: T) {
  return { ...rest, ...(cookieDump === undefined ? {} : { cookieDumps: cookieDump }) };
}

/** Every file that is read: none of them may be overwritten. */
export function inputFiles(captures: readonly string[], options: ReplayInputs): string[] {
  const single = [options.before, options.portOf, options.conntrackBefore].filter((file) => file !== undefined);
  const many = [options.cookieDump, options.changes, options.after, options.ports, options.conntrackEvents];
  const withoutPort = captures.flatMap((capture) => [capture, capture.slice(capture.indexOf('=') + 1)]);
  return [...withoutPort, ...single, ...many.flatMap((files) => files ?? [])];
}
