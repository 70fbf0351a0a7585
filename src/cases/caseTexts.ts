/** The texts of a case: flow-mods, dumps, groups and packets given as flows, for one bridge and OpenFlow version. */
import { PORT } from '../fields/key.js';
import { parseActionList } from '../openflow/actionParse.js';
import { parseDump } from '../openflow/dumpText.js';
import { formatRule } from '../openflow/flowPrint.js';
import { type FlowTextOptions, parseFlowMod, parseRule } from '../openflow/flowText.js';
import { KeyValueReader } from '../openflow/keyValue.js';
import { refused } from '../openflow/matchWire.js';
import type { FlowMod, FlowModOp, OfVersion, PortNames, Rule } from '../openflow/rule.js';
import { ParseContext } from '../openflow/textContext.js';
import { parseTraceFlow } from '../openflow/traceFlow.js';
import type { Group, GroupBucket } from '../pipeline/env.js';
import type { DumpLine } from '../timeline/flowTables.js';
import { InputError } from '../util/errors.js';
import type { CaseMod, CasePort } from './caseFormat.js';

const VERSIONS: Readonly<Record<string, OfVersion>> = {
  OpenFlow10: '1.0',
  OpenFlow11: '1.1',
  OpenFlow12: '1.2',
  OpenFlow13: '1.3',
  OpenFlow14: '1.4',
  OpenFlow15: '1.5',
};

/** lib/ofp-meter.c:ofputil_parse_meter_mod__ */
const VIRTUAL_METERS: Readonly<Record<string, number>> = {
  slowpath: 0xfffffffd,
  controller: 0xfffffffe,
};

const OPS: readonly string[] = ['add', 'modify', 'modify_strict', 'delete', 'delete_strict'];

export class CaseTexts {
  private readonly options: FlowTextOptions & { readonly of: OfVersion };
  private readonly canonicals = new Map<string, string>();
  private readonly printed = new WeakMap<Rule, string>();

  constructor(of: string, ports: readonly CasePort[]) {
    const version = VERSIONS[of];
    if (version === undefined) throw new InputError(`unknown OpenFlow version ${of}`, {}, 'OpenFlow10 ... OpenFlow15');
    const names: PortNames = {
      byName: new Map(ports.map((port) => [port.name, port.ofport])),
      byNumber: new Map(ports.map((port) => [port.ofport, port.name])),
    };
    this.options = { of: version, ports: names };
  }

  /** `cookieMask` turns the flow's cookie into one that selects. */
  flowMod(mod: CaseMod): FlowMod {
    if (!OPS.includes(mod.op)) throw new InputError(`unknown flow-mod ${mod.op}`, {}, OPS.join(', '));
    const text =
      mod.cookieMask === undefined
        ? mod.flow
        : mod.flow.replace(/(^|[,\s])cookie=([^,/\s]+)/, `$1cookie=$2/${mod.cookieMask}`);
    return parseFlowMod(mod.op as FlowModOp, text, this.options).mod;
  }

  ruleText(rule: Rule): string {
    let text = this.printed.get(rule);
    if (text === undefined) {
      text = formatRule(rule, { of: this.options.of });
      this.printed.set(rule, text);
    }
    return text;
  }

  /** The text that a rule is printed as, whatever way it was written. */
  canonical(text: string): string {
    let canonical = this.canonicals.get(text);
    if (canonical === undefined) {
      try {
        canonical = this.ruleText(parseRule(text, this.options).rule);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        canonical = text;
      }
      this.canonicals.set(text, canonical);
    }
    return canonical;
  }

  /** A dump's rules in its order, with their statistics. */
  dump(text: string): readonly DumpLine[] {
    return parseDump(text, this.options).rules;
  }

  /** Key of a packet that is written as `ofproto/trace` takes it; what is not named is 0. */
  flowKey(text: string): Int32Array {
    return parseTraceFlow(text, this.options.ports ?? null);
  }

  /** `group_id=1,type=all,bucket=output:1,bucket=weight:5,actions=output:2` (lib/ofp-group.c:parse_ofp_group_mod_str). */
  group(text: string): Group {
    const [head, ...buckets] = text.split(/[,\s]*bucket\s*=/);
    const words = new Map([...keyValues(head!)]);
    const idText = words.get('group_id');
    if (idText === undefined) throw new InputError(`no group_id in "${text}"`);
    const id = groupId(idText);
    const type = words.get('type') ?? 'all';
    if (type !== 'all' && type !== 'select' && type !== 'indirect' && type !== 'ff' && type !== 'fast_failover')
      throw new InputError(`unknown group type ${type}`, {}, 'all, select, indirect, ff');
    const parsed = buckets.map((bucket) => this.bucket(bucket));
    // lib/ofp-group.c:ofputil_check_group_mod
    if (type === 'indirect' && parsed.length !== 1) throw refused('OFPGMFC_INVALID_GROUP');
    if (parsed.some(({ watchPort, watchGroup }) => watchPort === null && watchGroup === null)) {
      if (type === 'ff' || type === 'fast_failover') throw refused('OFPGMFC_INVALID_GROUP');
    }
    return {
      id,
      type: type === 'fast_failover' ? 'ff' : type,
      buckets: parsed,
      selection: words.get('selection_method') === 'hash' ? 'hash' : 'dp_hash',
    };
  }

  private bucket(text: string): GroupBucket {
    const options = new Map<string, string>();
    let rest = text.trim();
    for (;;) {
      const option = /^(weight|watch_port|watch_group|bucket_id)\s*[:=]\s*([^,\s]+)[,\s]*/.exec(rest);
      if (option === null) break;
      options.set(option[1]!, option[2]!);
      rest = rest.slice(option[0].length);
    }
    rest = rest.replace(/^actions?\s*=/, '');
    const context = new ParseContext({ ports: this.options.ports ?? null, tables: null });
    const watchPort = options.get('watch_port');
    const watchGroup = options.get('watch_group');
    return {
      actions: parseActionList(rest, context, 0),
      weight: Number(options.get('weight') ?? 1),
      watchPort: watchPort === undefined || /^any$/i.test(watchPort) ? null : this.portNumber(watchPort),
      watchGroup: watchGroup === undefined || /^any$/i.test(watchGroup) ? null : Number(watchGroup),
    };
  }

  /** `meter=1,kbps,band=type=drop,rate=100` */
  meterId(text: string): number {
    const word = new Map([...keyValues(text)]).get('meter') ?? '';
    const id = VIRTUAL_METERS[word] ?? Number(word || Number.NaN);
    if (!Number.isInteger(id)) throw new InputError(`no meter number in "${text}"`);
    return id;
  }

  private portNumber(text: string): number {
    if (/^controller$/i.test(text)) return PORT.CONTROLLER;
    return /^\d+$/.test(text) ? Number(text) : (this.options.ports?.byName.get(text) ?? PORT.NONE);
  }

  /** The groups of `group_id=1`, or all that there are. */
  groupIds(text: string, all: readonly number[]): readonly number[] {
    const id = new Map([...keyValues(text)]).get('group_id');
    return id === undefined || id === 'all' ? all : [groupId(id)];
  }
}

/** OFPG_MAX: the numbers above it are reserved. */
const GROUP_MAX = 0xffffff00;

function groupId(text: string): number {
  const id = Number(text);
  if (!Number.isInteger(id) || id < 0 || id > GROUP_MAX) throw new InputError(`invalid group id ${text}`);
  return id;
}

function* keyValues(text: string): Generator<[string, string]> {
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) yield [reader.key, reader.value];
}
