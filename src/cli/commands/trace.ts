import { type Command, Option } from 'commander';
import type { TraceOptions } from '../../index.js';
import { warn } from '../failure.js';
import { openOutput } from '../output.js';
import { addRestartOptions } from '../restartOptions.js';
import { collect, countFrom } from '../values.js';

interface Options extends Omit<TraceOptions, 'captures' | 'cookieDumps' | 'flow'> {
  cookieDump?: string[];
  json?: boolean;
  output?: string;
}

const EXAMPLE = `
Example:
  dropwindow trace --before before.dump 'in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2' --ct-next 'trk,est'
  dropwindow trace --before before.dump --changes openflow.pcap --ports ports.json --packet 23 capture.pcap`;

export function configure(command: Command, signal: AbortSignal): void {
  const one = (flag: string, what: string, ...words: string[]) => new Option(flag, what).choices(words);
  command
    .argument('<flow|captures...>', 'a packet as flow text, as ofproto/trace takes it; with --packet the captures')
    .requiredOption('--before <file>', 'rules before the restart: ovs-ofctl dump-flows text')
    .option('--cookie-dump <file>', 'dump-flows cookie=X/-1 of the same moment (repeatable)', collect)
    .option('--packet <n>', 'this replayed packet of the captures, with what its connection has become', countFrom(1))
    .option('--ct-next <state>', 'what the next ct(table=) of a flow leads to (repeatable; default trk,new)', collect)
    .option('--version <n>', 'the tables after so many steps', countFrom(0))
    .option('--at <time>', 'the tables at this time');
  addRestartOptions(command)
    .option('--port-of <file>', 'ingress port per packet, NDJSON')
    .addOption(one('--direction <which>', 'which frames entered the bridge', 'auto', 'in', 'all').default('auto'))
    .option('--conntrack <profile>', 'linux or ovs-userspace', 'linux')
    .option('--conntrack-before <file>', 'conntrack entries at the start')
    .option('--conntrack-max <n>', 'size of the conntrack table', countFrom(1))
    .option('--sysctl <name=value>', 'a conntrack setting (repeatable)', collect)
    .addOption(one('--midstream <rule>', 'connections first seen in the middle', 'established', 'strict'))
    .addOption(one('--reader <reader>', 'who takes captures apart', 'native', 'pcap-parser').default('native'))
    .option('--verify-checksums', 'for lab traces; captures at taps show unset checksums')
    .option('--json', 'as one JSON object')
    .option('-o, --output <file>', 'write there instead of standard output')
    .addHelpText('after', EXAMPLE)
    .action((subjects: string[], options: Options) => run(subjects, options, signal));
}

async function run(subjects: string[], options: Options, signal: AbortSignal): Promise<void> {
  const { jsonText, trace, traceText, UsageError } = await import('../../index.js');
  const { cookieDump, json, output, ...rest } = options;
  const isFlow = options.packet === undefined;
  if (isFlow && subjects.length > 1) {
    throw new UsageError('a FLOW is one argument', 'quote it; with captures, --packet N says which packet');
  }
  const inputs = [options.before, ...(isFlow ? [] : subjects), ...(options.changes ?? []), ...(options.after ?? [])];
  const report = openOutput(output, inputs);
  const result = await trace({
    ...rest,
    signal,
    ...(cookieDump === undefined ? {} : { cookieDumps: cookieDump }),
    ...(isFlow ? { flow: subjects[0]! } : { captures: subjects }),
  });
  for (const warning of result.warnings) warn(warning);
  await report.write(json === true ? jsonText(result) : traceText(result));
  report.commit();
}
