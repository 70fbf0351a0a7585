/** Text of learn() (lib/learn.c:learn_parse, learn_format). */
import { formatFieldValue, hex, ones, parseExactValue } from '../fields/fieldText.js';
import { parseU64, scanFieldNumber, scanNumber } from '../fields/numberText.js';
import type { PortNames } from '../fields/portText.js';
import { InputError } from '../util/errors.js';
import { atoi, checkPlainHeader } from './actionArguments.js';
import type { Action, ActionOf, LearnSpec, SubField } from './actions.js';
import { KeyValueReader } from './keyValue.js';
import { formatSubField, parseSubField, scanSubField, subFieldOf } from './subField.js';
import { atColumn, formatTable, type ParseContext, parseTable } from './textContext.js';

/** Flow entries learned by default: 32768, table 1 (lib/learn.c:learn_parse__). */
const DEFAULT_PRIORITY = 32768;

/** Values of immediate loads are at most 128 bytes long (union mf_subvalue). */
const SUBVALUE_BYTES = 128;

export function parseLearn(text: string, context: ParseContext, at: number): Action {
  const numbers: Record<string, number> = {
    priority: DEFAULT_PRIORITY,
    idle_timeout: 0,
    hard_timeout: 0,
    fin_idle_timeout: 0,
    fin_hard_timeout: 0,
  };
  let table = 1;
  let cookie = 0n;
  let sendFlowRem = false;
  let deleteLearned = false;
  let limit = 0;
  let resultDst: SubField | null = null;
  const specs: LearnSpec[] = [];
  const reader = new KeyValueReader(text, at);
  while (reader.next()) {
    const { key, value } = reader;
    atColumn(reader.keyAt, () => {
      if (key === 'table') table = learnTable(value, text, context);
      // Numbers that do not fit wrap around without a word.
      else if (Object.hasOwn(numbers, key)) numbers[key] = atoi(value) & 0xffff;
      else if (key === 'cookie') cookie = parseU64(value) ?? scanNumber(value)?.value ?? 0n;
      else if (key === 'send_flow_rem') sendFlowRem = true;
      else if (key === 'delete_learned') deleteLearned = true;
      else if (key === 'limit') limit = atoi(value) >>> 0;
      else if (key === 'result_dst') resultDst = parseResultDst(value);
      else specs.push(parseSpec(text, key, value, context.ports));
    });
  }
  return {
    type: 'learn',
    table,
    idleTimeout: numbers['idle_timeout']!,
    hardTimeout: numbers['hard_timeout']!,
    finIdleTimeout: numbers['fin_idle_timeout']!,
    finHardTimeout: numbers['fin_hard_timeout']!,
    priority: numbers['priority']!,
    cookie,
    sendFlowRem,
    deleteLearned,
    limit,
    resultDst,
    specs,
  };
}

function learnTable(value: string, text: string, context: ParseContext): number {
  const table = parseTable(value, context.tables);
  if (table === null) throw new InputError(`unknown table "${value}"`);
  if (table === 255) throw new InputError(`${text}: table id 255 not valid for \`learn' action`);
  return table;
}

function parseResultDst(value: string): SubField {
  const dst = parseSubField(value);
  if (!subFieldOf(dst).writable) throw new InputError(`${value} is read-only`);
  if (dst.nBits !== 1) throw new InputError("result_dst in 'learn' action must be a single bit");
  return dst;
}

function parseSpec(text: string, key: string, value: string, ports: PortNames | null): LearnSpec {
  const dst = tryParse(() => parseSubField(key));
  if (!(dst instanceof InputError)) {
    checkPlainHeader(dst, text, key);
    return parseMatchSpec(text, key, value, dst, ports);
  }
  if (key === 'load') return parseLoadSpec(value);
  if (key === 'output') return { kind: 'output', src: parseSubField(value) };
  throw new InputError(`${text}: unknown keyword ${key}`, {}, dst.hint);
}

function parseMatchSpec(text: string, key: string, value: string, dst: SubField, ports: PortNames | null): LearnSpec {
  if (value === '') return { kind: 'match', dst, src: dst };
  const src = tryParse(() => parseSubField(value));
  if (!(src instanceof InputError)) {
    if (src.nBits !== dst.nBits)
      throw new InputError(`${text}: bit widths of ${key} (${src.nBits}) and ${value} (${dst.nBits}) differ`);
    return { kind: 'match', dst, src };
  }
  const immediate = tryParse(() => parseImmediate(text, value, dst, ports));
  if (immediate instanceof InputError)
    throw new InputError(
      `${text}: ${key} value ${value} cannot be parsed as a subfield (${src.message}) or an immediate value (${immediate.message})`,
    );
  return { kind: 'match', dst, src: immediate };
}

function parseImmediate(text: string, value: string, dst: SubField, ports: PortNames | null): bigint {
  const of = subFieldOf(dst);
  const bits = BigInt(dst.nBits);
  if (dst.ofs === 0 && dst.nBits === of.nBits) {
    // Only whole bytes of the field's width are kept (learn_parse_spec).
    const whole = 1n << BigInt(8 * Math.ceil(dst.nBits / 8));
    return parseExactValue(of, value, ports) % whole;
  }
  const number = scanFieldNumber(value, 0, of.nBytes);
  if (number === null || number.tooLarge || number.end !== value.length)
    throw new InputError(`${text}: cannot parse integer value`);
  if (number.value >> bits !== 0n) throw new InputError(`${text}: value ${value} does not fit into ${dst.nBits} bits`);
  return number.value;
}

function parseLoadSpec(value: string): LearnSpec {
  const arrow = value.indexOf('->');
  if (arrow === 0) throw new InputError(`load: missing source before \`->' in \`${value}'`);
  if (arrow < 0) throw new InputError(`load: missing \`->' in \`${value}'`);
  const number = scanFieldNumber(value, 0, SUBVALUE_BYTES);
  if (number === null || number.tooLarge) return parseMoveSpec(value);
  if (number.end !== arrow) throw new InputError(`load: garbage before \`->' in \`${value}'`);
  const dst = parseSubField(value.slice(arrow + 2));
  checkPlainHeader(dst, value, value.slice(arrow + 2));
  if (number.value >> BigInt(dst.nBits) !== 0n)
    throw new InputError(`${value}: value does not fit into ${dst.nBits} bits`);
  return { kind: 'load', dst, src: number.value };
}

function parseMoveSpec(value: string): LearnSpec {
  const { sub: src, end } = scanSubField(value, 0);
  if (!value.startsWith('->', end)) throw new InputError(`${value}: missing \`->' following source`);
  const dst = parseSubField(value.slice(end + 2));
  if (src.nBits !== dst.nBits)
    throw new InputError(`${value}: source field is ${src.nBits} bits wide but destination is ${dst.nBits} bits wide`);
  return { kind: 'load', dst, src };
}

function tryParse<T>(step: () => T): T | InputError {
  try {
    return step();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

export function formatLearn(learn: ActionOf<'learn'>, ports: PortNames | null, tables: PortNames | null): string {
  const parts = [`table=${formatTable(learn.table, tables)}`];
  if (learn.idleTimeout !== 0) parts.push(`idle_timeout=${learn.idleTimeout}`);
  if (learn.hardTimeout !== 0) parts.push(`hard_timeout=${learn.hardTimeout}`);
  if (learn.finIdleTimeout !== 0) parts.push(`fin_idle_timeout=${learn.finIdleTimeout}`);
  if (learn.finHardTimeout !== 0) parts.push(`fin_hard_timeout=${learn.finHardTimeout}`);
  if (learn.priority !== DEFAULT_PRIORITY) parts.push(`priority=${learn.priority}`);
  if (learn.sendFlowRem) parts.push('send_flow_rem');
  if (learn.deleteLearned) parts.push('delete_learned');
  if (learn.cookie !== 0n) parts.push(`cookie=0x${learn.cookie.toString(16)}`);
  if (learn.limit !== 0) parts.push(`limit=${learn.limit}`);
  if (learn.resultDst !== null) parts.push(`result_dst=${formatSubField(learn.resultDst)}`);
  for (const spec of learn.specs) parts.push(formatSpec(spec, ports));
  return `learn(${parts.join(',')})`;
}

function formatSpec(spec: LearnSpec, ports: PortNames | null): string {
  if (spec.kind === 'output') return `output:${formatSubField(spec.src)}`;
  const dst = formatSubField(spec.dst);
  if (spec.kind === 'load')
    return `load:${typeof spec.src === 'bigint' ? hex(spec.src) : formatSubField(spec.src)}->${dst}`;
  if (typeof spec.src !== 'bigint') {
    const same = spec.src.field === spec.dst.field && spec.src.ofs === spec.dst.ofs;
    return same ? dst : `${dst}=${formatSubField(spec.src)}`;
  }
  const of = subFieldOf(spec.dst);
  if (spec.dst.ofs !== 0 || spec.dst.nBits !== of.nBits) return `${dst}=${hex(spec.src)}`;
  return `${of.name}=${formatFieldValue(of, spec.src, ones(of.nBytes), ports)}`;
}
