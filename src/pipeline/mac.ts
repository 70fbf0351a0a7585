/**
 * The MAC table of one bridge, as NORMAL uses it (lib/mac-learning.c of Open vSwitch 3.1.0). Time is whole seconds of the
 * daemon's clock, never going back. Learning and looking up are separate calls: the replay does both in one later pass.
 */
import type { NormalEffect } from './effects.js';
import type { BridgeConfig, PipelinePort } from './env.js';
import { type Admission, admit, carriesVlan } from './normal.js';

interface MacEntry {
  readonly mac: number;
  readonly vlan: number;
  port: number;
  expires: number;
}

/** 48-bit MACs are exact in a double. */
const macNumber = (high: number, low: number): number => high * 0x1_0000_0000 + (low >>> 0);

/** Group bit of the first octet. */
const isGroup = (high: number): boolean => (high & 0x0100) !== 0;

export class MacTable {
  private readonly ports: ReadonlyMap<number, PipelinePort>;
  private readonly config: BridgeConfig;
  /** Least recently refreshed first: the key is put at the end at each refresh, so expiry times ascend. */
  private readonly entries = new Map<string, MacEntry>();
  private readonly countOfPort = new Map<number, number>();

  constructor(ports: ReadonlyMap<number, PipelinePort>, config: BridgeConfig) {
    this.ports = ports;
    this.config = config;
  }

  /** The packet's VLAN, or null if it is dropped; learns nothing. */
  admit(effect: NormalEffect): Admission | null {
    return admit(this.ports, this.config, effect);
  }

  /** Takes the packet in: its VLAN, or null if it is dropped (and then nothing is learned). Learns its source. */
  learn(effect: NormalEffect, seconds: number): Admission | null {
    const admission = this.admit(effect);
    if (admission?.learns && !isGroup(effect.srcHigh)) this.update(effect, admission.vlan, seconds);
    return admission;
  }

  /** Ports that the packet leaves through, ascending. `admission` is that of `learn`. */
  outputs(effect: NormalEffect, admission: Admission, seconds: number): readonly PipelinePort[] {
    this.expire(seconds);
    const known = isGroup(effect.dstHigh)
      ? undefined
      : this.entries.get(entryKey(macNumber(effect.dstHigh, effect.dstLow), admission.vlan));
    if (known !== undefined) {
      const port = this.ports.get(known.port);
      return port === undefined || known.port === effect.inPort || port.noForward ? [] : [port];
    }
    const flood: PipelinePort[] = [];
    for (const port of this.ports.values())
      if (port.ofport !== effect.inPort && !port.noFlood && !port.noForward && carriesVlan(port, admission))
        flood.push(port);
    return flood.sort((a, b) => a.ofport - b.ofport);
  }

  /** Is the destination learned, so that the packet is not flooded? */
  knows(effect: NormalEffect, admission: Admission): boolean {
    if (isGroup(effect.dstHigh)) return false;
    return this.entries.has(entryKey(macNumber(effect.dstHigh, effect.dstLow), admission.vlan));
  }

  /** Independent copy. */
  clone(): MacTable {
    const copy = new MacTable(this.ports, this.config);
    for (const [key, entry] of this.entries) {
      copy.entries.set(key, { ...entry });
      copy.count(entry.port, 1);
    }
    return copy;
  }

  /** [port, VLAN, MAC] as `ovs-appctl fdb/show` lists them, sorted. */
  list(seconds: number): [number, number, string][] {
    this.expire(seconds);
    return [...this.entries.values()]
      .map((entry): [number, number, string] => [entry.port, entry.vlan, macText(entry.mac)])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1));
  }

  /** is_mac_learning_update_needed, update_learning_table__ */
  private update(effect: NormalEffect, vlan: number, seconds: number): void {
    this.expire(seconds);
    const mac = macNumber(effect.srcHigh, effect.srcLow);
    const key = entryKey(mac, vlan);
    const expires = seconds + this.config.macAgingTime;
    const entry = this.entries.get(key);
    if (entry === undefined) {
      if (this.entries.size >= this.config.macTableSize) this.evict();
      this.entries.set(key, { mac, vlan, port: effect.inPort, expires });
      this.count(effect.inPort, 1);
      return;
    }
    // Refreshed in this second already, from the same port: not touched, so not moved to the end either.
    if (entry.expires === expires && entry.port === effect.inPort && !effect.gratuitousArp) return;
    entry.expires = expires;
    this.count(entry.port, -1);
    entry.port = effect.inPort;
    this.count(entry.port, 1);
    this.entries.delete(key);
    this.entries.set(key, entry);
  }

  /** The main loop removes entries whose time has come (mac_learning_run). */
  private expire(seconds: number): void {
    for (const [key, entry] of this.entries) {
      if (entry.expires > seconds) return;
      this.remove(key, entry);
    }
  }

  /** evict_mac_entry_fairly: the least recently used entry of a port that has most of them. */
  private evict(): void {
    const most = Math.max(...this.countOfPort.values());
    for (const [key, entry] of this.entries) {
      if (this.countOfPort.get(entry.port) === most) {
        this.remove(key, entry);
        return;
      }
    }
  }

  private remove(key: string, entry: MacEntry): void {
    this.entries.delete(key);
    this.count(entry.port, -1);
  }

  private count(port: number, change: number): void {
    this.countOfPort.set(port, (this.countOfPort.get(port) ?? 0) + change);
  }
}

const entryKey = (mac: number, vlan: number): string => `${mac}/${vlan}`;

const macText = (mac: number): string =>
  mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
