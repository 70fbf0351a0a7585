/** Where a packet leaves: ports real and reserved, patch ports, NORMAL, the controller. */
import { K, PORT, VLAN_CFI } from '../fields/key.js';
import type { NestedStart } from './effects.js';
import type { PipelineEnv, PipelinePort } from './env.js';
import { isGratuitousArp, isVlanType } from './flowOps.js';
import type { Translation } from './translation.js';

/** xlate_output_action */
export function output(pass: Translation, port: number): void {
  const inPort = pass.packet.flow[K.in_port]!;
  switch (port) {
    case PORT.IN_PORT:
      send(pass, inPort);
      break;
    case PORT.TABLE:
      pass.runTable(inPort, 0, false, false);
      break;
    case PORT.NORMAL:
      normal(pass);
      break;
    case PORT.FLOOD:
      for (const other of pass.env.ports.values())
        if (other.ofport !== inPort && !other.noFlood) sendTo(pass, other, null);
      break;
    case PORT.ALL:
      for (const other of pass.env.ports.values()) if (other.ofport !== inPort) sendTo(pass, other, null);
      break;
    case PORT.CONTROLLER:
      sendToController(pass, 'action');
      break;
    case PORT.NONE:
      break;
    default:
      if (port !== inPort) send(pass, port);
      else pass.observer?.warn('skipping output to input port');
  }
}

/** xlate_output_reg_action */
export function outputRegister(pass: Translation, port: bigint): void {
  if (port <= 0xffffn) output(pass, Number(port));
}

/** xlate_output_trunc_action: only to ports that exist and are no patch ports; `in_port` is none. */
export function outputTruncated(pass: Translation, port: number, maxLen: number): void {
  if (port === pass.packet.flow[K.in_port]) return;
  const target = pass.env.ports.get(port);
  if (target === undefined || target.peer !== null) return;
  sendTo(pass, target, maxLen);
}

/** xlate_controller_action, as far as it concerns the packet. */
export function sendToController(pass: Translation, reason: string): void {
  pass.packet.commit();
  pass.emit({ kind: 'controller', reason, edit: pass.packet.edit });
}

function send(pass: Translation, port: number): void {
  const target = pass.env.ports.get(port);
  if (target !== undefined) sendTo(pass, target, null);
  else pass.observer?.warn('Nonexistent output port');
}

/** compose_output_action__ */
function sendTo(pass: Translation, port: PipelinePort, maxLen: number | null): void {
  if (port.noForward) return;
  const { packet } = pass;
  const before = packet.edit;
  packet.commit();
  if (port.peer !== null) pass.emit({ kind: 'patch', port: port.ofport, edit: packet.edit, nested: nestedStart(pass) });
  else
    pass.emit({
      kind: 'output',
      port: port.ofport,
      edit: packet.edit,
      maxLen,
      ...(maxLen === null ? {} : { cutBefore: before }),
    });
}

/** xlate_normal, as far as it needs no MAC table. */
function normal(pass: Translation): void {
  const { packet } = pass;
  const { flow } = packet;
  const tagged = (flow[K.vlan_tci]! & VLAN_CFI) !== 0;
  // "partial VLAN tag": a second tag comes to light after a pop
  if (isVlanType(flow[K.dl_type]!) && !tagged) return;
  packet.commit();
  pass.emit({
    kind: 'normal',
    inPort: flow[K.in_port]!,
    vlanTci: flow[K.vlan_tci]!,
    vlanTpid: flow[K.vlan_tpid]!,
    vlanTci1: flow[K.vlan_tci1]!,
    vlanTpid1: flow[K.vlan_tpid1]!,
    gratuitousArp: isGratuitousArp(flow),
    srcHigh: flow[K.dl_src]!,
    srcLow: flow[K.dl_src + 1]! >>> 0,
    dstHigh: flow[K.dl_dst]!,
    dstLow: flow[K.dl_dst + 1]! >>> 0,
    edit: packet.edit,
    nested: nestedStart(pass),
  });
}

/** Where the pass of the bridge behind a patch port begins. */
function nestedStart({ env, packet, lookups, depth, resubmits }: Translation): NestedStart {
  return {
    key: hasPatchPorts(env) ? packet.flow.slice() : NO_KEY,
    lookups: lookups.records.length,
    depth,
    resubmits,
    wasMpls: packet.wasMpls,
  };
}

const NO_KEY = new Int32Array(0);
const bridgesWithPatchPorts = new WeakMap<PipelineEnv, boolean>();

function hasPatchPorts(env: PipelineEnv): boolean {
  let has = bridgesWithPatchPorts.get(env);
  if (has === undefined) {
    has = [...env.ports.values()].some((port) => port.peer !== null);
    bridgesWithPatchPorts.set(env, has);
  }
  return has;
}
