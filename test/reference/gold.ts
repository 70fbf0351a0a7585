/** A replay held against what a real switch did, event by event (../shared/neutron/README.md, "Exact gold"). */
import { goldEntries, goldOf, type Replayed } from './recorded.js';

export interface GoldDifferences {
  /** What was compared, in words. */
  readonly counts: string;
  readonly problems: string[];
}

export function differencesFromGold(run: string, { lines, conntrack }: Replayed): GoldDifferences {
  const problems: string[] = [];
  let packets = 0;
  let views = 0;
  let deleted = 0;
  let frames = 0;
  let step = 0;
  for (const event of goldOf(run)) {
    if ('n' in event) {
      packets++;
      views += event.ct.length;
      const line = lines[event.n - 1];
      if (line === undefined) problems.push(`packet ${event.n} was not replayed`);
      else if (line.out.join() !== event.out.map(([port]) => port).join()) {
        problems.push(`packet ${event.n} went to ${line.out}, in truth to ${event.out.map(([port]) => port)}`);
      } else if (line.frames !== undefined) {
        frames += event.out.length;
        const mine = new Map(line.frames);
        const wrong = event.out.find(([port, hex]) => (mine.get(port) ?? '=') !== hex);
        if (wrong !== undefined) problems.push(`packet ${event.n} left port ${wrong[0]} as another frame`);
      }
      if (line !== undefined && JSON.stringify(line.ct.map(view)) !== JSON.stringify(event.ct.map(view))) {
        problems.push(`packet ${event.n} saw ${JSON.stringify(line.ct)}, in truth ${JSON.stringify(event.ct)}`);
      }
      continue;
    }
    step++;
    if ('conntrack' in event) {
      deleted += event.deleted;
      const mine = conntrack.deleted[step] ?? 0;
      if (mine !== event.deleted) problems.push(`step ${step} deleted ${mine} entries, in truth ${event.deleted}`);
    }
  }
  const entries = goldEntries(run);
  const missing = entries.filter((entry) => !conntrack.entries.includes(entry));
  const extra = conntrack.entries.filter((entry) => !entries.includes(entry));
  problems.push(...missing.map((entry) => `no entry ${entry}`), ...extra.map((entry) => `extra entry ${entry}`));
  const marked = entries.filter((entry) => entry.includes('mark=')).length;
  const seen = `${packets} packets (${frames} frames), ${views} ct views, ${step} steps, ${deleted} entries deleted`;
  return { counts: `${seen}, ${entries.length} entries at the end, ${marked} of them marked`, problems };
}

const view = ({ zone, state, mark }: { zone: number; state: string; mark: number }) => [zone, state, mark];
