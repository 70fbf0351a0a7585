/**
 * The restart incident on a Linux kernel (profile `linux`), and the same traffic given to the userspace tracker one event after
 * the other (profile `ovs-userspace`): ../shared/kernel/incident/README.md.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { linesOf, type Replayed, replayWhole } from './recorded.js';
import { readJsonLines, readShared, sharedPath, skipWithoutShared } from './shared.js';

const RUNS = ['A-addr-then-accept', 'B-bundle', 'C-accept-first', 'D-batches-of-7'];
/** Around the time of an ovs-ofctl call either answer is right (README). */
const MARGIN_S = 0.05;

interface Mod {
  readonly t_start: number;
  readonly t_end: number;
  readonly command: string;
  readonly bundle: boolean;
  readonly flow: string;
}

interface Truth {
  readonly n: number;
  readonly t: number;
  readonly in_port: number;
  readonly conn: number;
  readonly received: boolean | null;
}

interface Connection {
  readonly conn: number;
  readonly remote: string;
  readonly proto: string;
  readonly sport: number;
  readonly dport: number;
  readonly ct_mark_end: number;
  readonly orig_alive_end: boolean;
  readonly reply_alive_end: boolean;
}

const folder = mkdtempSync(join(tmpdir(), 'dropwindow-'));
after(() => rmSync(folder, { recursive: true }));

const pathOf = (run: string, name: string) => `kernel/incident/${run}/${name}`;

function replayRun(run: string, conntrack: string): Promise<Replayed> {
  const ports = join(folder, 'ports.json');
  writeFileSync(ports, JSON.stringify({ ports: [1, 2].map((ofport) => ({ name: `p${ofport}`, ofport })) }));
  const portOf = join(folder, `${run}.in.jsonl`);
  const truth = readJsonLines<Truth>(pathOf(run, 'truth.jsonl.gz'));
  writeFileSync(portOf, truth.map(({ in_port }) => JSON.stringify({ in_port })).join('\n'));
  const changes = join(folder, `${run}.ndjson`);
  writeFileSync(changes, scheduleOf(run));
  return replayWhole({
    captures: [sharedPath(pathOf(run, 'packets.pcap.gz'))],
    before: sharedPath(pathOf(run, 'flows.before')),
    changes: [changes],
    ports: [ports],
    portOf,
    conntrack,
  });
}

/** Each call takes effect at its end, as in the userspace gold: a bundle as one step, other flow-mods each as one. */
function scheduleOf(run: string): string {
  const steps: { t: string; mods: object[]; bundle?: true }[] = [];
  for (const { t_end, command, bundle, flow } of readJsonLines<Mod>(pathOf(run, 'mods.jsonl'))) {
    const t = t_end.toFixed(9);
    const mod = { op: command, flow: flow.replace(/,(?=actions=)/, ' ') };
    const last = steps.at(-1);
    if (bundle && last?.bundle && last.t === t) last.mods.push(mod);
    else steps.push({ t, mods: [mod], ...(bundle ? { bundle: true } : {}) });
  }
  const header = { schedule: 1, source: run, clock: 'unix', fidelity: 'log' };
  return [header, ...steps].map((line) => JSON.stringify(line)).join('\n');
}

for (const run of RUNS) {
  test(`${run}: marks and who is alive are the kernel's, and so is every packet outside the brackets`, {
    skip: skipWithoutShared,
  }, async (t) => {
    const { lines, conntrack } = await replayRun(run, 'linux');
    const { connections } = JSON.parse(readShared(pathOf(run, 'connections.json')).toString('utf8')) as {
      connections: Connection[];
    };
    const truth = readJsonLines<Truth>(pathOf(run, 'truth.jsonl.gz'));
    assert.equal(lines.length, truth.length);
    const mods = readJsonLines<Mod>(pathOf(run, 'mods.jsonl'));
    const isDelivered = (n: number) => lines[n]!.outcome === 'delivered';
    let judged = 0;
    let inBrackets = 0;
    let otherwise = 0;
    const wrong: string[] = [];
    for (const { n, t: sent, conn, received } of truth) {
      if (received === null) continue;
      const connection = connections[conn]!;
      const bracketed = mods.some(
        (mod) => touches(mod, connection) && sent >= mod.t_start - MARGIN_S && sent <= mod.t_end + 2 * MARGIN_S,
      );
      if (!bracketed) judged++;
      else inBrackets++;
      if (isDelivered(n) === received) continue;
      if (bracketed) otherwise++;
      else wrong.push(`packet ${n} of connection ${conn} at ${sent}`);
    }
    const end = truth.at(-1)!.t - 1;
    let alive = 0;
    for (const { conn, sport, ct_mark_end, orig_alive_end, reply_alive_end } of connections) {
      const entry = conntrack.entries.find(
        (line) => line.includes(`orig=(src=10.94.0.7,`) && line.includes(`sport=${sport},`),
      );
      assert.ok(entry !== undefined, `connection ${conn} has an entry`);
      assert.equal(/,mark=1(,|$)/.test(entry) ? 1 : 0, ct_mark_end, `mark of connection ${conn}`);
      for (const [port, expected] of [
        [1, orig_alive_end],
        [2, reply_alive_end],
      ] as const) {
        const last = truth.filter((each) => each.conn === conn && each.in_port === port && each.t >= end);
        assert.equal(
          last.every(({ n }) => isDelivered(n)),
          expected,
          `connection ${conn} from port ${port}`,
        );
        alive++;
      }
    }
    t.diagnostic(
      `${connections.length} marks, ${alive} alive flags; ${judged} packets outside brackets, ${wrong.length} differ; ` +
        `${inBrackets} inside, ${otherwise} of them otherwise`,
    );
    assert.deepEqual(wrong.slice(0, 10), []);
  });

  test(`${run}: the userspace tracker's every packet, view and entry`, { skip: skipWithoutShared }, async (t) => {
    const { lines, conntrack } = await replayRun(run, 'ovs-userspace');
    type Gold = { n?: number; out: [number, string][]; ct: { state: string; zone: number; mark: number }[] };
    let packets = 0;
    let views = 0;
    const wrong: string[] = [];
    for (const { n, out, ct } of readJsonLines<Gold>(pathOf(run, 'gold_userspace.jsonl.gz'))) {
      if (n === undefined) continue;
      const line = lines[n]!;
      packets++;
      views += ct.length;
      const view = ({ state, zone, mark }: Gold['ct'][number]) => `${zone} ${state} ${mark}`;
      const isSame =
        out.map(([port]) => port).join() === line.out.join() && ct.map(view).join() === line.ct.map(view).join();
      if (!isSame) wrong.push(`packet ${n}: ${JSON.stringify({ out, ct })} / ${JSON.stringify(line)}`);
    }
    assert.deepEqual(wrong.slice(0, 5), []);
    const entries = linesOf(pathOf(run, 'gold_userspace_conntrack.txt')).sort();
    assert.deepEqual(conntrack.entries, entries);
    t.diagnostic(`${packets} packets, ${views} ct views, ${entries.length} entries equal`);
  });
}

/** Does the flow-mod write a rule that this connection's packets can meet? */
function touches({ flow }: Mod, { remote, proto, dport }: Connection): boolean {
  const address = /nw_(?:src|dst)=([\d.]+)/.exec(flow)?.[1];
  if (address !== undefined) return address === remote;
  const port = /(?:tcp|udp)_(?:src|dst)=(\d+)/.exec(flow)?.[1];
  return port === undefined || (port === `${dport}` && flow.includes(`,${proto},`));
}
