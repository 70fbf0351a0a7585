/** One method over OpenFlow tables and headers. */
import { type Classifier, LookupResult } from '../classify/classifier.js';
import { LinearClassifier } from '../classify/linear.js';
import { TABLE_METHODS } from '../classify/rivals/methods.js';
import { CS_EST, CS_NEW, CS_TRK, K, KEY_WORDS } from '../fields/key.js';
import { parseDump } from '../openflow/dumpText.js';
import { parseTraceFlow } from '../openflow/traceFlow.js';
import { buildTimeline } from '../timeline/flowTables.js';
import { InputError } from '../util/errors.js';
import { readInputFile, textOf } from '../util/inputFile.js';
import { linesOf } from '../util/lines.js';
import { WordTable } from '../util/wordTable.js';
import { batchHistogram, Digest, memoryInUse, rateOf, timed } from './benchMeter.js';
import type { BenchMeasure, TableTask } from './benchTask.js';

/** Headers as the words that differ from 0 in any of them. */
interface Keys {
  readonly count: number;
  readonly tables: Int32Array;
  readonly words: Int32Array;
  /** `count` x `words.length`. */
  readonly values: Int32Array;
  /** Lines of flows that may win, by header, from 0; null: not said. */
  readonly expected: readonly (readonly number[])[] | null;
}

export function measureTables(task: TableTask): BenchMeasure {
  const flows = readInputFile(task.flows);
  const dump = parseDump(textOf(flows), { file: flows.name });
  const timeline = buildTimeline(dump.rules, []);
  const headerFile = readInputFile(task.headers);
  const keys = readKeys(textOf(headerFile), headerFile.name);
  const before = memoryInUse();
  const { result: classifier, ns } = timed((): Classifier => TABLE_METHODS[task.method].make(timeline));
  const rules = timeline.rules.length;
  const count = task.method === 'linear' ? Math.min(keys.count, Math.ceil(2e7 / Math.max(1, rules))) : keys.count;
  const pass = (): number => lookUpAll(classifier, keys, 0, count);
  const firstPass = (count / timed(pass).ns) * 1e9;
  const bytes = memoryInUse() - before;
  const passes = Array.from({ length: task.passes }, () => rateOf(count, pass));
  const answers = answersOf(classifier, keys, keys.count);
  const histogram = batchHistogram(count, (from, to) => lookUpAll(classifier, keys, from, to));
  const checkedCount = Math.min(keys.count, Math.ceil(task.checkBudget / 20 / Math.max(1, rules)));
  const truth = answersOf(new LinearClassifier(timeline), keys, task.checkBudget === 0 ? 0 : checkedCount);
  let mismatches = truth.reduce((sum, answer, i) => sum + (answer === answers[i] ? 0 : 1), 0);
  let checked = truth.length;
  if (keys.expected !== null && task.checkBudget > 0) {
    // The line of a rule is its place in the file: dumps keep the order of their lines, and no line is another's twin here.
    const lineOf = new Map(dump.rules.map(({ rule, line }) => [rule, line - 1]));
    checked = keys.count;
    mismatches = keys.expected.reduce((sum, lines, i) => {
      const answer = answers[i]!;
      const line = answer < 0 ? -1 : lineOf.get(timeline.rules[answer]!.rule)!;
      return sum + (lines.includes(line) ? 0 : 1);
    }, mismatches);
  }
  const digest = new Digest();
  for (const answer of answers) digest.add(answer);
  return {
    what: 'lookups',
    count,
    firstPass,
    passes,
    checksum: digest.toString(),
    buildMs: ns / 1e6,
    bytes,
    rules,
    checked,
    mismatches,
    distinct: distinctKeys(keys),
    histogram,
  };
}

/** Called per batch, allocates nothing. */
function lookUpAll(classifier: Classifier, keys: Keys, from: number, to: number): number {
  const { tables, words, values } = keys;
  let sum = 0;
  for (let i = from, at = from * words.length; i < to; i++) {
    for (let w = 0; w < words.length; w++) KEY[words[w]!] = values[at++]!;
    classifier.lookup(tables[i]!, KEY, 0, RESULT);
    sum = (sum + RESULT.rule) | 0;
  }
  KEY.fill(0);
  return sum;
}

const KEY = new Int32Array(KEY_WORDS);
const RESULT = new LookupResult();

function answersOf(classifier: Classifier, keys: Keys, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => lookUpAll(classifier, keys, i, i + 1));
}

function distinctKeys({ count, tables, words, values }: Keys): number {
  const seen = new WordTable(words.length + 1);
  const key = new Int32Array(words.length + 1);
  for (let i = 0; i < count; i++) {
    key.set(values.subarray(i * words.length, (i + 1) * words.length));
    key[words.length] = tables[i]!;
    seen.intern(key);
  }
  return seen.count;
}

/** Either ten columns of gen_conj_tables.py, or flow text as `ofproto/trace` takes it, with `table=N,` in front if not 0. */
export function readKeys(text: string, file: string): Keys {
  const rows: { table: number; key: Int32Array; expected: number[] | null }[] = [];
  for (const line of linesOf(text, file)) {
    if (line.text.trim() === '' || line.text.startsWith('#')) continue;
    try {
      rows.push(line.text.includes('\t') ? columnsKey(line.text.split('\t')) : flowKey(line.text));
    } catch (error) {
      if (error instanceof InputError) error.place = { file, line: line.number, ...error.place };
      throw error;
    }
  }
  const used = new Set<number>();
  for (const { key } of rows) for (let word = 0; word < KEY_WORDS; word++) if (key[word] !== 0) used.add(word);
  const words = Int32Array.from(used).sort();
  const values = new Int32Array(rows.length * words.length);
  for (const [i, { key }] of rows.entries())
    for (let w = 0; w < words.length; w++) values[i * words.length + w] = key[words[w]!]!;
  const known = rows.length > 0 && rows.every(({ expected }) => expected !== null);
  return {
    count: rows.length,
    tables: Int32Array.from(rows, ({ table }) => table),
    words,
    values,
    expected: known ? rows.map(({ expected }) => expected!) : null,
  };
}

function flowKey(text: string): { table: number; key: Int32Array; expected: null } {
  const match = /^\s*table=(\d{1,3})\s*,/.exec(text);
  const flow = match === null ? text : text.slice(match[0].length);
  return { table: Number(match?.[1] ?? 0), key: parseTraceFlow(flow, null), expected: null };
}

/** table ct reg5 reg6 nw_src nw_dst proto tp_src tp_dst [expected lines, joined by |] */
function columnsKey(columns: readonly string[]): { table: number; key: Int32Array; expected: number[] | null } {
  if (columns.length < 9) throw new InputError(`expected 9 columns, found ${columns.length}`);
  const [table, ct, reg5, reg6, src, dst, proto, sport, dport, lines] = columns as [string, ...string[]];
  const key = new Int32Array(KEY_WORDS);
  const number = (text: string | undefined): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new InputError(`${text}: not a number`);
    return value;
  };
  if (ct !== 'est' && ct !== 'new') throw new InputError(`${ct}: expected est or new`);
  key[K.ct_state] = CS_TRK | (ct === 'est' ? CS_EST : CS_NEW);
  key[K.reg0 + 5] = number(reg5);
  key[K.reg0 + 6] = number(reg6);
  key[K.dl_type] = 0x0800;
  key[K.nw_src] = address(src);
  key[K.nw_dst] = address(dst);
  key[K.nw_proto] = number(proto);
  key[K.tp_src] = number(sport);
  key[K.tp_dst] = number(dport);
  return { table: number(table), key, expected: lines === undefined ? null : lines.split('|').map(Number) };
}

function address(text: string | undefined): number {
  const bytes = (text ?? '').split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255)))
    throw new InputError(`${text}: not an IPv4 address`);
  return bytes.reduce((sum, byte) => (sum << 8) | byte, 0);
}
