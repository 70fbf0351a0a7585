/** Worker threads must not change what is found: same connections, windows and packet outcomes as in one thread. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameJudge, openCaptures } from '../src/api/captures.js';
import { INCIDENT, incidentOptions } from '../src/api/demo.js';
import { readSetup, readTables, spanFrom } from '../src/api/replayInputs.js';
import { InputReader, readBridge } from '../src/api/restartInputs.js';
import { runTrace, type TraceEnd } from '../src/api/runTrace.js';
import { MergedCapture } from '../src/capture/merge.js';
import { CompiledClassifier } from '../src/classify/compiled.js';
import { Scan } from '../src/packet/scan.js';
import { classMask } from '../src/replay/packetClasses.js';

/** The demo incident in chunks of 50 packets, so that its flows and windows cross chunks. */
async function incident(workers: number, memory?: number): Promise<TraceEnd & { verdicts: string }> {
  const options = incidentOptions(INCIDENT);
  const reader = new InputReader();
  const bridge = readBridge(reader, options.ports!, undefined);
  const captures = await openCaptures(options);
  const capture = new MergedCapture(captures.map(({ source }) => source));
  await capture.prime();
  const { startUnixNs } = capture;
  const { timeline } = await readTables(reader, options, bridge, spanFrom(startUnixNs));
  const judge = frameJudge(captures, { ...options, bridge, portOf: null, timeline });
  const scan = new Scan(capture, judge, { usedBits: classMask(timeline), rows: 50 });
  let verdicts = '';
  const onVerdicts = (text: string): void => {
    verdicts += text;
  };
  const asked = {
    ...options,
    workers,
    onVerdicts,
    allFlows: true,
    entries: true,
    ...(memory === undefined ? {} : { memory }),
  };
  const { setup } = readSetup(reader, asked, bridge, timeline, startUnixNs);
  try {
    return { ...(await runTrace(asked, scan, setup, new CompiledClassifier(timeline))), verdicts };
  } finally {
    await capture.close();
  }
}

test('one, two and five workers find the same and tell the same verdicts in the same order', async () => {
  const alone = await incident(1);
  assert.ok(alone.found.told.some(({ flows }) => flows.some((flow) => (flow?.closed.length ?? 0) > 0)));
  assert.ok(alone.verdicts.includes('"kind":"drop"'));
  for (const workers of [2, 5]) assert.deepEqual(await incident(workers), alone);
});

test('a memory budget that is too small ends the replay early, with what was found until then', async () => {
  const whole = await incident(1);
  const { interrupted, overBudget, found, verdicts } = await incident(1, 1);
  assert.ok(interrupted && overBudget && !whole.interrupted);
  assert.ok(found.firstPackets.length > 0 && found.flowCount <= whole.found.flowCount);
  assert.ok(whole.verdicts.startsWith(verdicts) && verdicts.length < whole.verdicts.length);
});
