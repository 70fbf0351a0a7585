/** Which messages did the switch refuse? An error carries the xid of the message and its first bytes. */
import type { Channel } from '../openflow/channel.js';
import { decodeMessage } from '../openflow/wire.js';

/** OFPT_ERROR in every version. */
const TYPE_ERROR = 1;

/**
 * Error names by index into `channel.messages`, for the messages of controllers that were answered with an error. Where a
 * sender uses one xid for several equal messages, the latest one before the answer counts.
 */
export function findRefusals(channel: Channel): ReadonlyMap<number, string> {
  const refused = new Map<number, string>();
  /** Messages by connection and xid, in order. */
  const sent = new Map<string, number[]>();
  for (const [index, message] of channel.messages.entries()) {
    if (message.from === 'controller') {
      const key = `${message.connection} ${xidOf(message.bytes)}`;
      const list = sent.get(key);
      if (list === undefined) sent.set(key, [index]);
      else list.push(index);
      continue;
    }
    if (message.bytes[1] !== TYPE_ERROR) continue;
    const { body, xid } = decodeMessage(message.bytes);
    if (body.kind !== 'error') continue;
    const candidates = sent.get(`${message.connection} ${xid}`) ?? [];
    const target = candidates.findLast(
      (at) => !refused.has(at) && startsAlike(channel.messages[at]!.bytes, body.payload),
    );
    if (target !== undefined) refused.set(target, body.name ?? `error (${body.type},${body.code})`);
  }
  return refused;
}

function xidOf(bytes: Uint8Array): number {
  return ((bytes[4]! << 24) | (bytes[5]! << 16) | (bytes[6]! << 8) | bytes[7]!) >>> 0;
}

/** As far as both go: an error may hold a part of the message, and of some messages only the header was kept. */
function startsAlike(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
