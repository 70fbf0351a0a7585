import type { Command } from 'commander';
import type { TraceOptions } from '../../index.js';
import { warn } from '../failure.js';
import { openOutput } from '../output.js';
import { addReplayInputs, inputFiles, type ReplayInputs, replayInputs } from '../replayInputs.js';
import { collect, countFrom } from '../values.js';

interface Options extends ReplayInputs, Pick<TraceOptions, 'packet' | 'ctNext' | 'version' | 'at'> {
  json?: boolean;
  output?: string;
}

const EXAMPLE = `
Example:
  dropwindow trace --before before.dump 'in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2' --ct-next 'trk,est'
  dropwindow trace --before before.dump --changes openflow.pcap --ports ports.json --packet 23 capture.pcap`;

export function configure(command: Command, signal: AbortSignal): void {
  command
    .argument('<flow|captures...>', 'a packet as flow text, as ofproto/trace takes it; with --packet the captures')
    .option('--packet <n>', 'this replayed packet of the captures, with what its connection has become', countFrom(1))
    .option('--ct-next <state>', 'what the next ct(table=) of a flow leads to (repeatable; default trk,new)', collect)
    .option('--version <n>', 'the tables after so many steps', countFrom(0))
    .option('--at <time>', 'the tables at this time');
  addReplayInputs(command)
    .option('--json', 'as one JSON object')
    .option('-o, --output <file>', 'write there instead of standard output')
    .addHelpText('after', EXAMPLE)
    .action((subjects: string[], options: Options) => run(subjects, options, signal));
}

async function run(subjects: string[], options: Options, signal: AbortSignal): Promise<void> {
  const { jsonText, trace, traceText, UsageError } = await import('../../index.js');
  const { json, output, ...rest } = options;
  const isFlow = options.packet === undefined;
  if (isFlow && subjects.length > 1) {
    throw new UsageError('a FLOW is one argument', 'quote it; with captures, --packet N says which packet');
  }
  const report = openOutput(output, inputFiles(isFlow ? [] : subjects, options));
  const result = await trace({
    ...replayInputs(rest),
    signal,
    ...(isFlow ? { flow: subjects[0]! } : { captures: subjects }),
  });
  for (const warning of result.warnings) warn(warning);
  await report.write(json === true ? jsonText(result) : traceText(result));
  report.commit();
}
