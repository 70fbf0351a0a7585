/** Captures as the user names them, opened, and how their frames are told apart. */
import { FrameJudge } from '../capture/direction.js';
import { openCapture } from '../capture/open.js';
import { parsePortOf } from '../capture/portOf.js';
import type { CaptureSource } from '../capture/source.js';
import type { Timeline } from '../timeline/timeline.js';
import { InputError } from '../util/errors.js';
import { type InputFile, textOf } from '../util/inputFile.js';
import { CaptureTally } from './captureTally.js';
import { stationsOf } from './replayInputs.js';
import type { ReplayOptions } from './replayOptions.js';
import type { Bridge } from './restartInputs.js';

export interface NamedCapture<Source extends CaptureSource = CaptureSource> {
  readonly source: Source;
  /** From `NAME=FILE`. */
  readonly portName: string | null;
}

export async function openCaptures(
  options: Pick<ReplayOptions, 'captures' | 'reader'>,
): Promise<NamedCapture<CaptureTally>[]> {
  if (options.captures.length === 0) throw new InputError('no capture given');
  const opened: NamedCapture<CaptureTally>[] = [];
  for (const text of options.captures) {
    const at = text.indexOf('=');
    const portName = at > 0 && !text.slice(0, at).includes('/') ? text.slice(0, at) : null;
    const path = portName === null ? text : text.slice(at + 1);
    const source = await openCapture(path, { reader: options.reader ?? 'native' });
    opened.push({ portName, source: new CaptureTally(path, source) });
  }
  return opened;
}

export interface JudgeInputs {
  readonly direction?: ReplayOptions['direction'];
  readonly bridge: Bridge;
  readonly portOf: InputFile | null;
  readonly timeline: Timeline;
  /** Port by interface index of Linux cooked v2, beside what the ports say. */
  readonly interfaces?: ReadonlyMap<number, number>;
}

/** Tells at which port a frame was seen, and whether it entered the bridge there. */
export function frameJudge(captures: readonly NamedCapture[], inputs: JudgeInputs): FrameJudge {
  const { direction = 'auto', bridge, portOf, timeline, interfaces } = inputs;
  return new FrameJudge(
    captures.map(({ source }) => source),
    {
      ports: bridge.ports,
      mode: direction,
      portOf: portOf === null ? null : parsePortOf(textOf(portOf), portOf.name),
      fileNames: captures.map(({ portName }) => portName),
      stations: stationsOf(timeline),
      ...(interfaces && { interfaces }),
    },
  );
}
