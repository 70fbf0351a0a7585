/**
 * Sets of flow formats ("usable protocols"): what a field, an action or a flag can be said in. A flow is refused when
 * none of them is left in the OpenFlow version that is spoken (include/openvswitch/ofp-protocol.h:OFPUTIL_P_*).
 */
import type { Field } from '../fields/fieldTable.js';
import type { OfVersion } from './rule.js';

export const F10_STANDARD = 1;
/** OpenFlow 1.0 with the Nicira extended match. */
export const F10_NXM = 2;
export const F11 = 4;
const F12 = 8;
const F13 = 16;
const F14 = 32;
export const F15_UP = 64;

export const F13_UP = F13 | F14 | F15_UP;
export const F12_UP = F12 | F13_UP;
export const F11_UP = F11 | F12_UP;
export const F10_ANY = F10_STANDARD | F10_NXM;
export const NXM_OF11_UP = F10_NXM | F11_UP;
export const NXM_OXM = F10_NXM | F12_UP;
export const ANY_FORMAT = F10_ANY | F11_UP;

export const OF_VERSIONS: readonly OfVersion[] = ['1.0', '1.1', '1.2', '1.3', '1.4', '1.5'];

const FORMATS: Readonly<Record<OfVersion, number>> = {
  '1.0': F10_ANY,
  '1.1': F11,
  '1.2': F12,
  '1.3': F13,
  '1.4': F14,
  '1.5': F15_UP,
};

/** Formats that may be used when this version is spoken. */
export const formatsOf = (version: OfVersion): number => FORMATS[version];

/** The version on the wire: 1.0 is 1, 1.5 is 6. */
export const wireVersion = (version: OfVersion): number => OF_VERSIONS.indexOf(version) + 1;

export interface FieldFormats {
  readonly exact: number;
  readonly prefix: number;
  readonly bits: number;
}

/** What a match on a field can be said in, by the kind of mask (build-aux/gen_ofp_field_decoders:make_meta_flow). */
export function fieldFormats(field: Field): FieldFormats {
  let cached = cache.get(field.name);
  if (cached === undefined) {
    cached = computeFormats(field);
    cache.set(field.name, cached);
  }
  return cached;
}

const cache = new Map<string, FieldFormats>();

function computeFormats(field: Field): FieldFormats {
  if (field.name === 'dl_vlan' || field.name === 'dl_vlan_pcp') return { exact: ANY_FORMAT, prefix: 0, bits: 0 };
  let exact = 0;
  if (field.of10 !== null) exact |= F10_STANDARD;
  if (field.of11 !== null) exact |= F11;
  if (field.codes.length > 0) exact |= NXM_OXM;
  if (!field.maskable) return { exact, prefix: 0, bits: 0 };
  let prefix = exact;
  let bits = exact;
  if (field.of10 === 'exact') prefix &= ~F10_STANDARD;
  if (field.of10 === 'exact' || field.of10 === 'cidr') bits &= ~F10_STANDARD;
  if (field.of11 === 'exact') {
    prefix &= ~F11;
    bits &= ~F11;
  }
  return { exact, prefix, bits };
}
