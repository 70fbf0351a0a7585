import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { BenchClassifierOptions, BenchReport } from '../../index.js';
import { openOutput } from '../output.js';
import { progressLine } from '../progress.js';
import { addReplayInputs, inputFiles, type ReplayInputs, replayInputs } from '../replayInputs.js';
import { collect, countFrom } from '../values.js';

interface Common {
  rounds: number;
  passes: number;
  core?: number;
  format: 'text' | 'json' | 'markdown';
  output?: string;
  hgrm?: string;
  progress: boolean;
}

interface ClassifierOptions extends Common, Omit<BenchClassifierOptions, 'rounds' | 'passes' | 'core' | 'methods'> {
  method?: string[];
}

type Replayed = Common & ReplayInputs;

const EXAMPLE = `
Example:
  dropwindow bench classifier --generate acl --size S --count 100000 --rounds 1`;

export function configure(command: Command, signal: AbortSignal): void {
  command.addHelpText('after', EXAMPLE);
  const classifier = command.command('classifier').description('every classifier on the same filters and headers');
  classifier
    .option('--filters <file>', "filter set in ClassBench's format, may be gzip")
    .option('--trace <file>', 'headers for it: src dst sport dport proto [answer]; default: made from the filters')
    .option('--flows <file>', 'OpenFlow rules instead: a dump or flow text')
    .option('--headers <file>', 'headers for them: flow text, table=N first')
    .addOption(new Option('--generate <kind>', 'a filter set of our own').choices(['acl', 'fw', 'ipc']))
    .addOption(new Option('--size <size>', '1,000, 10,000 or 100,000 filters').choices(['S', 'M', 'L']).default('M'))
    .option('--seed <n>', 'of what is made', countFrom(0), 1)
    .option('--count <n>', 'headers that are made', countFrom(1), 300_000)
    .option('--zipf', 'make headers with locality: 4,096 flows')
    .option('--method <name>', 'only this method (repeatable)', collect)
    .option('--hgrm <dir>', 'percentiles of each method for HdrHistogram')
    .addHelpText('after', EXAMPLE);
  addCommon(classifier).action(async (options: ClassifierOptions) => {
    const { benchClassifier } = await import('../../index.js');
    const { method, ...rest } = options;
    const inputs = [options.filters, options.trace, options.flows, options.headers].filter(
      (file) => file !== undefined,
    );
    await run(options, inputs, signal, (running) =>
      benchClassifier({ ...rest, ...running, ...(method === undefined ? {} : { methods: method }) }),
    );
  });

  const scan = command.command('scan').description('captures to headers and connection numbers');
  addCommon(scan.argument('<captures...>', 'pcap or pcapng files, merged by time'))
    .addHelpText('after', '\nExample:\n  dropwindow bench scan capture.pcap')
    .action(async (captures: string[], options: Common) => {
      const { benchScan } = await import('../../index.js');
      await run(options, captures, signal, (running) => benchScan(captures, running));
    });

  const replay = command.command('replay').description('the whole replay, reading included');
  addReplayInputs(replay.argument('<captures...>', 'as for dropwindow replay'))
    .option('--workers <n>', 'threads', countFrom(1))
    .addHelpText(
      'after',
      '\nExample:\n  dropwindow bench replay --before before.dump --changes restart.ndjson capture.pcap',
    );
  addCommon(replay).action(async (captures: string[], options: Replayed) => {
    const { benchReplay } = await import('../../index.js');
    const {
      rounds: _,
      passes: __,
      core: ___,
      format: ____,
      output: _____,
      hgrm: ______,
      progress: _______,
      ...replayed
    } = options;
    await run(options, inputFiles(captures, options), signal, (running) =>
      benchReplay({ ...replayInputs(replayed), captures }, running),
    );
  });
}

function addCommon(command: Command): Command {
  return command
    .option('--rounds <n>', 'each method in turn, so often', countFrom(1), 3)
    .option('--passes <n>', 'over the input in a process, after a first one', countFrom(1), 3)
    .option('--core <n>', 'pin processes to this core', countFrom(0))
    .addOption(new Option('--format <format>', 'of the table').choices(['text', 'json', 'markdown']).default('text'))
    .option('-o, --output <file>', 'write there instead of standard output')
    .option('--no-progress', 'no progress line');
}

interface Running {
  rounds: number;
  passes: number;
  core?: number;
  signal: AbortSignal;
  onProgress: ReturnType<typeof progressLine>['update'];
}

async function run(
  options: Common,
  inputs: readonly string[],
  signal: AbortSignal,
  measure: (running: Running) => Promise<BenchReport>,
): Promise<void> {
  const { benchText, jsonText } = await import('../../index.js');
  const output = openOutput(options.output, inputs);
  const progress = progressLine(options.progress);
  const { rounds, passes, core } = options;
  const report = await measure({
    rounds,
    passes,
    ...(core === undefined ? {} : { core }),
    signal,
    onProgress: progress.update,
  }).finally(progress.clear);
  const { histograms, ...json } = report;
  await output.write(
    options.format === 'json' ? jsonText(json) : await benchText(report, options.format === 'markdown'),
  );
  output.commit();
  if (options.hgrm !== undefined) await writeHistograms(options.hgrm, histograms, inputs);
  if (report.rows.some((row) => (row.mismatches ?? 0) > 0)) process.exitCode = 1;
}

async function writeHistograms(
  folder: string,
  histograms: BenchReport['histograms'],
  inputs: readonly string[],
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const { name, text } of histograms) {
    const file = openOutput(join(folder, name), inputs);
    await file.write(text);
    file.commit();
  }
}
