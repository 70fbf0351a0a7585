/** A capture of the OpenFlow channel as a schedule. */
import { captureProblem, openCaptureBytes } from '../capture/open.js';
import { type Channel, ChannelReader } from '../openflow/channel.js';
import { chooseBridge, findBridges } from '../timeline/channelBridges.js';
import { type ChannelTimings, channelTimings } from '../timeline/channelTimings.js';
import { type ChannelOptions, channelToSchedule, isBodyOfSchedule } from '../timeline/fromChannel.js';
import type { Schedule } from '../timeline/schedule.js';
import type { InputFile } from '../util/inputFile.js';

type BridgeChoice = Pick<ChannelOptions, 'bridge' | 'portNames'>;

/**
 * InputError where the capture is damaged in a way that matters: see channelToSchedule. A cut end is a warning.
 * `onTimings` is told how long bundles were open and the switch took to answer.
 */
export async function readOpenflowCapture(
  file: InputFile,
  options: BridgeChoice,
  onTimings?: (timings: ChannelTimings) => void,
): Promise<Schedule> {
  const source = await openCaptureBytes(file.name, file.bytes);
  const reader = new ChannelReader(isBodyOfSchedule);
  let frame = 0;
  for (let batch = await source.next(); batch !== null; batch = await source.next()) {
    for (let row = 0; row < batch.count; row++) {
      const start = batch.dataStart[row]!;
      reader.push({
        frame: ++frame,
        t: BigInt(batch.seconds[row]!) * 1_000_000_000n + BigInt(Math.max(0, batch.nanos[row]!)),
        linkType: batch.linkType[row]!,
        data: batch.data.subarray(start, start + batch.capturedBytes[row]!),
        originalBytes: batch.originalBytes[row]!,
      });
    }
  }
  await source.close();
  const problem = captureProblem(source);
  if (problem?.severity === 'error') throw problem.error;
  const channel = reader.finish();
  const schedule = channelToSchedule(channel, { source: file.name, ...options });
  onTimings?.(timingsOf(channel, options));
  if (problem === null) return schedule;
  return { ...schedule, warnings: [...schedule.warnings, problem.error.format()] };
}

/** Of the connections that the schedule is taken from. */
function timingsOf(channel: Channel, { bridge = null, portNames = [] }: BridgeChoice): ChannelTimings {
  const found = findBridges(channel);
  const chosen = chooseBridge(found, bridge, portNames);
  return channelTimings(channel, (connection) => found.ofConnection[connection] === chosen);
}
