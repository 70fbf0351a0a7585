/**
 * NXM and OXM: headers, values and masks of match fields on the wire (lib/nx-match.c:nx_pull_header__, nx_pull_entry__).
 *
 * A header is class (16 bits), field (7), has-mask (1), length (8) of what follows; class 0xffff adds a four-byte
 * experimenter id, which counts in the length.
 */
import { type Field, fieldByCode } from '../fields/fieldTable.js';
import { WireError, type WireReader } from './wireReader.js';

export interface OxmHeader {
  /** Null: the flow cookie (where allowed), or a field that OVS does not know. */
  readonly field: Field | null;
  readonly isCookie: boolean;
  readonly hasMask: boolean;
  /** Bytes of value and mask that follow. */
  readonly payloadBytes: number;
}

export interface OxmEntry extends OxmHeader {
  readonly value: bigint;
  /** All ones over the field's bytes without a mask. */
  readonly mask: bigint;
}

const CLASS_EXPERIMENTER = 0xffff;
/** NXM_NX_COOKIE: class 1, field 30. It selects flows by cookie inside Nicira's flow-mods; it is no match field. */
const COOKIE_CLASS = 1;
const COOKIE_FIELD = 30;

/** What the header stands in decides how a fault is called. */
export type OxmPlace = 'match' | 'action';

/** Reads one header. `allowCookie`: NXM_NX_COOKIE is no error. */
export function pullOxmHeader(reader: WireReader, place: OxmPlace, allowCookie = false): OxmHeader {
  if (reader.left < 4) throw new WireError('OFPBMC_BAD_LEN');
  const oxmClass = reader.u16();
  const fieldAndMask = reader.u8();
  const length = reader.u8();
  const idBytes = oxmClass === CLASS_EXPERIMENTER ? 4 : 0;
  if (reader.left < idBytes || length < idBytes) throw new WireError('OFPBMC_BAD_LEN');
  const experimenter = idBytes > 0 ? reader.u32() : 0;
  const hasMask = (fieldAndMask & 1) !== 0;
  const payloadBytes = length - idBytes;
  const valueBytes = hasMask ? payloadBytes >> 1 : payloadBytes;
  const number = fieldAndMask >> 1;
  if (allowCookie && oxmClass === COOKIE_CLASS && number === COOKIE_FIELD && valueBytes === 8)
    return { field: null, isCookie: true, hasMask, payloadBytes };
  const known = fieldByCode(oxmClass, number, experimenter);
  if (known !== undefined && lengthFits(known, valueBytes))
    return { field: known, isCookie: false, hasMask, payloadBytes };
  if (place === 'action')
    throw new WireError(known !== undefined && length > 0 ? 'OFPBAC_BAD_SET_LEN' : 'OFPBAC_BAD_SET_TYPE');
  return { field: null, isCookie: false, hasMask, payloadBytes };
}

/** Half of the payload, cut down, where there is a mask: an odd byte is skipped. Options of a tunnel may have any length up to that of the field (struct mf_field:variable_len). */
function lengthFits(field: Field, valueBytes: number): boolean {
  return field.presentBit >= 0 ? valueBytes <= field.nBytes : valueBytes === field.nBytes;
}

/** The field of a header that must be there and known, without a mask (source or destination of an action). */
export function pullFieldHeader(reader: WireReader): Field {
  const { field, hasMask } = pullOxmHeader(reader, 'match');
  if (field === null) throw new WireError('OFPBMC_BAD_FIELD');
  if (hasMask) throw new WireError('OFPBMC_BAD_MASK');
  return field;
}

/** The field of a header in four bytes; its has-mask bit does not matter (lib/meta-flow.c:mf_vl_mff_mf_from_nxm_header). */
export function fieldOfNxmHeader(header: number): Field {
  const oxmClass = header >>> 16;
  const payloadBytes = header & 0xff;
  const valueBytes = ((header >>> 8) & 1) !== 0 ? payloadBytes >> 1 : payloadBytes;
  const known = fieldByCode(oxmClass, (header >>> 9) & 0x7f, 0);
  if (known === undefined || oxmClass === CLASS_EXPERIMENTER || !lengthFits(known, valueBytes))
    throw new WireError('OFPBAC_BAD_SET_TYPE');
  return known;
}

/**
 * Header, value and mask. A field that OVS does not know is no error yet in a match: `field` is null, because its length and
 * mask are judged first.
 */
export function pullOxmEntry(reader: WireReader, place: OxmPlace, allowCookie: boolean, mayMask: boolean): OxmEntry {
  const header = pullOxmHeader(reader, place, allowCookie);
  if (header.payloadBytes > reader.left) throw new WireError('OFPBMC_BAD_LEN');
  const bytes = header.hasMask ? header.payloadBytes >> 1 : header.payloadBytes;
  const start = reader.pos;
  const value = reader.uint(bytes);
  const mask = header.hasMask ? reader.uint(bytes) : onesOfBytes(bytes);
  reader.pos = start + header.payloadBytes;
  if (header.hasMask && (value & ~mask) !== 0n) throw new WireError('OFPBMC_BAD_WILDCARDS');
  if (header.hasMask && !mayMask) throw new WireError('OFPBMC_BAD_MASK');
  const { field, isCookie, hasMask, payloadBytes } = header;
  return { field, isCookie, hasMask, payloadBytes, value, mask };
}

const ONES = Array.from({ length: 256 }, (_, bytes) => (1n << BigInt(8 * bytes)) - 1n);

/** All bits of so many bytes, up to the 255 that a header can announce. */
export const onesOfBytes = (bytes: number): bigint => ONES[bytes]!;
