/**
 * Every match field of Open vSwitch 3.1: names, width, place in the key, text form, prerequisite, wire codes.
 * Source: include/openvswitch/meta-flow.h of v3.1.0 (the comment of each MFF_* constant); places in the key: key.ts.
 * Data only; reading and writing of values is in access.ts, text in fieldText.ts.
 */
import { K } from './key.js';

/** How a value is written in flow text (meta-flow.h "Formatting"). */
export type FieldFormat =
  | 'decimal'
  | 'hex'
  | 'ctState'
  | 'ethernet'
  | 'ipv4'
  | 'ipv6'
  | 'port'
  | 'port32'
  | 'frag'
  | 'tunnelFlags'
  | 'tcpFlags'
  | 'packetType';

/** What a match must name before this field means anything (meta-flow.h "Prerequisites"). */
export type Prerequisite =
  | 'none'
  | 'ethernet'
  | 'arp'
  | 'vlan'
  | 'ipv4'
  | 'ipv6'
  | 'ip'
  | 'nsh'
  | 'ct'
  | 'mpls'
  | 'tcp'
  | 'udp'
  | 'sctp'
  | 'icmp'
  | 'icmp6'
  | 'nd'
  | 'ndSolicit'
  | 'ndAdvert';

/** One wire code of a field. */
export interface FieldCode {
  /** As in flow text with brackets: NXM_NX_REG0. */
  readonly name: string;
  /** 0x0000, 0x0001 NXM; 0x8000, 0x8001 OpenFlow; 0x1000 Ericsson; 0xffff experimenter. */
  readonly oxmClass: number;
  readonly field: number;
  /** Experimenter id, 0 if `oxmClass` is not 0xffff. */
  readonly experimenter: number;
  /** OpenFlow wire version (1.2 is 3) from which on it is standard; 0: an extension, usable in each version. */
  readonly since: number;
}

/** What the fixed match structure of OpenFlow 1.0 or 1.1 can express; null: nothing of this field. */
export type FixedMatch = 'exact' | 'cidr' | 'bits' | null;

export interface Field {
  /** Position in Open vSwitch's own order. */
  readonly id: number;
  readonly name: string;
  readonly alias: string | null;
  /** Bytes of a value on the wire and in text; `nBits` <= 8 * `nBytes`. tun_metadata: 124 until mapped (tunMetadata.ts). */
  readonly nBytes: number;
  readonly nBits: number;
  readonly maskable: boolean;
  readonly format: FieldFormat;
  readonly prerequisite: Prerequisite;
  readonly writable: boolean;
  /** Key words (fields/key.ts), most significant first. tun_metadata: none, see tunMetadata.ts. */
  readonly words: readonly number[];
  /** Position of bit 0 in the (only) word. */
  readonly shift: number;
  /** Bits of a value that the key holds. Mostly `nBits` ones; vlan_vid has the CFI bit too, nw_tos lacks the ECN bits. */
  readonly valueMask: bigint;
  /** Fields of one word: the bits of it that hold the value, before the shift. Ports take 16 bits in the key. */
  readonly keyMask: number;
  /** tun_metadataN: N, the bit of `K.tun_metadata_present`; else -1. */
  readonly presentBit: number;
  readonly of10: FixedMatch;
  readonly of11: FixedMatch;
  /** Oldest version first. */
  readonly codes: readonly FieldCode[];
}

const ROWS = `
dp_hash - 4 32 mask hex none ro dp_hash - - NXOXM_ET_DP_HASH:ffff:0,NXM_NX_DP_HASH:1:35
recirc_id - 4 32 exact decimal none ro recirc_id - - NXM_NX_RECIRC_ID:1:36
packet_type - 4 32 exact packetType none ro packet_type - - OXM_OF_PACKET_TYPE:8000:44:1.5
conj_id - 4 32 exact decimal none ro conj_id - - NXM_NX_CONJ_ID:1:37
tun_id tunnel_id 8 64 mask hex none rw tun_id - - NXM_NX_TUN_ID:1:16,OXM_OF_TUNNEL_ID:8000:38:1.3
tun_src - 4 32 mask ipv4 none rw tun_src - - NXM_NX_TUN_IPV4_SRC:1:31
tun_dst - 4 32 mask ipv4 none rw tun_dst - - NXM_NX_TUN_IPV4_DST:1:32
tun_ipv6_src - 16 128 mask ipv6 none rw tun_ipv6_src - - NXM_NX_TUN_IPV6_SRC:1:109
tun_ipv6_dst - 16 128 mask ipv6 none rw tun_ipv6_dst - - NXM_NX_TUN_IPV6_DST:1:110
tun_flags - 2 1 mask tunnelFlags none rw tun_flags - - NXM_NX_TUN_FLAGS:1:104
tun_ttl - 1 8 exact decimal none ro tun_ttl - - -
tun_tos - 1 8 exact decimal none ro tun_tos - - -
tun_gbp_id - 2 16 mask decimal none rw tun_gbp_id - - NXM_NX_TUN_GBP_ID:1:38
tun_gbp_flags - 1 8 mask hex none rw tun_gbp_flags - - NXM_NX_TUN_GBP_FLAGS:1:39
tun_erspan_idx - 4 20 mask hex none rw tun_erspan_idx - - NXOXM_ET_ERSPAN_IDX:ffff:11
tun_erspan_ver - 1 4 mask decimal none rw tun_erspan_ver - - NXOXM_ET_ERSPAN_VER:ffff:12
tun_erspan_dir - 1 1 mask decimal none rw tun_erspan_dir - - NXOXM_ET_ERSPAN_DIR:ffff:13
tun_erspan_hwid - 1 6 mask hex none rw tun_erspan_hwid - - NXOXM_ET_ERSPAN_HWID:ffff:14
tun_gtpu_flags - 1 8 mask hex none ro tun_gtpu_flags - - NXOXM_ET_GTPU_FLAGS:ffff:15
tun_gtpu_msgtype - 1 8 mask decimal none ro tun_gtpu_msgtype - - NXOXM_ET_GTPU_MSGTYPE:ffff:16
@tunMetadata
metadata - 8 64 mask hex none rw metadata - bits OXM_OF_METADATA:8000:2:1.2
in_port - 2 16 exact port none rw in_port exact exact NXM_OF_IN_PORT:0:0
in_port_oxm - 4 32 exact port32 none rw in_port - exact OXM_OF_IN_PORT:8000:0:1.2
actset_output - 4 32 exact port32 none ro actset_output - - ONFOXM_ET_ACTSET_OUTPUT:ffff:43:1.3,OXM_OF_ACTSET_OUTPUT:8000:43:1.5
skb_priority - 4 32 exact hex none ro skb_priority - - -
pkt_mark - 4 32 mask hex none rw pkt_mark - - NXM_NX_PKT_MARK:1:33
ct_state - 4 32 mask ctState none ro ct_state - - NXM_NX_CT_STATE:1:105
ct_zone - 2 16 exact hex none ro ct_zone - - NXM_NX_CT_ZONE:1:106
ct_mark - 4 32 mask hex none rw ct_mark - - NXM_NX_CT_MARK:1:107
ct_label - 16 128 mask hex none rw ct_label - - NXM_NX_CT_LABEL:1:108
ct_nw_proto - 1 8 exact decimal ct ro ct_nw_proto - - NXM_NX_CT_NW_PROTO:1:119
ct_nw_src - 4 32 mask ipv4 ct ro ct_nw_src - - NXM_NX_CT_NW_SRC:1:120
ct_nw_dst - 4 32 mask ipv4 ct ro ct_nw_dst - - NXM_NX_CT_NW_DST:1:121
ct_ipv6_src - 16 128 mask ipv6 ct ro ct_ipv6_src - - NXM_NX_CT_IPV6_SRC:1:122
ct_ipv6_dst - 16 128 mask ipv6 ct ro ct_ipv6_dst - - NXM_NX_CT_IPV6_DST:1:123
ct_tp_src - 2 16 mask decimal ct ro ct_tp_src - - NXM_NX_CT_TP_SRC:1:124
ct_tp_dst - 2 16 mask decimal ct ro ct_tp_dst - - NXM_NX_CT_TP_DST:1:125
@regs
eth_src dl_src 6 48 mask ethernet ethernet rw dl_src exact bits NXM_OF_ETH_SRC:0:2,OXM_OF_ETH_SRC:8000:4:1.2
eth_dst dl_dst 6 48 mask ethernet ethernet rw dl_dst exact bits NXM_OF_ETH_DST:0:1,OXM_OF_ETH_DST:8000:3:1.2
eth_type dl_type 2 16 exact hex ethernet ro dl_type exact exact NXM_OF_ETH_TYPE:0:3,OXM_OF_ETH_TYPE:8000:5:1.2
vlan_tci - 2 16 mask hex ethernet rw vlan_tci exact exact NXM_OF_VLAN_TCI:0:4
dl_vlan - 2 12 exact decimal ethernet rw vlan_tci exact exact -
vlan_vid - 2 12 mask decimal ethernet rw vlan_tci exact exact OXM_OF_VLAN_VID:8000:6:1.2
dl_vlan_pcp - 1 3 exact decimal ethernet rw vlan_tci+13 exact exact -
vlan_pcp - 1 3 exact decimal vlan rw vlan_tci+13 exact exact OXM_OF_VLAN_PCP:8000:7:1.2
mpls_label - 4 20 exact decimal mpls rw mpls_lse+12 - exact OXM_OF_MPLS_LABEL:8000:34:1.2
mpls_tc - 1 3 exact decimal mpls rw mpls_lse+9 - exact OXM_OF_MPLS_TC:8000:35:1.2
mpls_bos - 1 1 exact decimal mpls ro mpls_lse+8 - - OXM_OF_MPLS_BOS:8000:36:1.3
mpls_ttl - 1 8 exact decimal mpls rw mpls_lse - - NXM_NX_MPLS_TTL:1:30
ip_src nw_src 4 32 mask ipv4 ipv4 rw nw_src cidr bits NXM_OF_IP_SRC:0:7,OXM_OF_IPV4_SRC:8000:11:1.2
ip_dst nw_dst 4 32 mask ipv4 ipv4 rw nw_dst cidr bits NXM_OF_IP_DST:0:8,OXM_OF_IPV4_DST:8000:12:1.2
ipv6_src - 16 128 mask ipv6 ipv6 rw ipv6_src - - NXM_NX_IPV6_SRC:1:19,OXM_OF_IPV6_SRC:8000:26:1.2
ipv6_dst - 16 128 mask ipv6 ipv6 rw ipv6_dst - - NXM_NX_IPV6_DST:1:20,OXM_OF_IPV6_DST:8000:27:1.2
ipv6_label - 4 20 mask hex ipv6 rw ipv6_label - - NXM_NX_IPV6_LABEL:1:27,OXM_OF_IPV6_FLABEL:8000:28:1.2
nw_proto ip_proto 1 8 exact decimal ip ro nw_proto exact exact NXM_OF_IP_PROTO:0:6,OXM_OF_IP_PROTO:8000:10:1.2
nw_tos - 1 8 exact decimal ip rw nw_tos exact exact NXM_OF_IP_TOS:0:5
ip_dscp - 1 6 exact decimal ip rw nw_tos+2 exact exact OXM_OF_IP_DSCP:8000:8:1.2
nw_ecn ip_ecn 1 2 exact decimal ip rw nw_tos - exact NXM_NX_IP_ECN:1:28,OXM_OF_IP_ECN:8000:9:1.2
nw_ttl - 1 8 exact decimal ip rw nw_ttl - - NXM_NX_IP_TTL:1:29
ip_frag nw_frag 1 2 mask frag ip ro nw_frag - - NXM_NX_IP_FRAG:1:26
arp_op - 2 16 exact decimal arp rw nw_proto exact exact NXM_OF_ARP_OP:0:15,OXM_OF_ARP_OP:8000:21:1.2
arp_spa - 4 32 mask ipv4 arp rw nw_src cidr bits NXM_OF_ARP_SPA:0:16,OXM_OF_ARP_SPA:8000:22:1.2
arp_tpa - 4 32 mask ipv4 arp rw nw_dst cidr bits NXM_OF_ARP_TPA:0:17,OXM_OF_ARP_TPA:8000:23:1.2
arp_sha - 6 48 mask ethernet arp rw arp_sha - - NXM_NX_ARP_SHA:1:17,OXM_OF_ARP_SHA:8000:24:1.2
arp_tha - 6 48 mask ethernet arp rw arp_tha - - NXM_NX_ARP_THA:1:18,OXM_OF_ARP_THA:8000:25:1.2
tcp_src tp_src 2 16 mask decimal tcp rw tp_src exact exact NXM_OF_TCP_SRC:0:9,OXM_OF_TCP_SRC:8000:13:1.2
tcp_dst tp_dst 2 16 mask decimal tcp rw tp_dst exact exact NXM_OF_TCP_DST:0:10,OXM_OF_TCP_DST:8000:14:1.2
tcp_flags - 2 12 mask tcpFlags tcp ro tcp_flags - - NXM_NX_TCP_FLAGS:1:34,ONFOXM_ET_TCP_FLAGS:ffff:42:1.3,OXM_OF_TCP_FLAGS:8000:42:1.5
udp_src - 2 16 mask decimal udp rw tp_src exact exact NXM_OF_UDP_SRC:0:11,OXM_OF_UDP_SRC:8000:15:1.2
udp_dst - 2 16 mask decimal udp rw tp_dst exact exact NXM_OF_UDP_DST:0:12,OXM_OF_UDP_DST:8000:16:1.2
sctp_src - 2 16 mask decimal sctp rw tp_src - exact OXM_OF_SCTP_SRC:8000:17:1.2
sctp_dst - 2 16 mask decimal sctp rw tp_dst - exact OXM_OF_SCTP_DST:8000:18:1.2
icmp_type - 1 8 exact decimal icmp rw tp_src exact exact NXM_OF_ICMP_TYPE:0:13,OXM_OF_ICMPV4_TYPE:8000:19:1.2
icmp_code - 1 8 exact decimal icmp rw tp_dst exact exact NXM_OF_ICMP_CODE:0:14,OXM_OF_ICMPV4_CODE:8000:20:1.2
icmpv6_type - 1 8 exact decimal icmp6 rw tp_src - - NXM_NX_ICMPV6_TYPE:1:21,OXM_OF_ICMPV6_TYPE:8000:29:1.2
icmpv6_code - 1 8 exact decimal icmp6 rw tp_dst - - NXM_NX_ICMPV6_CODE:1:22,OXM_OF_ICMPV6_CODE:8000:30:1.2
nd_target - 16 128 mask ipv6 nd rw nd_target - - NXM_NX_ND_TARGET:1:23,OXM_OF_IPV6_ND_TARGET:8000:31:1.2
nd_sll - 6 48 mask ethernet ndSolicit rw arp_sha - - NXM_NX_ND_SLL:1:24,OXM_OF_IPV6_ND_SLL:8000:32:1.2
nd_tll - 6 48 mask ethernet ndAdvert rw arp_tha - - NXM_NX_ND_TLL:1:25,OXM_OF_IPV6_ND_TLL:8000:33:1.2
nd_reserved - 4 32 exact decimal nd rw nd_reserved - - ERICOXM_OF_ICMPV6_ND_RESERVED:1000:1
nd_options_type - 1 8 exact decimal nd rw nd_options_type - - ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE:1000:2
nsh_flags - 1 8 mask decimal nsh rw nsh_flags - - NXOXM_NSH_FLAGS:ffff:1
nsh_mdtype - 1 8 exact decimal nsh ro nsh_mdtype - - NXOXM_NSH_MDTYPE:ffff:2
nsh_np - 1 8 exact decimal nsh ro nsh_np - - NXOXM_NSH_NP:ffff:3
nsh_spi nsp 4 24 exact hex nsh rw nsh_spi - - NXOXM_NSH_SPI:ffff:4
nsh_si nsi 1 8 exact decimal nsh rw nsh_si - - NXOXM_NSH_SI:ffff:5
@nshContext
nsh_ttl - 1 8 exact decimal nsh rw nsh_ttl - - NXOXM_NSH_TTL:ffff:10
`;

/** Experimenter ids by the prefix of the name (build-aux/extract_ofp_fields.py:OXM_CLASSES). */
function experimenterOf(name: string): number {
  if (name.startsWith('NXOXM_NSH_')) return 0x005ad650;
  if (name.startsWith('ONFOXM_ET_')) return 0x4f4e4600;
  return 0x00002320;
}

const WIRE_VERSION: Readonly<Record<string, number>> = { '1.2': 3, '1.3': 4, '1.5': 6 };

function parseCode(text: string): FieldCode {
  const [name, oxmClass, field, since] = text.split(':') as [string, string, string, string | undefined];
  const classNumber = Number.parseInt(oxmClass, 16);
  return {
    name,
    oxmClass: classNumber,
    field: Number(field),
    experimenter: classNumber === 0xffff ? experimenterOf(name) : 0,
    since: since === undefined ? 0 : WIRE_VERSION[since]!,
  };
}

/** Fields whose bits in the key are not simply `nBits` ones (lib/meta-flow.c:mf_is_value_valid and mf_set_value). */
const VALUE_MASKS: Readonly<Record<string, bigint>> = {
  vlan_vid: 0x1fffn,
  nw_tos: 0xfcn,
  arp_op: 0xffn,
  ct_state: 0xffn,
  // Whole bytes in struct flow_tnl, though fewer bits mean something.
  tun_erspan_idx: 0xffff_ffffn,
  tun_erspan_ver: 0xffn,
  tun_erspan_dir: 0xffn,
  tun_erspan_hwid: 0xffn,
};

function parseRow(row: string, id: number): Field {
  const cells = row.split(' ');
  const [name, alias, nBytes, nBits, mask, format, prerequisite, access, place, of10, of11, codes] = cells as [
    string,
    ...string[],
  ];
  const [word, shift] = place!.split('+') as [keyof typeof K, string | undefined];
  const bits = Number(nBits);
  const fixed = (text: string): FixedMatch => (text === '-' ? null : (text as FixedMatch));
  const count = Math.max(1, Math.ceil(bits / 32));
  const valueMask = VALUE_MASKS[name] ?? (1n << BigInt(bits)) - 1n;
  return {
    id,
    name,
    alias: alias === '-' ? null : alias!,
    nBytes: Number(nBytes),
    nBits: bits,
    maskable: mask === 'mask',
    format: format as FieldFormat,
    prerequisite: prerequisite as Prerequisite,
    writable: access === 'rw',
    words: Array.from({ length: count }, (_, i) => K[word] + i),
    shift: Number(shift ?? 0),
    valueMask,
    keyMask: format === 'port32' ? 0xffff : Number(valueMask & 0xffffffffn) | 0,
    presentBit: -1,
    of10: fixed(of10!),
    of11: fixed(of11!),
    codes: codes === '-' ? [] : codes!.split(',').map(parseCode),
  };
}

const hexRow = (name: string, bytes: number, codes: string): string =>
  `${name} - ${bytes} ${bytes * 8} mask hex none rw reg0 - - ${codes}`;

/** reg0..15 are 16 words; xregN and xxregN are two and four of them (include/openvswitch/meta-flow.h). */
function registerRows(): { row: string; firstWord: number }[] {
  const rows: { row: string; firstWord: number }[] = [];
  for (let i = 0; i < 16; i++) rows.push({ row: hexRow(`reg${i}`, 4, `NXM_NX_REG${i}:1:${i}`), firstWord: K.reg0 + i });
  for (let i = 0; i < 8; i++)
    rows.push({ row: hexRow(`xreg${i}`, 8, `OXM_OF_PKT_REG${i}:8001:${i}:1.3`), firstWord: K.reg0 + 2 * i });
  for (let i = 0; i < 4; i++)
    rows.push({ row: hexRow(`xxreg${i}`, 16, `NXM_NX_XXREG${i}:1:${111 + i}`), firstWord: K.reg0 + 4 * i });
  return rows;
}

function buildTable(): Field[] {
  const fields: Field[] = [];
  for (const row of ROWS.trim().split('\n')) {
    if (row === '@regs') {
      for (const register of registerRows()) {
        const field = parseRow(register.row, fields.length);
        fields.push({ ...field, words: field.words.map((_, i) => register.firstWord + i) });
      }
    } else if (row === '@tunMetadata') {
      for (let i = 0; i < 64; i++) {
        const text = `tun_metadata${i} - 124 992 mask hex none rw tun_metadata - - NXM_NX_TUN_METADATA${i}:1:${40 + i}`;
        fields.push({ ...parseRow(text, fields.length), words: [], presentBit: i });
      }
    } else if (row === '@nshContext') {
      for (let i = 1; i <= 4; i++) {
        const text = `nsh_c${i} nshc${i} 4 32 mask hex nsh rw nsh_c1 - - NXOXM_NSH_C${i}:ffff:${5 + i}`;
        fields.push({ ...parseRow(text, fields.length), words: [K.nsh_c1 + i - 1] });
      }
    } else {
      fields.push(parseRow(row, fields.length));
    }
  }
  return fields;
}

export const FIELDS: readonly Field[] = buildTable();

const byName = new Map<string, Field>();
const byCodeName = new Map<string, Field>();
const byCode = new Map<number, Field>();
for (const field of FIELDS) {
  byName.set(field.name, field);
  if (field.alias !== null) byName.set(field.alias, field);
  for (const code of field.codes) {
    byCodeName.set(code.name, field);
    byCode.set(codeKey(code.oxmClass, code.field, code.experimenter), field);
  }
}

function codeKey(oxmClass: number, field: number, experimenter: number): number {
  return oxmClass * 128 + field + experimenter * 0x1000000;
}

/** By name or alias (`nw_src`, `ip_src`); undefined when there is none. */
export const fieldByName = (name: string): Field | undefined => byName.get(name);

/** By wire name (`NXM_NX_REG0`). */
export const fieldByCodeName = (name: string): Field | undefined => byCodeName.get(name);

/** By wire code; `experimenter` 0 unless the class is 0xffff. */
export const fieldByCode = (oxmClass: number, field: number, experimenter: number): Field | undefined =>
  byCode.get(codeKey(oxmClass, field, experimenter));

/** A field that is known to be in the table. */
export function field(name: string): Field {
  return byName.get(name)!;
}

/** All names, aliases included, for "did you mean". */
export const fieldNames = (): string[] => [...byName.keys()];

/**
 * The code that Open vSwitch prefers in one OpenFlow version (wire number; 0: the oldest, NXM where there is one).
 * Null when the field cannot be sent. lib/nx-match.c:nxm_field_by_mf_id.
 */
export function preferredCode(of: Field, version: number): FieldCode | null {
  let best: FieldCode | null = null;
  for (const code of of.codes) if (best === null || version >= code.since) best = code;
  return best;
}

/** The name that a sub-field is printed with: `NXM_NX_REG0`, or the plain name (lib/nx-match.c:mf_format_subfield). */
export const subFieldName = (of: Field): string => preferredCode(of, 0)?.name ?? of.name;
