/** A shard in this thread: the whole replay, or the part that a worker thread does. */
import type { Classifier } from '../classify/classifier.js';
import type { PacketTable } from '../packet/columns.js';
import type { HeaderLoader } from '../packet/headers.js';
import type { Judged, ShardHandle } from './coordinator.js';
import { type ShardResult, shardResult } from './records.js';
import { type ReplaySetup, setupEngine } from './setup.js';
import { type MacAnswer, type MacRequest, Shard } from './shard.js';

export class LocalShard implements ShardHandle {
  readonly shard: Shard;
  private readonly setup: ReplaySetup;
  private headers: HeaderLoader;

  constructor(setup: ReplaySetup, headers: HeaderLoader, index: number, count: number, classifier: Classifier) {
    this.setup = setup;
    this.headers = headers;
    this.shard = new Shard(setupEngine(setup, classifier), index, count, setup.tellAll, setup.profile);
  }

  /** The tables behind the headers have grown. */
  setHeaders(headers: HeaderLoader): void {
    this.headers = headers;
  }

  async walk(chunk: PacketTable): Promise<MacRequest> {
    return this.shard.walk(chunk, this.headers);
  }

  async settle(answer: MacAnswer): Promise<Judged> {
    const rows: number[] = [];
    const kinds: Judged['kinds'][number][] = [];
    const windows: (number | null)[] = [];
    const { tellAll } = this.setup;
    this.shard.settle(
      answer,
      tellAll
        ? (_, { kind, window }, row) => {
            rows.push(row);
            kinds.push(kind);
            windows.push(window);
          }
        : null,
    );
    return { rows, kinds, windows };
  }

  async finish(): Promise<ShardResult> {
    const { engine } = this.shard;
    engine.finish();
    return shardResult(this.shard, this.setup.allFlows, this.setup.finalEntries);
  }
}
