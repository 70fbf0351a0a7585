/** A private Open vSwitch: own database, unix sockets only, dummy datapath, stopped clock. Nothing of the machine's own is touched. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unixctl } from './unixctl.js';

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const START_MS = 30_000;
const MS = 10;

/** Why the test cannot run here; null: it can. */
export function whyNoOvs(): string | null {
  const found = spawnSync('ovs-vswitchd', ['--version'], { encoding: 'utf8' });
  if (found.error !== undefined) return 'Open vSwitch is not installed (apt-get install openvswitch-switch)';
  return existsSync(SCHEMA) ? null : `${SCHEMA} is missing`;
}

export class Daemons {
  readonly folder: string;
  readonly ctl: Unixctl;
  private readonly processes: readonly ChildProcess[];

  private constructor(folder: string, ctl: Unixctl, processes: readonly ChildProcess[]) {
    this.folder = folder;
    this.ctl = ctl;
    this.processes = processes;
  }

  static async start(): Promise<Daemons> {
    const folder = mkdtempSync(join(tmpdir(), 'dropwindow-ovs-'));
    const processes: ChildProcess[] = [];
    // The daemons end with this process, however it ends.
    const killAll = (): void => {
      for (const each of processes) each.kill('SIGKILL');
    };
    process.once('exit', killAll);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
    try {
      run(folder, 'ovsdb-tool', ['create', join(folder, 'conf.db'), SCHEMA]);
      const db = `unix:${join(folder, 'db.sock')}`;
      const server = ['--remote=punix:db.sock', `--unixctl=${join(folder, 'db.ctl')}`, '-vconsole:off'];
      processes.push(daemon(folder, 'ovsdb-server', [join(folder, 'conf.db'), ...server]));
      await appears(join(folder, 'db.sock'), processes);
      run(folder, 'ovs-vsctl', [`--db=${db}`, '--no-wait', 'init']);
      const options = ['--enable-dummy=override', '--disable-system', `--unixctl=${join(folder, 'vs.ctl')}`];
      processes.push(daemon(folder, 'ovs-vswitchd', [db, ...options, '-vconsole:emer']));
      await appears(join(folder, 'vs.ctl'), processes);
      const ctl = await Unixctl.open(join(folder, 'vs.ctl'));
      const deadline = Date.now() + START_MS;
      while (!(await ctl.call('list-commands')).includes('upcall/disable-megaflows')) {
        if (Date.now() > deadline) throw new Error('ovs-vswitchd does not come up');
        await pause();
      }
      await ctl.call('upcall/disable-megaflows');
      await ctl.call('time/stop');
      return new Daemons(folder, ctl, processes);
    } catch (error) {
      killAll();
      throw error;
    }
  }

  /** Runs a tool against the daemons; stdout, or throws with its stderr. */
  tool(name: string, args: readonly string[], input = ''): string {
    return run(this.folder, name, args, input);
  }

  vsctl(args: readonly string[]): void {
    this.tool('ovs-vsctl', [`--db=unix:${join(this.folder, 'db.sock')}`, '--timeout=60', ...args]);
  }

  async stop(): Promise<void> {
    this.ctl.close();
    for (const each of [...this.processes].reverse()) {
      if (each.exitCode !== null || each.signalCode !== null) continue;
      const ended = new Promise((resolve) => each.once('exit', resolve));
      each.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class ToolError extends Error {}

function environment(folder: string): NodeJS.ProcessEnv {
  const folders = { OVS_RUNDIR: folder, OVS_LOGDIR: folder, OVS_DBDIR: folder, OVS_SYSCONFDIR: folder };
  return { ...process.env, ...folders, LC_ALL: 'C' };
}

function run(folder: string, name: string, args: readonly string[], input = ''): string {
  const done = spawnSync(name, args, { env: environment(folder), cwd: folder, input, encoding: 'utf8' });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0 || done.stderr.includes('OFPT_ERROR')) throw new ToolError(done.stderr || done.stdout);
  return done.stdout;
}

function daemon(folder: string, name: string, args: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.out`), 'a');
  return spawn(name, args, { env: environment(folder), cwd: folder, stdio: ['ignore', log, log] });
}

async function appears(path: string, processes: readonly ChildProcess[]): Promise<void> {
  for (const deadline = Date.now() + START_MS; !existsSync(path); await pause()) {
    const dead = processes.find((each) => each.exitCode !== null);
    if (dead !== undefined) throw new Error(`${dead.spawnfile} ended with ${dead.exitCode}`);
    if (Date.now() > deadline) throw new Error(`${path} does not appear`);
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, MS));
