import type { Command } from 'commander';
import type { CaseDifference, CaseFileResult } from '../../index.js';
import { stripControls } from '../../util/text.js';
import { openOutput } from '../output.js';
import { countFrom } from '../values.js';

interface Options {
  emit?: boolean;
  differences: number;
  output?: string;
}

const EXAMPLE = '\nExample:\n  dropwindow test cases.jsonl';

export function configure(command: Command, signal: AbortSignal): void {
  command
    .argument('<files...>', 'cases, JSON Lines; may be gzip; - is standard input')
    .option('--emit', 'print the cases with our answers as what is expected')
    .option('--differences <n>', 'how many differences of a file are shown', countFrom(0), 10)
    .option('-o, --output <file>', 'write there instead of standard output')
    .addHelpText('after', EXAMPLE)
    .action((files: string[], options: Options) => run(files, options, signal));
}

async function run(files: readonly string[], options: Options, signal: AbortSignal): Promise<void> {
  const { testCases } = await import('../../index.js');
  const output = openOutput(options.output, files);
  const total = { passed: 0, failed: 0 };
  try {
    for (const file of files) {
      signal.throwIfAborted();
      const result = await testCases(file);
      total.passed += result.passed;
      total.failed += result.failed;
      await output.write(
        options.emit === true ? emitted(result) : told(file, result, options.differences, files.length),
      );
    }
    if (files.length > 1 && options.emit !== true) await output.write(`${countText(total)}\n`);
  } finally {
    output.commit();
  }
  // With --emit the cases are asked for answers, not held against any.
  if (total.failed > 0 && options.emit !== true) process.exitCode = 1;
}

const countText = ({ passed, failed }: { passed: number; failed: number }) => `${passed} passed, ${failed} failed`;

const emitted = ({ answers }: CaseFileResult) => answers.map((line) => `${line}\n`).join('');

function told(file: string, result: CaseFileResult, limit: number, files: number): string {
  const { differences } = result;
  const lines = differences.slice(0, limit).flatMap(differenceLines);
  if (differences.length > limit) lines.push(`... and ${differences.length - limit} more differences`);
  lines.push(files > 1 ? `${stripControls(file)}: ${countText(result)}` : countText(result));
  return `${lines.join('\n')}\n`;
}

function differenceLines({ case: id, step, key, expected, got }: CaseDifference): string[] {
  const place = step === null ? '' : ` step ${step + 1}`;
  return [`${id}${place}, ${key}:`, `  expected ${expected}`, `  got      ${got}`].map(stripControls);
}
