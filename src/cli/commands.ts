/** The list of commands. A module is loaded only when its command is on the command line (startup time). */
import type { Command } from 'commander';

export interface CommandModule {
  /** Adds arguments, options, help text and action. The signal is aborted by Ctrl-C. */
  configure(command: Command, signal: AbortSignal): void;
}

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<CommandModule>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'replay',
    summary: 'captures through a restart: who was hit, when, why, does it heal',
    load: () => import('./commands/replay.js'),
  },
  {
    name: 'demo',
    summary: 'a small incident: a drop, a dead reply direction, a leak, and why',
    load: () => import('./commands/demo.js'),
  },
  {
    name: 'trace',
    summary: 'one packet rule by rule, at any version, in each world',
    load: () => import('./commands/trace.js'),
  },
  {
    name: 'compare',
    summary: 'hold a result against what was seen',
    load: () => import('./commands/compare.js'),
  },
  {
    name: 'packets',
    summary: 'header fields of the packets of a capture',
    load: () => import('./commands/packets.js'),
  },
  {
    name: 'flows',
    summary: 'check flow text and print it as Open vSwitch does',
    load: () => import('./commands/flows.js'),
  },
  {
    name: 'schedule',
    summary: 'a restart, from whatever recorded it, as a schedule',
    load: () => import('./commands/schedule.js'),
  },
  {
    name: 'test',
    summary: 'unit tests for OpenFlow pipelines, without a switch',
    load: () => import('./commands/test.js'),
  },
  {
    name: 'bench',
    summary: 'classifiers, the scan and the replay, measured on your own files',
    load: () => import('./commands/bench.js'),
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of a result',
    load: () => import('./commands/schema.js'),
  },
];
