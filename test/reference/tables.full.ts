/**
 * Lookup, conjunctive matches, flow-mods and the order in a dump, case by case against recorded Open vSwitch. The pipeline
 * is the least that these cases need (output, resubmit, goto_table, registers), so that tables and lookup are judged alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LookupResult } from '../../src/classify/classifier.js';
import { CompiledClassifier } from '../../src/classify/compiled.js';
import { LinearClassifier } from '../../src/classify/linear.js';
import { K, KEY_WORDS, PORT } from '../../src/fields/key.js';
import type { Action } from '../../src/openflow/actions.js';
import { formatRule } from '../../src/openflow/flowPrint.js';
import { parseFlowMod, parseRule } from '../../src/openflow/flowText.js';
import type { FlowMod, FlowModOp, OfVersion, Rule } from '../../src/openflow/rule.js';
import { extractPacket } from '../../src/packet/extract.js';
import { PacketInfo } from '../../src/packet/packetInfo.js';
import { FlowTables } from '../../src/timeline/flowTables.js';
import { readJsonLines, skipWithoutShared } from './shared.js';

interface CaseMod {
  op: FlowModOp;
  flow: string;
  cookieMask?: string;
}

interface Expected {
  out?: [number, string][];
  rules?: [number, string | null][];
  error?: string | null;
  flows?: string[];
}

interface Case {
  id: string;
  ports: { ofport: number }[];
  of?: string;
  flows?: string[];
  dump?: string;
  cookieDumps?: Record<string, string>;
  dumpOptions?: string[];
  history?: { flows: string[]; steps: { mods: CaseMod[]; bundle?: boolean }[] };
  steps: {
    t: number;
    packet?: { in_port: number; hex: string };
    mods?: CaseMod[];
    bundle?: boolean;
    dump?: boolean;
    expect?: Expected;
    expect_any?: Expected[];
  }[];
}

const ETHERNET = 1;

function ofVersion(name = 'OpenFlow15'): OfVersion {
  return `1.${name.slice(-1)}` as OfVersion;
}

function statsOf(line: string) {
  return {
    duration: /duration=([0-9.]+)s/.exec(line)?.[1] ?? null,
    nPackets: null,
    nBytes: null,
    idleAge: null,
    hardAge: null,
  };
}

/** Rules of a dump's text with their ages, in line order. */
function dumpLines(text: string, of: OfVersion) {
  return text
    .split('\n')
    .filter((line) => line.startsWith(' '))
    .map((line) => ({ rule: parseRule(line.trim(), { of }).rule, stats: statsOf(line) }));
}

class CaseRun {
  readonly tables = new FlowTables({ groups: new Set(), meters: new Set() });
  readonly of: OfVersion;
  private readonly linear = new LinearClassifier(this.tables.timeline());
  private readonly ports: ReadonlySet<number>;
  /** A compiled classifier takes a finished timeline: it is made anew after each change. */
  private compiled = new CompiledClassifier(this.tables.timeline());
  private compiledFor = -1;
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly info = new PacketInfo();

  constructor(recorded: Case) {
    this.of = ofVersion(recorded.of);
    this.ports = new Set(recorded.ports.map(({ ofport }) => ofport));
    if (recorded.dump === undefined) {
      const mods = recorded.flows!.map((flow) => parseFlowMod('add', flow, { of: this.of }).mod);
      assert.equal(this.tables.install(mods), null);
    } else {
      const cookieDumps = new Map(
        Object.entries(recorded.cookieDumps ?? {}).map(([cookie, text]) => [
          BigInt(cookie),
          dumpLines(text, this.of).map(({ rule }) => rule),
        ]),
      );
      this.tables.installDump(dumpLines(recorded.dump, this.of), { cookieDumps });
      assert.equal(this.tables.timeline().orderKnown, true);
    }
  }

  packet(inPort: number, hex: string, nowMs: number): Expected {
    const data = Buffer.from(hex, 'hex');
    this.key.fill(0);
    extractPacket(data, 0, data.length, data.length, ETHERNET, this.key, this.info);
    this.key[K.in_port] = inPort;
    const rules: [number, string | null][] = [];
    const out: number[] = [];
    this.run(0, nowMs, rules, out, 0);
    return { rules, out: out.sort((a, b) => a - b).map((port) => [port, '=']) };
  }

  private run(table: number, nowMs: number, rules: [number, string | null][], out: number[], depth: number): void {
    const timeline = this.tables.timeline();
    const found = new LookupResult();
    this.linear.lookup(table, this.key, this.tables.version, found);
    if (this.compiledFor !== this.tables.version) this.compiled = new CompiledClassifier(timeline);
    this.compiledFor = this.tables.version;
    const compiled = new LookupResult();
    this.compiled.lookup(table, this.key, this.tables.version, compiled);
    assert.deepEqual(compiled, found);
    assert.equal(found.ambiguous, false);
    if (found.rule < 0) {
      rules.push([table, null]);
      return;
    }
    this.tables.touch(found.rule, nowMs);
    const { rule } = timeline.rules[found.rule]!;
    rules.push([table, formatRule(rule, { of: this.of })]);
    if (depth < 64) for (const action of rule.actions) this.act(action, table, nowMs, rules, out, depth);
  }

  private act(
    action: Action,
    table: number,
    nowMs: number,
    rules: [number, string | null][],
    out: number[],
    depth: number,
  ): void {
    if (action.type === 'output') {
      const port = action.port === PORT.IN_PORT ? this.key[K.in_port]! : action.port;
      const isBack = action.port !== PORT.IN_PORT && port === this.key[K.in_port];
      if (!isBack && this.ports.has(port)) out.push(port);
    } else if (action.type === 'resubmit') this.run(action.table ?? table, nowMs, rules, out, depth + 1);
    else if (action.type === 'gotoTable') this.run(action.table, nowMs, rules, out, depth + 1);
    else if (action.type === 'setField' && /^reg\d+$/.test(action.field))
      this.key[K.reg0 + Number(action.field.slice(3))] = Number(action.value) | 0;
    else if (action.type === 'writeMetadata') {
      this.key[K.metadata] = Number(action.value >> 32n) | 0;
      this.key[K.metadata + 1] = Number(action.value & 0xffffffffn) | 0;
    }
  }

  /** As ovs-ofctl: a text error means that nothing is sent. */
  mods(list: readonly CaseMod[], bundle: boolean, nowMs: number): string | null {
    let mods: FlowMod[];
    try {
      mods = list.map(({ op, flow, cookieMask }) => {
        const text =
          cookieMask === undefined ? flow : flow.replace(/(^|[,\s])cookie=([^,/\s]+)/, `$1cookie=$2/${cookieMask}`);
        return parseFlowMod(op, text, { of: this.of }).mod;
      });
    } catch (error) {
      return (error as Error).message;
    }
    return this.tables.applyMods(mods, bundle, nowMs);
  }

  dump(): string[] {
    return this.tables
      .dump()
      .map((rule: Rule) => formatRule(rule, { of: this.of }))
      .sort();
  }
}

/** Messages for what differs. */
function differences(recorded: Case, counts: Record<string, number>): string[] {
  const run = new CaseRun(recorded);
  const wrong: string[] = [];
  recorded.steps.forEach((step, n) => {
    const nowMs = Math.round(step.t * 1000);
    run.tables.expire(nowMs);
    const any = step.expect_any ?? [step.expect!];
    let got: Expected = {};
    if (step.packet !== undefined) {
      got = run.packet(step.packet.in_port, step.packet.hex, nowMs);
      counts['packets'] = (counts['packets'] ?? 0) + 1;
    } else if (step.mods !== undefined) {
      got = { error: run.mods(step.mods, step.bundle === true, nowMs) };
      counts['changes'] = (counts['changes'] ?? 0) + 1;
    } else if (step.dump === true) {
      got = { flows: run.dump() };
      counts['dumps'] = (counts['dumps'] ?? 0) + 1;
    }
    if (!any.some((expected) => agrees(expected, got, run)))
      wrong.push(`${recorded.id} step ${n + 1}: expected ${JSON.stringify(any)}, got ${JSON.stringify(got)}`);
  });
  return wrong;
}

function agrees(expected: Expected, got: Expected, run: CaseRun): boolean {
  if (expected.error !== undefined) {
    if (expected.error === null || got.error === null) return expected.error === got.error;
    const name = /OFP[A-Z0-9_]+/.exec(expected.error)?.[0];
    return !expected.error.startsWith('OFP') || got.error!.includes(name!);
  }
  if (expected.flows !== undefined) return same(expected.flows.slice().sort(), got.flows);
  const rules = expected.rules?.map(([table, text]) => [table, text === null ? null : canonical(text, run)]);
  const ports = expected.out?.map(([port]) => port);
  return (
    same(
      ports,
      got.out!.map(([port]) => port),
    ) &&
    (rules === undefined ||
      same(
        rules,
        got.rules!.map(([table, text]) => [table, text === null ? null : canonical(text, run)]),
      ))
  );
}

/** Table, priority, match and actions. */
function canonical(text: string, run: CaseRun): string {
  const { rule } = parseRule(text, { of: run.of });
  return formatRule({ ...rule, cookie: 0n, idleTimeout: 0, hardTimeout: 0, importance: 0 }, { of: run.of });
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

for (const name of ['lookup', 'conj', 'flowmod', 'conj_random', 'dumporder']) {
  test(`tables and lookups answer like Open vSwitch in cases/${name}`, { skip: skipWithoutShared }, (t) => {
    const counts: Record<string, number> = {};
    const cases = readJsonLines<Case>(`ovs/cases/${name}.jsonl.gz`);
    const wrong = cases.flatMap((recorded) => differences(recorded, counts));
    t.diagnostic(`${cases.length} cases: ${JSON.stringify(counts)}`);
    assert.deepEqual(wrong, []);
  });
}

test('a dump shows the order that the history of its table has led to', { skip: skipWithoutShared }, (t) => {
  let count = 0;
  for (const recorded of readJsonLines<Case>('ovs/cases/dumporder.jsonl.gz')) {
    if (recorded.dumpOptions?.some((option) => option.includes('sort'))) continue;
    const { flows, steps } = recorded.history!;
    const { dump, ...withoutDump } = recorded;
    const run = new CaseRun({ ...withoutDump, flows });
    for (const step of steps) run.mods(step.mods, step.bundle === true, 0);
    const expected = dumpLines(dump!, run.of).map(({ rule }) => formatRule(rule, { of: run.of }));
    const got = run.tables.dump().map((rule) => formatRule({ ...rule, importance: 0 }, { of: run.of }));
    assert.deepEqual(got, expected, recorded.id);
    count++;
  }
  t.diagnostic(`${count} dumps, line by line`);
});
