/**
 * A packet kept with everything that is needed to play it again: its header and the conntrack state as it found it, in all
 * worlds. Scenes are made only where worlds differ.
 */
import type { LookupExplanation } from '../classify/classifier.js';
import type { CtStore } from '../conntrack/store.js';
import { PacketInfo } from '../packet/packetInfo.js';
import type { EntryHistory } from './entryHistory.js';
import type { PacketResult } from './packetResult.js';
import { PacketClass } from './passes.js';
import { RecordingClassifier } from './recordingClassifier.js';
import type { Restart } from './restart.js';
import { WorldRunner } from './worldRun.js';

export interface Scene {
  /** Packet number, from 1. */
  readonly number: number;
  readonly tNs: number;
  /** Version of `actual`. */
  readonly version: number;
  readonly cls: PacketClass;
  /** Its own flow key. */
  readonly key: Int32Array;
  /** entryKey.ts:tuplePart of the packet. */
  readonly tuplePart: number;
  readonly info: PacketInfo;
  /** As found, per world; worlds that do not differ may share one. Never changed: plays work on copies. */
  readonly stores: readonly CtStore[];
  readonly results: readonly PacketResult[];
  /** When the entries came to differ, as known then. */
  readonly history: EntryHistory;
}

/** Plays scenes again. */
export class Theatre {
  readonly restart: Restart;
  private readonly runner: WorldRunner;

  constructor(restart: Restart, runner: WorldRunner) {
    this.restart = restart;
    this.runner = runner;
  }

  /** What would have become of the packet with this state at this version. */
  play(scene: Scene, store: CtStore, version: number): PacketResult {
    return this.runner.run(scene.cls, scene.key, scene.info, version, scene.tNs, store.clone());
  }

  /** What would have become at this version of a packet of this class that sees at ct() what it saw in `run`; null: not known. */
  playSeen(cls: PacketClass, run: PacketResult, version: number): PacketResult | null {
    return this.runner.runSeen(cls, run, version);
  }

  /** The state that it would have left behind. */
  storeAfter(scene: Scene, store: CtStore, version: number): CtStore {
    const copy = store.clone();
    this.runner.run(scene.cls, scene.key, scene.info, version, scene.tNs, copy);
    return copy;
  }

  /** The lookup number `at` of such a play, told in full; null: the play has fewer. */
  explain(scene: Scene, store: CtStore, version: number, at: number): LookupExplanation | null {
    const recorder = new RecordingClassifier(this.runner.env.classifier);
    const { env, tracker, viewBits } = this.runner;
    const runner = new WorldRunner({ ...env, classifier: recorder }, tracker, viewBits, false);
    runner.run(new PacketClass(scene.key), scene.key, scene.info, version, scene.tNs, store.clone());
    const lookup = recorder.lookups[at];
    return lookup === undefined ? null : this.runner.env.classifier.explain(lookup.table, lookup.key, version);
  }
}

/** Copy of a packet's numbers with its bytes, since buffers are reused. */
export function keepInfo(info: PacketInfo): PacketInfo {
  const copy = Object.assign(new PacketInfo(), info);
  copy.data = info.data.slice(info.start, info.start + info.capturedBytes);
  copy.start = 0;
  return copy;
}
