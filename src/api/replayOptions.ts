/** What `replay` is given, and what every long function takes. */
import type { EncodedHistograms, EncodedMeasured } from '../report/histograms.js';
import type { ReplayResult } from '../report/result.js';
import type { InputError } from '../util/errors.js';

/** How far a long function is. `total` is null where it cannot be known beforehand. */
export interface Progress {
  readonly what: string;
  readonly done: number;
  readonly total: number | null;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * What `replay` is given. Files are paths, `-` is standard input; times and durations are texts as on the command line
 * (`12:35:12`, ISO 8601, Unix seconds, `+2.5s`), because times of day need the trace's date.
 */
export interface ReplayOptions extends RunOptions {
  /** pcap or pcapng, merged by time; `NAME=FILE` names the port that a whole file entered by. */
  readonly captures: readonly string[];
  /** Flow dump before the restart; its line order is the switch's mask order. */
  readonly before: string;
  /** When that was dumped: steps already in it are skipped. */
  readonly beforeAt?: string;
  /** `dump-flows cookie=X/-1` of the same moment. */
  readonly cookieDumps?: readonly string[];
  /** Records of the restart, of one kind. Neither `changes` nor `after`: no restart. */
  readonly changes?: readonly string[];
  /** Kind of `changes`, where it is not recognised by content. */
  readonly changesFormat?: string;
  /** Instead of `changes`: dumps taken afterwards, in order, each with the time in `dumpedAt` at the same place. */
  readonly after?: readonly string[];
  readonly dumpedAt?: readonly string[];
  /** How a restart known by dumps only was installed: `batch=100,gap=20ms,order=dump`. */
  readonly install?: string;
  /** Name or datapath id, where an OpenFlow capture or dump holds several bridges. */
  readonly bridge?: string;
  /** When the first step happens; default as recorded. */
  readonly start?: string;
  readonly ports?: readonly string[];
  readonly portOf?: string;
  readonly direction?: 'auto' | 'in' | 'all';
  /** `linux`, `linux-6.1`, `ovs-userspace` or `ovs-userspace-3.1`. */
  readonly conntrack?: string;
  readonly conntrackBefore?: string;
  readonly conntrackEvents?: readonly string[];
  readonly conntrackMax?: number;
  /** `name=value`. */
  readonly sysctl?: readonly string[];
  readonly midstream?: 'established' | 'strict';
  readonly reader?: 'native' | 'pcap-parser';
  readonly workers?: number;
  /** Bytes that the process may take; with more in use the replay stops and gives what it found. Default: no limit. */
  readonly memory?: number;
  readonly verifyChecksums?: boolean;
  readonly judge?: 'auto' | 'both' | 'before';
  /** Flows without anything to tell, too. */
  readonly allFlows?: boolean;
  /** Takes verdict lines (NDJSON with line ends, several at a time), in the order of packets. */
  readonly onVerdicts?: (text: string) => void | Promise<void>;
  readonly verdictFrames?: boolean;
  /** Off: every packet runs through the pipeline anew. Slower, and must not change a byte of the result. Default true. */
  readonly reuse?: boolean;
  /** Give the conntrack entries at the end of the trace, too. */
  readonly entries?: boolean;
  /** Measure the engine's service time. */
  readonly profile?: boolean;
}

export interface ReplayOutcome {
  readonly result: ReplayResult;
  readonly histograms: EncodedHistograms;
  readonly measured?: EncodedMeasured;
  /** Captures that are damaged: the result covers what could be read of them. */
  readonly errors: readonly InputError[];
  /** Of the option `entries`. */
  readonly conntrack?: FinalConntrack;
}

export interface FinalConntrack {
  /** As `ovs-appctl dpctl/dump-conntrack` prints them, sorted. */
  readonly entries: readonly string[];
  /** How many entries each conntrack step deleted, by step number; steps that found none are not listed. */
  readonly deleted: Readonly<Record<number, number>>;
}
