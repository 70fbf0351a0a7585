/** What one process of a benchmark is asked to do, and what it answers. Plain data: it travels between processes. */
import type { FilterKind } from '../classify/rivals/generate.js';
import type { FilterMethod, TableMethod } from '../classify/rivals/methods.js';
import type { ReplayOptions } from './replayOptions.js';

export type FilterSource =
  | { readonly file: string }
  | { readonly kind: FilterKind; readonly count: number; readonly seed: number };

/** `flows` 0: every header is drawn anew; else so many flows, with locality. */
export type TraceSource =
  | { readonly file: string }
  | { readonly count: number; readonly seed: number; readonly flows: number };

export interface FilterTask {
  readonly task: 'filters';
  readonly method: FilterMethod;
  readonly filters: FilterSource;
  readonly trace: TraceSource;
  readonly passes: number;
  /** Filter tests that the comparison with the linear scan may cost; 0: no comparison. */
  readonly checkBudget: number;
}

export interface TableTask {
  readonly task: 'tables';
  readonly method: TableMethod;
  /** Dump or flow text. */
  readonly flows: string;
  /** Lines of flow text, or of gen_conj_tables.py. */
  readonly headers: string;
  readonly passes: number;
  readonly checkBudget: number;
}

export interface ScanTask {
  readonly task: 'scan';
  readonly reader: 'native' | 'pcap-parser';
  readonly captures: readonly string[];
  readonly passes: number;
}

export interface ReplayTask {
  readonly task: 'replay';
  readonly options: Omit<ReplayOptions, 'signal' | 'onProgress' | 'onVerdicts'>;
  readonly passes: number;
}

export type BenchTask = FilterTask | TableTask | ScanTask | ReplayTask;

export interface BenchMeasure {
  /** The method does not take this input; nothing else is said then. */
  readonly unsupported?: string;
  /** What is counted: lookups or packets. */
  readonly what: 'lookups' | 'packets';
  readonly count: number;
  /** Per CPU second of the process, by pass; the first pass is apart, because lazy structures are filled in it. */
  readonly firstPass: number;
  readonly passes: readonly number[];
  /** Digest of all answers: equal for all methods. */
  readonly checksum: string;
  readonly buildMs?: number;
  readonly bytes?: number;
  /** Filters or rules. */
  readonly rules?: number;
  /** Removals and insertions per CPU second. */
  readonly updates?: number;
  /** Of the answers that were compared with the linear method or with the trace's own. */
  readonly checked?: number;
  readonly mismatches?: number;
  readonly distinct?: number;
  /** ns per item, means of batches of 64, HdrHistogram V2 in base64. */
  readonly histogram?: string;
  readonly note?: string;
}
