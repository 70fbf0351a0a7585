import { type Command, Option } from 'commander';
import { openOutput } from '../output.js';
import { progressLine } from '../progress.js';
import { collect } from '../values.js';

interface Options {
  observed: string[];
  inputs?: string;
  format: 'text' | 'json';
  output?: string;
  progress: boolean;
}

const EXAMPLE = `
Example:
  dropwindow compare result.json --observed capture.pcapng`;

export function configure(command: Command, signal: AbortSignal): void {
  command
    .argument('<result>', 'what replay --format json wrote')
    .requiredOption(
      '--observed <file>',
      'captures with frames that left (repeatable), or a dump of conntrack entries',
      collect,
    )
    .option('--inputs <dir>', "folder of the result's inputs (default: here, then beside the result)")
    .addOption(new Option('--format <format>', 'of the comparison').choices(['text', 'json']).default('text'))
    .option('-o, --output <file>', 'write there instead of standard output')
    .option('--no-progress', 'no progress line')
    .addHelpText('after', EXAMPLE)
    .action((result: string, options: Options) => run(result, options, signal));
}

async function run(path: string, options: Options, signal: AbortSignal): Promise<void> {
  const { compare, compareText, jsonText } = await import('../../index.js');
  const { observed, inputs, format } = options;
  const output = openOutput(options.output, [path, ...observed]);
  const progress = progressLine(options.progress);
  const result = await compare(path, {
    observed,
    ...(inputs === undefined ? {} : { inputs }),
    signal,
    onProgress: progress.update,
  }).finally(progress.clear);
  await output.write(format === 'json' ? jsonText(result) : compareText(result));
  output.commit();
  if (result.disagreements.length > 0) process.exitCode = 1;
}
