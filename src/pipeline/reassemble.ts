/** The whole packet of a complete set of fragments, as the kernel's conntrack makes it (net/ipv4/ip_fragment.c, net/ipv6/reassembly.c). */
import { K, KEY_WORDS } from '../fields/key.js';
import { extractPacket } from '../packet/extract.js';
import { PacketInfo } from '../packet/packetInfo.js';
import { ETH_IP } from './flowOps.js';

const LINK_ETHERNET = 1;
const IP6_FRAGMENT_BYTES = 8;

/** `fragments`: whole Ethernet frames in order of offset. */
export function reassembledFrame(fragments: readonly Uint8Array[]): Uint8Array {
  const infos = fragments.map((frame) => {
    const info = new PacketInfo();
    const key = new Int32Array(KEY_WORDS);
    extractPacket(frame, 0, frame.length, frame.length, LINK_ETHERNET, key, info);
    return { info, isIpv4: key[K.dl_type] === ETH_IP };
  });
  const first = fragments[0]!;
  const { info, isIpv4 } = infos[0]!;
  const header = first.slice(0, isIpv4 ? info.l4Offset : info.l4Offset - IP6_FRAGMENT_BYTES);
  const payloads = fragments.map((frame, i) => {
    const { l4Offset, l4Bytes } = infos[i]!.info;
    return frame.subarray(l4Offset, l4Offset + l4Bytes);
  });
  const frame = new Uint8Array(header.length + payloads.reduce((sum, part) => sum + part.length, 0));
  frame.set(header);
  let at = header.length;
  for (const part of payloads) {
    frame.set(part, at);
    at += part.length;
  }
  const l3 = info.l3Offset;
  const view = new DataView(frame.buffer);
  if (isIpv4) {
    view.setUint16(l3 + 2, frame.length - l3);
    view.setUint16(l3 + 6, view.getUint16(l3 + 6) & 0x4000);
    view.setUint16(l3 + 10, 0);
    view.setUint16(l3 + 10, headerChecksum(view, l3, header.length));
  } else {
    view.setUint16(l3 + 4, frame.length - l3 - 40);
    // The next-header byte that named the fragment header, in the header before it, takes over what followed.
    frame[nextHeaderAt(frame, l3, header.length)] = first[header.length]!;
  }
  return frame;
}

function nextHeaderAt(frame: Uint8Array, l3: number, end: number): number {
  let at = l3 + 6;
  for (let header = l3 + 40; header < end; header += (frame[header + 1]! + 1) * 8) at = header;
  return at;
}

function headerChecksum(view: DataView, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
