/** Inputs out of a seed: a capture with so many connections, and conjunctive tables with headers for them. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../src/util/prng.js';

const START_S = 1_619_606_112;
const RECORD_HEADER = 16;
const FRAME_HEADER = 14 + 20 + 20;
const BUFFER = 1 << 20;

export interface CaptureShape {
  readonly packets: number;
  readonly connections: number;
  /** Bytes per packet in the file: the snaplen. */
  readonly bytes: number;
}

/** TCP over IPv4 between random pairs, one packet a microsecond; classic pcap. Returns the path. */
export function makeCapture(folder: string, name: string, { packets, connections, bytes }: CaptureShape): string {
  const path = join(folder, `${name}.pcap`);
  const prng = new Prng(1934917);
  const fd = openSync(path, 'w');
  const buffer = Buffer.alloc(BUFFER);
  // pcap, microseconds, version 2.4, link type 1: Ethernet (draft-ietf-opsawg-pcap).
  for (const [i, word] of [0xa1b2c3d4, 0x00040002, 0, 0, 0xffff, 1].entries()) buffer.writeUInt32LE(word, i * 4);
  let at = 24;
  for (let i = 0; i < packets; i++) {
    if (at + RECORD_HEADER + bytes > BUFFER) {
      writeSync(fd, buffer, 0, at);
      at = 0;
    }
    // Every connection once, then at random: the number is exact.
    const connection = i < connections ? i : prng.below(connections);
    const reply = (prng.u32() & 1) !== 0 && i >= connections;
    buffer.writeUInt32LE(START_S + Math.floor(i / 1e6), at);
    buffer.writeUInt32LE(i % 1e6, at + 4);
    buffer.writeUInt32LE(bytes, at + 8);
    buffer.writeUInt32LE(Math.max(bytes, 600), at + 12);
    writeFrame(buffer, at + RECORD_HEADER, connection, reply, i, bytes);
    at += RECORD_HEADER + bytes;
  }
  writeSync(fd, buffer, 0, at);
  closeSync(fd);
  return path;
}

function writeFrame(buffer: Buffer, at: number, connection: number, reply: boolean, i: number, bytes: number): void {
  buffer.fill(0, at, at + bytes);
  const client = 0x0a000000 + (connection & 0xffff);
  const server = 0x0a800000 + ((connection * 7) & 0x3fff);
  const clientPort = 32768 + (connection >>> 16) * 64 + (connection & 63);
  const [src, dst] = reply ? [server, client] : [client, server];
  const [sport, dport] = reply ? [443, clientPort] : [clientPort, 443];
  buffer.writeUInt16BE(0x0200, at);
  buffer.writeUInt32BE(dst, at + 2);
  buffer.writeUInt16BE(0x0200, at + 6);
  buffer.writeUInt32BE(src, at + 8);
  buffer.writeUInt16BE(0x0800, at + 12);
  buffer.writeUInt8(0x45, at + 14);
  buffer.writeUInt16BE(Math.max(bytes, 600) - 14, at + 16);
  buffer.writeUInt16BE(0x4000, at + 20);
  buffer.writeUInt8(64, at + 22);
  buffer.writeUInt8(6, at + 23);
  buffer.writeUInt32BE(src, at + 26);
  buffer.writeUInt32BE(dst, at + 30);
  buffer.writeUInt16BE(sport, at + 34);
  buffer.writeUInt16BE(dport, at + 36);
  buffer.writeUInt32BE(i, at + 38);
  buffer.writeUInt32BE(i, at + 42);
  buffer.writeUInt8(0x50, at + 46);
  buffer.writeUInt8(0x10, at + 47);
  buffer.writeUInt16BE(0x2000, at + FRAME_HEADER - 6);
}

export interface ConjunctionShape {
  readonly ports: number;
  readonly groups: number;
  readonly members: number;
}

export const CONJUNCTION_SIZES = {
  tiny: { ports: 4, groups: 3, members: 8 },
  S: { ports: 33, groups: 12, members: 60 },
  M: { ports: 84, groups: 64, members: 120 },
  L: { ports: 430, groups: 340, members: 150 },
} as const satisfies Record<string, ConjunctionShape>;

/**
 * A table in the shape of Neutron's ingress rules (neutron/agent/linux/openvswitch_firewall/rules.py): per group addresses as
 * clause 1, per port and group port ranges as clause 2, a conj_id flow per port and id. Flow text and header lines.
 */
export function makeConjunctions(
  shape: ConjunctionShape,
  headers: number,
  seed: number,
): { flows: string; headers: string } {
  const prng = new Prng(seed);
  const groups = Array.from({ length: shape.groups }, () =>
    Array.from({ length: shape.members }, () => `10.94.${prng.below(256)}.${prng.below(256)}`),
  );
  const flows = ['table=82,priority=50,ct_state=+inv+trk actions=drop', 'table=82,priority=0 actions=drop'];
  const clauses = new Map<string, string[]>();
  const member = new Map<string, Set<number>>();
  const portGroups: number[][] = [];
  const add = (match: string, clause: string): void => {
    const list = clauses.get(match);
    if (list === undefined) clauses.set(match, [clause]);
    else if (!list.includes(clause)) list.push(clause);
  };
  for (const [group, addresses] of groups.entries())
    for (const address of addresses) member.set(address, (member.get(address) ?? new Set()).add(group));
  for (const [address, of] of member)
    for (const group of of)
      for (const offset of [0, 1])
        add(clauseMatch(offset, `reg6=0x1,nw_src=${address}`), `conjunction(${idOf(group, offset)},1/2)`);
  for (let port = 0; port < shape.ports; port++) {
    portGroups.push([prng.below(shape.groups), prng.below(shape.groups)]);
    for (const group of new Set(portGroups[port])) {
      for (const tp of ['22', '0x1f40/0xffc0', '443', '0x8000/0x8000'])
        for (const offset of [0, 1])
          add(
            clauseMatch(offset, `reg5=0x${(port + 5).toString(16)},tp_dst=${tp}`),
            `conjunction(${idOf(group, offset)},2/2)`,
          );
      for (const offset of [0, 1])
        flows.push(
          `table=82,priority=73,conj_id=${idOf(group, offset)},${stateOf(offset)},tcp,reg5=0x${(port + 5).toString(16)} actions=output:${port + 5}`,
        );
    }
  }
  for (const [match, list] of clauses) flows.push(`${match} actions=${list.join(',')}`);
  const lines: string[] = [];
  for (let i = 0; i < headers; i++) {
    const port = prng.below(shape.ports);
    const group = prng.below(4) > 0 ? prng.pick(portGroups[port]!) : prng.below(shape.groups);
    const dport = prng.pick([22, 443, 8000 + prng.below(64), 32768 + prng.below(32768), prng.below(65536)]);
    const state = prng.below(3) === 0 ? 'new' : 'est';
    lines.push(
      ['82', state, port + 5, 1, prng.pick(groups[group]!), '10.95.0.1', 6, 32768 + prng.below(28000), dport].join(
        '\t',
      ),
    );
  }
  return { flows: `${flows.join('\n')}\n`, headers: `${lines.join('\n')}\n` };
}

const idOf = (group: number, offset: number): number => 8 * (group + 1) + offset;
const stateOf = (offset: number): string => `ct_state=${offset === 0 ? '+est-rel-rpl' : '+new-est'}`;
const clauseMatch = (offset: number, rest: string): string => `table=82,priority=73,${stateOf(offset)},tcp,${rest}`;
