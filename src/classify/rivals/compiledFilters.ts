/** A filter set as an OpenFlow table, ranges split into masks, under the classifier that replays use. */
import { K, KEY_WORDS } from '../../fields/key.js';
import { type Match, MatchBuilder, maskKey } from '../../openflow/match.js';
import { NO_FLAGS, type Rule } from '../../openflow/rule.js';
import { TimelineBuilder } from '../../timeline/builder.js';
import type { Timeline } from '../../timeline/timeline.js';
import { UnsupportedError } from '../../util/errors.js';
import { type Classifier, LookupResult } from '../classifier.js';
import { CompiledClassifier } from '../compiled.js';
import { type FilterClassifier, type FilterSet, prefixMask } from './filters.js';
import { splitRange } from './tupleSpace.js';

/** Priorities have 16 bits. */
const FILTERS_MAX = 0x10000;

export class CompiledFilters implements FilterClassifier {
  private readonly classifier: Classifier;
  private readonly filterOf: Int32Array;
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly result = new LookupResult();

  /** UnsupportedError for more filters than there are priorities. */
  constructor(set: FilterSet) {
    const { timeline, filterOf } = filterTimeline(set);
    this.classifier = new CompiledClassifier(timeline);
    this.filterOf = filterOf;
    this.key[K.dl_type] = 0x0800;
  }

  lookup(src: number, dst: number, sport: number, dport: number, proto: number): number {
    const { key, result } = this;
    key[K.nw_src] = src;
    key[K.nw_dst] = dst;
    key[K.tp_src] = sport;
    key[K.tp_dst] = dport;
    key[K.nw_proto] = proto;
    this.classifier.lookup(0, key, 0, result);
    return result.rule < 0 ? -1 : this.filterOf[result.rule]!;
  }
}

/** One rule per filter and pair of port masks, in table 0, the first filter with the highest priority. */
export function filterTimeline(set: FilterSet): { timeline: Timeline; filterOf: Int32Array } {
  if (set.count > FILTERS_MAX) throw new UnsupportedError(`more than ${FILTERS_MAX} filters in an OpenFlow table`);
  const builder = new TimelineBuilder();
  const masks = new Map<string, number>();
  const filterOf: number[] = [];
  for (let filter = 0; filter < set.count; filter++) {
    for (const [sport, sportMask] of splitRange(set.sportFrom[filter]!, set.sportTo[filter]!))
      for (const [dport, dportMask] of splitRange(set.dportFrom[filter]!, set.dportTo[filter]!)) {
        const match = new MatchBuilder()
          .set(K.dl_type, 0x0800, 0xffff)
          .set(K.nw_src, set.src[filter]!, prefixMask(set.srcBits[filter]!))
          .set(K.nw_dst, set.dst[filter]!, prefixMask(set.dstBits[filter]!))
          .set(K.nw_proto, set.proto[filter]!, set.proto[filter]! < 0 ? 0 : 0xff)
          .set(K.tp_src, sport, sportMask)
          .set(K.tp_dst, dport, dportMask)
          .build();
        const name = maskKey(match);
        let mask = masks.get(name);
        if (mask === undefined) {
          mask = builder.addMask(0, match);
          masks.set(name, mask);
        }
        builder.addRule(ruleOf(match, FILTERS_MAX - 1 - filter), mask, null);
        filterOf.push(filter);
      }
  }
  // The order of masks decides nothing here: no two filters have the same priority.
  builder.setOrder(0, Int32Array.from(masks.values()));
  return { timeline: builder.timeline, filterOf: Int32Array.from(filterOf) };
}

function ruleOf(match: Match, priority: number): Rule {
  return {
    table: 0,
    priority,
    match,
    actions: [],
    cookie: 0n,
    idleTimeout: 0,
    hardTimeout: 0,
    importance: 0,
    flags: NO_FLAGS,
  };
}
