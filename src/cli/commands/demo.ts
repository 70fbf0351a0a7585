import { cpSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { openOutput } from '../output.js';

export function configure(command: Command, signal: AbortSignal): void {
  command
    .option('--keep <dir>', 'leave the inputs there, and say how to repeat it')
    .addHelpText('after', '\nExample:\n  dropwindow demo --keep incident')
    .action((options: { keep?: string }) => run(options, signal));
}

async function run({ keep }: { keep?: string }, signal: AbortSignal): Promise<void> {
  const { demo, incidentFolder } = await import('../../index.js');
  const output = openOutput(undefined, []);
  await output.write(await demo({ signal }));
  if (keep !== undefined) {
    mkdirSync(keep, { recursive: true });
    cpSync(await incidentFolder(), keep, { recursive: true });
  }
  const folder = keep ?? (await incidentFolder());
  const near = relative('', folder);
  const file = (name: string) => quoted(join(near.startsWith('..') ? folder : near, name));
  const command = `dropwindow replay --before ${file('before.dump')} --changes ${file('restart.ndjson')} \\
    --ports ${file('ports.json')} --conntrack ovs-userspace ${file('capture.pcapng')}`;
  await output.write(`\nTo see all of it:\n  ${command}\n`);
  output.commit();
}

/** For a POSIX shell. */
const quoted = (word: string) => (/^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
