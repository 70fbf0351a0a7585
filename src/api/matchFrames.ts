/**
 * A prediction held against frames that left the bridge, in a capture of both sides. Frames are recognised by what a bridge
 * does not change: ethertype and network packet without TTL and header checksum. Which copy of equal ones is which is told by
 * time: a frame that left belongs to the earliest packet like it that was predicted to leave there and is not matched yet.
 */

/** A packet that entered, with what the replay says becomes of it. */
export interface Predicted {
  readonly n: number;
  /** Time since the start of the replayed trace. */
  readonly tNs: number;
  readonly ports: readonly number[];
  readonly key: string;
  /** Unordered endpoints: what befalls a packet may follow from what befell another one of them. */
  readonly conversation: string;
}

/** A frame that was seen to leave. */
export interface Observed {
  /** From 1, in its file. */
  readonly frame: number;
  readonly tNs: number;
  readonly port: number;
  readonly key: string;
}

export type Mismatch =
  /** Predicted to leave at this port, not seen there. */
  | { readonly kind: 'missing'; readonly packet: Predicted; readonly port: number }
  /** Seen to leave where the prediction says it does not. */
  | { readonly kind: 'extra'; readonly packet: Predicted; readonly frame: Observed }
  /** Nothing like it entered before. */
  | { readonly kind: 'unknown'; readonly frame: Observed };

/** Longest time that a frame may take through the bridge; clocks of taps may differ by the slack. */
const LONGEST_NS = 2e9;
const SLACK_NS = 1e6;

/** `seenPorts`: ports whose outgoing frames were captured; what was predicted elsewhere is not asked. */
export function matchFrames(
  predicted: readonly Predicted[],
  observed: readonly Observed[],
  seenPorts: ReadonlySet<number>,
): Mismatch[] {
  const byKey = groupByKey(predicted);
  const left = new Map(predicted.map((packet) => [packet, packet.ports.filter((port) => seenPorts.has(port))]));
  const mismatches: Mismatch[] = [];
  for (const frame of observed) {
    const able = (byKey.get(frame.key) ?? []).filter(
      ({ tNs }) => tNs <= frame.tNs + SLACK_NS && frame.tNs - tNs <= LONGEST_NS,
    );
    const right = able.find((packet) => left.get(packet)!.includes(frame.port));
    if (right !== undefined) {
      const ports = left.get(right)!;
      ports.splice(ports.indexOf(frame.port), 1);
      continue;
    }
    const packet = able.findLast(({ ports }) => !ports.includes(frame.port));
    mismatches.push(packet === undefined ? { kind: 'unknown', frame } : { kind: 'extra', packet, frame });
  }
  for (const [packet, ports] of left) for (const port of ports) mismatches.push({ kind: 'missing', packet, port });
  return mismatches;
}

function groupByKey(packets: readonly Predicted[]): Map<string, Predicted[]> {
  const groups = new Map<string, Predicted[]>();
  for (const packet of packets) {
    const group = groups.get(packet.key);
    if (group === undefined) groups.set(packet.key, [packet]);
    else group.push(packet);
  }
  return groups;
}
