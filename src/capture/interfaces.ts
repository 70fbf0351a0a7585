/**
 * Which port an interface of a Linux cooked v2 capture is, where no list of ports has its index: the port whose station
 * sends its frames in there. A port for which no station is named is found if it alone is left, and if one interface alone
 * is left at which frames of the bridge's stations went out.
 */
import { type FrameJudge, NO_STATION } from './direction.js';
import { cookedInterface, cookedPacketType } from './links.js';
import type { BridgePort } from './ports.js';
import type { RecordBatch } from './source.js';

const SEVERAL = -2;
/** A host has some hundreds at most. */
const INTERFACES_MAX = 1 << 16;
const SENT_BY_HOST = 4;

interface Interface {
  /** Port of the stations whose frames came in here. */
  port: number;
  /** Frames of stations of the bridge went out here. */
  isUsed: boolean;
}

export class InterfaceFinder {
  private readonly judge: FrameJudge;
  private readonly interfaces = new Map<number, Interface>();

  /** `judge` knows the stations. */
  constructor(judge: FrameJudge) {
    this.judge = judge;
  }

  /** Called per frame of a capture. */
  take({ data, dataStart, capturedBytes, linkType }: RecordBatch, row: number): void {
    const start = dataStart[row]!;
    const end = start + capturedBytes[row]!;
    const index = cookedInterface(linkType[row]!, data, start, end);
    if (index < 0) return;
    let known = this.interfaces.get(index);
    if (known === undefined) {
      if (this.interfaces.size === INTERFACES_MAX) return;
      known = { port: NO_STATION, isUsed: false };
      this.interfaces.set(index, known);
    }
    const port = this.judge.portOfStation(linkType[row]!, data, start, end);
    if (port === NO_STATION) return;
    if (cookedPacketType(linkType[row]!, data, start, end) === SENT_BY_HOST) known.isUsed = true;
    else if (known.port === NO_STATION) known.port = port;
    else if (known.port !== port) known.port = SEVERAL;
  }

  /** Port by interface index, for `ports` without an index. */
  found(ports: readonly BridgePort[]): Map<number, number> {
    const listed = new Set(ports.flatMap(({ ifindex }) => ifindex ?? []));
    const open = ports.filter(({ ifindex }) => ifindex === undefined).map(({ ofport }) => ofport);
    const indices = [...this.interfaces].filter(([index]) => !listed.has(index));
    const found = new Map<number, number>();
    for (const port of open) {
      const at = indices.filter(([, known]) => known.port === port);
      if (at.length === 1) found.set(at[0]![0], port);
    }
    const portsLeft = open.filter((port) => !this.judge.hasStation(port));
    const indicesLeft = indices.filter(([, known]) => known.port === NO_STATION && known.isUsed);
    if (portsLeft.length === 1 && indicesLeft.length === 1) found.set(indicesLeft[0]![0], portsLeft[0]!);
    return found;
  }
}
