/** Texts of OVS that say what became of a packet: datapath flows, traces, dump lines. */
import type { CaseCt } from '../../src/cases/caseFormat.js';

/** One pass of a packet: the exact datapath flow that it left behind. */
export interface PassFlow {
  readonly key: string;
  readonly recircId: number;
  readonly ct: CaseCt;
  readonly actions: string;
  isAfterCt: boolean;
}

/** In the order in which states are named (lib/packets.c:ct_state_to_string). */
const CT_STATES = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'];

export function parseDatapathFlow(line: string): PassFlow {
  const [head, tail] = line.split(', actions:') as [string, string];
  const key = head.replace(/^ufid:[^ ]*, /, '').replace(/, packets:\d+.*$/, '');
  const field = (name: string): string => new RegExp(`(?:^|,)${name}\\((0x[0-9a-f]+|\\d+)`).exec(key)?.[1] ?? '0';
  const bits = Number(field('ct_state'));
  const state = CT_STATES.filter((_, i) => (bits >> i) & 1).join('|');
  const label = BigInt(field('ct_label'));
  const ct = { state, zone: Number(field('ct_zone')), mark: Number(field('ct_mark')) };
  return {
    key,
    recircId: Number(field('recirc_id')),
    ct: label === 0n ? ct : { ...ct, label: `0x${label.toString(16)}` },
    actions: tail.split(', dp-extra-info:')[0]!,
    isAfterCt: false,
  };
}

/** The passes in the order in which the packet made them; null: that cannot be told (a loop, a pass missing). */
export function orderPasses(flows: readonly PassFlow[], count: number): PassFlow[] | null {
  const byId = new Map(flows.map((flow) => [flow.recircId, flow]));
  if (byId.size !== flows.length || flows.length !== count) return null;
  const ordered: PassFlow[] = [];
  const visit = (id: number, isAfterCt: boolean): boolean => {
    const flow = byId.get(id);
    if (flow === undefined) return false;
    byId.delete(id);
    flow.isAfterCt = isAfterCt;
    ordered.push(flow);
    for (const [, ct, next] of flow.actions.matchAll(/(ct\((?:[^()]|\([^()]*\))*\),)?recirc\((0x[0-9a-f]+)\)/g))
      if (!visit(Number(next), ct !== undefined)) return false;
    return true;
  };
  return visit(0, false) && byId.size === 0 ? ordered : null;
}

/** Lookups of a trace's first pass, in order: the table, and the rule as ruleKey, null for a miss. */
export function traceLookups(trace: string): { table: number; rule: string | null }[] {
  const found: { table: number; rule: string | null }[] = [];
  for (const line of trace.split('\n=====', 1)[0]!.split('\n')) {
    const head = /^ *(\d+)\. (.*)$/.exec(line);
    if (head === null) continue;
    const table = Number(head[1]);
    const rule = /^(?:(.*), )?priority (\d+)(?:, cookie 0x[0-9a-f]+)?$/.exec(head[2]!);
    found.push({ table, rule: rule === null ? null : ruleKey(table, Number(rule[2]), rule[1] ?? '') });
  }
  return found;
}

const ruleKey = (table: number, priority: number, match: string): string => `${table} ${priority} ${match}`;

/** The rule of a line of `ovs-ofctl --no-stats --no-names dump-flows`. */
export function ruleKeyOfDumpLine(line: string): string {
  const words = line
    .split(' actions=', 1)[0]!
    .replace(/^actions=.*/, '')
    .split(/, | /);
  let table = 0;
  let match = '';
  for (const word of words) {
    const named = /^table=(\d+)$/.exec(word);
    if (named !== null) table = Number(named[1]);
    else if (
      !/^(cookie|idle_timeout|hard_timeout|importance|send_flow_rem|check_overlap|reset_counts|no_packet_counts|no_byte_counts)\b/.test(
        word,
      )
    )
      match = word;
  }
  const priority = /^priority=(\d+),?(.*)$/.exec(match);
  return priority === null ? ruleKey(table, 32768, match) : ruleKey(table, Number(priority[1]), priority[2]!);
}
