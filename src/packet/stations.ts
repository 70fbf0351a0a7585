/**
 * Who has which MAC address, by IP address, as the frames of a capture and the rules of the tables tell it: what gives frames
 * without a destination address one. Two stations that talk have the other's address, so where the answers to a frame come
 * out of the bridge, their source is the frame's destination.
 */
import { WordTable } from '../util/wordTable.js';

/** No address; several that contradict each other. */
export const NO_MAC = -1;
const SEVERAL = -2;

/** A wire: a port and the VLAN tag of frames there, 0 untagged. */
export type Place = number;
export const placeOf = (port: number, vlan: number): Place => port * 0x1000 + vlan;

/** Which way the frame went that told of a station: into the bridge, or out of it. */
export const ENTERED = 0;
export const LEFT = 1;
export type Way = typeof ENTERED | typeof LEFT;

/** A flood of forged addresses must not take all memory; a hundred bytes each. */
const STATIONS_MAX = 1 << 18;
const ROUTERS_MAX = 64;

export class Stations {
  /** Way, place, address (4 words). */
  private readonly seen = new WordTable(6, 64);
  private readonly macs: number[] = [];
  private readonly places: Place[] = [];
  /** Rules say so, not frames. */
  private readonly isNamed: boolean[] = [];
  /** Of stations that entered: the next one with the same address, -1 the last. */
  private readonly next: number[] = [];
  private readonly addresses = new WordTable(4, 64);
  private readonly firstOf: number[] = [];
  /** How many IPv4 addresses are behind a MAC address, by way, place, MAC: several are a router's. */
  private readonly behind = new WordTable(4, 64);
  private readonly behindCount: number[] = [];
  private readonly routers: { way: Way; place: Place; mac: number }[] = [];
  private readonly key = new Int32Array(6);
  private readonly tags: ReadonlyMap<number, number>;

  /** `tags`: VLANs of access ports. */
  constructor(tags: ReadonlyMap<number, number> = new Map()) {
    this.tags = tags;
  }

  /** A station of which rules say that it is at this place. `address`: four words, of IPv4 the first, the others 0. */
  name(place: Place, address: ArrayLike<number>, mac: number): void {
    const known = this.seen.count;
    if (this.intern(ENTERED, place, address, 0) === known) this.add(ENTERED, place, address, 0, mac, true);
  }

  /** A frame with this source. `isAhead`: it is not its turn yet, so what is known already stays. Called per packet. */
  learn(way: Way, place: Place, address: ArrayLike<number>, at: number, mac: number, isAhead: boolean): void {
    const known = this.seen.count;
    if (known >= STATIONS_MAX) return;
    const station = this.intern(way, place, address, at);
    if (station === known) this.add(way, place, address, at, mac, false);
    else if (!isAhead && !this.isNamed[station]) this.macs[station] = mac;
  }

  /**
   * The MAC address to which a station at this place sends what goes to this IP address; NO_MAC where nothing tells, or
   * several do. Best: the source of frames that come out there from that address. Else the station that rules, else the one
   * that frames name, unless it is of another network. `own`: it is not this one. Called per packet.
   */
  find(place: Place, address: ArrayLike<number>, at: number, own: number): number {
    const answering = this.seen.find(this.fill(LEFT, place, address, at));
    if (answering >= 0 && this.macs[answering] !== own) return this.macs[answering]!;
    const number = this.addresses.find(this.fillAddress(address, at));
    let found = NO_MAC;
    let isNamed = false;
    for (let i = number < 0 ? -1 : this.firstOf[number]!; i >= 0; i = this.next[i]!) {
      const mac = this.macs[i]!;
      if (mac === own || (isNamed && !this.isNamed[i]) || !this.mayMeet(place, this.places[i]!)) continue;
      if (found === NO_MAC || (this.isNamed[i] && !isNamed)) found = mac;
      else if (found !== mac) found = SEVERAL;
      isNamed ||= this.isNamed[i]!;
    }
    return found === SEVERAL ? NO_MAC : found;
  }

  /** The only router that was seen from this place, else the only one at all that can be in its network; or NO_MAC. */
  router(place: Place, own: number): number {
    const there = this.only((router) => router.way === LEFT && router.place === place && router.mac !== own);
    if (there !== NO_MAC) return there === SEVERAL ? NO_MAC : there;
    const any = this.only(
      (router) => router.way === ENTERED && router.mac !== own && this.mayMeet(place, router.place),
    );
    return any === SEVERAL ? NO_MAC : any;
  }

  private only(isMeant: (router: { way: Way; place: Place; mac: number }) => boolean): number {
    let found = NO_MAC;
    for (const router of this.routers) {
      if (!isMeant(router)) continue;
      if (found === NO_MAC) found = router.mac;
      else if (found !== router.mac) return SEVERAL;
    }
    return found;
  }

  /** False for two places that are certainly in different networks. */
  private mayMeet(one: Place, other: Place): boolean {
    const [port, otherPort] = [Math.floor(one / 0x1000), Math.floor(other / 0x1000)];
    if (port === otherPort) return one === other;
    const tag = one % 0x1000 === 0 ? this.tags.get(port) : undefined;
    const otherTag = other % 0x1000 === 0 ? this.tags.get(otherPort) : undefined;
    return tag === undefined || otherTag === undefined || tag === otherTag;
  }

  private add(way: Way, place: Place, address: ArrayLike<number>, at: number, mac: number, isNamed: boolean): void {
    const station = this.macs.length;
    this.macs.push(mac);
    this.places.push(place);
    this.isNamed.push(isNamed);
    this.next.push(-1);
    if (way === ENTERED) {
      const number = this.addresses.intern(this.fillAddress(address, at));
      this.next[station] = this.firstOf[number] ?? -1;
      this.firstOf[number] = station;
    }
    if (address[at + 1] === 0 && address[at + 2] === 0 && address[at + 3] === 0) this.countBehind(way, place, mac);
  }

  private countBehind(way: Way, place: Place, mac: number): void {
    const { key } = this;
    key[0] = way;
    key[1] = place;
    key[2] = mac / 0x1_0000_0000;
    key[3] = mac | 0;
    const number = this.behind.intern(key);
    const count = (this.behindCount[number] ?? 0) + 1;
    this.behindCount[number] = count;
    if (count === 2 && this.routers.length < ROUTERS_MAX) this.routers.push({ way, place, mac });
  }

  private intern(way: Way, place: Place, address: ArrayLike<number>, at: number): number {
    return this.seen.intern(this.fill(way, place, address, at));
  }

  private fill(way: Way, place: Place, address: ArrayLike<number>, at: number): Int32Array {
    const { key } = this;
    for (let i = 0; i < 4; i++) key[i] = address[at + i]!;
    key[4] = way;
    key[5] = place;
    return key;
  }

  private fillAddress(address: ArrayLike<number>, at: number): Int32Array {
    for (let i = 0; i < 4; i++) this.key[i] = address[at + i]!;
    return this.key;
  }
}
