/** From what a run in a world did to how it is told. */
import { K } from '../fields/key.js';
import { formatFlowKey } from '../fields/packetText.js';
import { formatRule } from '../openflow/flowPrint.js';
import type { NormalEffect } from '../pipeline/effects.js';
import type { PipelineEnv } from '../pipeline/env.js';
import type { MacTable } from '../pipeline/mac.js';
import { NEVER, NS_PER_S } from '../util/units.js';
import { actionsText } from './traceActions.js';
import type { TraceCt, TraceNode, TracePass, TraceWorld, Versions } from './traceResult.js';
import type { TreeNode, TreePass } from './traceTree.js';
import { ctStateText } from './verdictLines.js';

export interface RunInWorld extends Omit<TraceWorld, 'passes' | 'versions'> {
  readonly passes: readonly TreePass[];
  /** What NORMAL finds, the packet itself learned. */
  readonly ports: NormalOutputs;
  readonly ctFrom: (fork: number) => TraceCt['from'];
}

export class WorldTeller {
  private readonly env: PipelineEnv;

  constructor(env: PipelineEnv) {
    this.env = env;
  }

  tell({ passes, ports, ctFrom, ...told }: RunInWorld): TraceWorld {
    let forks = 0;
    return {
      ...told,
      passes: passes.map((pass) => {
        const isFork = pass.resumed && isTracked(pass);
        return this.pass(pass, told.version, ports, isFork ? ctFrom(forks++) : 'replay');
      }),
      versions: shared(passes.map(({ pass }) => [pass!.from, pass!.to])),
    };
  }

  private pass(tree: TreePass, version: number, ports: NormalOutputs, ctFrom: TraceCt['from']): TracePass {
    const { key, resumed, table, finalKey } = tree;
    const pass = tree.pass!;
    return {
      flow: formatFlowKey(key),
      resumed: resumed ? { table, ct: isTracked(tree) ? ctOf(key, ctFrom) : null } : null,
      nodes: tree.nodes.map((node) => this.node(node, version)),
      finalFlow: key.every((word, i) => word === finalKey[i]) ? null : formatFlowKey(finalKey),
      actions: actionsText(pass.effects, key, (effect) => ports.of(effect)),
      error: pass.error,
      versions: shared([[pass.from, pass.to]]),
    };
  }

  private node({ type, text, lookup, nodes, isIndented }: TreeNode, version: number): TraceNode {
    const inner = nodes.length === 0 ? {} : { nodes: nodes.map((node) => this.node(node, version)) };
    const shape = { type, text, ...(isIndented ? { isIndented } : {}) };
    if (lookup === null) return { ...shape, ...inner };
    const { from, to, conjId, clauses } = this.env.classifier.explain(lookup.table, lookup.key, version);
    return {
      ...shape,
      rule: lookup.rule < 0 ? null : this.rule(lookup.rule),
      ...(conjId === null ? {} : { conjunction: { id: conjId, clauses: clauses.map((rule) => this.rule(rule)) } }),
      versions: shared([[from, to]]),
      ...inner,
    };
  }

  rule(index: number): string {
    return formatRule(this.env.ruleAt(index), { of: '1.3' });
  }
}

/** Where NORMAL sends a packet, by the addresses that a world has learned. */
export class NormalOutputs {
  private readonly macs: MacTable;
  private readonly seconds: number;
  private readonly learns: boolean;
  private readonly known = new Map<NormalEffect, readonly number[]>();

  /** `learns`: the packet's own source counts. */
  constructor(macs: MacTable, tNs: number, learns: boolean) {
    this.macs = macs;
    this.seconds = Math.floor(tNs / NS_PER_S);
    this.learns = learns;
  }

  of(effect: NormalEffect): readonly number[] {
    let ports = this.known.get(effect);
    if (ports === undefined) {
      const admission = this.learns ? this.macs.learn(effect, this.seconds) : this.macs.admit(effect);
      ports = admission === null ? [] : this.macs.outputs(effect, admission, this.seconds).map(({ ofport }) => ofport);
      this.known.set(effect, ports);
    }
    return ports;
  }
}

function isTracked({ key, resumed }: TreePass): boolean {
  return resumed && key[K.ct_state] !== 0;
}

function ctOf(key: Int32Array, from: TraceCt['from']): TraceCt {
  const label = [...key.subarray(K.ct_label, K.ct_label + 4)].reduce(
    (sum, word) => (sum << 32n) | BigInt(word >>> 0),
    0n,
  );
  return {
    zone: key[K.ct_zone]!,
    state: ctStateText(key[K.ct_state]!),
    mark: key[K.ct_mark]! >>> 0,
    label: `0x${label.toString(16)}`,
    from,
  };
}

/** Intersection. */
function shared(ranges: readonly (readonly [number, number])[]): Versions {
  const from = Math.max(0, ...ranges.map((range) => range[0]));
  const to = Math.min(NEVER, ...ranges.map((range) => range[1]));
  return [from, to === NEVER ? null : to];
}
