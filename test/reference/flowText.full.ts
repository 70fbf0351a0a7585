/** Flow text against Open vSwitch 3.1.0: ../shared/ovs/cases/syntax.jsonl.gz, text samples, and all recorded dumps. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { PortNames } from '../../src/fields/portText.js';
import { parseDump } from '../../src/openflow/dumpText.js';
import { formatFlowMod, formatRule } from '../../src/openflow/flowPrint.js';
import { parseFlowMod, parseRule } from '../../src/openflow/flowText.js';
import { OF_VERSIONS } from '../../src/openflow/formats.js';
import type { FlowModOp, OfVersion, Rule } from '../../src/openflow/rule.js';
import { InputError } from '../../src/util/errors.js';
import { readJsonLines, readShared, sharedPath, skipWithoutShared } from './shared.js';

interface SyntaxCase {
  id: string;
  in: string;
  of: string;
  ok: boolean;
  canonical?: string;
  canonical_others?: Record<string, string>;
  warn?: string[];
  op?: FlowModOp;
  mod?: string;
}

const portNames = (list: [string, number][]): PortNames => ({
  byName: new Map(list),
  byNumber: new Map(list.map(([name, port]) => [port, name])),
});

/** The bridge of the cases (../shared/ovs/README.md). */
const bridge = {
  ports: portNames([
    ['p1', 1],
    ['p2', 2],
    ['p3', 3],
    ['tap-5a.b_c', 10],
  ]),
  groups: new Set([1, 2]),
  meters: new Set([1]),
};

const version = (name: string): OfVersion => `1.${name.slice(-1)}` as OfVersion;

/** A dump that fails as a whole is `<error>` in the cases. */
function printed(rule: Rule, of: OfVersion): string {
  try {
    return formatRule(rule, { of });
  } catch (error) {
    if (error instanceof InputError) return '<error>';
    throw error;
  }
}

/** All differences of one case. */
function compare(each: SyntaxCase): string[] {
  const of = version(each.of);
  let parsed: { rule?: Rule; mod?: string; warnings: readonly string[] };
  try {
    if (each.op === undefined) parsed = parseRule(each.in, { of, ...bridge });
    else {
      const { mod, warnings } = parseFlowMod(each.op, each.in, { of, ...bridge });
      parsed = { mod: formatFlowMod(mod), warnings };
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return each.ok ? [`refused: ${error.format()}`] : [];
  }
  if (!each.ok) return ['accepted'];
  const { rule } = parsed;
  if (rule === undefined) {
    const wanted = each.mod?.replace(/^[A-Z]+_FLOW_MOD( \(OF1\.\d\))?: /, '');
    return parsed.mod === wanted ? [] : [`flow-mod ${parsed.mod}`];
  }
  const differences: string[] = [];
  if (printed(rule, of) !== each.canonical) differences.push(`printed ${printed(rule, of)}`);
  for (const other of OF_VERSIONS) {
    const wanted = each.canonical_others?.[`OpenFlow${other.replace('.', '')}`] ?? each.canonical;
    if (printed(rule, other) !== wanted) differences.push(`in ${other}: ${printed(rule, other)}`);
  }
  const warned = (each.warn ?? []).some((line) => line.includes('normalization changed'));
  if (warned !== parsed.warnings.length > 0) differences.push(`warnings ${parsed.warnings.join()}`);
  return differences;
}

test('every syntax case prints, refuses and warns as Open vSwitch does', { skip: skipWithoutShared }, () => {
  const cases = readJsonLines<SyntaxCase>('ovs/cases/syntax.jsonl.gz');
  const differing = cases.flatMap((each) => compare(each).map((what) => `${each.id} ${each.of} ${each.in}: ${what}`));
  console.log(`${cases.length} syntax cases, ${differing.length} differences`);
  assert.deepEqual(differing, []);
});

test('what was printed is read back and prints the same', { skip: skipWithoutShared }, () => {
  let count = 0;
  for (const each of readJsonLines<SyntaxCase>('ovs/cases/syntax.jsonl.gz')) {
    if (!each.ok || each.canonical === undefined) continue;
    const of = version(each.of);
    const dump = parseDump(each.canonical, { of, ...bridge });
    assert.equal(dump.rules.length, 1, each.id);
    assert.equal(formatRule(dump.rules[0]!.rule, { of }), each.canonical, each.id);
    count++;
  }
  console.log(`${count} printed rules read back`);
});

function checkDump(
  name: string,
  options: { of?: OfVersion; ports?: PortNames; printNames?: PortNames; stats: boolean },
): number {
  const text = readShared(name).toString('utf8');
  const { printNames, stats, ...parseOptions } = options;
  const dump = parseDump(text, { file: name, ...parseOptions });
  const lines = text.split('\n').filter((line) => line !== '' && !line.includes('_FLOW reply'));
  assert.equal(dump.rules.length, lines.length, name);
  dump.rules.forEach((each, i) => {
    const line = formatRule(each.rule, {
      of: dump.of,
      ...(stats ? { stats: each.stats } : {}),
      ...(printNames === undefined ? {} : { ports: printNames }),
    });
    assert.equal(` ${line}`, lines[i], `${name}:${each.line}`);
  });
  return lines.length;
}

test('every recorded dump prints back byte for byte', { skip: skipWithoutShared }, () => {
  let lines = 0;
  for (const run of readdirSync(sharedPath('neutron'), { withFileTypes: true }))
    if (run.isDirectory())
      for (const name of ['before.dump.gz', 'after.dump.gz'])
        lines += checkDump(`neutron/${run.name}/${name}`, { stats: true });
  console.log(`${lines} lines of recorded dumps`);
});

test('all forms of a dump say the same rules', { skip: skipWithoutShared }, () => {
  const ports = portNames([
    ['tap1', 1],
    ['tap2', 2],
    ['patch-tun', 3],
    ['5weird', 5],
  ]);
  for (const file of readdirSync(sharedPath('ovs/text/samples'))) {
    const found = /^dump-flows-of1(\d)(-.*)?\.txt$/.exec(file);
    if (found === null) continue;
    const form = found[2] ?? '';
    const names = form.includes('names') ? { printNames: ports } : {};
    checkDump(`ovs/text/samples/${file}`, {
      of: `1.${found[1]}` as OfVersion,
      ports,
      stats: !form.includes('nostats'),
      ...names,
    });
  }
});
