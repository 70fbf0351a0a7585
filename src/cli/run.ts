/**
 * Finds the command, runs it, turns whatever happens into an exit code: 0 done, 1 a condition or a difference holds,
 * 2 wrong usage or bad input, 70 a defect of ours, 130 interrupted. A command's module is loaded only when it is asked for.
 */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../util/version.js';
import { COMMANDS } from './commands.js';
import { exitCodeOf, reportFailure } from './failure.js';
import { watchStdout } from './output.js';

/** Exit code of a run that the user stopped: what was done so far has been written. */
export const INTERRUPTED = 130;

export async function run(argv: readonly string[]): Promise<number> {
  const controller = new AbortController();
  let interrupts = 0;
  const interrupt = () => {
    interrupts++;
    if (interrupts > 1) process.exit(INTERRUPTED);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  watchStdout();
  try {
    const program = await buildProgram(argv, controller.signal);
    await program.parseAsync(argv, { from: 'user' });
    return interrupts > 0 ? INTERRUPTED : Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (interrupts > 0 && isAbort(error)) return INTERRUPTED;
    reportFailure(error);
    return exitCodeOf(error);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** The commander program: only the command asked for gets its options, unless help needs all names. */
async function buildProgram(argv: readonly string[], signal: AbortSignal): Promise<Command> {
  const program = new Command('dropwindow')
    .description(
      'Replays captured traffic through an Open vSwitch flow restart and reports every drop window with its cause',
    )
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    // What stands behind a command is its own: trace has a --version too.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(usageError(text)) })
    .showSuggestionAfterError(true)
    .addHelpText('after', '\nExample:\n  dropwindow packets capture.pcap');
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary).description(summary);
    if (argv.includes(name)) (await load()).configure(command, signal);
  }
  return program;
}

/** Commander's `error: unknown option '--x'\n(Did you mean --y?)` in our form: what is wrong, then what to do. */
function usageError(text: string): string {
  return text.replace(/^error: /, 'dropwindow: ').replace(/\n\(Did you mean ([^)]*)\)/, '\ndid you mean $1');
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
