/** One bridge of a case, alive: tables that flow-mods, learn actions and time-outs change, groups, MAC table. */
import { LinearClassifier } from '../classify/linear.js';
import { PORT } from '../fields/key.js';
import type { Action } from '../openflow/actions.js';
import { formatActions } from '../openflow/flowPrint.js';
import { MATCH_ALL } from '../openflow/match.js';
import { type FlowMod, NO_FLAGS, type Rule } from '../openflow/rule.js';
import type { FinTimeoutEffect, LearnEffect } from '../pipeline/effects.js';
import {
  type BridgeConfig,
  DEFAULT_BRIDGE_CONFIG,
  type Group,
  type PipelineEnv,
  type PipelinePort,
  type PriorityTags,
  type VlanMode,
} from '../pipeline/env.js';
import { learnedFlowMod } from '../pipeline/learn.js';
import type { LiveBridge } from '../pipeline/liveSwitch.js';
import { MacTable } from '../pipeline/mac.js';
import { FlowTables } from '../timeline/flowTables.js';
import { InputError } from '../util/errors.js';
import type { CasePort } from './caseFormat.js';

const ALL_ONES_64 = (1n << 64n) - 1n;
const ANY_GROUP = 0xffffffff;
const NS_PER_MS = 1_000_000;
const NO_LEARNERS: ReadonlySet<string> = new Set();
/** mtu of a dummy port unless it is requested otherwise. */
const DEFAULT_MTU = 1500;
const ETH_VLAN = 0x8100;

export class CaseBridge implements LiveBridge {
  readonly env: PipelineEnv;
  readonly macs: MacTable;
  readonly tables: FlowTables;
  readonly groups = new Map<number, Group>();
  private readonly groupIds = new Set<number>();
  private readonly mtus: ReadonlyMap<number, number>;

  constructor(
    name: string,
    ports: readonly CasePort[],
    otherConfig: Readonly<Record<string, string>>,
    meters: ReadonlySet<number>,
  ) {
    const byNumber = new Map(ports.map((port) => [port.ofport, toPort(port)]));
    byNumber.set(PORT.LOCAL, toPort({ name, ofport: PORT.LOCAL }));
    this.mtus = new Map(ports.map((port) => [port.ofport, port.mtu ?? DEFAULT_MTU]));
    this.tables = new FlowTables({ groups: this.groupIds, meters });
    const config = toConfig(otherConfig);
    const timeline = this.tables.timeline();
    this.env = {
      bridge: name,
      classifier: new LinearClassifier(timeline),
      ruleAt: (index) => timeline.rules[index]!.rule,
      ports: byNumber,
      groups: this.groups,
      config,
    };
    this.macs = new MacTable(byNumber, config);
  }

  version(): number {
    return this.tables.version;
  }

  addGroup(group: Group): void {
    this.groups.set(group.id, group);
    this.groupIds.add(group.id);
  }

  /** With the group go the rules that use it (ofproto.c:delete_group__). */
  removeGroup(id: number, nowMs: number): void {
    this.groups.delete(id);
    this.groupIds.delete(id);
    this.tables.applyMods([deletion({ outGroup: id })], true, nowMs);
  }

  apply(mods: readonly FlowMod[], bundle: boolean, nowMs: number): string | null {
    const before = this.learners();
    const error = this.tables.applyMods(mods, bundle, nowMs);
    this.forgetLearned(before, nowMs);
    return error;
  }

  expire(nowMs: number): void {
    const before = this.learners();
    if (this.tables.expire(nowMs) > 0) this.forgetLearned(before, nowMs);
  }

  /** ofproto.c:ofproto_flow_mod_learn; the limit counts the rules of this cookie in the table. */
  learn(effect: LearnEffect, nowNs: number): void {
    const { limit, table, cookie } = effect.action;
    const present = this.tables.dump().filter((rule) => rule.table === table);
    const find = (wanted: FlowMod): Rule | undefined =>
      present.find((rule) => rule.priority === wanted.priority && sameMatch(rule, wanted));
    const mod = learnedFlowMod(effect, (wanted) => find(wanted) !== undefined);
    const isFull = limit > 0 && present.filter((rule) => rule.cookie === cookie).length >= limit;
    if (isFull && !isLearned(find(mod), mod)) return;
    this.tables.applyMods([mod], true, nowNs / NS_PER_MS);
  }

  finTimeout(effect: FinTimeoutEffect): void {
    this.tables.reduceTimeouts(effect.rule, effect.idle, effect.hard);
  }

  /** Frames beyond the MTU are lost at the port; a tag does not count (lib/netdev-dummy.c:netdev_dummy_send). */
  fits(port: number, frame: Uint8Array): boolean {
    const tagBytes = frame[12] === 0x81 && frame[13] === 0x00 ? 4 : 0;
    return frame.length <= (this.mtus.get(port) ?? DEFAULT_MTU) + 14 + tagBytes;
  }

  /** Tables and cookies that rules with learn(delete_learned) fill. */
  private learners(): Set<string> {
    const found = new Set<string>();
    const search = (actions: readonly Action[]): void => {
      for (const action of actions) {
        if (action.type === 'learn' && action.deleteLearned) found.add(`${action.table}/${action.cookie}`);
        if (action.type === 'clone' || action.type === 'writeActions') search(action.actions);
      }
    };
    for (const rule of this.tables.dump()) search(rule.actions);
    return found;
  }

  /** What was learned by rules that are gone, if no other rule learns the same (ofproto.c:learned_cookies_flush). */
  private forgetLearned(before: ReadonlySet<string>, nowMs: number): void {
    for (let known = before; known.size > 0; ) {
      const now = this.learners();
      const gone = [...known].filter((learner) => !now.has(learner));
      for (const learner of gone) {
        const [table, cookie] = learner.split('/') as [string, string];
        const mod = deletion({ table: Number(table), cookie: BigInt(cookie), cookieMask: ALL_ONES_64 });
        this.tables.applyMods([mod], true, nowMs);
      }
      // What was deleted may itself have been such a rule.
      known = gone.length === 0 ? NO_LEARNERS : now;
    }
  }
}

/** The rule is there as it would be learned, so learning only makes it younger (ofproto.c:ofproto_flow_mod_init_for_learn). */
function isLearned(rule: Rule | undefined, mod: FlowMod): boolean {
  return (
    rule !== undefined &&
    rule.idleTimeout === mod.idleTimeout &&
    rule.hardTimeout === mod.hardTimeout &&
    rule.cookie === mod.newCookie &&
    formatActions(rule.actions, rule.match) === formatActions(mod.actions, mod.match)
  );
}

function sameMatch(rule: Rule, mod: FlowMod): boolean {
  return (
    String(rule.match.words) === String(mod.match.words) &&
    String(rule.match.values) === String(mod.match.values) &&
    String(rule.match.masks) === String(mod.match.masks)
  );
}

function deletion(selection: Partial<FlowMod>): FlowMod {
  return {
    op: 'delete',
    table: 255,
    priority: 32768,
    match: MATCH_ALL,
    actions: [],
    newCookie: 0n,
    modifyCookie: false,
    cookie: 0n,
    cookieMask: 0n,
    idleTimeout: 0,
    hardTimeout: 0,
    importance: 0,
    flags: NO_FLAGS,
    outPort: PORT.NONE,
    outGroup: ANY_GROUP,
    of: '1.5',
    ...selection,
  };
}

const VLAN_MODES: readonly string[] = ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'];

function toPort(port: CasePort): PipelinePort {
  if (port.vlan_mode !== undefined && !VLAN_MODES.includes(port.vlan_mode))
    throw new InputError(`port ${port.name}: vlan_mode ${port.vlan_mode} is not modelled`);
  return {
    name: port.name,
    ofport: port.ofport,
    tag: port.tag ?? null,
    trunks: port.trunks ?? null,
    vlanMode: (port.vlan_mode as VlanMode | undefined) ?? null,
    ...(port.cvlans === undefined ? {} : { cvlans: port.cvlans }),
    ...(port.port_other_config?.['qinq-ethtype'] === '802.1q' ? { qinqTpid: ETH_VLAN } : {}),
    priorityTags: priorityTags(port.port_other_config?.['priority-tags']),
    peer: port.peer ?? null,
    noFlood: false,
    noForward: false,
  };
}

/** vswitchd/bridge.c:port_configure */
function priorityTags(text: string | undefined): PriorityTags {
  if (text === 'true' || text === 'if-nonzero') return 'if-nonzero';
  return text === 'always' ? 'always' : 'never';
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** Limits: lib/mac-learning.c:normalize_idle_time, mac_learning_set_max_entries. */
function toConfig(other: Readonly<Record<string, string>>): BridgeConfig {
  const number = (name: string, byDefault: number): number => Number(other[name] ?? byDefault);
  return {
    macAgingTime: clamp(number('mac-aging-time', DEFAULT_BRIDGE_CONFIG.macAgingTime), 15, 3600),
    macTableSize: clamp(number('mac-table-size', DEFAULT_BRIDGE_CONFIG.macTableSize), 10, 1_000_000),
    forwardBpdu: other['forward-bpdu'] === 'true',
  };
}
