/**
 * A replay held against what the recording lab received (drops.json, recv.jsonl.gz): flows with loss, leaks and dead flows.
 * The lab's switch was one thread that handled flow-mods and packets in turn, so some packets met other tables than the clock says.
 */
import type { Replayed } from './recorded.js';
import { linesOf } from './recorded.js';
import { readJsonLines, readShared } from './shared.js';

interface Drops {
  readonly summary: { readonly first_bundle_start: number };
  readonly lost: readonly {
    readonly conn: number;
    readonly dir: string;
    readonly last: number;
    readonly open_at_end: boolean;
  }[];
  readonly leaks: readonly { readonly conn: number; readonly dir: string }[];
}

interface Connection {
  readonly conn: number;
  readonly proto: string;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
}

export interface Received {
  readonly counts: string;
  /** `loss 159 fwd, only replayed`: flows in which the two differ, with the reason where one can be given. */
  readonly exceptions: ReadonlyMap<string, string | null>;
}

/** How long the lab's switch could be late: p99 of its delays is 0.7 s (README of the runs). */
const LATE_S = 1;

export function compareWithReceived(run: string, replayed: Replayed): Received {
  const drops = JSON.parse(readShared(`neutron/${run}/drops.json`).toString('utf8')) as Drops;
  const recorded = { loss: new Set<string>(), leak: new Set<string>(), dead: new Set<string>() };
  const early = new Set<string>();
  for (const { conn, dir, last, open_at_end } of drops.lost) {
    const flow = `${conn} ${dir}`;
    recorded.loss.add(flow);
    if (open_at_end) recorded.dead.add(flow);
    if (last < drops.summary.first_bundle_start) early.add(`loss ${flow}, only recorded`);
  }
  for (const { conn, dir } of drops.leaks) recorded.leak.add(`${conn} ${dir}`);

  const mine = ours(run, replayed);
  const exceptions = new Map<string, string | null>();
  const apart = packetsApart(run, replayed);
  for (const kind of ['loss', 'leak', 'dead'] as const) {
    for (const flow of new Set([...recorded[kind], ...mine[kind]])) {
      if (recorded[kind].has(flow) && mine[kind].has(flow)) continue;
      const name = `${kind} ${flow}, only ${mine[kind].has(flow) ? 'replayed' : 'recorded'}`;
      const reason = early.has(name) ? 'lost before the first bundle: a reply read before the packet it answers' : null;
      exceptions.set(name, reason ?? apart.get(flow.split(' ')[0]!) ?? null);
    }
  }
  const sizes = (['loss', 'leak', 'dead'] as const).map((kind) => `${recorded[kind].size}/${mine[kind].size} ${kind}`);
  return { counts: `flows recorded/replayed: ${sizes.join(', ')}`, exceptions };
}

function ours(run: string, { result }: Replayed): Record<'loss' | 'leak' | 'dead', Set<string>> {
  const connections = JSON.parse(readShared(`neutron/${run}/connections.json.gz`).toString('utf8')) as Connection[];
  const names = new Map<string, string>();
  for (const { conn, proto, src, sport, dst, dport } of connections) {
    names.set([proto, src, sport, dst, dport].join(' '), `${conn} fwd`);
    names.set([proto, dst, dport, src, sport].join(' '), `${conn} rev`);
  }
  const nameOf = ({ proto, src, sport, dst, dport }: { proto: string; src: string; dst: string } & FlowPorts) =>
    names.get([proto, src, sport, dst, dport].join(' ')) ?? `unknown ${src} ${dst}`;
  const found = { loss: new Set<string>(), leak: new Set<string>(), dead: new Set<string>() };
  for (const { kind, flow } of result.windows) found[kind === 'leak' ? 'leak' : 'loss'].add(nameOf(flow));
  for (const { dead, flow } of result.flows) if (dead !== null) found.dead.add(nameOf(flow));
  return found;
}

interface FlowPorts {
  readonly sport: number | null;
  readonly dport: number | null;
}

/** Connections whose first packet apart from the recording was sent within LATE_S before or after a step that changed tables. */
function packetsApart(run: string, { lines }: Replayed): Map<string, string> {
  const steps = linesOf(`neutron/${run}/schedule.ndjson.gz`)
    .filter((line) => line.includes('"mods":'))
    .map((line) => Number(/"t":"?([\d.]+)/.exec(line)![1]));
  const received = new Set(readJsonLines<{ id: number }>(`neutron/${run}/recv.jsonl.gz`).map(({ id }) => id));
  const reasons = new Map<string, string>();
  const sent = readJsonLines<{ id: number; ts: number; conn: number | null }>(`neutron/${run}/sent.ports.jsonl.gz`);
  sent.forEach(({ id, ts, conn }, i) => {
    if (conn === null || reasons.has(`${conn}`)) return;
    const isDelivered = lines[i]!.out.some((port) => port !== 65534);
    if (isDelivered === received.has(id)) return;
    const nearest = Math.min(...steps.map((t) => Math.abs(t - ts)));
    if (nearest > LATE_S) return;
    const ms = Math.round(nearest * 1000);
    reasons.set(`${conn}`, `packet ${i + 1}, ${ms} ms from a step, was judged on its other side; the rest follows`);
  });
  return reasons;
}
