/** How long controllers kept bundles open and switches took to answer: two histograms of a replay. */
import type { Channel } from '../openflow/channel.js';
import { decodeMessage } from '../openflow/wire.js';
import { messageHeader } from '../openflow/wireHeader.js';

export interface ChannelTimings {
  /** Opening of a bundle (or its first message) to its commit, ns. */
  readonly commitNs: readonly number[];
  /** Commit or barrier to the reply with its xid, ns. */
  readonly replyNs: readonly number[];
}

/** Of the connections that `include` admits (index into `channel.connections`). */
export function channelTimings(
  channel: Channel,
  include: (connection: number) => boolean = () => true,
): ChannelTimings {
  const commitNs: number[] = [];
  const replyNs: number[] = [];
  const opened = new Map<string, bigint>();
  const asked = new Map<string, bigint>();
  for (const message of channel.messages) {
    if (!include(message.connection)) continue;
    const header = messageHeader(message.bytes);
    if (header === null) continue;
    const request = `${message.connection} ${header.xid}`;
    if (header.what === 'barrier_request') asked.set(request, message.t);
    if (header.what === 'barrier_reply') answer(asked, request, message.t, replyNs);
    if (header.what !== 'bundle_ctrl' && header.what !== 'bundle_add') continue;
    const { body } = decodeMessage(message.bytes);
    if (body.kind !== 'bundleControl' && body.kind !== 'bundleAdd') continue;
    const bundle = `${message.connection} ${body.bundleId}`;
    const control = body.kind === 'bundleAdd' ? 'ADD' : body.control;
    if (control === 'OPEN_REQUEST' || (control === 'ADD' && !opened.has(bundle))) opened.set(bundle, message.t);
    if (control === 'DISCARD_REQUEST') opened.delete(bundle);
    if (control === 'COMMIT_REQUEST') {
      answer(opened, bundle, message.t, commitNs);
      asked.set(request, message.t);
    }
    if (control === 'COMMIT_REPLY') answer(asked, request, message.t, replyNs);
  }
  return { commitNs, replyNs };
}

/** Adds the time since `key` was noted, once. */
function answer(since: Map<string, bigint>, key: string, now: bigint, out: number[]): void {
  const start = since.get(key);
  if (start === undefined) return;
  since.delete(key);
  out.push(Number(now - start));
}
