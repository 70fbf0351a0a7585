/** A packet as flow text, as `ofproto/trace` takes it (lib/ofp-flow.c:parse_ofp_exact_flow). */

import { fieldByName } from '../fields/fieldTable.js';
import { ones, parseExactValue } from '../fields/fieldText.js';
import { CS_EST, CS_NEW, CS_RPL, K, PORT, VLAN_CFI } from '../fields/key.js';
import type { PortNames } from '../fields/portText.js';
import { DEFAULT_TLV_MAP, type TlvMap } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import { DenseMatch, matchFieldBits, setMatchField } from './denseMatch.js';
import { KeyValueReader } from './keyValue.js';
import { PROTOCOL_WORDS } from './matchText.js';
import { prerequisiteHolds } from './prerequisites.js';
import { unknownField } from './subField.js';
import { atColumn } from './textContext.js';

const ETH_VLAN = 0x8100;

/**
 * The key of `in_port=1,tcp,nw_src=…`: fields not named are 0, a missing in_port is PORT.NONE. Prerequisites come first.
 * InputError with the column: unknown field, wildcard, field named twice, missing prerequisite.
 */
export function parseTraceFlow(text: string, ports: PortNames | null, tlvMap: TlvMap = DEFAULT_TLV_MAP): Int32Array {
  const flow = new DenseMatch();
  const reader = new KeyValueReader(text, 0);
  while (reader.next()) {
    const { key, value } = reader;
    atColumn(reader.keyAt, () => setFromWord(flow, key, value, ports, tlvMap));
  }
  const packet = flow.value;
  if (packet[K.in_port] === 0) packet[K.in_port] = PORT.NONE;
  if ((packet[K.vlan_tci]! & VLAN_CFI) !== 0) packet[K.vlan_tpid] = ETH_VLAN;
  return packet;
}

function setFromWord(flow: DenseMatch, key: string, value: string, ports: PortNames | null, tlvMap: TlvMap): void {
  const protocol = PROTOCOL_WORDS.get(key);
  if (protocol !== undefined) {
    if (flow.value[K.dl_type] !== 0) throw new InputError('Ethernet type set multiple times');
    flow.value[K.dl_type] = protocol[0];
    if (protocol[1] === 0) return;
    if (flow.value[K.nw_proto] !== 0) throw new InputError('network protocol set multiple times');
    flow.value[K.nw_proto] = protocol[1];
    return;
  }
  const of = fieldByName(key);
  if (of === undefined) throw unknownField(`unknown field ${key}`, key);
  // A packet has an entry when its state says new, est or rpl (lib/flow.h:is_ct_valid); a match may say more.
  const tracked = (flow.value[K.ct_state]! & (CS_NEW | CS_EST | CS_RPL)) !== 0;
  if (of.prerequisite === 'ct' ? !tracked : !prerequisiteHolds(of.prerequisite, flow.value, flow.mask))
    throw new InputError(`prerequisites not met for setting ${key}`);
  if (of.presentBit < 0 && matchFieldBits(flow, of).value !== 0n)
    throw new InputError(`field ${key} set multiple times`);
  const exact = parseExactValue(of, value, ports);
  setMatchField(flow, of, exact, ones(of.nBytes), tlvMap);
}
