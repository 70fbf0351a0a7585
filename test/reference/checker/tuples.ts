/**
 * Tuples of a classic pcap of Ethernet frames, read anew: shares nothing with the code that it checks. IPv4 and ARP, one
 * VLAN tag, which is all that the recorded runs have.
 */

/** Text per packet: `proto src:sport dst:dport` of IPv4 (ICMP: its id at both places), else MAC addresses and type. */
export function tuplesOf(pcap: Buffer): string[] {
  const tuples: string[] = [];
  for (let at = 24; at < pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    tuples.push(tupleOf(pcap.subarray(at + 16, at + 16 + length)));
    at += 16 + length;
  }
  return tuples;
}

function tupleOf(frame: Buffer): string {
  const l3 = frame.readUInt16BE(12) === 0x8100 ? 18 : 14;
  const type = frame.readUInt16BE(l3 - 2);
  if (type !== 0x0800) return `${type} ${frame.toString('hex', 0, 12)} ${frame.toString('hex', l3)}`;
  const proto = frame[l3 + 9]!;
  const l4 = l3 + (frame[l3]! & 15) * 4;
  const [src, dst] = [l3 + 12, l3 + 16].map((at) => frame.subarray(at, at + 4).join('.')) as [string, string];
  if (proto === 1) return `1 ${src}:${frame.readUInt16BE(l4 + 4)} ${dst}:${frame.readUInt16BE(l4 + 4)}`;
  return `${proto} ${src}:${frame.readUInt16BE(l4)} ${dst}:${frame.readUInt16BE(l4 + 2)}`;
}
