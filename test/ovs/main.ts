/**
 * `npm run test:ovs -- [--seed N] [--tables N] [--packets N] [--restarts N] [--keep FILE]`: random tables, packets, flow-mods and
 * restarts answered by a real ovs-vswitchd of its own and by us. What differs is shrunk and printed as both traces and as a case
 * that `dropwindow test` can run; --keep appends those cases to a file. Exit code 1 if anything differs.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Case, CaseAnswer } from '../../src/cases/caseFormat.js';
import { CaseTexts } from '../../src/cases/caseTexts.js';
import { compareAnswer, type Difference } from '../../src/cases/compare.js';
import { runCase } from '../../src/cases/runCase.js';
import { InputError } from '../../src/util/errors.js';
import { Prng } from '../../src/util/prng.js';
import { randomWorld } from '../oracle/randomWorld.js';
import { Daemons, ToolError, whyNoOvs } from './daemons.js';
import { ruleKeyOfDumpLine } from './ovsTexts.js';
import { KINDS, randomCase } from './randomCase.js';
import { RealSwitch } from './realSwitch.js';
import { shrink } from './shrink.js';
import { UnixctlError } from './unixctl.js';

const SHRINK_MS = 60_000;
const RESTART = { packets: 60, conversations: 6, steps: 20 };

const options = {
  seed: { type: 'string', default: '1' },
  tables: { type: 'string', default: '12' },
  packets: { type: 'string', default: '40' },
  restarts: { type: 'string', default: '3' },
  keep: { type: 'string' },
} as const;

function readOptions() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

const values = readOptions();

interface Found {
  readonly step: number;
  readonly differences: readonly Difference[];
}

/** The first step that we answer otherwise; null: none. A case that either side refuses to set up is one if the other takes it. */
function firstDifference(given: Case, real: readonly CaseAnswer[] | null, ruleForm = byKeys): Found | null {
  let ours: readonly CaseAnswer[] | null = null;
  let why = '';
  try {
    ours = runCase(given);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    why = error.message;
  }
  if (ours === null || real === null) {
    if (ours === null && real === null) return null;
    const set = (is: boolean): string => (is ? 'set up' : `refused ${why}`);
    return { step: -1, differences: [{ key: 'case', expected: set(real !== null), got: set(ours !== null) }] };
  }
  const texts = new CaseTexts(given.of ?? 'OpenFlow15', given.ports ?? []);
  for (let step = 0; step < real.length; step++) {
    const differences = compareAnswer(real[step]!, ruleForm(ours[step]!), texts);
    if (differences.length > 0) return { step, differences };
  }
  return null;
}

/** Rules by table, priority and match alone, which is how the switch names them when texts are not asked for. */
function byKeys(ours: CaseAnswer): CaseAnswer {
  if (ours.rules === undefined) return ours;
  const rules = ours.rules.map(([table, text]) => [table, text === null ? null : ruleKeyOfDumpLine(text)] as const);
  return { ...ours, rules };
}

async function answer(real: RealSwitch, given: Case): Promise<CaseAnswer[] | null> {
  try {
    return await real.run(given);
  } catch (error) {
    if (error instanceof ToolError) return null;
    throw error;
  }
}

async function report(real: RealSwitch, given: Case, name: string): Promise<void> {
  const key = firstDifference(given, await answer(real, given))?.differences[0]?.key;
  const small = await shrink(
    given,
    async (smaller) => firstDifference(smaller, await answer(real, smaller))?.differences[0]?.key === key,
    SHRINK_MS,
  );
  real.fullTexts = true;
  // Up to the step that differs, so that the traces are those of its packet.
  let found = firstDifference(small, await answer(real, small), asTexts);
  const cut = found === null || found.step < 0 ? small : { ...small, steps: small.steps.slice(0, found.step + 1) };
  const answers = await answer(real, cut);
  found = firstDifference(cut, answers, asTexts);
  real.fullTexts = false;
  console.log(`DIFFERENT ${name}, step ${found?.step}`);
  for (const each of found?.differences ?? [])
    console.log(`  ${each.key}\n    Open vSwitch: ${each.expected}\n    dropwindow:   ${each.got}`);
  console.log(`--- ofproto/trace, pass by pass\n${real.lastTraces.join('\n')}`);
  if (answers !== null) {
    const ours = runCaseOrNull(cut)?.at(-1);
    console.log(`--- dropwindow's answer\n${JSON.stringify(ours, null, 1)}`);
  }
  const steps = cut.steps.map((step, i) => ({ ...step, ...(answers === null ? {} : { expect: answers[i]! }) }));
  const text = JSON.stringify({ ...cut, id: name, steps });
  console.log(`--- case\n${text}`);
  if (values.keep !== undefined) appendFileSync(values.keep, `${text}\n`);
}

const asTexts = (ours: CaseAnswer): CaseAnswer => ours;

function runCaseOrNull(given: Case): CaseAnswer[] | null {
  try {
    return runCase(given);
  } catch {
    return null;
  }
}

async function main(): Promise<number> {
  const why = whyNoOvs();
  if (why !== null) {
    console.log(`test:ovs skipped: ${why}`);
    return 0;
  }
  const [seed, tables, packets, restarts] = [values.seed, values.tables, values.packets, values.restarts].map(
    Number,
  ) as [number, number, number, number];
  let daemons = await Daemons.start();
  const started = Date.now();
  const counts = { cases: 0, refused: 0, packets: 0, mods: 0, rulesChecked: 0, ctChecked: 0, different: 0, died: 0 };
  try {
    let real = new RealSwitch(daemons);
    for (let n = 0; n < tables + restarts; n++) {
      const own = seed * 1_000_000 + n;
      const prng = new Prng(own);
      const given = n < tables ? randomCase(prng, KINDS[n % KINDS.length]!, { packets }) : randomWorld(prng, RESTART);
      counts.cases++;
      let answers: CaseAnswer[] | null;
      try {
        answers = await answer(real, given);
      } catch (error) {
        if (!(error instanceof UnixctlError)) throw error;
        // A switch that has died is no answer; the next case gets a new one.
        counts.died++;
        console.log(`Open vSwitch died at case ${own}: ${error.message}`);
        await daemons.stop();
        daemons = await Daemons.start();
        real = new RealSwitch(daemons);
        continue;
      }
      if (answers === null) counts.refused++;
      for (const each of answers ?? []) {
        if (each.out !== undefined) counts.packets++;
        if (each.error !== undefined) counts.mods++;
        if (each.rules !== undefined) counts.rulesChecked++;
        if (each.ct !== undefined) counts.ctChecked++;
      }
      if (firstDifference(given, answers) === null) continue;
      counts.different++;
      await report(real, given, `${n < tables ? given.id : 'restart'}-${own}`);
    }
  } finally {
    await daemons.stop();
  }
  const seconds = (Date.now() - started) / 1000;
  console.log(
    `test:ovs seed ${seed}: ${counts.cases} cases (${tables} random tables, ${restarts} restarts, ${counts.refused} refused by both), ` +
      `${counts.packets} packets (${counts.rulesChecked} with rules, ${counts.ctChecked} with ct), ${counts.mods} changes, ` +
      `${counts.different} cases differ, Open vSwitch died at ${counts.died}; ${(counts.cases / seconds).toFixed(1)} cases/s, ${Math.round(counts.packets / seconds)} packets/s`,
  );
  return counts.different === 0 ? 0 : 1;
}

process.exitCode = await main();
