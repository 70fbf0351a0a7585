/** The header of an OpenFlow message: which message it is, by Open vSwitch's rules (lib/ofp-msgs.c:ofphdrs_decode). */
import {
  findMessageType,
  type MessageClass,
  type MessageType,
  messageWhat,
  NX_VENDOR_ID,
  ONF_VENDOR_ID,
} from './wireTypes.js';

export interface WireHeader {
  /** Byte 0: 1 is OpenFlow 1.0 ... 6 is 1.5. */
  readonly version: number;
  readonly type: number;
  /** Bytes of the message, this header included. */
  readonly length: number;
  readonly xid: number;
  /** `flow_mod`, `bundle_add`, `multipart_reply`, `type77` ... */
  readonly what: string;
  /** Statistics type by name (`flow`, `flow_monitor` ...), null for other messages. */
  readonly stats: string | null;
  readonly messageType: MessageType | null;
  /** Where the body begins: behind the vendor and statistics headers. */
  readonly bodyAt: number;
  /** Name of the error with which OVS refuses the header, null if it accepts it (ofpraw_check_length included). */
  readonly error: string | null;
}

const TYPE_VENDOR = 4;
const STATS_VENDOR = 0xffff;

/**
 * Reads the header at the start of `bytes` (8 bytes at least, else null). Only bytes that are there are looked at, so a
 * header whose message is still incomplete can be judged too.
 */
export function messageHeader(bytes: Uint8Array): WireHeader | null {
  if (bytes.length < 8) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[0]!;
  const type = bytes[1]!;
  const length = view.getUint16(2);
  const kind = classify(view, version, type, length);
  const messageType = kind.cls === null ? undefined : findMessageType(kind.cls, version, kind.number);
  const error = kind.error ?? headerError(messageType, kind.cls, length, kind.bodyAt);
  const isStats = kind.cls?.includes('ST_') ?? false;
  return {
    version,
    type,
    length,
    xid: view.getUint32(4),
    what: messageWhat(version, type, messageType),
    stats: isStats ? (messageType?.name ?? null) : null,
    messageType: messageType ?? null,
    bodyAt: kind.bodyAt,
    error,
  };
}

interface Kind {
  readonly cls: MessageClass | null;
  readonly number: number;
  readonly bodyAt: number;
  readonly error: string | null;
}

function classify(view: DataView, version: number, type: number, length: number): Kind {
  const there = Math.min(length, view.byteLength);
  const bad = (error: string): Kind => ({ cls: null, number: 0, bodyAt: 8, error });
  if (type === TYPE_VENDOR) {
    if (there < 12) return bad('OFPBRC_BAD_LEN');
    const vendor = vendorClass(view.getUint32(8));
    if (vendor === null) return bad('OFPBRC_BAD_VENDOR');
    if (there < 16) return bad('OFPBRC_BAD_LEN');
    return { cls: vendor === 'NX' ? 'NXT' : 'ONFT', number: view.getUint32(12), bodyAt: 16, error: null };
  }
  // OpenFlow 1.0: type, flags; 1.1+: four bytes of padding more.
  const statsType = version === 1 ? type - 16 : type - 18;
  if (statsType !== 0 && statsType !== 1) return { cls: 'OFPT', number: type, bodyAt: 8, error: null };
  const side = statsType === 0 ? 'REQUEST' : 'REPLY';
  const bodyAt = version === 1 ? 12 : 16;
  if (there < bodyAt) return bad('OFPBRC_BAD_LEN');
  const number = view.getUint16(8);
  if (number !== STATS_VENDOR) return { cls: `OFPST_${side}`, number, bodyAt, error: null };
  if (there < bodyAt + 4) return bad('OFPBRC_BAD_LEN');
  const vendor = vendorClass(view.getUint32(bodyAt));
  if (vendor === null || (version === 1 && vendor === 'ONF')) return bad('OFPBRC_BAD_VENDOR');
  // Nicira's header of OpenFlow 1.0 has four bytes of padding, so the body begins at the same place in all versions.
  if (there < 24) return bad('OFPBRC_BAD_LEN');
  const cls: MessageClass = vendor === 'NX' ? `NXST_${side}` : `ONFST_${side}`;
  return { cls, number: view.getUint32(bodyAt + 4), bodyAt: 24, error: null };
}

function vendorClass(vendor: number): 'NX' | 'ONF' | null {
  return vendor === NX_VENDOR_ID ? 'NX' : vendor === ONF_VENDOR_ID ? 'ONF' : null;
}

/** lib/ofp-msgs.c:ofpraw_from_ofphdrs and ofpraw_check_length. */
function headerError(
  type: MessageType | undefined,
  cls: MessageClass | null,
  length: number,
  bodyAt: number,
): string | null {
  if (type === undefined) {
    if (cls === 'OFPT') return 'OFPBRC_BAD_TYPE';
    return cls === 'OFPST_REQUEST' || cls === 'OFPST_REPLY' ? 'OFPBRC_BAD_STAT' : 'OFPBRC_BAD_SUBTYPE';
  }
  const extra = length - bodyAt - type.bodyBytesMin;
  if (extra < 0) return 'OFPBRC_BAD_LEN';
  if (type.bodyUnit === 0) return extra === 0 ? null : 'OFPBRC_BAD_LEN';
  return extra % type.bodyUnit === 0 ? null : 'OFPBRC_BAD_LEN';
}

const BY_CONTROLLER = new Set([
  'features_request',
  'get_config_request',
  'set_config',
  'packet_out',
  'flow_mod',
  'group_mod',
  'port_mod',
  'table_mod',
  'meter_mod',
  'barrier_request',
  'role_request',
  'multipart_request',
  'bundle_add',
  'nx_set_flow_format',
  'nx_flow_mod_table_id',
  'nx_set_packet_in_format',
  'nx_set_controller_id',
  'set_async',
]);

const BY_SWITCH = new Set([
  'features_reply',
  'get_config_reply',
  'packet_in',
  'flow_removed',
  'port_status',
  'barrier_reply',
  'role_reply',
  'multipart_reply',
]);

/** Who sends such a message; null where both do. */
export function messageSender(bytes: Uint8Array): 'switch' | 'controller' | null {
  const what = messageHeader(bytes)?.what ?? '';
  return BY_CONTROLLER.has(what) ? 'controller' : BY_SWITCH.has(what) ? 'switch' : null;
}
