/** Classifiers: filter sets by every method beside librte_acl, conjunctive tables by those that take them. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFilters, readTrace } from '../src/api/benchFilters.js';
import { outputOf, pinned } from '../src/api/benchRun.js';
import type { FilterSource } from '../src/api/benchTask.js';
import type { FilterSet, HeaderTrace } from '../src/classify/rivals/filters.js';
import { FILTER_METHOD_NAMES, TABLE_METHOD_NAMES } from '../src/classify/rivals/methods.js';
import {
  type Absent,
  type Bench,
  type BenchContext,
  type Contestant,
  hasProgram,
  ofTask,
  PEER_CACHE,
} from './harness.js';
import { CONJUNCTION_SIZES, makeConjunctions } from './inputs.js';

const CHECK_BUDGET = 5e7;
/** OpenFlow tables hold 65,536 priorities, and this method's build takes minutes on wide port ranges. */
const SLOW_METHODS = new Set(['linear', 'trie']);

export const lookup: Bench = {
  name: 'lookup',
  async contestants(context) {
    const contestants: Contestant[] = [];
    const absent: Absent[] = [];
    const acl = context.peers ? await buildAcl() : null;
    if (context.peers && acl === null)
      absent.push({ method: 'DPDK librte_acl', bring: 'apt-get install gcc pkg-config libdpdk-dev' });
    for (const { size, filters } of filterSets(context)) {
      const set = readFilters(filters);
      const source = { count: context.tiny ? 500 : 120_000, seed: 7, flows: 0 };
      const { headers } = readTrace(source, set);
      const trace = join(context.work, `${size}.tsv`);
      writeFileSync(trace, traceText(headers));
      for (const method of FILTER_METHOD_NAMES) {
        if (!context.tiny && SLOW_METHODS.has(method) && set.count > 2000) continue;
        contestants.push(
          ofTask(context, size, method, {
            task: 'filters',
            method,
            filters,
            trace: { file: trace },
            passes: context.tiny ? 1 : 3,
            checkBudget: CHECK_BUDGET,
          }),
        );
      }
      if (acl !== null) contestants.push(...aclContestants(context, size, acl, set, trace));
    }
    contestants.push(...conjunctions(context));
    return { contestants, absent };
  },
};

/** ClassBench's where they are there, else our own. */
function filterSets({ tiny, shared }: BenchContext): { size: string; filters: FilterSource }[] {
  if (tiny) return [{ size: 'acl-tiny', filters: { kind: 'acl', count: 150, seed: 1 } }];
  const names = ['acl1_1k', 'fw1_1k', 'ipc1_1k', 'acl1_10k', 'fw1_10k', 'ipc1_10k'];
  if (shared !== null)
    return names.map((size) => ({ size, filters: { file: `${shared}classifier/${size}.filters.gz` } }));
  return (['acl', 'fw', 'ipc'] as const).map((kind) => ({
    size: `${kind}-M`,
    filters: { kind, count: 10_000, seed: 1 },
  }));
}

function conjunctions(context: BenchContext): Contestant[] {
  const sizes = context.tiny ? (['tiny'] as const) : (['S', 'M'] as const);
  return sizes.flatMap((name) => {
    const { flows, headers } = makeConjunctions(CONJUNCTION_SIZES[name], context.tiny ? 200 : 40_000, 3);
    const size = `conjunctions-${name}`;
    writeFileSync(join(context.work, `${size}.flows`), flows);
    writeFileSync(join(context.work, `${size}.headers`), headers);
    return TABLE_METHOD_NAMES.filter((method) => context.tiny || method !== 'linear').map((method) =>
      ofTask(context, size, method, {
        task: 'tables',
        method,
        flows: join(context.work, `${size}.flows`),
        headers: join(context.work, `${size}.headers`),
        passes: context.tiny ? 1 : 3,
        checkBudget: CHECK_BUDGET,
      }),
    );
  });
}

async function buildAcl(): Promise<string | null> {
  const source = fileURLToPath(new URL('../../bench/peers/acl.c', import.meta.url));
  if (!hasProgram('gcc') || !hasProgram('pkg-config') || !existsSync('/usr/include/dpdk/rte_acl.h')) return null;
  mkdirSync(PEER_CACHE, { recursive: true });
  const program = `${PEER_CACHE}/acl`;
  const line = `gcc -O3 -march=native "$1" $(pkg-config --cflags --libs libdpdk) -o "$2"`;
  await outputOf(['/bin/sh', '-c', line, 'sh', source, program], undefined);
  return program;
}

function aclContestants(
  context: BenchContext,
  size: string,
  program: string,
  set: FilterSet,
  trace: string,
): Contestant[] {
  const filters = join(context.work, `${size}.filters`);
  writeFileSync(filters, filterText(set));
  return [1, 32].map((burst) => ({
    size,
    method: burst === 1 ? 'librte_acl, one per call' : `librte_acl, bursts of ${burst}`,
    peer: true,
    async run() {
      const output = await outputOf(pinned([program, filters, trace, '3', String(burst)], context.core), undefined);
      const [speed, build, checksum = ''] = output.trim().split(' ');
      return [
        { unit: 'lookups/cpu-s', value: Number(speed), checksum },
        { unit: 'build ms', value: Number(build), checksum },
      ];
    },
  }));
}

const addressText = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');

function filterText(set: FilterSet): string {
  const lines = Array.from({ length: set.count }, (_, i) => {
    const proto = set.proto[i]! < 0 ? '0x00/0x00' : `0x${set.proto[i]!.toString(16)}/0xFF`;
    return [
      `@${addressText(set.src[i]!)}/${set.srcBits[i]}`,
      `${addressText(set.dst[i]!)}/${set.dstBits[i]}`,
      `${set.sportFrom[i]} : ${set.sportTo[i]}`,
      `${set.dportFrom[i]} : ${set.dportTo[i]}`,
      proto,
    ].join('\t');
  });
  return `${lines.join('\n')}\n`;
}

function traceText({ count, src, dst, sport, dport, proto }: HeaderTrace): string {
  const line = (i: number): string => `${src[i]! >>> 0}\t${dst[i]! >>> 0}\t${sport[i]}\t${dport[i]}\t${proto[i]}\n`;
  return Array.from({ length: count }, (_, i) => line(i)).join('');
}
