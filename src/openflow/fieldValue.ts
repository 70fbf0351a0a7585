/** Which values of a field make sense at all (lib/meta-flow.c:mf_is_value_valid). */
import { portFrom32 } from '../fields/access.js';
import type { Field } from '../fields/fieldTable.js';

/** Fields whose value may not use all bits of its bytes. */
const ALLOWED_BITS: Readonly<Record<string, bigint>> = {
  nw_tos: 0xfcn,
  ip_dscp: 0x3fn,
  nw_ecn: 3n,
  ip_frag: 3n,
  tcp_flags: 0xfffn,
  arp_op: 0xffn,
  dl_vlan: 0xfffn,
  vlan_vid: 0x1fffn,
  dl_vlan_pcp: 7n,
  vlan_pcp: 7n,
  ipv6_label: 0xfffffn,
  mpls_label: 0xfffffn,
  mpls_tc: 7n,
  mpls_bos: 1n,
  tun_flags: 1n,
  ct_state: 0xffn,
  nsh_spi: 0xffffffn,
};

export function isValidValue(field: Field, value: bigint): boolean {
  const allowed = ALLOWED_BITS[field.name];
  if (allowed !== undefined) return (value & ~allowed) === 0n;
  if (field.format === 'port32') return portFrom32(Number(value)) !== null;
  if (field.name === 'nsh_ttl') return value <= 63n;
  if (field.name === 'nsh_mdtype') return value === 1n || value === 2n;
  return true;
}
