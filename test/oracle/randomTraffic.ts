/** Conversations between the hosts of a random world, packet by packet: what a capture at the ports would hold. */
import type { Prng } from '../../src/util/prng.js';
import {
  arp,
  ethernet,
  fragments,
  icmp,
  icmp6,
  ip4Packet,
  ip6Packet,
  ipv4,
  ipv6,
  mac,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  tcp,
  udp,
} from './frames.js';
import { HOSTS, type Host, SERVICES } from './randomPolicy.js';

/** Whose packet it is, as docs on groups say it: told by the one who made it, not found out by a parser. */
export interface PacketLabel {
  /** Unordered pair of endpoints and protocol; ARP: port and addresses. */
  readonly group: string;
  /** Which of the two endpoints sent it. */
  readonly side: 0 | 1;
  /** ICMP: who sends the requests, as part of the tuple; else empty. */
  readonly requester: string;
}

export interface Frame {
  readonly port: number;
  readonly bytes: Buffer;
  readonly label: PacketLabel;
}

/** `mine` is the sender's endpoint. */
export function labelOf(proto: string, mine: string, theirs: string, requester = ''): PacketLabel {
  const isFirst = mine <= theirs;
  const pair = isFirst ? `${mine} ${theirs}` : `${theirs} ${mine}`;
  return { group: `${proto} ${pair}`, side: isFirst ? 0 : 1, requester };
}

const ETH_IPV4 = 0x0800;
const ETH_IPV6 = 0x86dd;
const ETH_ARP = 0x0806;
const PROTO = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 };

function sendEthernet(from: Host, dst: Buffer, type: number, payload: Buffer): Omit<Frame, 'label'> {
  return { port: from.port, bytes: ethernet(dst, mac(from.mac), from.isTagged ? from.net : null, type, payload) };
}

/** One pair of endpoints; knows its sequence numbers and what was sent last. */
class Conversation {
  private readonly prng: Prng;
  private readonly ends: readonly [Host, Host];
  private readonly ports: readonly [number, number];
  private readonly proto: 'tcp' | 'udp' | 'icmp';
  private readonly isIpv6: boolean;
  private readonly seqs = [0, 0];
  private stage: number;
  private lastIp: { bytes: Buffer; from: 0 | 1 } | null = null;

  constructor(prng: Prng) {
    this.prng = prng;
    const client = prng.pick(HOSTS);
    const servers = HOSTS.filter((other) => other.net === client.net && other !== client);
    this.ends = [client, prng.pick(servers)];
    this.ports = [1000 + prng.below(2), prng.pick(SERVICES)];
    this.proto = prng.pick(['tcp', 'tcp', 'tcp', 'udp', 'icmp']);
    this.isIpv6 = prng.below(4) === 0;
    this.seqs[0] = prng.u32();
    this.seqs[1] = prng.u32();
    // Some are picked up in the middle.
    this.stage = prng.below(5) === 0 ? 3 : 0;
  }

  next(): Frame[] {
    const { prng } = this;
    if (this.lastIp !== null && prng.below(16) === 0) return [this.error(this.lastIp)];
    if (this.proto === 'tcp') return [this.tcpSegment()];
    if (this.proto === 'udp') return this.datagram();
    return [this.echo()];
  }

  private address(side: 0 | 1): Buffer {
    return this.isIpv6 ? ipv6(this.ends[side].ip6) : ipv4(this.ends[side].ip);
  }

  private send(from: 0 | 1, l4: Buffer, proto: number): Frame {
    const to = from === 0 ? 1 : 0;
    const options = { proto, id: this.prng.below(0x10000) };
    const bytes = this.isIpv6
      ? ip6Packet(this.address(from), this.address(to), l4, options)
      : ip4Packet(this.address(from), this.address(to), l4, options);
    this.lastIp = { bytes, from };
    return this.frame(from, bytes);
  }

  private frame(from: 0 | 1, bytes: Buffer): Frame {
    const to = this.ends[from === 0 ? 1 : 0];
    return {
      ...sendEthernet(this.ends[from], mac(to.mac), this.isIpv6 ? ETH_IPV6 : ETH_IPV4, bytes),
      label: this.label(from),
    };
  }

  private label(from: 0 | 1): PacketLabel {
    const endpoint = (side: 0 | 1): string => {
      const { ip, ip6 } = this.ends[side];
      const port = this.proto === 'icmp' ? this.ports[0] : this.ports[side];
      return `${this.isIpv6 ? ip6.replace(/(:0)+:/, '::') : ip}:${port}`;
    };
    const proto = this.proto === 'icmp' && this.isIpv6 ? 'icmpv6' : this.proto;
    const requester = this.proto === 'icmp' ? endpoint(0) : '';
    return labelOf(proto, endpoint(from), endpoint(from === 0 ? 1 : 0), requester);
  }

  private tcpSegment(): Frame {
    const { prng } = this;
    const roll = prng.below(40);
    if (this.stage === 0 || (this.stage > 4 && roll < 20)) {
      // The tuple is used again.
      if (this.stage > 4) this.seqs[0] = prng.u32();
      this.stage = 1;
      return this.segment(0, TCP_SYN, 0);
    }
    if (this.stage === 1) {
      if (roll < 4) return this.segment(0, TCP_SYN, 0);
      this.stage = 2;
      return this.segment(1, TCP_SYN | TCP_ACK, 0);
    }
    if (this.stage === 2) {
      this.stage = 3;
      return this.segment(0, TCP_ACK, 0);
    }
    const from = prng.below(2) === 0 ? 0 : 1;
    if (roll === 0) {
      this.stage = 5;
      return this.segment(from, TCP_RST | TCP_ACK, 0);
    }
    if (roll < 5) {
      this.stage++;
      return this.segment(from, TCP_FIN | TCP_ACK, 0);
    }
    if (roll === 5) return this.segment(from, TCP_SYN, 0);
    return this.segment(from, TCP_ACK, prng.below(3) * 100);
  }

  private segment(from: 0 | 1, flags: number, payload: number): Frame {
    const to = from === 0 ? 1 : 0;
    const seq = this.seqs[from]! + (this.prng.below(25) === 0 ? 0x10000000 : 0);
    this.seqs[from] = (this.seqs[from]! + payload + (flags & (TCP_SYN | TCP_FIN) ? 1 : 0)) >>> 0;
    const l4 = tcp(this.address(from), this.address(to), {
      sport: this.ports[from],
      dport: this.ports[to],
      seq,
      ack: flags & TCP_ACK ? this.seqs[to]! : 0,
      flags,
      window: 8000,
      scale: flags & TCP_SYN ? 7 : -1,
      payload,
    });
    return this.send(from, l4, PROTO.tcp);
  }

  /** UDP, now and then in fragments that arrive in any order. */
  private datagram(): Frame[] {
    const { prng } = this;
    const from = this.stage === 0 || prng.below(2) === 0 ? 0 : 1;
    const to = from === 0 ? 1 : 0;
    this.stage = 3;
    const isCut = !this.isIpv6 && prng.below(6) === 0;
    const [src, dst] = [this.address(from), this.address(to)];
    const l4 = udp(src, dst, this.ports[from], this.ports[to], isCut ? 100 : 12);
    if (!isCut) return [this.send(from, l4, PROTO.udp)];
    const pieces = fragments(src, dst, l4, { proto: PROTO.udp, id: prng.below(0x10000) }, 40);
    return shuffle(prng, pieces).map((piece) => this.frame(from, piece));
  }

  private echo(): Frame {
    const from = this.stage === 0 || this.prng.below(2) === 0 ? 0 : 1;
    this.stage = 3;
    const rest = (this.ports[0] << 16) | 1;
    const payload = Buffer.alloc(8, 0x69);
    if (!this.isIpv6) return this.send(from, icmp(from === 0 ? 8 : 0, 0, rest, payload), PROTO.icmp);
    const [src, dst] = [this.address(from), this.address(from === 0 ? 1 : 0)];
    return this.send(from, icmp6(src, dst, from === 0 ? 128 : 129, 0, rest, payload), PROTO.icmp6);
  }

  /** Port unreachable about the last packet, from its receiver. */
  private error({ bytes, from }: { bytes: Buffer; from: 0 | 1 }): Frame {
    const back = from === 0 ? 1 : 0;
    const [src, dst] = [this.address(back), this.address(from)];
    if (!this.isIpv6) {
      const quoted = bytes.subarray(0, this.prng.below(2) === 0 ? 28 : 60);
      return this.frame(back, ip4Packet(src, dst, icmp(3, 3, 0, quoted), { proto: PROTO.icmp }));
    }
    return this.frame(back, ip6Packet(src, dst, icmp6(src, dst, 1, 4, 0, bytes), { proto: PROTO.icmp6 }));
  }
}

export class RandomTraffic {
  private readonly prng: Prng;
  private readonly conversations: Conversation[];
  private readonly waiting: Frame[] = [];

  constructor(prng: Prng, conversations: number) {
    this.prng = prng;
    this.conversations = Array.from({ length: conversations }, () => new Conversation(prng));
  }

  next(): Frame {
    const { prng, waiting } = this;
    if (waiting.length > 0 && prng.below(8) > 0) return waiting.shift()!;
    if (prng.below(12) === 0) return this.arpFrame();
    const frames = prng.pick(this.conversations).next();
    waiting.push(...frames.slice(1));
    return frames[0]!;
  }

  /** What is still on its way: without it the trace would end in datagrams of which nobody knows the ports. */
  rest(): Frame[] {
    return this.waiting.splice(0);
  }

  /** A request or an answer; sometimes from another port than that of the host, which moves its address. */
  private arpFrame(): Frame {
    const { prng } = this;
    const from = prng.pick(HOSTS);
    const to = prng.pick(HOSTS.filter((other) => other.net === from.net && other !== from));
    const isRequest = prng.below(2) === 0;
    const body = arp(
      isRequest ? 1 : 2,
      mac(from.mac),
      ipv4(from.ip),
      isRequest ? Buffer.alloc(6) : mac(to.mac),
      ipv4(to.ip),
    );
    const place = prng.below(4) === 0 ? prng.pick(HOSTS.filter((other) => other.net === from.net)) : from;
    const sender = { ...from, port: place.port, isTagged: place.isTagged };
    return {
      ...sendEthernet(sender, isRequest ? Buffer.alloc(6, 0xff) : mac(to.mac), ETH_ARP, body),
      label: labelOf(`arp ${place.port}`, from.ip, to.ip),
    };
  }
}

export function shuffle<T>(prng: Prng, list: readonly T[]): T[] {
  const left = [...list];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(prng.below(left.length), 1));
  return out;
}
