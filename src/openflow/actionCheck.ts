/**
 * Do the actions fit the match? Some must (an error of ovs-ofctl and of the switch), some may be said in OpenFlow 1.0
 * only if they do not (lib/ofp-actions.c:ofpacts_check, check_*). Walks the list like a packet would: push_mpls,
 * decap and the like change what may follow.
 */

import { field } from '../fields/fieldTable.js';
import { ones } from '../fields/fieldText.js';
import { FRAG_LATER, K, PORT, VLAN_CFI } from '../fields/key.js';
import { ETH_IP, ETH_IPV6, ETH_NSH, PROTO_SCTP, PROTO_TCP, PROTO_UDP, PT_NS_ETHERTYPE } from '../fields/protocols.js';
import { DEFAULT_TLV_MAP } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import type { Action, ActionOf, LearnSpec, NatSpec, SubField } from './actions.js';
import { DenseMatch, dlTypeOf, matchFieldBits, setMatchField } from './denseMatch.js';
import { ANY_FORMAT, F10_ANY } from './formats.js';
import { isIp, isMpls, prerequisiteHolds } from './prerequisites.js';
import { subFieldMask, subFieldOf } from './subField.js';

/** `openFlowError`: the name of the error that the switch answers. */
export class ActionError extends InputError {
  readonly openFlowError: string;
  constructor(name: string) {
    super(`actions are invalid with specified match (${name})`);
    this.openFlowError = name;
  }
}

export const invalid = (name: string): InputError => new ActionError(name);

const PT_UNKNOWN = 0xffff_ffff | 0;
const PT_NSH = (PT_NS_ETHERTYPE << 16) | ETH_NSH;
const HEADER_TYPES: Readonly<Record<string, number>> = {
  ethernet: 0,
  nsh: PT_NSH,
  mpls: (PT_NS_ETHERTYPE << 16) | 0x8847,
  mpls_mc: (PT_NS_ETHERTYPE << 16) | 0x8848,
};

/**
 * The match as the actions see it, one action after the other. Works in the match itself: `nested` puts back what the
 * actions changed, so nothing is copied.
 */
export class MatchState {
  readonly value: Int32Array;
  readonly mask: Int32Array;
  /** Formats that can say all actions so far. */
  formats = ANY_FORMAT;

  constructor(match: DenseMatch) {
    this.value = match.value;
    this.mask = match.mask;
    // A packet type of the Ethernet namespace stands for the Ethernet type (parse_ofp_str__).
    if (match.mask[K.packet_type] === -1 && match.value[K.packet_type]! >>> 16 === PT_NS_ETHERTYPE)
      this.value[K.dl_type] = match.value[K.packet_type]! & 0xffff;
  }

  get hasVlan(): boolean {
    return (this.value[K.vlan_tci]! & VLAN_CFI) !== 0;
  }

  /** Nested lists leave no trace in the outer one. */
  nested(step: () => void): void {
    const { value } = this;
    const packetType = value[K.packet_type]!;
    const type = value[K.dl_type]!;
    const proto = value[K.nw_proto]!;
    const tci = value[K.vlan_tci]!;
    const innerTci = value[K.vlan_tci1]!;
    step();
    value[K.packet_type] = packetType;
    value[K.dl_type] = type;
    value[K.nw_proto] = proto;
    value[K.vlan_tci] = tci;
    value[K.vlan_tci1] = innerTci;
  }

  /** Only OpenFlow 1.0 lets an action pass that does not fit the match. */
  private need(fits: boolean): void {
    if (!fits) this.formats &= F10_ANY;
  }

  private checkField(sub: SubField, write: boolean): void {
    const of = subFieldOf(sub);
    if (!prerequisiteHolds(of.prerequisite, this.value, this.mask)) throw invalid('OFPBAC_MATCH_INCONSISTENT');
    if (write && !of.writable) throw invalid('OFPBAC_BAD_SET_ARGUMENT');
  }

  /** Checks the list as a whole; `table` 255: not known. */
  checkAll(actions: readonly Action[], table: number): void {
    this.nested(() => {
      for (const action of actions) {
        this.check(action, table);
        this.follow(action);
      }
    });
  }

  /** Applies what the action changes for those behind it. */
  follow(action: Action): void {
    const { value } = this;
    switch (action.type) {
      case 'setVlanVid':
      case 'setVlanPcp':
        value[K.vlan_tci]! |= VLAN_CFI;
        return;
      case 'stripVlan':
        value[K.vlan_tci] = value[K.vlan_tci1]!;
        value[K.vlan_tci1] = 0;
        return;
      case 'pushVlan':
        value[K.vlan_tci1] = value[K.vlan_tci]!;
        value[K.vlan_tci] = VLAN_CFI;
        return;
      case 'pushMpls':
        value[K.dl_type] = action.ethertype;
        value[K.nw_proto] = 0;
        return;
      case 'popMpls':
        value[K.dl_type] = action.ethertype;
        return;
      case 'setField':
        if (action.field === 'vlan_tci') value[K.vlan_tci] = Number(action.value) & 0xffff;
        return;
      case 'encap':
        this.encapsulate(HEADER_TYPES[action.header]!);
        return;
      case 'decap':
        this.decapsulate();
        return;
      default:
        return;
    }
  }

  private check(action: Action, table: number): void {
    const { value } = this;
    const type = dlTypeOf(value);
    switch (action.type) {
      case 'output':
      case 'outputTrunc':
        checkOutputPort(action.port);
        return;
      case 'enqueue':
        if (action.port >= 0xff00 && action.port !== PORT.IN_PORT && action.port !== PORT.LOCAL)
          throw invalid('OFPBAC_BAD_OUT_PORT');
        return;
      case 'outputReg':
        this.checkField(action.src, false);
        return;
      case 'bundle':
        this.checkBundle(action);
        return;
      case 'setVlanVid':
      case 'setVlanPcp':
        this.need(this.hasVlan || action.pushIfNeeded);
        return;
      case 'stripVlan':
        this.need(this.hasVlan);
        return;
      case 'pushVlan':
        if ((value[K.vlan_tci1]! & VLAN_CFI) !== 0) throw invalid('OFPBAC_BAD_TAG');
        return;
      case 'setIpv4Src':
      case 'setIpv4Dst':
        this.need(type === ETH_IP);
        return;
      case 'setIpDscp':
      case 'setIpEcn':
      case 'setIpTtl':
      case 'decTtl':
        this.need(isIp(type));
        return;
      case 'setL4SrcPort':
      case 'setL4DstPort':
        this.need(isIp(type) && (value[K.nw_frag]! & FRAG_LATER) === 0 && hasPorts(value[K.nw_proto]!));
        return;
      case 'setMplsLabel':
      case 'setMplsTc':
      case 'setMplsTtl':
      case 'decMplsTtl':
        this.need(isMpls(type));
        return;
      case 'pushMpls':
        this.need(value[K.packet_type] === 0);
        return;
      case 'popMpls':
        this.need(value[K.packet_type] === 0 && isMpls(type));
        return;
      case 'move':
        this.checkField(action.src, false);
        this.checkField(action.dst, true);
        return;
      case 'push':
        this.checkField(action.src, false);
        return;
      case 'pop':
      case 'multipath':
        this.checkField(action.dst, true);
        return;
      case 'setField':
        this.checkSetField(action);
        return;
      case 'finTimeout':
        this.need(value[K.nw_proto] === PROTO_TCP);
        return;
      case 'deleteField':
        if (field(action.field).presentBit < 0) throw invalid('OFPBAC_BAD_ARGUMENT');
        return;
      case 'decNshTtl':
        this.need(value[K.packet_type] === PT_NSH || value[K.dl_type] === ETH_NSH);
        return;
      case 'resubmit':
        if (action.withCt && !prerequisiteHolds('ct', value, this.mask)) throw invalid('OFPBAC_MATCH_INCONSISTENT');
        return;
      case 'learn':
        checkLearn(action.specs, this);
        return;
      case 'ct':
        this.checkCt(action, type, table);
        return;
      case 'clone':
        this.checkAll(action.actions, table);
        return;
      case 'writeActions': {
        // What an action set needs cannot be known here, so its formats do not count (check_WRITE_ACTIONS).
        const formats = this.formats;
        this.checkAll(action.actions, table);
        this.formats = formats;
        return;
      }
      case 'meter':
        if (action.meter === 0 || action.meter > 0xffff0000) throw invalid('OFPMMFC_INVALID_METER');
        return;
      case 'gotoTable':
        if (table !== 255 && action.table <= table) throw invalid('OFPBIC_BAD_TABLE_ID');
        return;
      default:
        return;
    }
  }

  checkSource(sub: SubField): void {
    this.checkField(sub, false);
  }

  private checkBundle(bundle: ActionOf<'bundle'>): void {
    if (bundle.dst !== null) this.checkField(bundle.dst, true);
    for (const member of bundle.members) {
      if (member === PORT.NONE) continue;
      checkOutputPort(member);
      if (member === PORT.CONTROLLER) throw invalid('OFPBAC_BAD_OUT_PORT');
    }
  }

  private checkSetField(set: ActionOf<'setField'>): void {
    const of = field(set.field);
    const missingTag = set.field === 'vlan_vid' && !this.hasVlan;
    if (!prerequisiteHolds(of.prerequisite, this.value, this.mask) || missingTag)
      throw invalid('OFPBAC_MATCH_INCONSISTENT');
  }

  private encapsulate(packetType: number): void {
    this.value[K.packet_type] = packetType;
    if (packetType >>> 16 === PT_NS_ETHERTYPE) this.value[K.dl_type] = packetType & 0xffff;
    if (!isIp(dlTypeOf(this.value))) this.value[K.nw_proto] = 0;
  }

  private decapsulate(): void {
    const { value } = this;
    if (value[K.packet_type] === 0) value[K.packet_type] = (PT_NS_ETHERTYPE << 16) | (value[K.dl_type]! & 0xffff);
    else {
      // Nothing is known of what comes out.
      value[K.packet_type] = PT_UNKNOWN;
      value[K.dl_type] = 0xffff;
    }
  }

  private checkCt(ct: ActionOf<'ct'>, type: number, table: number): void {
    const proto = this.value[K.nw_proto];
    // CS_INV: an invalid packet cannot be committed.
    const invalidCommit = (this.value[K.ct_state]! & 0x10) !== 0 && ct.commit;
    const wrongHelper = (ct.alg === 21 && proto !== PROTO_TCP) || (ct.alg === 69 && proto !== PROTO_UDP);
    if (!isIp(type) || invalidCommit || wrongHelper) throw invalid('OFPBAC_MATCH_INCONSISTENT');
    if (typeof ct.zone !== 'number') {
      this.checkField(ct.zone, false);
      return;
    }
    if (ct.nat !== null) checkNat(ct.nat, type);
    this.checkAll(ct.exec, table);
  }
}

const hasPorts = (proto: number): boolean => proto === PROTO_TCP || proto === PROTO_UDP || proto === PROTO_SCTP;

function checkNat(nat: NatSpec, type: number): void {
  if ((nat.family === 4 && type !== ETH_IP) || (nat.family === 6 && type !== ETH_IPV6))
    throw invalid('OFPBAC_MATCH_INCONSISTENT');
}

/** lib/ofp-actions.c:ofpact_check_output_port: real ports end below 0xff00; of the reserved ones ANY and UNSET are out. */
function checkOutputPort(port: number): void {
  if (port < 0xff00) return;
  if (port < PORT.IN_PORT || port === PORT.NONE) throw invalid('OFPBAC_BAD_OUT_PORT');
}

/** Sources need what the rule matches, destinations what the learned match has by then (lib/learn.c:learn_check). */
function checkLearn(specs: readonly LearnSpec[], state: MatchState): void {
  const learned = new DenseMatch();
  for (const spec of specs) {
    if (typeof spec.src !== 'bigint') state.checkSource(spec.src);
    if (spec.kind === 'output') continue;
    const of = subFieldOf(spec.dst);
    if (!prerequisiteHolds(of.prerequisite, learned.value, learned.mask)) throw invalid('OFPBAC_MATCH_INCONSISTENT');
    if (spec.kind === 'load' && !of.writable) throw invalid('OFPBAC_BAD_SET_ARGUMENT');
    if (spec.kind === 'match' && typeof spec.src === 'bigint' && of.presentBit < 0) {
      const bits = subFieldMask(spec.dst);
      const old = matchFieldBits(learned, of);
      const value = (old.value & ~bits) | ((spec.src << BigInt(spec.dst.ofs)) & bits);
      const whole = spec.dst.nBits === of.nBits;
      setMatchField(learned, of, value, whole ? ones(of.nBytes) : old.mask | bits, DEFAULT_TLV_MAP);
    }
  }
}
