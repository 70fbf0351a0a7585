import { type Command, Option } from 'commander';
import type { FlowFileOptions, FlowLine } from '../../index.js';
import { reportFailure, warn } from '../failure.js';
import { openOutput } from '../output.js';
import { collect } from '../values.js';

interface Options extends FlowFileOptions {
  json?: boolean;
  check?: boolean;
  output?: string;
}

export function configure(command: Command): void {
  command
    .argument('<file>', 'what ovs-ofctl add-flows takes, or a dump; may be gzip; - is standard input')
    .addOption(
      new Option('--of <version>', 'OpenFlow version to read and print (default: that of a dump, else 1.3)').choices([
        '1.0',
        '1.1',
        '1.2',
        '1.3',
        '1.4',
        '1.5',
      ]),
    )
    .option('--ports <file>', 'port list, for names in the flows (repeatable)', collect)
    .option('--json', 'one object per flow')
    .option('--check', 'print nothing but errors')
    .option('-o, --output <file>', 'write there instead of standard output')
    .addHelpText('after', '\nExample:\n  dropwindow flows --check flows.txt')
    .action((file: string, options: Options) => run(file, options));
}

async function run(file: string, options: Options): Promise<void> {
  const { flowToJson, readFlows } = await import('../../index.js');
  const output = openOutput(options.output, [file, ...(options.ports ?? [])]);
  const { flows, errors, warnings } = await readFlows(file, options);
  if (options.check !== true) {
    const line = async (flow: FlowLine) => (options.json === true ? JSON.stringify(await flowToJson(flow)) : flow.text);
    const lines = await Promise.all(flows.map(line));
    await output.write(lines.map((text) => `${text}\n`).join(''));
  }
  output.commit();
  for (const warning of warnings) warn(warning);
  for (const error of errors) reportFailure(error);
  if (errors.length > 0) process.exitCode = 2;
}
