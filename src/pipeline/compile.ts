/**
 * Actions as the pipeline runs them: each way of setting a field becomes word writes of the flow key, once per rule.
 * Everything else keeps the form of openflow/actions.ts.
 */
import { portFrom32, readField, writeField } from '../fields/access.js';
import { type Field, type Prerequisite as FieldPrerequisite, fieldByName } from '../fields/fieldTable.js';
import { K, VLAN_CFI } from '../fields/key.js';
import type { Action, ActionOf, SubField } from '../openflow/actions.js';
import { DefectError } from '../util/errors.js';

/** Bits of `mask` in key word `word` become those of `value`. */
export interface WordWrite {
  readonly word: number;
  readonly value: number;
  readonly mask: number;
}

/** `l4`: IP and not a later fragment, what OpenFlow 1.0's mod_tp_src asks (ofproto-dpif-xlate.c:do_xlate_actions). */
export type Prerequisite = FieldPrerequisite | 'l4';

/** Part of a field; `word` >= 0 if it lies within one word of the key and can be read there as a number. */
export interface Slot {
  readonly field: Field;
  readonly ofs: number;
  readonly nBits: number;
  readonly word: number;
  readonly shift: number;
  /** The bits that the field can hold of these, from bit 0, as a signed number. */
  readonly mask: number;
  /** Writing this field makes a tag: dl_vlan and both spellings of the priority (lib/flow.c:flow_set_dl_vlan, flow_set_vlan_pcp). */
  readonly addsTag: boolean;
}

export type Step =
  | {
      readonly type: 'write';
      readonly writes: readonly WordWrite[];
      readonly prerequisite: Prerequisite;
      /** mod_vlan_vid of OpenFlow 1.1+: only on packets that have a tag. */
      readonly onlyTagged: boolean;
      /** Concerns no header above Ethernet and VLAN, so it needs no recirculation after popping MPLS (recirc_for_mpls). */
      readonly belowMpls: boolean;
      readonly of: Action['type'];
    }
  | { readonly type: 'move'; readonly src: Slot; readonly dst: Slot }
  | { readonly type: 'push'; readonly src: Slot }
  | { readonly type: 'pop'; readonly dst: Slot }
  | { readonly type: 'outputReg'; readonly src: Slot; readonly maxLen: number }
  | {
      readonly type: 'ct';
      readonly action: ActionOf<'ct'>;
      readonly zone: number | Slot;
      readonly exec: readonly Step[];
    }
  | { readonly type: 'clone'; readonly steps: readonly Step[]; readonly reversible: boolean }
  | { readonly type: 'writeActions'; readonly steps: readonly Step[] }
  | { readonly type: 'checkPktLarger'; readonly pktLen: number; readonly dst: Slot }
  | { readonly type: 'unsupported'; readonly what: string }
  /** Back to the table and rule of the actions that follow, in frozen lists only (ofproto-dpif-xlate.c:freeze_put_unroll_xlate). */
  | { readonly type: 'unroll'; readonly table: number; readonly rule: number }
  | PlainAction;

export type StepOf<T extends Step['type']> = Extract<Step, { type: T }>;

type PlainAction = ActionOf<
  | 'output'
  | 'outputTrunc'
  | 'controller'
  | 'group'
  | 'enqueue'
  | 'setQueue'
  | 'popQueue'
  | 'stripVlan'
  | 'pushVlan'
  | 'pushMpls'
  | 'popMpls'
  | 'decTtl'
  | 'decMplsTtl'
  | 'resubmit'
  | 'learn'
  | 'conjunction'
  | 'note'
  | 'exit'
  | 'sample'
  | 'debugRecirc'
  | 'debugSlow'
  | 'ctClear'
  | 'finTimeout'
  | 'meter'
  | 'clearActions'
  | 'gotoTable'
>;

const cache = new WeakMap<readonly Action[], readonly Step[]>();

/** The steps of a list of actions; the same list object is compiled once. */
export function stepsOf(actions: readonly Action[]): readonly Step[] {
  let steps = cache.get(actions);
  if (steps === undefined) {
    steps = compileList(actions);
    cache.set(actions, steps);
  }
  return steps;
}

function compileList(actions: readonly Action[]): readonly Step[] {
  return actions.map((action) => {
    const step = compileAction(action);
    if (step !== action) sources.set(step, action);
    return step;
  });
}

const sources = new WeakMap<Step, Action>();

/** The action that a step was made from; null: the pipeline's own (frozen lists). */
export function actionOf(step: Step): Action | null {
  if (step.type === 'unroll') return null;
  return sources.get(step) ?? (step as Action);
}

function knownField(name: string): Field {
  const found = fieldByName(name);
  if (found === undefined) throw new DefectError(`no field ${name}`);
  return found;
}

const VLAN_PARTS = new Set(['dl_vlan', 'dl_vlan_pcp', 'vlan_pcp']);

/** A slot, or null where the field has no place in the key (tun_metadata without a TLV map). */
export function slotOf(sub: SubField): Slot | null {
  const field = knownField(sub.field);
  if (field.words.length === 0) return null;
  const inOneWord = sub.ofs % 32 === 0 || (sub.ofs % 32) + sub.nBits <= 32;
  const simple = inOneWord && sub.nBits <= 32 && field.format !== 'port32';
  const wordFromEnd = Math.floor(sub.ofs / 32);
  return {
    field,
    ofs: sub.ofs,
    nBits: sub.nBits,
    word: simple ? field.words[field.words.length - 1 - wordFromEnd]! : -1,
    shift: (sub.ofs % 32) + field.shift,
    mask: Number((field.valueMask >> BigInt(sub.ofs)) & ((1n << BigInt(sub.nBits)) - 1n) & 0xffffffffn) | 0,
    addsTag: VLAN_PARTS.has(sub.field),
  };
}

/** The value of a slot of at most 32 bits, not negative. */
export function readSlotNumber(key: Int32Array, slot: Slot): number {
  if (slot.word >= 0) return ((key[slot.word]! >>> slot.shift) & slot.mask) >>> 0;
  return Number(readSlot(key, slot));
}

export function readSlot(key: Int32Array, slot: Slot): bigint {
  if (slot.word >= 0) return BigInt(readSlotNumber(key, slot));
  return (readField(key, slot.field) >> BigInt(slot.ofs)) & ((1n << BigInt(slot.nBits)) - 1n);
}

export function writeSlot(key: Int32Array, slot: Slot, value: bigint): void {
  const mask = ((1n << BigInt(slot.nBits)) - 1n) << BigInt(slot.ofs);
  if (slot.field.format === 'port32') {
    const merged = (readField(key, slot.field) & ~mask) | ((value << BigInt(slot.ofs)) & mask);
    writeField(key, slot.field, merged);
  } else {
    writeField(key, slot.field, value << BigInt(slot.ofs), mask);
  }
  if (slot.addsTag) key[K.vlan_tci]! |= VLAN_CFI;
}

/** Word writes that put the bits of `mask` of a field to those of `value`. */
function fieldWrites(field: Field, value: bigint, mask: bigint): WordWrite[] {
  const bits = mask & field.valueMask;
  if (field.words.length === 1) {
    const raw = Number(value & 0xffffffffn);
    const stored = field.format === 'port32' ? (portFrom32(raw) ?? 0xffff) : raw;
    const wordMask = (Number(bits & 0xffffffffn) | 0) << field.shift;
    const writes = [{ word: field.words[0]!, value: (stored << field.shift) & wordMask, mask: wordMask }];
    if (VLAN_PARTS.has(field.name)) writes.push({ word: K.vlan_tci, value: VLAN_CFI, mask: VLAN_CFI });
    return writes;
  }
  const writes: WordWrite[] = [];
  for (let i = 0; i < field.words.length; i++) {
    const shift = BigInt(32 * (field.words.length - 1 - i));
    const wordMask = Number((bits >> shift) & 0xffffffffn) | 0;
    if (wordMask === 0) continue;
    writes.push({ word: field.words[i]!, value: Number((value >> shift) & 0xffffffffn) & wordMask, mask: wordMask });
  }
  return writes;
}

function write(
  of: Action['type'],
  name: string,
  value: bigint | number,
  options: { mask?: bigint; prerequisite?: Prerequisite; onlyTagged?: boolean; belowMpls?: boolean } = {},
): Step {
  const field = knownField(name);
  if (field.words.length === 0) return { type: 'unsupported', what: `setting ${name}` };
  return {
    type: 'write',
    writes: fieldWrites(field, BigInt(value), options.mask ?? field.valueMask),
    prerequisite: options.prerequisite ?? field.prerequisite,
    onlyTagged: options.onlyTagged ?? false,
    belowMpls: options.belowMpls ?? false,
    of,
  };
}

/** Fields of layer 3 and up come after this one in OVS's order (meta-flow.h:mf_is_l3_or_higher). */
const FIRST_L3_FIELD = knownField('ip_src').id;

/** Actions that a clone may run on the packet itself, undone afterwards (ofproto-dpif-xlate.c:reversible_actions). */
const IRREVERSIBLE: ReadonlySet<Action['type']> = new Set([
  'ct',
  'meter',
  'outputTrunc',
  'encap',
  'decap',
  'decNshTtl',
]);

function withSlots(subs: readonly SubField[], make: (slots: readonly Slot[]) => Step, what: string): Step {
  const slots = subs.map(slotOf);
  return slots.includes(null) ? { type: 'unsupported', what } : make(slots as Slot[]);
}

function compileAction(action: Action): Step {
  switch (action.type) {
    case 'setField':
      return write(action.type, action.field, action.value, {
        mask: action.mask,
        belowMpls: knownField(action.field).id < FIRST_L3_FIELD,
      });
    case 'setVlanVid':
      return write(action.type, 'dl_vlan', action.vid, { onlyTagged: !action.pushIfNeeded, belowMpls: true });
    case 'setVlanPcp':
      return write(action.type, 'dl_vlan_pcp', action.pcp, { onlyTagged: !action.pushIfNeeded, belowMpls: true });
    case 'setEthSrc':
      return write(action.type, 'eth_src', action.mac, { prerequisite: 'none', belowMpls: true });
    case 'setEthDst':
      return write(action.type, 'eth_dst', action.mac, { prerequisite: 'none', belowMpls: true });
    case 'setIpv4Src':
      return write(action.type, 'ip_src', action.ip >>> 0);
    case 'setIpv4Dst':
      return write(action.type, 'ip_dst', action.ip >>> 0);
    case 'setIpDscp':
      return write(action.type, 'nw_tos', action.dscp);
    case 'setIpEcn':
      return write(action.type, 'nw_ecn', action.ecn);
    case 'setIpTtl':
      return write(action.type, 'nw_ttl', action.ttl);
    case 'setL4SrcPort':
      return write(action.type, 'tcp_src', action.port, { prerequisite: 'l4' });
    case 'setL4DstPort':
      return write(action.type, 'tcp_dst', action.port, { prerequisite: 'l4' });
    case 'setMplsLabel':
      return write(action.type, 'mpls_label', action.label);
    case 'setMplsTc':
      return write(action.type, 'mpls_tc', action.tc);
    case 'setMplsTtl':
      return write(action.type, 'mpls_ttl', action.ttl);
    case 'setTunnel':
      return write(action.type, 'tun_id', action.id, { belowMpls: true });
    case 'writeMetadata':
      return write(action.type, 'metadata', action.value, { mask: action.mask });
    case 'move':
      return withSlots([action.src, action.dst], ([src, dst]) => ({ type: 'move', src: src!, dst: dst! }), 'move');
    case 'push':
      return withSlots([action.src], ([src]) => ({ type: 'push', src: src! }), 'push');
    case 'pop':
      return withSlots([action.dst], ([dst]) => ({ type: 'pop', dst: dst! }), 'pop');
    case 'outputReg':
      return withSlots(
        [action.src],
        ([src]) => ({ type: 'outputReg', src: src!, maxLen: action.maxLen }),
        'output to a register',
      );
    case 'checkPktLarger':
      return withSlots(
        [action.dst],
        ([dst]) => ({ type: 'checkPktLarger', pktLen: action.pktLen, dst: dst! }),
        'check_pkt_larger',
      );
    case 'ct': {
      const zone = typeof action.zone === 'number' ? action.zone : slotOf(action.zone);
      if (zone === null) return { type: 'unsupported', what: 'ct with a zone from tun_metadata' };
      return { type: 'ct', action, zone, exec: compileList(action.exec) };
    }
    case 'clone':
      return {
        type: 'clone',
        steps: stepsOf(action.actions),
        reversible: !action.actions.some((inner) => IRREVERSIBLE.has(inner.type)),
      };
    case 'writeActions':
      return { type: 'writeActions', steps: stepsOf(action.actions) };
    case 'learn':
      if (action.resultDst !== null) return { type: 'unsupported', what: 'learn with result_dst' };
      return withSlots(
        action.specs.flatMap((spec) => [
          ...('dst' in spec ? [spec.dst] : []),
          ...(typeof spec.src === 'bigint' ? [] : [spec.src]),
        ]),
        () => action,
        'learn',
      );
    case 'bundle':
    case 'multipath':
      return { type: 'unsupported', what: `${action.type} (which member it takes hangs on OVS's hash)` };
    case 'deleteField':
      return { type: 'unsupported', what: `delete_field:${action.field}` };
    case 'encap':
    case 'decap':
      return { type: 'unsupported', what: action.type };
    case 'decNshTtl':
      return { type: 'unsupported', what: 'dec_nsh_ttl' };
    case 'unrollXlate':
      return { type: 'unsupported', what: 'unroll_xlate' };
    default:
      return action;
  }
}
