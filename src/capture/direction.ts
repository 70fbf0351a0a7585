/**
 * At which port a captured frame was seen, and whether it entered the bridge there. Frames that left are evidence and are
 * never replayed; each is counted by its reason.
 *
 * The port: the user's list (`--port-of`), else the pcapng interface's or the file's name, else the interface index of
 * Linux cooked v2, else the source MAC, where ports or rules say whose it is.
 */
import { InputError } from '../util/errors.js';
import { NumberMap } from '../util/numberMap.js';
import { nearMiss } from '../util/text.js';
import { cookedInterface, cookedPacketType, sourceMacOffset } from './links.js';
import type { BridgePort } from './ports.js';
import type { CaptureSource, RecordBatch } from './source.js';

export type DirectionMode = 'auto' | 'in' | 'all';

/** Why a frame is replayed, or not. */
export const FRAME = {
  ENTERED: 0,
  LEFT_BY_FLAG: 1,
  LEFT_BY_PACKET_TYPE: 2,
  LEFT_BY_SOURCE: 3,
  NOT_MARKED_INBOUND: 4,
  PORT_UNKNOWN: 5,
  LINK_UNKNOWN: 6,
  NO_TIME: 7,
} as const;

export type FrameReason = (typeof FRAME)[keyof typeof FRAME];

/** Names of the reasons in reports, by number. */
export const FRAME_REASONS: readonly string[] = [
  'entered',
  'left the bridge (direction flag)',
  'left the bridge (sent by the host)',
  'left the bridge (source address of another port)',
  'not marked as inbound',
  'ingress port unknown',
  'link type not understood',
  'no time stamp',
];

/** Evidence of what left the bridge. */
export function hasLeft(reason: FrameReason): boolean {
  return reason === FRAME.LEFT_BY_FLAG || reason === FRAME.LEFT_BY_PACKET_TYPE || reason === FRAME.LEFT_BY_SOURCE;
}

export interface DirectionOptions {
  readonly ports: readonly BridgePort[];
  readonly mode?: DirectionMode;
  /** Ingress port of each packet in merged order; then all frames count as entering. */
  readonly portOf?: ArrayLike<number> | null;
  /** Port of each source from `NAME=FILE`, null where the user named none. */
  readonly fileNames?: readonly (string | null)[];
  /** Stations that rules name: an exact `in_port` with an exact `dl_src`. */
  readonly stations?: readonly { readonly mac: string; readonly ofport: number }[];
  /** Port by interface index of Linux cooked v2, beside what `ports` says. */
  readonly interfaces?: ReadonlyMap<number, number>;
}

const LOCAL = 65_534;
const NONE = -1;
/** portOfStation() of a frame whose source is no station of one port. */
export const NO_STATION = NONE;
const SEVERAL = -2;
const NOT_LOOKED_UP = -3;
/** Addresses are learned from traffic up to here; a flood of forged ones must not take all memory. */
const LEARNED_MAX = 1 << 20;

export class FrameJudge {
  /** Port at which the last judged frame was seen, -1: unknown. */
  port = NONE;
  /** The capture itself says where the last judged frame was seen, so that is true of frames that left, too. */
  isPlaceKnown = false;
  private readonly mode: DirectionMode;
  private readonly portOf: ArrayLike<number> | null;
  private readonly byName = new Map<string, number>();
  private readonly byIndex = new NumberMap();
  /** Ports whose interface index is known. */
  private readonly isIndexed = new Uint8Array(0x10000);
  private readonly ofFile: readonly number[];
  private readonly ofInterface: Int32Array[];
  private readonly sources: readonly CaptureSource[];
  /** MAC to port, from ports and rules. */
  private readonly named = new NumberMap();
  /** MACs that several ports share. */
  private readonly shared = new Map<number, Set<number>>();
  private readonly learned = new NumberMap();
  /** Ports whose station's address is known: foreign addresses seen there are not learned to live there. */
  private readonly stationed = new Uint8Array(0x10000);
  /** What the host sends on an internal port enters the bridge, and what it receives left it. */
  private readonly internal = new Uint8Array(0x10000);

  constructor(sources: readonly CaptureSource[], options: DirectionOptions) {
    this.sources = sources;
    this.mode = options.mode ?? 'auto';
    this.portOf = options.portOf ?? null;
    for (const port of options.ports) {
      this.byName.set(port.name, port.ofport);
      if (port.ifindex !== undefined) this.nameInterface(port.ifindex, port.ofport);
      if (port.mac !== undefined) this.nameStation(port.mac, port.ofport);
      if (port.type === 'internal' || port.ofport === LOCAL) this.internal[port.ofport] = 1;
    }
    for (const [index, ofport] of options.interfaces ?? []) this.nameInterface(index, ofport);
    for (const station of options.stations ?? []) this.nameStation(station.mac, station.ofport);
    this.ofFile = sources.map((_, i) => {
      const name = options.fileNames?.[i] ?? null;
      if (name === null) return NONE;
      const port = this.byName.get(name);
      if (port !== undefined) return port;
      const near = nearMiss(name, this.byName.keys());
      throw new InputError(
        `"${name}" is no port of the bridge`,
        { file: sources[i]!.name },
        near === null ? undefined : `did you mean "${near}"?`,
      );
    });
    this.ofInterface = sources.map(() => new Int32Array(0));
  }

  private nameInterface(index: number, ofport: number): void {
    this.byIndex.set(index, ofport);
    this.isIndexed[ofport] = 1;
  }

  private nameStation(mac: string, ofport: number): void {
    const number = Number.parseInt(mac.replaceAll(':', ''), 16);
    const known = this.named.get(number, NONE);
    if (known === NONE) this.named.set(number, ofport);
    else if (known !== ofport) {
      const set = this.shared.get(number) ?? new Set([known]);
      this.shared.set(number, set.add(ofport));
      this.named.set(number, SEVERAL);
    }
    this.stationed[ofport] = 1;
  }

  /** Called per packet. `packet`: its number in merged order, from 0. Sets `port`. */
  judge(source: number, batch: RecordBatch, row: number, packet: number): FrameReason {
    if (this.portOf !== null) {
      if (packet >= this.portOf.length) {
        const [lines, file] = [this.portOf.length, this.sources[source]!.name];
        throw new InputError(`the list of ingress ports has ${lines} lines, and there are more packets`, { file });
      }
      this.port = this.portOf[packet]!;
      return FRAME.ENTERED;
    }
    const { data } = batch;
    const linkType = batch.linkType[row]!;
    const start = batch.dataStart[row]!;
    const end = start + batch.capturedBytes[row]!;
    let port = this.portOfInterface(source, batch.iface[row]!);
    const index = cookedInterface(linkType, data, start, end);
    if (port === NONE) port = this.byIndex.get(index, NONE);
    const isPlaceKnown = port !== NONE;
    this.isPlaceKnown = isPlaceKnown;
    if (isPlaceKnown && this.mode === 'all') {
      this.port = port;
      return FRAME.ENTERED;
    }
    const mac = readSourceMac(linkType, data, start, end);
    if (port === NONE) port = this.named.get(mac, NONE);
    // At an interface that is not its station's port the same frame is seen once more, on its way there.
    if (port === SEVERAL || (!isPlaceKnown && index >= 0 && port !== NONE && this.isIndexed[port] === 1)) port = NONE;
    this.port = port;
    if (port === NONE && this.mode === 'all') return FRAME.PORT_UNKNOWN;
    if (this.mode === 'all') return FRAME.ENTERED;
    const isInternal = isPlaceKnown && this.internal[port] === 1;
    const inbound = isInternal ? 2 : 1;
    const direction = batch.direction[row]!;
    const packetType = cookedPacketType(linkType, data, start, end);
    if (direction !== 0 && direction !== inbound) return FRAME.LEFT_BY_FLAG;
    if (direction === 0 && packetType >= 0 && (packetType === 4) !== isInternal) return FRAME.LEFT_BY_PACKET_TYPE;
    if (port === NONE) return FRAME.PORT_UNKNOWN;
    const isMarked = direction !== 0 || packetType >= 0;
    if (this.mode === 'in') {
      return isMarked || this.livesAt(mac, port) ? FRAME.ENTERED : FRAME.NOT_MARKED_INBOUND;
    }
    // Where the capture itself says that a frame came in, its source address is not asked.
    if (!isMarked && isPlaceKnown && mac !== NONE && !this.cameFrom(mac, port)) return FRAME.LEFT_BY_SOURCE;
    return FRAME.ENTERED;
  }

  /** Port of the station that sent this frame, as ports and rules name it; NO_STATION: unknown, or several. */
  portOfStation(linkType: number, data: Uint8Array, start: number, end: number): number {
    const port = this.named.get(readSourceMac(linkType, data, start, end), NONE);
    return port === SEVERAL ? NO_STATION : port;
  }

  /** Is some station named that lives at this port? */
  hasStation(port: number): boolean {
    return this.stationed[port] === 1;
  }

  private portOfInterface(source: number, iface: number): number {
    if (this.ofFile[source]! !== NONE) return this.ofFile[source]!;
    let table = this.ofInterface[source]!;
    if (iface >= table.length) {
      const larger = new Int32Array(Math.max(16, (iface + 1) * 2)).fill(NOT_LOOKED_UP);
      larger.set(table);
      this.ofInterface[source] = larger;
      table = larger;
    }
    if (table[iface] === NOT_LOOKED_UP) {
      const name = this.sources[source]!.interfaces[iface]?.name ?? null;
      table[iface] = name === null ? NONE : (this.byName.get(name) ?? NONE);
    }
    return table[iface]!;
  }

  private livesAt(mac: number, port: number): boolean {
    const named = this.named.get(mac, NONE);
    return named === port || (named === SEVERAL && this.shared.get(mac)!.has(port));
  }

  /** False if the address is known to live behind another port: named so, or first seen to come in there. */
  private cameFrom(mac: number, port: number): boolean {
    const named = this.named.get(mac, NONE);
    if (named !== NONE) return this.livesAt(mac, port);
    const learned = this.learned.get(mac, NONE);
    if (learned !== NONE) return learned === port;
    if (this.stationed[port] === 0 && this.learned.size < LEARNED_MAX) this.learned.set(mac, port);
    return true;
  }
}

/** 48 bits as a number; -1: there is none. */
function readSourceMac(linkType: number, data: Uint8Array, start: number, end: number): number {
  const offset = sourceMacOffset(linkType, data, start, end);
  if (offset < 0) return NONE;
  const at = start + offset;
  const high = (data[at]! << 8) | data[at + 1]!;
  const low = (data[at + 2]! << 24) | (data[at + 3]! << 16) | (data[at + 4]! << 8) | data[at + 5]!;
  return high * 0x1_0000_0000 + (low >>> 0);
}
