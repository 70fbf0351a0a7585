import { type Command, Option } from 'commander';
import { warn } from '../failure.js';
import { openOutput } from '../output.js';
import { progressLine } from '../progress.js';

interface Options {
  format: 'json' | 'ovs';
  reader: 'native' | 'pcap-parser';
  output?: string;
  progress: boolean;
}

/** Text is handed over in pieces of this size: one write per packet would cost more than reading it. */
const PIECE = 1 << 16;

export function configure(command: Command, signal: AbortSignal): void {
  command
    .argument('<capture>', 'pcap or pcapng, may be gzip; - is standard input')
    .addOption(
      new Option(
        '--format <format>',
        'json: one object per packet, names as in ovs-fields(7); ovs: as ovs-ofctl parse-pcap',
      )
        .choices(['json', 'ovs'])
        .default('json'),
    )
    .addOption(
      new Option('--reader <reader>', 'who takes the file apart').choices(['native', 'pcap-parser']).default('native'),
    )
    .option('-o, --output <file>', 'write there instead of standard output')
    .option('--no-progress', 'no progress line')
    .addHelpText('after', '\nExample:\n  dropwindow packets capture.pcap | head')
    .action((capture: string, options: Options) => run(capture, options, signal));
}

async function run(capture: string, options: Options, signal: AbortSignal): Promise<void> {
  const { packets } = await import('../../index.js');
  const output = openOutput(options.output, [capture]);
  const progress = progressLine(options.progress);
  let text = '';
  try {
    for await (const { line, flow } of packets(capture, {
      reader: options.reader,
      signal,
      onProgress: progress.update,
      onWarning: warn,
    })) {
      text += options.format === 'ovs' ? `${flow}\n` : `${JSON.stringify(line)}\n`;
      if (text.length < PIECE) continue;
      await output.write(text);
      text = '';
    }
  } finally {
    // What could be read is kept, whatever stopped the reading.
    progress.clear();
    await output.write(text);
    output.commit();
  }
}
