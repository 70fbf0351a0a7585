/** A random restart of a small firewall with traffic before, through and after it, as a case without answers. */
import type { Case, CaseMod, CaseStep } from '../../src/cases/caseFormat.js';
import type { Prng } from '../../src/util/prng.js';
import { changedPolicy, HOSTS, PORTS, policyFlows, randomPolicy } from './randomPolicy.js';
import { type Frame, RandomTraffic, shuffle } from './randomTraffic.js';

export interface WorldSize {
  readonly packets: number;
  readonly conversations: number;
  /** The restart's new flows come in about so many steps at most. */
  readonly steps?: number;
}

/** What happens between packets: a step without its time. */
type Happening = Pick<CaseStep, 'mods' | 'bundle' | 'conntrack'>;

const OLD = '0xa';
const NEW = '0xb';

/** A packet's note is its PacketLabel. Steps have times of their own, in whole milliseconds, ascending; outside bundles one flow-mod a step. */
export function randomWorld(prng: Prng, size: WorldSize): Case {
  const oldPolicy = randomPolicy(prng);
  const oldFlows = policyFlows(oldPolicy, 1).flat();
  const newPolicy = prng.below(3) === 0 ? changedPolicy(prng, oldPolicy) : oldPolicy;
  const restart = randomRestart(prng, oldFlows, policyFlows(newPolicy, prng.pick([1, 2, 3, 9, 100])), size);
  const traffic = new RandomTraffic(prng, size.conversations);
  const steps: CaseStep[] = [];
  let ms = 1000;
  let done = 0;
  const from = Math.floor(size.packets / 5);
  const perPacket = restart.length / Math.max(1, size.packets * 0.65);
  for (let n = 0; n < size.packets; n++) {
    while (n >= from && done < restart.length && done < (n - from) * perPacket) {
      ms += 1 + prng.below(5);
      steps.push({ t: ms / 1000, ...restart[done++]! });
    }
    ms += gap(prng);
    steps.push({ t: ms / 1000, ...packetStep(traffic.next()) });
  }
  for (const frame of traffic.rest()) steps.push({ t: ++ms / 1000, ...packetStep(frame) });
  return { id: 'world', ports: PORTS, flows: oldFlows.map((flow) => `cookie=${OLD},${flow}`), steps };
}

function packetStep({ port, bytes, label }: Frame): CaseStep {
  return { packet: { in_port: port, hex: bytes.toString('hex') }, note: JSON.stringify(label) };
}

/** Mostly short; now and then beside the time-outs of connections (1, 10, 30 s ...) and of learned addresses. */
function gap(prng: Prng): number {
  const roll = prng.below(60);
  if (roll === 0) return prng.pick([1000, 9990, 10_010, 31_000, 61_000, 125_000, 301_000]);
  return 1 + prng.below(40);
}

function randomRestart(
  prng: Prng,
  oldFlows: readonly string[],
  newGroups: readonly string[][],
  world: WorldSize,
): Happening[] {
  // Port by port, or all ports at once: then a conjunction is in pieces for most of the restart.
  const isScattered = prng.below(2) === 0;
  const groups = isScattered ? [shuffle(prng, newGroups.flat())] : shuffle(prng, newGroups);
  const style = prng.pick(['bundles', 'bundles', 'bundles', 'groups', 'single', 'one']);
  const adds = groups.map((flows) =>
    (prng.below(2) === 0 ? shuffle(prng, flows) : flows).map(
      (flow): CaseMod => ({ op: 'add', flow: `cookie=${NEW},${flow}` }),
    ),
  );
  const happenings: Happening[] = [];
  const bundle = (mods: CaseMod[]): Happening => ({ mods, bundle: true });
  if (style === 'one') happenings.push(bundle([...adds.flat(), ...cleanUp(prng, oldFlows)]));
  else {
    const least = Math.ceil(adds.flat().length / (world.steps ?? Number.POSITIVE_INFINITY));
    for (const group of adds) {
      const chosen = style === 'groups' ? group.length : style === 'single' ? 1 : 2 + prng.below(9);
      const size = Math.max(chosen, least);
      for (let at = 0; at < group.length; at += size) {
        const mods = group.slice(at, at + size);
        happenings.push(mods.length === 1 ? { mods } : bundle(mods));
      }
    }
    const clean = cleanUp(prng, oldFlows);
    const cleaning = prng.below(2) === 0 ? [bundle(clean)] : clean.map((mod): Happening => ({ mods: [mod] }));
    if (prng.below(6) === 0) happenings.unshift(...cleaning);
    else happenings.push(...cleaning);
  }
  // Some agents die on the way, some flows go first, some connections are made to end.
  const kept = prng.below(5) === 0 ? happenings.slice(0, prng.below(happenings.length + 1)) : happenings;
  for (let n = prng.below(6); n > 0; n--) {
    const at = prng.below(kept.length + 1);
    kept.splice(at, 0, prng.below(2) === 0 ? randomDeletion(prng) : { mods: [strayMod(prng, oldFlows)] });
  }
  return kept;
}

/** What is left of the old flows goes. */
function cleanUp(prng: Prng, oldFlows: readonly string[]): CaseMod[] {
  if (prng.below(3) > 0) return [{ op: 'delete', flow: `cookie=${OLD}/-1` }];
  const tables = new Set(oldFlows.map((flow) => /^table=\d+/.exec(flow)![0]));
  return [...tables].map((table) => ({ op: 'delete', flow: `cookie=${OLD}/-1,${table}` }));
}

function strayMod(prng: Prng, flows: readonly string[]): CaseMod {
  const flow = prng.pick(flows);
  const [match, actions] = flow.split(',actions=') as [string, string];
  const others = ['drop', 'NORMAL', 'output:2', actions];
  if (!/drop|conjunction/.test(actions)) others.push(`output:6,${actions}`);
  if (prng.below(3) === 0) return { op: 'modify_strict', flow: `${match},actions=${prng.pick(others)}` };
  return { op: 'delete_strict', flow: match };
}

function randomDeletion(prng: Prng): Happening {
  const { net, ip } = prng.pick(HOSTS);
  const conntrack = prng.pick([
    'flush' as const,
    { delete: { zone: net } },
    { delete: { zone: net, src: ip } },
    { delete: { zone: net, mark: '0x1/0x1' } },
    { delete: { proto: 'tcp', zone: net, dport: 80 } },
  ]);
  return { conntrack };
}
