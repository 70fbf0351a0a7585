/** Where results go: standard output, or a file that appears whole or not at all. */
import { once } from 'node:events';
import { closeSync, openSync, realpathSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { UsageError } from '../util/errors.js';
import { reportFailure } from './failure.js';

export interface Output {
  write(text: string | Uint8Array): Promise<void>;
  /** Everything is written: a file takes its name now. */
  commit(): void;
}

/** Temporary files not yet renamed; removed at exit, whatever the reason. */
const unfinished = new Set<string>();
process.on('exit', () => {
  for (const path of unfinished) unlinkSync(path);
});

/** `path` undefined or `-`: standard output. `inputs`: files that must not be overwritten. */
export function openOutput(path: string | undefined, inputs: readonly string[]): Output {
  if (path === undefined || path === '-') return { write: writeStdout, commit: () => {} };
  const target = existing(path);
  if (target !== null && !target.isFile) return direct(path);
  const name = target?.name ?? path;
  refuseInputs(path, inputs);
  const temporary = `${name}.${process.pid}.tmp`;
  const fd = openSync(temporary, 'wx');
  unfinished.add(temporary);
  return {
    write: async (text) => writeWhole(fd, text, path),
    commit: () => {
      closeSync(fd);
      renameSync(temporary, name);
      unfinished.delete(temporary);
    },
  };
}

/** A device or a pipe keeps its name: nothing to rename. */
function direct(path: string): Output {
  const fd = openSync(path, 'w');
  return { write: async (text) => writeWhole(fd, text, path), commit: () => closeSync(fd) };
}

/** A symbolic link stays one: its target is replaced. */
function existing(path: string): { name: string; isFile: boolean } | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (stat.isDirectory()) throw new UsageError(`${path}: is a directory`, 'give -o the name of a file');
  return { name: realpathSync(path), isFile: stat.isFile() };
}

function refuseInputs(path: string, inputs: readonly string[]): void {
  const target = statSync(path, { throwIfNoEntry: false });
  if (target === undefined) return;
  for (const input of inputs) {
    const stat = input === '-' ? undefined : statSync(input, { throwIfNoEntry: false });
    if (stat !== undefined && stat.dev === target.dev && stat.ino === target.ino) {
      throw new UsageError(`${path}: is also an input`, 'an output never replaces an input: choose another name');
    }
  }
}

function writeWhole(fd: number, text: string | Uint8Array, path: string): void {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(fd, bytes, done);
  } catch (error) {
    throw Object.assign(error as Error, { path });
  }
}

async function writeStdout(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** A reader that went away (`| head`) ends the run quietly; a full disk behind `>` is an error like any other. */
export function watchStdout(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    reportFailure(Object.assign(error, { path: 'standard output' }));
    process.exit(2);
  });
}
