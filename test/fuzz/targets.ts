/** What is fuzzed: readers of the outside world. Each takes bytes and says what became of them, or throws what a user may see. */
import assert from 'node:assert/strict';
import { FRAME_REASONS, FrameJudge } from '../../src/capture/direction.js';
import { MergedCapture } from '../../src/capture/merge.js';
import { captureProblem, openCaptureBytes } from '../../src/capture/open.js';
import { parsePorts } from '../../src/capture/ports.js';
import { runCaseFile } from '../../src/cases/runCaseFile.js';
import { parseEntries } from '../../src/conntrack/parseEntries.js';
import { Tracker } from '../../src/conntrack/tracker.js';
import { KEY_WORDS } from '../../src/fields/key.js';
import { ChannelReader } from '../../src/openflow/channel.js';
import { parseDump } from '../../src/openflow/dumpText.js';
import { formatRule } from '../../src/openflow/flowPrint.js';
import { parseFlowMod, parseRule } from '../../src/openflow/flowText.js';
import { OF_VERSIONS } from '../../src/openflow/formats.js';
import { decodeMessage } from '../../src/openflow/wire.js';
import { Scan } from '../../src/packet/scan.js';
import { channelToSchedule } from '../../src/timeline/fromChannel.js';
import { loadSchedule } from '../../src/timeline/loadSchedule.js';
import { InputError, UsageError } from '../../src/util/errors.js';
import { unpack } from '../../src/util/inputFile.js';

/** Whole: taken as it is. Partly: what could be read, and a named problem. */
export type Fate = 'whole' | 'partly' | 'refused';

export interface Target {
  readonly name: string;
  readonly isText: boolean;
  run(bytes: Uint8Array): Promise<Fate> | Fate;
}

const FILE = 'fuzz';
const textOfBytes = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Runs a target; every error that is not made for users goes through. */
export async function fateOf(target: Target, bytes: Uint8Array): Promise<Fate> {
  try {
    return await target.run(bytes);
  } catch (error) {
    if (error instanceof InputError || error instanceof UsageError) {
      assert.ok(error.message.length > 0, 'an error without words');
      return 'refused';
    }
    throw error;
  }
}

export const TARGETS: readonly Target[] = [
  { name: 'captures', isText: false, run: runCapture },
  { name: 'flows', isText: true, run: runFlowText },
  {
    name: 'dumps',
    isText: true,
    run: (bytes) => (parseDump(textOfBytes(bytes)).warnings.length > 0 ? 'partly' : 'whole'),
  },
  { name: 'messages', isText: false, run: runMessages },
  { name: 'channels', isText: false, run: runChannel },
  { name: 'changes', isText: true, run: runChanges },
  { name: 'entries', isText: true, run: runEntries },
  { name: 'ports', isText: true, run: runPorts },
  { name: 'cases', isText: true, run: runCases },
];

/** Records counted in = packets, frames not replayed by reason, and what the end of the file says. */
async function runCapture(bytes: Uint8Array): Promise<Fate> {
  const source = await openCaptureBytes(FILE, bytes);
  const capture = new MergedCapture([source]);
  await capture.prime();
  const judge = new FrameJudge(capture.sources, {
    ports: [],
    mode: 'all',
    portOf: null,
    fileNames: [null],
    stations: [],
  });
  const scan = new Scan(capture, judge, { usedBits: new Int32Array(KEY_WORDS).fill(-1), rows: 1024 });
  let rows = 0;
  for await (const chunk of scan.chunks()) rows += chunk.count;
  await capture.close();
  const others = FRAME_REASONS.reduce((sum, _, i) => sum + scan.otherCounts[i]!, 0);
  assert.equal(rows, scan.packets, 'rows of the chunks');
  assert.equal(scan.frames, rows + others, 'frames = packets + frames not replayed');
  assert.ok(source.end !== null, 'the source says how it ended');
  assert.equal(source.end.packets, scan.frames, 'records that the source counted');
  return captureProblem(source) === null ? 'whole' : scan.frames > 0 ? 'partly' : 'refused';
}

/** Every line is refused, or prints to a text that reads back and prints as itself. (OVS does not print every mask of a tunnel field.) */
function runFlowText(bytes: Uint8Array): Fate {
  let taken = 0;
  let refused = 0;
  for (const line of textOfBytes(bytes).split('\n')) {
    for (const of of OF_VERSIONS) {
      let printed: string;
      try {
        printed = formatRule(parseRule(line, { of }).rule, { of });
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused++;
        continue;
      }
      taken++;
      if (!printed.includes('<error')) assert.equal(formatRule(parseRule(printed, { of }).rule, { of }), printed);
    }
    try {
      parseFlowMod('delete', line, { of: '1.3' });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return refused === 0 ? 'whole' : taken > 0 ? 'partly' : 'refused';
}

/** One message after the other, as long as their lengths allow. A fault has a name. */
function runMessages(bytes: Uint8Array): Fate {
  let at = 0;
  let faults = 0;
  let messages = 0;
  while (bytes.length - at >= 8) {
    const length = Math.max(8, (bytes[at + 2]! << 8) | bytes[at + 3]!);
    const message = decodeMessage(bytes.subarray(at, at + length));
    messages++;
    if (message.error !== null) {
      assert.ok(message.error.length > 0, 'a fault without a name');
      faults++;
    }
    at += length;
  }
  return faults === 0 ? 'whole' : faults < messages ? 'partly' : 'refused';
}

async function runChannel(bytes: Uint8Array): Promise<Fate> {
  const source = await openCaptureBytes(FILE, bytes);
  const reader = new ChannelReader();
  let frame = 0;
  for (let batch = await source.next(); batch !== null; batch = await source.next()) {
    for (let row = 0; row < batch.count; row++) {
      const start = batch.dataStart[row]!;
      reader.push({
        frame: ++frame,
        t: BigInt(frame),
        linkType: batch.linkType[row]!,
        data: batch.data.slice(start, start + batch.capturedBytes[row]!),
        originalBytes: batch.originalBytes[row]!,
      });
    }
  }
  await source.close();
  const channel = reader.finish();
  const { warnings } = channelToSchedule(channel, { source: FILE, portNames: [], bridge: null });
  return channel.errors.length + warnings.length > 0 ? 'partly' : 'whole';
}

/** Schedules, monitor text, snoop and log, by what they look like. */
async function runChanges(bytes: Uint8Array): Promise<Fate> {
  const changes = [{ name: FILE, bytes: unpack(bytes, FILE) }];
  const readOpenflow = (): never => {
    throw new InputError('an OpenFlow capture', { file: FILE });
  };
  const { warnings } = await loadSchedule({ before: [], changes, readOpenflow });
  return warnings.length > 0 ? 'partly' : 'whole';
}

const tracker = new Tracker('linux');

function runEntries(bytes: Uint8Array): Fate {
  return parseEntries(textOfBytes(bytes), FILE, tracker, 0).warnings.length > 0 ? 'partly' : 'whole';
}

function runPorts(bytes: Uint8Array): Fate {
  parsePorts(textOfBytes(bytes), FILE);
  return 'whole';
}

function runCases(bytes: Uint8Array): Fate {
  const { passed, failed } = runCaseFile(textOfBytes(bytes), FILE);
  return failed === 0 ? 'whole' : passed > 0 ? 'partly' : 'refused';
}
