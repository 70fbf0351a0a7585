/**
 * Shards in worker threads. One long piscina task per thread, because the members of a step must all be running: the task
 * holds the shard's state for the whole trace and talks over a message port; packets lie in shared memory.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { PacketTable } from '../packet/columns.js';
import type { HeaderParts } from '../packet/headers.js';
import { DefectError } from '../util/errors.js';
import type { Judged, ShardHandle } from './coordinator.js';
import type { ShardResult } from './records.js';
import type { ReplaySetup } from './setup.js';
import type { MacAnswer, MacRequest } from './shard.js';

/** What a worker's task is given. */
export interface ShardTask {
  readonly port: MessagePort;
  readonly setup: ReplaySetup;
  readonly index: number;
  readonly count: number;
}

export interface ChunkParts {
  readonly rows: number;
  readonly count: number;
  readonly buffer: SharedArrayBuffer;
  readonly kept: Uint8Array;
}

export type ToShard =
  | { readonly kind: 'walk'; readonly chunk: ChunkParts; readonly headers: HeaderParts }
  | { readonly kind: 'settle'; readonly answer: MacAnswer }
  | { readonly kind: 'finish' };

export type FromShard = MacRequest | Judged | ShardResult;

/** Threads with a shard each. `close` them, also after a failure. */
export class ShardPool {
  readonly shards: readonly ShardHandle[];
  private readonly pool: Piscina;
  private readonly tasks: Promise<unknown>[];

  constructor(setup: ReplaySetup, count: number, headers: () => HeaderParts) {
    this.pool = new Piscina({
      filename: new URL('../../workers/replayShard.js', import.meta.url).href,
      minThreads: count,
      maxThreads: count,
      // The task waits for messages, so its thread must not sleep in Atomics.wait.
      atomics: 'disabled',
    });
    const channels = Array.from({ length: count }, () => new MessageChannel());
    this.tasks = channels.map(({ port2 }, index) => {
      const task: ShardTask = { port: port2, setup, index, count };
      return this.pool.run(task, { transferList: [port2] });
    });
    this.shards = channels.map(({ port1 }, index) => new ThreadShard(port1, this.tasks[index]!, headers));
  }

  async close(): Promise<void> {
    await this.pool.destroy();
    await Promise.allSettled(this.tasks);
  }
}

class ThreadShard implements ShardHandle {
  private readonly port: MessagePort;
  private readonly headers: () => HeaderParts;
  /** Of the question under way. */
  private reject: (reason: unknown) => void = () => {};

  constructor(port: MessagePort, task: Promise<unknown>, headers: () => HeaderParts) {
    this.port = port;
    this.headers = headers;
    // A task that ends before it answers has failed; after the last answer nobody listens.
    const fail = (reason: unknown): void => this.reject(reason);
    task.then(() => fail(new DefectError('a worker ended too early')), fail);
  }

  walk({ rows, count, buffer, kept }: PacketTable): Promise<MacRequest> {
    return this.ask({ kind: 'walk', chunk: { rows, count, buffer, kept }, headers: this.headers() });
  }

  settle(answer: MacAnswer): Promise<Judged> {
    return this.ask({ kind: 'settle', answer });
  }

  /** Closing the port afterwards lets the task end: only then is the answer sure to have arrived. */
  async finish(): Promise<ShardResult> {
    const result = await this.ask<ShardResult>({ kind: 'finish' });
    this.port.close();
    return result;
  }

  private ask<T extends FromShard>(message: ToShard): Promise<T> {
    return new Promise((resolve, reject) => {
      this.reject = reject;
      this.port.once('message', resolve);
      this.port.postMessage(message);
    });
  }
}
