/** What a report says of the run itself: options and steps. */
import { basename } from 'node:path';
import type { StepLine } from '../report/result.js';
import type { Step } from '../timeline/schedule.js';
import { formatUnixNs } from '../util/units.js';
import type { ReplayOptions } from './replayOptions.js';

const FILES: readonly (keyof ReplayOptions)[] = ['before', 'portOf', 'conntrackBefore'];
const FILE_LISTS: readonly (keyof ReplayOptions)[] = [
  'captures',
  'cookieDumps',
  'changes',
  'after',
  'ports',
  'conntrackEvents',
];

export const isFileOption = (name: string): boolean => (FILES as readonly string[]).includes(name);
export const isFileList = (name: string): boolean => (FILE_LISTS as readonly string[]).includes(name);

/** All that was asked for; files by their names, not by the folders of the machine that they were read on. */
export function reportedOptions(options: ReplayOptions): Record<string, unknown> {
  const { judge = 'auto', conntrack = 'linux', midstream = 'strict', direction = 'auto', reader = 'native' } = options;
  const reported: Record<string, unknown> = { judge, conntrack, midstream, direction, reader };
  for (const [name, value] of Object.entries(options)) {
    const option = name as keyof ReplayOptions;
    if (typeof value === 'function' || option === 'signal') continue;
    if (FILES.includes(option)) reported[name] = basename(value as string);
    else if (FILE_LISTS.includes(option)) reported[name] = (value as readonly string[]).map(nameOfFile);
    else reported[name] = value;
  }
  return reported;
}

/** `PORT=dir/FILE` keeps its port. */
function nameOfFile(path: string): string {
  const at = path.indexOf('=');
  return at > 0 && !path.slice(0, at).includes('/')
    ? `${path.slice(0, at + 1)}${basename(path.slice(at + 1))}`
    : basename(path);
}

/** One line per step. `removed`: conntrack entries that it deleted, by step number. */
export function stepLines(steps: readonly Step[], removed: ReadonlyMap<number, number>): StepLine[] {
  return steps.map((step, i) => {
    const { earliest, latest } = step.t;
    const when = { t: formatUnixNs(earliest), ...(latest === earliest ? {} : { latest: formatUnixNs(latest) }) };
    if (step.kind === 'conntrack') {
      return { ...when, kind: 'conntrack', mods: 0, batch: null, entries: removed.get(i + 1) ?? 0 };
    }
    const deletes = step.mods.filter((mod) => mod.op.startsWith('delete')).length;
    return {
      ...when,
      kind: step.bundle ? 'bundle' : 'flow-mod',
      mods: step.mods.length,
      ...(deletes > 0 ? { deletes } : {}),
      batch: step.batch,
    };
  });
}
