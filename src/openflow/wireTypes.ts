/**
 * The OpenFlow messages that Open vSwitch 3.1.0 knows, with the body lengths that it accepts
 * (include/openvswitch/ofp-msgs.h, sizes of the structs in include/openflow/), and the names used for them here.
 */

export const NX_VENDOR_ID = 0x2320;
export const ONF_VENDOR_ID = 0x4f4e4600;

/** [class, name, first version, last version, number, fixed bytes of the body, unit of what follows (0: nothing may)]. */
type Row = readonly [MessageClass, string, number, number, number, number, number];

/** OFPT standard, NXT Nicira, ONFT ONF messages; ..ST_.. the same for statistics (multipart) messages. */
export type MessageClass =
  | 'OFPT'
  | 'NXT'
  | 'ONFT'
  | 'OFPST_REQUEST'
  | 'OFPST_REPLY'
  | 'NXST_REQUEST'
  | 'NXST_REPLY'
  | 'ONFST_REQUEST'
  | 'ONFST_REPLY';

/** What a message's header says it is. */
export interface MessageType {
  readonly class: MessageClass;
  /** Name of OVS's OFPRAW_ constant without prefix and version, in small letters. */
  readonly name: string;
  readonly bodyBytesMin: number;
  readonly bodyUnit: number;
}

const ROWS: readonly Row[] = [
  // biome-ignore format: one message a line
  ['OFPT', 'hello', 1, 255, 0, 0, 1],
  ['OFPT', 'error', 1, 255, 1, 4, 1],
  ['OFPT', 'echo_request', 1, 255, 2, 0, 1],
  ['OFPT', 'echo_reply', 1, 255, 3, 0, 1],
  ['OFPT', 'features_request', 1, 6, 5, 0, 0],
  ['OFPT', 'features_reply', 1, 1, 6, 24, 48],
  ['OFPT', 'features_reply', 2, 3, 6, 24, 64],
  ['OFPT', 'features_reply', 4, 6, 6, 24, 0],
  ['OFPT', 'get_config_request', 1, 6, 7, 0, 0],
  ['OFPT', 'get_config_reply', 1, 6, 8, 4, 0],
  ['OFPT', 'set_config', 1, 6, 9, 4, 0],
  ['OFPT', 'packet_in', 1, 1, 10, 10, 1],
  ['OFPT', 'packet_in', 2, 2, 10, 16, 1],
  ['OFPT', 'packet_in', 3, 3, 10, 8, 1],
  ['OFPT', 'packet_in', 4, 6, 10, 16, 1],
  ['NXT', 'packet_in', 1, 6, 17, 24, 1],
  ['NXT', 'packet_in2', 1, 6, 30, 0, 8],
  ['OFPT', 'flow_removed', 1, 1, 11, 80, 0],
  ['OFPT', 'flow_removed', 2, 5, 11, 40, 8],
  ['OFPT', 'flow_removed', 6, 6, 11, 16, 8],
  ['NXT', 'flow_removed', 1, 6, 14, 40, 8],
  ['OFPT', 'port_status', 1, 1, 12, 56, 0],
  ['OFPT', 'port_status', 2, 4, 12, 72, 0],
  ['OFPT', 'port_status', 5, 6, 12, 48, 8],
  ['OFPT', 'packet_out', 1, 1, 13, 8, 1],
  ['OFPT', 'packet_out', 2, 5, 13, 16, 1],
  ['OFPT', 'packet_out', 6, 6, 13, 8, 1],
  ['OFPT', 'flow_mod', 1, 1, 14, 64, 8],
  ['OFPT', 'flow_mod', 2, 6, 14, 40, 8],
  ['NXT', 'flow_mod', 1, 6, 13, 32, 8],
  ['NXT', 'group_mod', 1, 1, 31, 16, 8],
  ['OFPT', 'group_mod', 2, 5, 15, 8, 8],
  ['OFPT', 'group_mod', 6, 6, 15, 16, 8],
  ['OFPT', 'port_mod', 1, 1, 15, 24, 0],
  ['OFPT', 'port_mod', 2, 4, 16, 32, 0],
  ['OFPT', 'port_mod', 5, 6, 16, 24, 8],
  ['OFPT', 'table_mod', 2, 4, 17, 8, 0],
  ['OFPT', 'table_mod', 5, 6, 17, 8, 8],
  ['OFPT', 'barrier_request', 1, 1, 18, 0, 0],
  ['OFPT', 'barrier_request', 2, 6, 20, 0, 0],
  ['OFPT', 'barrier_reply', 1, 1, 19, 0, 0],
  ['OFPT', 'barrier_reply', 2, 6, 21, 0, 0],
  ['OFPT', 'queue_get_config_request', 1, 1, 20, 4, 0],
  ['OFPT', 'queue_get_config_request', 2, 4, 22, 8, 0],
  ['OFPT', 'queue_get_config_reply', 1, 1, 21, 8, 8],
  ['OFPT', 'queue_get_config_reply', 2, 4, 23, 8, 8],
  ['OFPT', 'role_request', 3, 6, 24, 16, 0],
  ['NXT', 'role_request', 1, 6, 10, 4, 0],
  ['OFPT', 'role_reply', 3, 6, 25, 16, 0],
  ['NXT', 'role_reply', 1, 6, 11, 4, 0],
  ['OFPT', 'get_async_request', 4, 4, 26, 0, 0],
  ['OFPT', 'get_async_request', 5, 6, 26, 0, 0],
  ['OFPT', 'get_async_reply', 4, 4, 27, 24, 0],
  ['OFPT', 'get_async_reply', 5, 6, 27, 0, 8],
  ['OFPT', 'set_async', 4, 4, 28, 24, 0],
  ['NXT', 'set_async_config', 1, 6, 19, 24, 0],
  ['NXT', 'set_async_config2', 1, 4, 27, 0, 8],
  ['OFPT', 'set_async', 5, 6, 28, 0, 8],
  ['OFPT', 'meter_mod', 4, 6, 29, 8, 8],
  ['ONFT', 'role_status', 4, 4, 1911, 16, 8],
  ['OFPT', 'role_status', 5, 6, 30, 16, 8],
  ['OFPT', 'table_status', 5, 6, 31, 8, 8],
  ['NXT', 'requestforward', 1, 3, 132, 8, 8],
  ['ONFT', 'requestforward', 4, 4, 2350, 8, 8],
  ['OFPT', 'requestforward', 5, 6, 32, 8, 8],
  ['OFPT', 'bundle_control', 5, 6, 33, 8, 8],
  ['ONFT', 'bundle_control', 4, 4, 2300, 8, 8],
  ['OFPT', 'bundle_add_message', 5, 6, 34, 8, 1],
  ['ONFT', 'bundle_add_message', 4, 4, 2301, 8, 1],
  ['OFPST_REQUEST', 'desc', 1, 6, 0, 0, 0],
  ['OFPST_REPLY', 'desc', 1, 6, 0, 1056, 0],
  ['OFPST_REQUEST', 'flow', 1, 1, 1, 44, 0],
  ['OFPST_REQUEST', 'flow', 2, 6, 1, 32, 8],
  ['NXST_REQUEST', 'flow', 1, 1, 0, 8, 8],
  ['OFPST_REPLY', 'flow', 1, 1, 1, 0, 1],
  ['OFPST_REPLY', 'flow', 2, 3, 1, 0, 1],
  ['OFPST_REPLY', 'flow', 4, 5, 1, 0, 1],
  ['OFPST_REPLY', 'flow', 6, 6, 1, 0, 1],
  ['NXST_REPLY', 'flow', 1, 1, 0, 0, 1],
  ['OFPST_REQUEST', 'aggregate', 1, 1, 2, 44, 0],
  ['OFPST_REQUEST', 'aggregate', 2, 5, 2, 32, 8],
  ['OFPST_REQUEST', 'aggregate', 6, 6, 2, 32, 8],
  ['NXST_REQUEST', 'aggregate', 1, 1, 1, 8, 8],
  ['OFPST_REPLY', 'aggregate', 1, 5, 2, 24, 0],
  ['OFPST_REPLY', 'aggregate', 6, 6, 2, 0, 1],
  ['NXST_REPLY', 'aggregate', 1, 1, 1, 24, 0],
  ['OFPST_REQUEST', 'table', 1, 6, 3, 0, 0],
  ['OFPST_REPLY', 'table', 1, 1, 3, 0, 64],
  ['OFPST_REPLY', 'table', 2, 2, 3, 0, 88],
  ['OFPST_REPLY', 'table', 3, 3, 3, 0, 128],
  ['OFPST_REPLY', 'table', 4, 6, 3, 0, 24],
  ['OFPST_REQUEST', 'port', 1, 1, 4, 8, 0],
  ['OFPST_REQUEST', 'port', 2, 6, 4, 8, 0],
  ['OFPST_REPLY', 'port', 1, 1, 4, 0, 104],
  ['OFPST_REPLY', 'port', 2, 3, 4, 0, 104],
  ['OFPST_REPLY', 'port', 4, 4, 4, 0, 112],
  ['OFPST_REPLY', 'port', 5, 6, 4, 0, 8],
  ['OFPST_REQUEST', 'queue', 1, 1, 5, 8, 0],
  ['OFPST_REQUEST', 'queue', 2, 6, 5, 8, 0],
  ['OFPST_REPLY', 'queue', 1, 1, 5, 0, 32],
  ['OFPST_REPLY', 'queue', 2, 3, 5, 0, 32],
  ['OFPST_REPLY', 'queue', 4, 4, 5, 0, 40],
  ['OFPST_REPLY', 'queue', 5, 6, 5, 0, 8],
  ['NXST_REQUEST', 'group', 1, 1, 7, 8, 0],
  ['OFPST_REQUEST', 'group', 2, 6, 6, 8, 0],
  ['NXST_REPLY', 'group', 1, 1, 7, 0, 8],
  ['OFPST_REPLY', 'group', 2, 3, 6, 0, 8],
  ['OFPST_REPLY', 'group', 4, 6, 6, 0, 8],
  ['NXST_REQUEST', 'group_desc', 1, 1, 8, 8, 0],
  ['OFPST_REQUEST', 'group_desc', 2, 5, 7, 0, 0],
  ['OFPST_REQUEST', 'group_desc', 6, 6, 7, 8, 0],
  ['NXST_REPLY', 'group_desc', 1, 1, 8, 0, 8],
  ['OFPST_REPLY', 'group_desc', 2, 6, 7, 0, 8],
  ['NXST_REQUEST', 'group_features', 1, 2, 9, 0, 0],
  ['OFPST_REQUEST', 'group_features', 3, 6, 8, 0, 0],
  ['NXST_REPLY', 'group_features', 1, 2, 9, 40, 0],
  ['OFPST_REPLY', 'group_features', 3, 6, 8, 40, 0],
  ['OFPST_REQUEST', 'meter', 4, 6, 9, 8, 0],
  ['OFPST_REPLY', 'meter', 4, 6, 9, 0, 8],
  ['OFPST_REQUEST', 'meter_config', 4, 6, 10, 8, 0],
  ['OFPST_REPLY', 'meter_config', 4, 6, 10, 0, 8],
  ['OFPST_REQUEST', 'meter_features', 4, 6, 11, 0, 0],
  ['OFPST_REPLY', 'meter_features', 4, 6, 11, 16, 0],
  ['OFPST_REQUEST', 'table_features', 4, 6, 12, 0, 8],
  ['OFPST_REPLY', 'table_features', 4, 6, 12, 64, 8],
  ['OFPST_REQUEST', 'table_desc', 5, 6, 14, 0, 0],
  ['OFPST_REPLY', 'table_desc', 5, 6, 14, 8, 8],
  ['OFPST_REQUEST', 'port_desc', 1, 5, 13, 0, 0],
  ['OFPST_REQUEST', 'port_desc', 6, 6, 13, 8, 0],
  ['OFPST_REPLY', 'port_desc', 1, 1, 13, 0, 48],
  ['OFPST_REPLY', 'port_desc', 2, 4, 13, 0, 64],
  ['OFPST_REPLY', 'port_desc', 5, 6, 13, 0, 8],
  ['OFPST_REQUEST', 'queue_desc', 5, 6, 15, 8, 0],
  ['OFPST_REPLY', 'queue_desc', 5, 6, 15, 0, 8],
  ['OFPST_REQUEST', 'flow_monitor', 5, 6, 16, 0, 8],
  ['ONFST_REQUEST', 'flow_monitor', 4, 4, 1870, 0, 8],
  ['NXST_REQUEST', 'flow_monitor', 1, 3, 2, 0, 8],
  ['OFPST_REPLY', 'flow_monitor', 5, 6, 16, 0, 8],
  ['ONFST_REPLY', 'flow_monitor', 4, 4, 1870, 0, 8],
  ['NXST_REPLY', 'flow_monitor', 1, 3, 2, 0, 8],
  ['ONFT', 'flow_monitor_cancel', 4, 4, 1870, 4, 0],
  ['NXT', 'flow_monitor_cancel', 1, 3, 21, 4, 0],
  ['ONFT', 'flow_monitor_paused', 4, 4, 1871, 0, 0],
  ['NXT', 'flow_monitor_paused', 1, 3, 22, 0, 0],
  ['ONFT', 'flow_monitor_resumed', 4, 4, 1872, 0, 0],
  ['NXT', 'flow_monitor_resumed', 1, 3, 23, 0, 0],
  ['NXT', 'set_flow_format', 1, 1, 12, 4, 0],
  ['NXT', 'flow_mod_table_id', 1, 6, 15, 8, 0],
  ['NXT', 'set_packet_in_format', 1, 6, 16, 4, 0],
  ['NXT', 'flow_age', 1, 6, 18, 0, 0],
  ['NXT', 'set_controller_id', 1, 6, 20, 8, 0],
  ['NXT', 'tlv_table_mod', 1, 6, 24, 8, 8],
  ['NXT', 'tlv_table_request', 1, 6, 25, 0, 0],
  ['NXT', 'tlv_table_reply', 1, 6, 26, 16, 8],
  ['NXT', 'resume', 1, 6, 28, 0, 8],
  ['NXT', 'ct_flush_zone', 1, 6, 29, 8, 0],
  ['NXT', 'ct_flush', 1, 6, 32, 8, 8],
  ['NXST_REQUEST', 'ipfix_bridge', 1, 6, 3, 0, 0],
  ['NXST_REPLY', 'ipfix_bridge', 1, 6, 3, 88, 0],
  ['NXST_REQUEST', 'ipfix_flow', 1, 6, 4, 0, 0],
  ['NXST_REPLY', 'ipfix_flow', 1, 6, 4, 0, 88],
];

const TYPES = new Map<string, MessageType>();
for (const [cls, name, from, to, number, bodyBytesMin, bodyUnit] of ROWS) {
  // "<all>" messages keep their numbers in every version: one entry, looked up without version.
  const versions = to === 255 ? [0] : Array.from({ length: to - from + 1 }, (_, i) => from + i);
  for (const version of versions)
    TYPES.set(`${cls} ${version} ${number}`, { class: cls, name, bodyBytesMin, bodyUnit });
}

/** The message type, or undefined if OVS does not know it in this version. `number` is the type, subtype or statistics type. */
export function findMessageType(cls: MessageClass, version: number, number: number): MessageType | undefined {
  return TYPES.get(`${cls} ${version} ${number}`) ?? (cls === 'OFPT' ? TYPES.get(`OFPT 0 ${number}`) : undefined);
}

/** Names of this project where they differ from OVS's. Nicira's own settings carry `nx_`. */
const WHAT: Readonly<Record<string, string>> = {
  packet_in2: 'packet_in',
  bundle_control: 'bundle_ctrl',
  bundle_add_message: 'bundle_add',
  set_flow_format: 'nx_set_flow_format',
  flow_mod_table_id: 'nx_flow_mod_table_id',
  set_packet_in_format: 'nx_set_packet_in_format',
  flow_age: 'nx_flow_age',
  set_controller_id: 'nx_set_controller_id',
  resume: 'nx_resume',
  ct_flush_zone: 'nx_ct_flush_zone',
  ct_flush: 'nx_ct_flush',
};

/** `flow_mod`, `bundle_add`, `multipart_reply` ...; `type77` for a number without meaning. */
export function messageWhat(version: number, type: number, messageType: MessageType | undefined): string {
  const stats = version === 1 ? type - 16 : type - 18;
  if (stats === 0) return 'multipart_request';
  if (stats === 1) return 'multipart_reply';
  if (messageType !== undefined) return WHAT[messageType.name] ?? messageType.name;
  if (type === 4) return 'experimenter';
  // A header of an unknown version still names its type as the newest version would.
  const guess = version > 6 ? findMessageType('OFPT', 6, type) : undefined;
  return guess === undefined ? `type${type}` : (WHAT[guess.name] ?? guess.name);
}
