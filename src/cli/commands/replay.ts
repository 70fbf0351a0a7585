import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { FailOn, ReplayOutcome } from '../../index.js';
import { reportFailure } from '../failure.js';
import { openOutput } from '../output.js';
import { progressLine } from '../progress.js';
import { addReplayInputs, inputFiles, type ReplayInputs, replayInputs } from '../replayInputs.js';
import { countFrom, size, wordsOf } from '../values.js';

/** As in report/failOn.ts, which would have to be loaded to ask it. */
const FAIL_ON: readonly FailOn[] = [
  'drop',
  'partial',
  'leak',
  'misdelivery',
  'transitional',
  'dead',
  'lingering',
  'policy',
  'ambiguous',
];

interface Options extends ReplayInputs {
  format: 'text' | 'json';
  output?: string;
  verdicts?: string;
  histograms?: string;
  failOn?: FailOn[];
  progress: boolean;
}

const EXAMPLE = `
Example:
  dropwindow replay --before before.dump --changes openflow.pcap --ports ports.json capture.pcap`;

export function configure(command: Command, signal: AbortSignal): void {
  const one = (flag: string, what: string, ...words: string[]) => new Option(flag, what).choices(words);
  command.argument(
    '<captures...>',
    'pcap or pcapng files, merged by time; NAME=FILE: all of FILE entered by port NAME',
  );
  addReplayInputs(command)
    .option('--workers <n>', 'threads (default: one per core)', countFrom(1))
    .option('--memory <size>', 'stop with what was found when the process takes more (default: no limit)', size)
    .addOption(one('--judge <by>', 'what is right', 'auto', 'both', 'before').default('auto'))
    .option('--all-flows', 'list flows without anything to tell too')
    .addOption(one('--format <format>', 'of the report', 'text', 'json').default('text'))
    .option('-o, --output <file>', 'write the report there instead of standard output')
    .option('--verdicts <file>', 'a line per replayed packet, NDJSON')
    .option('--verdict-frames', 'with the bytes of frames that are rewritten')
    .option('--histograms <dir>', '.hgrm, .hlog and JSON for each histogram')
    .option('--profile', 'measure the time per packet too')
    .option('--fail-on <kinds>', `exit code 1 if there is one: ${FAIL_ON.join(', ')}`, wordsOf(FAIL_ON))
    .option('--no-progress', 'no progress line')
    .addHelpText('after', EXAMPLE)
    .action((captures: string[], options: Options) => run(captures, options, signal));
}

async function run(captures: string[], options: Options, signal: AbortSignal): Promise<void> {
  const { holding, jsonText, replay, textReport } = await import('../../index.js');
  const { format, output, verdicts, histograms, failOn, progress: showProgress, ...rest } = options;
  const inputs = inputFiles(captures, options);
  const report = openOutput(output, inputs);
  const verdictFile = verdicts === undefined ? null : openOutput(verdicts, inputs);
  const progress = progressLine(showProgress);
  const outcome = await replay({
    ...replayInputs(rest),
    captures,
    signal,
    onProgress: progress.update,
    ...(verdictFile === null ? {} : { onVerdicts: verdictFile.write }),
  }).finally(progress.clear);

  const { result } = outcome;
  const text = format === 'json' ? jsonText(result) : textReport(result, { colour: wantsColour(output) });
  await report.write(text);
  report.commit();
  verdictFile?.commit();
  if (histograms !== undefined) await writeHistograms(histograms, outcome, inputs);
  if (failOn !== undefined && holding(result, failOn).length > 0) process.exitCode = 1;
  for (const error of outcome.errors) reportFailure(error);
  if (outcome.errors.length > 0) process.exitCode = 2;
}

async function writeHistograms(folder: string, outcome: ReplayOutcome, inputs: readonly string[]): Promise<void> {
  const { histogramFiles } = await import('../../index.js');
  mkdirSync(folder, { recursive: true });
  for (const { name, text } of await histogramFiles(outcome)) {
    const file = openOutput(join(folder, name), inputs);
    await file.write(text);
    file.commit();
  }
}

function wantsColour(output: string | undefined): boolean {
  return output === undefined && process.stdout.isTTY && !process.env['NO_COLOR'];
}
