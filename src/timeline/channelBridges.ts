/**
 * Whose connection is it? A capture of OpenFlow channels may hold several bridges, and clients that come and go.
 *
 * A connection tells its bridge by a features reply (datapath id). One that has none takes the id of the other connections to
 * the same listening end of the switch, because a switch listens for each bridge on an end of its own; failing that, the only
 * bridge there is.
 */
import type { Channel, ChannelConnection } from '../openflow/channel.js';
import { decodeMessage } from '../openflow/wire.js';
import { messageHeader } from '../openflow/wireHeader.js';
import type { WirePort } from '../openflow/wirePorts.js';
import { UsageError } from '../util/errors.js';

export interface ChannelBridge {
  /** 16 hex digits. */
  readonly datapathId: string;
  /** Name of its LOCAL port, null if no description of ports is in the capture. */
  readonly name: string | null;
  readonly ports: readonly WirePort[];
}

export interface ChannelBridges {
  /** In order of appearance. */
  readonly bridges: readonly ChannelBridge[];
  /** Index into `bridges` by connection, null: it does not tell. */
  readonly ofConnection: readonly (number | null)[];
}

const LOCAL = 0xfffe;

export function findBridges(channel: Channel): ChannelBridges {
  const ids: (string | null)[] = channel.connections.map(() => null);
  const portsOf = new Map<number, readonly WirePort[]>();
  for (const message of channel.messages) {
    if (message.from !== 'switch') continue;
    const header = messageHeader(message.bytes);
    if (header?.what !== 'features_reply' && header?.stats !== 'port_desc') continue;
    const { body } = decodeMessage(message.bytes);
    if (body.kind === 'features') ids[message.connection] = body.datapathId;
    if ((body.kind === 'features' || body.kind === 'ports') && body.ports.length > 0)
      portsOf.set(message.connection, [...(portsOf.get(message.connection) ?? []), ...body.ports]);
  }
  const byEnd = new Map<string, string | null>();
  for (const [index, connection] of channel.connections.entries()) {
    const id = ids[index];
    const end = listeningEnd(connection);
    // Two ids behind one end say nothing about a third connection.
    if (id != null && end !== null) byEnd.set(end, (byEnd.get(end) ?? id) === id ? id : null);
  }
  const known = [...new Set(ids.filter((id) => id !== null))];
  const resolved = channel.connections.map((connection, index) => {
    const end = listeningEnd(connection);
    const shared = end === null ? undefined : byEnd.get(end);
    return ids[index] ?? shared ?? (known.length === 1 ? known[0]! : null);
  });
  const bridges = known.map((datapathId): ChannelBridge => {
    const ports = new Map<number, WirePort>();
    for (const [index, list] of portsOf)
      if (resolved[index] === datapathId) for (const port of list) ports.set(port.port, port);
    return { datapathId, name: ports.get(LOCAL)?.name ?? null, ports: [...ports.values()] };
  });
  return { bridges, ofConnection: resolved.map((id) => (id === null ? null : known.indexOf(id))) };
}

/** The switch's end, where it is the one that listens. */
function listeningEnd(connection: ChannelConnection): string | null {
  return connection.controller === connection.client ? connection.server : null;
}

/**
 * The bridge that is meant: by name or datapath id (hex, with or without 0x, colons and leading zeros); without a choice, the
 * only one, or the one that has most of the `portNames` and is alone with that. Null: the capture names none at all.
 * Throws UsageError.
 */
export function chooseBridge(
  found: ChannelBridges,
  choice: string | null,
  portNames: readonly string[],
): number | null {
  const { bridges } = found;
  const list = bridges.map((bridge) => `${bridge.name ?? '?'} (datapath id ${bridge.datapathId})`).join(', ');
  if (choice !== null) {
    const id = choice.replace(/^0x/i, '').replaceAll(':', '').toLowerCase().padStart(16, '0');
    const index = bridges.findIndex((bridge) => bridge.name === choice || bridge.datapathId === id);
    if (index < 0 && bridges.length > 0)
      throw new UsageError(`no bridge ${choice} in the OpenFlow capture`, `it has ${list}`);
    if (index < 0)
      throw new UsageError('the OpenFlow capture does not tell which bridge it is of', 'leave --bridge out');
    return index;
  }
  if (bridges.length <= 1) return bridges.length === 0 ? null : 0;
  const wanted = new Set(portNames);
  const hits = bridges.map((bridge) => bridge.ports.filter((port) => wanted.has(port.name)).length);
  const most = Math.max(...hits);
  if (most > 0 && hits.filter((count) => count === most).length === 1) return hits.indexOf(most);
  throw new UsageError(`the OpenFlow capture holds several bridges: ${list}`, 'choose one with --bridge');
}
