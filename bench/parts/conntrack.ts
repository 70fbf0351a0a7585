import { Digest, memoryInUse, timed } from '../../src/api/benchMeter.js';
import { CtAttach, type CtOp, CtView } from '../../src/conntrack/action.js';
import { CtPacket, fillCtPacket } from '../../src/conntrack/packet.js';
import { CtStore } from '../../src/conntrack/store.js';
import { executeCt, Tracker } from '../../src/conntrack/tracker.js';
import { KEY_WORDS } from '../../src/fields/key.js';
import { extractPacket } from '../../src/packet/extract.js';
import { PacketInfo } from '../../src/packet/packetInfo.js';
import type { Figure } from './figure.js';

export interface ConntrackInput {
  readonly profile: string;
  readonly connections: number;
  /** Of each connection, after a handshake of three. */
  readonly packets: number;
}

const FRAME_BYTES = 54;
const SYN = 2;
const ACK = 16;
const OP: CtOp = {
  zone: 1,
  commit: false,
  force: false,
  recirc: true,
  markValue: 0,
  markMask: 0,
  labelValue: [0, 0, 0, 0],
  labelMask: [0, 0, 0, 0],
  nat: null,
  alg: 0,
};
const COMMIT: CtOp = { ...OP, commit: true, recirc: false };

/**
 * ct() and, for what is new, ct(commit), connection after connection in stores of their own, as the replay walks them.
 * Header extraction and the filling of the packet are not measured: frames become packets before.
 */
export function measureConntrack({ profile, connections, packets }: ConntrackInput): Figure[] {
  const tracker = new Tracker(profile);
  const conversation = makeConversation(packets);
  const attach = new CtAttach();
  const view = new CtView();
  const digest = new Digest();
  const stores: CtStore[] = [];
  const before = memoryInUse();
  const { ns } = timed(() => {
    for (let connection = 0; connection < connections; connection++) {
      const store = new CtStore();
      stores.push(store);
      for (let i = 0; i < conversation.length; i++) {
        const packet = conversation[i]!;
        attach.clear();
        executeCt(tracker, store, attach, OP, packet, i * 1000, view);
        digest.add(view.state);
        if ((view.state & 1) !== 0) executeCt(tracker, store, attach, COMMIT, packet, i * 1000, view);
      }
    }
  });
  const bytes = memoryInUse() - before;
  const count = connections * conversation.length;
  const checksum = digest.toString();
  const note = `${connections} connections of ${conversation.length} packets, TCP; ${stores.length} stores`;
  return [
    { unit: 'packets/cpu-s', value: (count / ns) * 1e9, checksum, note },
    { unit: 'B/connection', value: Math.max(0, bytes) / connections, checksum },
  ];
}

/** A handshake, then data packets that answer each other. */
function makeConversation(packets: number): CtPacket[] {
  const made: CtPacket[] = [];
  const seq = [1000, 5000];
  const add = (side: 0 | 1, flags: number): void => {
    made.push(makePacket(side, flags, seq[side]!, (flags & ACK) === 0 ? 0 : seq[1 - side]!));
    if ((flags & SYN) !== 0) seq[side]! += 1;
  };
  add(0, SYN);
  add(1, SYN | ACK);
  add(0, ACK);
  for (let i = 0; i < packets; i++) add(i % 2 === 0 ? 0 : 1, ACK);
  return made;
}

function makePacket(side: 0 | 1, flags: number, seq: number, ack: number): CtPacket {
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeUInt16BE(0x0800, 12);
  frame.writeUInt8(0x45, 14);
  frame.writeUInt16BE(FRAME_BYTES - 14, 16);
  frame.writeUInt8(64, 22);
  frame.writeUInt8(6, 23);
  frame.writeUInt32BE(side === 0 ? 0x0a000001 : 0x0a000002, 26);
  frame.writeUInt32BE(side === 0 ? 0x0a000002 : 0x0a000001, 30);
  frame.writeUInt16BE(side === 0 ? 40000 : 80, 34);
  frame.writeUInt16BE(side === 0 ? 80 : 40000, 36);
  frame.writeUInt32BE(seq, 38);
  frame.writeUInt32BE(ack, 42);
  frame.writeUInt8(0x50, 46);
  frame.writeUInt8(flags, 47);
  frame.writeUInt16BE(8192, 48);
  const key = new Int32Array(KEY_WORDS);
  const info = new PacketInfo();
  extractPacket(frame, 0, frame.length, frame.length, 1, key, info);
  const packet = new CtPacket();
  fillCtPacket(key, info, packet);
  return packet;
}
