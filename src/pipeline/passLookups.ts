/** The lookups of one pass: what the tables answered, and for which versions all those answers hold. */
import { LookupResult } from '../classify/classifier.js';
import { FRAG_ANY, K } from '../fields/key.js';
import { NEVER } from '../util/units.js';
import type { LookupRecord, Pass } from './effects.js';
import type { PipelineEnv } from './env.js';

export class PassLookups {
  readonly records: LookupRecord[] = [];
  /** All answers hold for versions in [from, to). */
  from = 0;
  to: number = NEVER;
  ambiguous: Pass['ambiguous'] = null;
  private readonly env: PipelineEnv;
  private readonly version: number;
  private readonly forced: ReadonlyMap<number, number> | null;
  private readonly found = new LookupResult();

  /** `forced`: as in PassStart. */
  constructor(env: PipelineEnv, version: number, forced: ReadonlyMap<number, number> | null) {
    this.env = env;
    this.version = version;
    this.forced = forced;
  }

  /**
   * ofproto-dpif.c:rule_dpif_lookup_from_table with table-miss "default" and no controller: a miss (-1) drops. `flow` is as
   * before afterwards.
   */
  lookup(table: number, flow: Int32Array, inPort: number): number {
    const { env, found } = this;
    const keptPort = flow[K.in_port]!;
    const keptSrc = flow[K.tp_src]!;
    const keptDst = flow[K.tp_dst]!;
    flow[K.in_port] = inPort;
    if ((flow[K.nw_frag]! & FRAG_ANY) !== 0) {
      // fragment handling "normal": no fragment has ports, not even the first one
      flow[K.tp_src] = 0;
      flow[K.tp_dst] = 0;
    }
    env.classifier.lookup(table, flow, this.version, found);
    const position = this.records.length;
    const rule = this.forced?.get(position) ?? found.rule;
    env.observer?.enter(table, rule, flow);
    flow[K.in_port] = keptPort;
    flow[K.tp_src] = keptSrc;
    flow[K.tp_dst] = keptDst;
    if (found.ambiguous && this.ambiguous === null && !this.forced?.has(position))
      this.ambiguous = { lookup: position, otherRules: [...found.otherRules] };
    this.from = Math.max(this.from, found.from);
    this.to = Math.min(this.to, found.to);
    this.records.push({ table, rule, conjId: found.conjId });
    return rule;
  }
}
