/** The tables of a recorded restart, all versions, from its files. */
import { mergePorts, parsePorts } from '../../src/capture/ports.js';
import { parseDump } from '../../src/openflow/dumpText.js';
import { buildTimeline } from '../../src/timeline/flowTables.js';
import type { Step } from '../../src/timeline/schedule.js';
import { readSchedule } from '../../src/timeline/scheduleNdjson.js';
import type { Timeline } from '../../src/timeline/timeline.js';
import { readInputFile, textOf } from '../../src/util/inputFile.js';

const textIn = (path: string): string => textOf(readInputFile(path));

/** Paths of what a restart is known by. */
export interface RestartFiles {
  readonly before: string;
  readonly changes: string;
  readonly ports: string;
}

export interface CompileInput extends RestartFiles {
  readonly passes: number;
}

export interface RestartTexts {
  readonly before: string;
  readonly changes: string;
  readonly ports: string;
}

export const readTexts = ({ before, changes, ports }: RestartFiles): RestartTexts => ({
  before: textIn(before),
  changes: textIn(changes),
  ports: textIn(ports),
});

export interface ParsedRestart {
  readonly rules: ReturnType<typeof parseDump>['rules'];
  readonly steps: readonly Step[];
}

export function parseRestart({ before, changes, ports }: RestartTexts): ParsedRestart {
  const bridge = mergePorts([parsePorts(ports, 'ports', undefined)]).ports;
  const names = {
    byName: new Map(bridge.map(({ name, ofport }) => [name, ofport])),
    byNumber: new Map(bridge.map(({ name, ofport }) => [ofport, name])),
  };
  const { rules } = parseDump(before, { file: 'before', ports: names });
  return { rules, steps: readSchedule(changes, { file: 'changes', ports: names }).steps };
}

export const timelineOf = ({ rules, steps }: ParsedRestart): Timeline => buildTimeline(rules, steps);
