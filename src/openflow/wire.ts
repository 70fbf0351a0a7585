/**
 * OpenFlow messages, decoded as Open vSwitch 3.1.0 does: what it refuses is refused here with the same name.
 *
 * Versions 1.0 to 1.5 with NXM, OXM, Nicira's and the ONF's extensions. Bodies are read for what changes or shows tables
 * and tells switches apart: flow-mods, bundles, errors, flow statistics, monitor updates, features, ports. Other messages are
 * named and their lengths checked.
 */
import { DEFAULT_TLV_MAP, type TlvMap } from '../fields/tunMetadata.js';
import type { FlowMod } from './rule.js';
import { decodeErrorBody, type ErrorBody } from './wireErrors.js';
import { type DecodeContext, decodeFlowMod } from './wireFlowMod.js';
import { decodeFlowStats, decodeFlowUpdates, type FlowStats, type FlowUpdate } from './wireFlows.js';
import { messageHeader, type WireHeader } from './wireHeader.js';
import { decodeFeatures, decodePorts, type SwitchFeatures, type WirePort } from './wirePorts.js';
import { WireError, WireReader } from './wireReader.js';

export type BundleControl =
  | 'OPEN_REQUEST'
  | 'OPEN_REPLY'
  | 'CLOSE_REQUEST'
  | 'CLOSE_REPLY'
  | 'COMMIT_REQUEST'
  | 'COMMIT_REPLY'
  | 'DISCARD_REQUEST'
  | 'DISCARD_REPLY';

const BUNDLE_CONTROLS: readonly BundleControl[] = [
  'OPEN_REQUEST',
  'OPEN_REPLY',
  'CLOSE_REQUEST',
  'CLOSE_REPLY',
  'COMMIT_REQUEST',
  'COMMIT_REPLY',
  'DISCARD_REQUEST',
  'DISCARD_REPLY',
];

export type WireBody =
  | { readonly kind: 'flowMod'; readonly mod: FlowMod }
  | {
      readonly kind: 'bundleControl';
      readonly bundleId: number;
      /** Null: a number without meaning. */
      readonly control: BundleControl | null;
      readonly flags: number;
    }
  /** The message inside may itself be refused (`inner.error`). */
  | { readonly kind: 'bundleAdd'; readonly bundleId: number; readonly flags: number; readonly inner: WireMessage }
  | ({ readonly kind: 'error' } & ErrorBody)
  | { readonly kind: 'flowStats'; readonly flows: readonly FlowStats[] }
  | { readonly kind: 'flowUpdates'; readonly updates: readonly FlowUpdate[] }
  | ({ readonly kind: 'features' } & SwitchFeatures)
  | { readonly kind: 'ports'; readonly ports: readonly WirePort[] }
  /** NXT_FLOW_MOD_TABLE_ID: whether the tables of OpenFlow 1.0 flow-mods count. */
  | { readonly kind: 'tableIds'; readonly on: boolean }
  /** NXT_CT_FLUSH_ZONE: all conntrack entries of a zone go. */
  | { readonly kind: 'ctFlushZone'; readonly zone: number }
  /** A message whose body is not read. */
  | { readonly kind: 'other' };

/** A decoded message. `error`: OVS refuses it with this name; then `body` is `other` (but for errors without a name). */
export interface WireMessage {
  readonly version: number;
  readonly type: number;
  readonly length: number;
  readonly xid: number;
  /** `flow_mod`, `bundle_add`, `multipart_reply`, `type77` ... */
  readonly what: string;
  /** Statistics by name (`flow`, `flow_monitor` ...), null for other messages. */
  readonly stats: string | null;
  readonly error: string | null;
  readonly body: WireBody;
}

export interface DecodeOptions {
  /** Tunnel options that the switch has mapped. */
  readonly tlvMap?: TlvMap;
  /** OpenFlow 1.0: the upper byte of a flow-mod's command is its table. Default true, as `ovs-ofctl ofp-parse` reads it. */
  readonly tableIds?: boolean;
}

const OTHER: WireBody = { kind: 'other' };

/**
 * Decodes one whole message. Never throws on bytes: a fault is in `error`. Bytes beyond the length in the header are not
 * looked at; fewer are OFPBRC_BAD_LEN.
 */
export function decodeMessage(bytes: Uint8Array, options: DecodeOptions = {}): WireMessage {
  const header = messageHeader(bytes);
  if (header === null || header.length < 8 || header.length > bytes.length) {
    const [version, type, xid] = [bytes[0] ?? 0, bytes[1] ?? 0, header?.xid ?? 0];
    const what = header?.what ?? `type${type}`;
    return { version, type, length: bytes.length, xid, what, stats: null, error: 'OFPBRC_BAD_LEN', body: OTHER };
  }
  const { version, type, length, xid, what, stats } = header;
  let { error } = header;
  let body = OTHER;
  if (error === null) {
    try {
      body = decodeBody(header, bytes.subarray(0, length), options);
      // OVS has no other way to say that it does not know the error (lib/ofp-print.c:ofp_print_error_msg).
      if (body.kind === 'error' && body.name === null) error = 'OFPBRC_BAD_LEN';
    } catch (fault) {
      if (!(fault instanceof WireError)) throw fault;
      error = fault.message;
    }
  }
  return { version, type, length, xid, what, stats, error, body };
}

function decodeBody(header: WireHeader, bytes: Uint8Array, options: DecodeOptions): WireBody {
  const { version, messageType, bodyAt } = header;
  const r = new WireReader(bytes, 'OFPBRC_BAD_LEN', bodyAt);
  const tlvMap = options.tlvMap ?? DEFAULT_TLV_MAP;
  const context: DecodeContext = { version, tlvMap, tableIds: options.tableIds ?? true };
  const cls = messageType?.class;
  switch (messageType?.name) {
    case 'flow_mod': {
      const form = cls === 'NXT' ? 'nxt' : version === 1 ? 'ofp10' : 'ofp11';
      return { kind: 'flowMod', mod: decodeFlowMod(r, form, context) };
    }
    case 'bundle_control': {
      const bundleId = r.u32();
      return { kind: 'bundleControl', bundleId, control: BUNDLE_CONTROLS[r.u16()] ?? null, flags: r.u16() };
    }
    case 'bundle_add_message':
      return decodeBundleAdd(header, r, options);
    case 'error':
      return { kind: 'error', ...decodeErrorBody(version, bytes.subarray(bodyAt)) };
    case 'features_reply':
      return { kind: 'features', ...decodeFeatures(r, version) };
    case 'flow_mod_table_id':
      return { kind: 'tableIds', on: r.u8() !== 0 };
    case 'ct_flush_zone':
      r.skip(6);
      return { kind: 'ctFlushZone', zone: r.u16() };
    case 'port_desc':
      return cls === 'OFPST_REPLY' ? { kind: 'ports', ports: decodePorts(r, version) } : OTHER;
    case 'flow': {
      if (cls !== 'OFPST_REPLY' && cls !== 'NXST_REPLY') return OTHER;
      const form = cls === 'NXST_REPLY' ? 'nxst' : version === 1 ? 'ofp10' : version === 6 ? 'ofp15' : 'ofp11';
      return { kind: 'flowStats', flows: decodeFlowStats(r, form, context) };
    }
    case 'flow_monitor': {
      if (cls?.endsWith('_REPLY') !== true) return OTHER;
      const form = cls === 'NXST_REPLY' ? 'nxst' : cls === 'ONFST_REPLY' ? 'onfst' : 'ofp14';
      return { kind: 'flowUpdates', updates: decodeFlowUpdates(r, form, context) };
    }
    default:
      return OTHER;
  }
}

/** What a bundle may hold (lib/ofp-bundle.c:ofputil_is_bundlable). */
const BUNDLABLE = new Set(['port_mod', 'flow_mod', 'group_mod', 'packet_out']);

/** lib/ofp-bundle.c:ofputil_decode_bundle_add. */
function decodeBundleAdd(outer: WireHeader, r: WireReader, options: DecodeOptions): WireBody {
  const bundleId = r.u32();
  r.skip(2);
  const flags = r.u16();
  const rest = r.take8(r.left);
  const header = messageHeader(rest);
  if (header === null) throw new WireError('OFPBFC_MSG_BAD_LEN');
  if (header.version !== outer.version) throw new WireError('OFPBFC_BAD_VERSION');
  if (header.length < 8 || header.length > rest.length) throw new WireError('OFPBFC_MSG_BAD_LEN');
  if (header.xid !== outer.xid) throw new WireError('OFPBFC_MSG_BAD_XID');
  if (header.error !== null || !BUNDLABLE.has(header.messageType?.name ?? '')) throw new WireError('OFPBFC_MSG_UNSUP');
  return { kind: 'bundleAdd', bundleId, flags, inner: decodeMessage(rest.subarray(0, header.length), options) };
}
