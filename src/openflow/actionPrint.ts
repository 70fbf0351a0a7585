/** Actions to text, as they are held (lib/ofp-actions.c:ofpacts_format, format_*). Versions: actionWire.ts. */
import { formatIpv4, formatMac } from '../fields/addressText.js';
import { field } from '../fields/fieldTable.js';
import { formatFieldValue, hex } from '../fields/fieldText.js';
import { PORT } from '../fields/key.js';
import { formatPort, type PortNames } from '../fields/portText.js';
import type { Action, ActionOf } from './actions.js';
import { formatCt } from './ctText.js';
import { formatLearn } from './learnText.js';
import { runsOf } from './setFieldWire.js';
import { formatSubField } from './subField.js';
import { formatTable } from './textContext.js';

export interface ActionNames {
  readonly ports?: PortNames | null;
  readonly tables?: PortNames | null;
  /** Spelling of "remove the tag": strip_vlan in OpenFlow 1.0, else pop_vlan. */
  readonly stripVlan?: 'strip_vlan' | 'pop_vlan';
}

/** Comma-separated; an empty list is `drop`. */
export function formatActionList(actions: readonly Action[], names: ActionNames = {}): string {
  if (actions.length === 0) return 'drop';
  return actions.map((action) => formatAction(action, names)).join(',');
}

const hex4 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;
const dotted = (data: string): string => data.match(/../g)?.join('.') ?? '';

function formatAction(action: Action, names: ActionNames): string {
  const ports = names.ports ?? null;
  const tables = names.tables ?? null;
  const list = (actions: readonly Action[]): string => formatActionList(actions, names);
  switch (action.type) {
    case 'output':
      if (action.port === PORT.CONTROLLER) return `CONTROLLER:${action.maxLen ?? 0xffff}`;
      return `${action.port < 0xff00 ? 'output:' : ''}${formatPort(action.port, ports)}`;
    case 'outputReg':
      return `output:${formatSubField(action.src)}`;
    case 'outputTrunc':
      return `output(port=${formatPort(action.port, ports)},max_len=${action.maxLen})`;
    case 'controller':
      return formatController(action);
    case 'group':
      return `group:${action.group}`;
    case 'enqueue':
      return `enqueue:${formatPort(action.port, ports)}:${action.queue}`;
    case 'setQueue':
      return `set_queue:${action.queue}`;
    case 'popQueue':
      return 'pop_queue';
    case 'bundle': {
      const dst = action.dst === null ? '' : `${formatSubField(action.dst)},`;
      const members = action.members.map((port) => formatPort(port, ports)).join(',');
      const name = action.dst === null ? 'bundle' : 'bundle_load';
      return `${name}(${action.hashFields},${action.basis},${action.algorithm},ofport,${dst}members:${members})`;
    }
    case 'setVlanVid':
      return `${action.pushIfNeeded ? 'mod' : 'set'}_vlan_vid:${action.vid}`;
    case 'setVlanPcp':
      return `${action.pushIfNeeded ? 'mod' : 'set'}_vlan_pcp:${action.pcp}`;
    case 'stripVlan':
      return names.stripVlan ?? 'pop_vlan';
    case 'pushVlan':
      return `push_vlan:0x${action.ethertype.toString(16)}`;
    case 'pushMpls':
      return `push_mpls:${hex4(action.ethertype)}`;
    case 'popMpls':
      return `pop_mpls:${hex4(action.ethertype)}`;
    case 'setEthSrc':
      return `mod_dl_src:${formatMac(action.mac)}`;
    case 'setEthDst':
      return `mod_dl_dst:${formatMac(action.mac)}`;
    case 'setIpv4Src':
      return `mod_nw_src:${formatIpv4(BigInt(action.ip >>> 0))}`;
    case 'setIpv4Dst':
      return `mod_nw_dst:${formatIpv4(BigInt(action.ip >>> 0))}`;
    case 'setIpDscp':
      return `mod_nw_tos:${action.dscp}`;
    case 'setIpEcn':
      return `mod_nw_ecn:${action.ecn}`;
    case 'setIpTtl':
      return `mod_nw_ttl:${action.ttl}`;
    case 'setL4SrcPort':
      return `mod_tp_src:${action.port}`;
    case 'setL4DstPort':
      return `mod_tp_dst:${action.port}`;
    case 'setMplsLabel':
      return `set_mpls_label(${action.label})`;
    case 'setMplsTc':
      return `set_mpls_tc(${action.tc})`;
    case 'setMplsTtl':
      return `set_mpls_ttl(${action.ttl})`;
    case 'decTtl':
      return action.ids.length === 0 ? 'dec_ttl' : `dec_ttl(${action.ids.join(',')})`;
    case 'decMplsTtl':
      return 'dec_mpls_ttl';
    case 'decNshTtl':
      return 'dec_nsh_ttl';
    case 'setField':
      return formatSetField(action, ports);
    case 'move':
      return `move:${formatSubField(action.src)}->${formatSubField(action.dst)}`;
    case 'push':
      return `push:${formatSubField(action.src)}`;
    case 'pop':
      return `pop:${formatSubField(action.dst)}`;
    case 'setTunnel':
      return `set_tunnel${action.wide || action.id > 0xffffffffn ? '64' : ''}:${hex(action.id)}`;
    case 'resubmit':
      return formatResubmit(action, ports, tables);
    case 'learn':
      return formatLearn(action, ports, tables);
    case 'conjunction':
      return `conjunction(${action.id},${action.clause}/${action.nClauses})`;
    case 'multipath':
      return `multipath(${action.hashFields},${action.basis},${action.algorithm},${action.maxLink + 1},${action.arg},${formatSubField(action.dst)})`;
    case 'note':
      return `note:${dotted(action.data)}`;
    case 'exit':
      return 'exit';
    case 'sample':
      return formatSample(action, ports);
    case 'unrollXlate':
      return `unroll_xlate(table=${formatTable(action.table, tables)}, cookie=${action.cookie})`;
    case 'debugRecirc':
      return 'debug_recirc';
    case 'debugSlow':
      return 'debug_slow';
    case 'ct':
      return formatCt(action, tables, list);
    case 'ctClear':
      return 'ct_clear';
    case 'clone':
      return `clone(${list(action.actions)})`;
    case 'finTimeout': {
      const parts = [];
      if (action.idle !== 0) parts.push(`idle_timeout=${action.idle}`);
      if (action.hard !== 0) parts.push(`hard_timeout=${action.hard}`);
      return `fin_timeout(${parts.join(',')})`;
    }
    case 'checkPktLarger':
      return `check_pkt_larger(${action.pktLen})->${formatSubField(action.dst)}`;
    case 'deleteField':
      return `delete_field:${action.field}`;
    case 'encap':
      return `encap(${action.header}${action.props.length === 0 ? '' : `(${action.props.join(',')})`})`;
    case 'decap':
      return `decap(${action.packetType === null ? '' : `packet_type(${action.packetType})`})`;
    case 'meter':
      return `meter:${action.meter}`;
    case 'clearActions':
      return 'clear_actions';
    case 'writeActions':
      return `write_actions(${list(action.actions)})`;
    case 'writeMetadata': {
      const exact = action.mask === 0xffff_ffff_ffff_ffffn;
      return `write_metadata:${hex(action.value)}${exact ? '' : `/${hex(action.mask)}`}`;
    }
    case 'gotoTable':
      return `goto_table:${formatTable(action.table, tables)}`;
  }
}

function formatController(action: ActionOf<'controller'>): string {
  const parts = [];
  if (action.reason !== 'action') parts.push(`reason=${action.reason}`);
  if (action.maxLen !== 0xffff) parts.push(`max_len=${action.maxLen}`);
  if (action.controllerId !== 0) parts.push(`id=${action.controllerId}`);
  if (action.userdata !== '') parts.push(`userdata=${dotted(action.userdata)}`);
  if (action.pause) parts.push('pause');
  if (action.meterId !== null) parts.push(`meter_id=${action.meterId}`);
  const plain = action.reason === 'action' && action.controllerId === 0 && action.userdata === '';
  if (plain && !action.pause && action.meterId === null) return `CONTROLLER:${action.maxLen}`;
  return `controller(${parts.join(',')})`;
}

function formatSetField(action: ActionOf<'setField'>, ports: PortNames | null): string {
  const of = field(action.field);
  if (!action.load) {
    return `set_field:${formatFieldValue(of, action.value, action.mask, ports)}->${of.name}`;
  }
  return runsOf(action.mask, of.nBits)
    .map((run) => {
      const bits = (action.value >> BigInt(run.from)) & ((1n << BigInt(run.length)) - 1n);
      const dst = formatSubField({ field: of.name, ofs: run.from, nBits: run.length });
      return `load:${hex(bits)}->${dst}`;
    })
    .join(',');
}

function formatResubmit(action: ActionOf<'resubmit'>, ports: PortNames | null, tables: PortNames | null): string {
  const port = action.port === null || action.port === PORT.IN_PORT ? null : formatPort(action.port, ports);
  const table = action.table === null || action.table === 255 ? null : formatTable(action.table, tables);
  if (port !== null && table === null) return `resubmit:${port}`;
  return `resubmit(${port ?? ''},${table ?? ''}${action.withCt ? ',ct' : ''})`;
}

function formatSample(action: ActionOf<'sample'>, ports: PortNames | null): string {
  let text = `sample(probability=${action.probability},collector_set_id=${action.collectorSetId}`;
  text += `,obs_domain_id=${action.obsDomainId},obs_point_id=${action.obsPointId}`;
  if (action.samplingPort !== null) text += `,sampling_port=${formatPort(action.samplingPort, ports)}`;
  return `${text}${action.direction === null ? '' : `,${action.direction}`})`;
}
