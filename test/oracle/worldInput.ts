/** A random world as what both replays take: all versions of the tables, steps with times, packets with labels. */
import type { Case, CaseConntrackFilter, CaseStep } from '../../src/cases/caseFormat.js';
import { CaseTexts } from '../../src/cases/caseTexts.js';
import { LinearClassifier } from '../../src/classify/linear.js';
import { PORT } from '../../src/fields/key.js';
import { DEFAULT_BRIDGE_CONFIG, type PipelineEnv, type PipelinePort } from '../../src/pipeline/env.js';
import { FlowTables } from '../../src/timeline/flowTables.js';
import type { ConntrackFilter, Step } from '../../src/timeline/schedule.js';
import type { Timeline } from '../../src/timeline/timeline.js';
import type { PacketLabel } from './randomTraffic.js';

export interface WorldPacket {
  /** From 1. */
  readonly number: number;
  readonly tNs: number;
  readonly inPort: number;
  readonly frame: Uint8Array;
  readonly label: PacketLabel;
}

export interface WorldInput {
  readonly timeline: Timeline;
  /** Of step i (from 1) at index i. */
  readonly stepNs: readonly number[];
  readonly packets: readonly WorldPacket[];
  /** With the linear classifier. */
  readonly env: PipelineEnv;
}

const MS = 1_000_000;
const PROTO: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1 };

/** `deletionsEverywhere`: deletions of connections act in all worlds, as those of other causes than the restart. */
export function worldInput(world: Case, deletionsEverywhere: boolean): WorldInput {
  const texts = new CaseTexts('OpenFlow15', world.ports ?? []);
  const tables = new FlowTables();
  const error = tables.install((world.flows ?? []).map((flow) => texts.flowMod({ op: 'add', flow })));
  if (error !== null) throw new Error(`a flow is refused: ${error}`);
  const stepNs = [Number.NEGATIVE_INFINITY];
  const packets: WorldPacket[] = [];
  for (const step of world.steps) {
    const tNs = Math.round(step.t! * 1000) * MS;
    if (step.packet !== undefined) {
      packets.push({
        number: packets.length + 1,
        tNs,
        inPort: step.packet.in_port!,
        frame: Uint8Array.from(Buffer.from(step.packet.hex!, 'hex')),
        label: JSON.parse(step.note!) as PacketLabel,
      });
      continue;
    }
    const refused = tables.applyStep(scheduleStep(step, BigInt(tNs), texts, deletionsEverywhere));
    if (refused !== null) throw new Error(`a step is refused: ${refused}`);
    stepNs.push(tNs);
  }
  const timeline = tables.timeline();
  return { timeline, stepNs, packets, env: envOf(world, timeline) };
}

function scheduleStep(step: CaseStep, t: bigint, texts: CaseTexts, everywhere: boolean): Step {
  const bracket = { earliest: t, latest: t };
  if (step.mods !== undefined)
    return {
      kind: 'tables',
      t: bracket,
      mods: step.mods.map((mod) => texts.flowMod(mod)),
      bundle: step.bundle ?? false,
      batch: null,
      note: null,
    };
  const filter = step.conntrack === 'flush' ? null : filterOf(step.conntrack!.delete);
  return { kind: 'conntrack', t: bracket, filter, worlds: everywhere ? 'all' : 'actual', note: null };
}

function filterOf({ proto, mark, ...rest }: CaseConntrackFilter): ConntrackFilter {
  const [value, mask] = String(mark ?? '').split('/');
  return {
    ...rest,
    ...(proto === undefined ? {} : { proto: PROTO[proto]! }),
    ...(mark === undefined ? {} : { mark: Number(value), markMask: Number(mask) }),
  };
}

function envOf(world: Case, timeline: Timeline): PipelineEnv {
  const ports = new Map<number, PipelinePort>();
  const nothing = { tag: null, trunks: null, vlanMode: null, peer: null, noFlood: false, noForward: false };
  for (const { name, ofport, tag, trunks } of world.ports ?? [])
    ports.set(ofport, { ...nothing, name, ofport, tag: tag ?? null, trunks: trunks ?? null });
  ports.set(PORT.LOCAL, { ...nothing, name: 'br0', ofport: PORT.LOCAL });
  return {
    bridge: 'br0',
    classifier: new LinearClassifier(timeline),
    ruleAt: (index) => timeline.rules[index]!.rule,
    ports,
    groups: new Map(),
    config: DEFAULT_BRIDGE_CONFIG,
  };
}
