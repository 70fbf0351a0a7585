/** Runs the built command as a user does. */
import { type SpawnSyncOptions, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function dropwindow(args: readonly string[], options: SpawnSyncOptions = {}): Ran {
  const ran = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  return { code: ran.status, out: String(ran.stdout ?? ''), err: String(ran.stderr ?? '') };
}

/** Reads the first bytes of the output, then closes the pipe, as `| head -1` does. */
export function dropwindowIntoHead(args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    let out = '';
    child.stdout.once('data', (bytes: Buffer) => {
      out = bytes.toString('utf8');
      child.stdout.destroy();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      err += bytes.toString('utf8');
    });
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

/** A folder of its own for one test. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'dropwindow-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
