/** A made-up OpenFlow channel, frame by frame, for tests of reassembly and of schedules. */
import type { CapturedFrame } from '../src/openflow/tcpSegment.js';

export interface End {
  readonly ip: readonly [number, number, number, number];
  readonly port: number;
}

export const CONTROLLER: End = { ip: [192, 0, 2, 10], port: 6653 };
export const SWITCH: End = { ip: [192, 0, 2, 20], port: 41000 };

/** Ethernet, IPv4 and TCP around a payload; checksums are left 0, nobody looks at them. */
export function tcpFrame(from: End, to: End, seq: number, payload: Uint8Array, flags = 0x18): Uint8Array {
  const frame = new Uint8Array(54 + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45);
  view.setUint16(16, 40 + payload.length);
  view.setUint8(22, 64);
  view.setUint8(23, 6);
  frame.set(from.ip, 26);
  frame.set(to.ip, 30);
  view.setUint16(34, from.port);
  view.setUint16(36, to.port);
  view.setUint32(38, seq >>> 0);
  view.setUint8(46, 0x50);
  view.setUint8(47, flags);
  frame.set(payload, 54);
  return frame;
}

/** One connection; each call adds a frame, a millisecond after the one before, to the common list. */
export class FakeConnection {
  readonly frames: CapturedFrame[];
  readonly client: End;
  readonly server: End;
  private readonly seq = new Map<End, number>();

  constructor(frames: CapturedFrame[], client: End = SWITCH, server: End = CONTROLLER, isn = 1000) {
    this.frames = frames;
    this.client = client;
    this.server = server;
    this.seq.set(client, isn).set(server, isn + 7);
  }

  open(): this {
    this.push(this.client, new Uint8Array(0), 0x02);
    this.push(this.server, new Uint8Array(0), 0x12);
    for (const end of [this.client, this.server]) this.seq.set(end, this.seq.get(end)! + 1);
    return this;
  }

  /** Sends bytes in one segment; `lost`: it is not in the capture. */
  send(from: End, bytes: Uint8Array, lost = false): this {
    if (!lost) this.push(from, bytes, 0x18);
    this.seq.set(from, this.seq.get(from)! + bytes.length);
    return this;
  }

  private push(from: End, bytes: Uint8Array, flags: number): void {
    const to = from === this.client ? this.server : this.client;
    const data = tcpFrame(from, to, this.seq.get(from)!, bytes, flags);
    const frame = this.frames.length + 1;
    this.frames.push({ frame, t: BigInt(frame) * 1_000_000n, linkType: 1, data, originalBytes: data.length });
  }
}

export const hexBytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));

/** Header of OpenFlow 1.4 and a body. */
export function message14(type: number, xid: number, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(8 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 5);
  view.setUint8(1, type);
  view.setUint16(2, bytes.length);
  view.setUint32(4, xid);
  bytes.set(body, 8);
  return bytes;
}

export const HELLO = message14(0, 1);
export const barrierReply = (xid: number): Uint8Array => message14(21, xid);

/** Adds `priority=P actions=drop` to table T. */
export function flowMod14(xid: number, priority: number, table = 0): Uint8Array {
  const body = new Uint8Array(48);
  const view = new DataView(body.buffer);
  view.setUint8(16, table);
  view.setUint16(22, priority);
  view.setUint32(24, 0xffffffff);
  view.setUint32(28, 0xffffffff);
  view.setUint32(32, 0xffffffff);
  view.setUint16(40, 1); // match: OXM, empty
  view.setUint16(42, 4);
  return message14(14, xid, body);
}

/** `type`: 0 open, 2 close, 4 commit, 6 discard (requests). */
export function bundleControl14(xid: number, bundleId: number, type: number): Uint8Array {
  const body = new Uint8Array(8);
  const view = new DataView(body.buffer);
  view.setUint32(0, bundleId);
  view.setUint16(4, type);
  view.setUint16(6, 3);
  return message14(33, xid, body);
}

export function bundleAdd14(bundleId: number, inner: Uint8Array): Uint8Array {
  const body = new Uint8Array(8 + inner.length);
  const view = new DataView(body.buffer);
  view.setUint32(0, bundleId);
  view.setUint16(6, 3);
  body.set(inner, 8);
  return message14(34, new DataView(inner.buffer).getUint32(4), body);
}

/** The switch refuses `refused`. */
export function error14(type: number, code: number, refused: Uint8Array): Uint8Array {
  const body = new Uint8Array(4 + refused.length);
  const view = new DataView(body.buffer);
  view.setUint16(0, type);
  view.setUint16(2, code);
  body.set(refused, 4);
  return message14(1, new DataView(refused.buffer).getUint32(4), body);
}

/** Features reply: which bridge this is. */
export function features14(xid: number, datapathId: bigint): Uint8Array {
  const body = new Uint8Array(24);
  new DataView(body.buffer).setBigUint64(0, datapathId);
  return message14(6, xid, body);
}

/** Port description with the LOCAL port's name. */
export function localPort14(xid: number, name: string): Uint8Array {
  const body = new Uint8Array(8 + 40);
  const view = new DataView(body.buffer);
  view.setUint16(0, 13);
  view.setUint32(8, 0xfffffffe);
  view.setUint16(12, 40);
  body.set(Buffer.from(name), 24);
  return message14(19, xid, body);
}
