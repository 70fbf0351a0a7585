/** Thread entry for piscina: one shard of a replay, for as long as the trace lasts. */
import { CompiledClassifier } from '../src/classify/compiled.js';
import { PacketTable } from '../src/packet/columns.js';
import { headerLoader } from '../src/packet/headers.js';
import { LocalShard } from '../src/replay/localShard.js';
import type { FromShard, ShardTask, ToShard } from '../src/replay/pool.js';

const NO_HEADERS = headerLoader({
  usedWords: new Int32Array(0),
  variantWords: new Int32Array(0),
  groupEntries: new Int32Array(0),
  narrowWords: new Int32Array(0),
  wideWords: new Int32Array(0),
});

export default function replayShard({ port, setup, index, count }: ShardTask): Promise<void> {
  const shard = new LocalShard(setup, NO_HEADERS, index, count, new CompiledClassifier(setup.timeline));
  const answerTo = (message: ToShard): Promise<FromShard> => {
    switch (message.kind) {
      case 'walk':
        shard.setHeaders(headerLoader(message.headers));
        return shard.walk(PacketTable.from(message.chunk));
      case 'settle':
        return shard.settle(message.answer);
      case 'finish':
        return shard.finish();
    }
  };
  return new Promise((resolve, reject) => {
    port.on('message', (message: ToShard) => {
      answerTo(message).then((answer) => {
        port.postMessage(answer);
      }, reject);
    });
    port.on('close', resolve);
  });
}
