/**
 * Files of rules: `ovs-ofctl dump-flows` in all its forms, `ovs-appctl bridge/dump-flows`, and flows written by hand.
 * Line order is kept: in a plain dump it is the switch's mask order.
 */
import { DEFAULT_TLV_MAP } from '../fields/tunMetadata.js';
import { InputError } from '../util/errors.js';
import { linesOf } from '../util/lines.js';
import { parseActionList } from './actionParse.js';
import { DenseMatch } from './denseMatch.js';
import { type FlowTextOptions, parseFlow, ruleOf } from './flowText.js';
import { ALL_TABLES, FlowDraft, GRAMMARS, parseFlowWords } from './flowWords.js';
import { finishMatch } from './matchText.js';
import type { OfVersion, Rule, RuleStats } from './rule.js';
import { ParseContext } from './textContext.js';

export interface DumpOptions extends FlowTextOptions {
  /** Name for errors. */
  readonly file?: string;
}

export interface DumpRule {
  readonly rule: Rule;
  readonly stats: RuleStats;
  /** Line number, from 1. */
  readonly line: number;
}

export interface ParsedDump {
  /** In the order of the lines. */
  readonly rules: readonly DumpRule[];
  /** Version that the header names, else that of the options, else 1.3. */
  readonly of: OfVersion;
  /** There was a header line: a dump with statistics, by numbers, in the switch's order. */
  readonly header: boolean;
  /** `ofctl`: ovs-ofctl or by hand; `appctl`: ovs-appctl bridge/dump-flows, which shows the switch's own rules too. */
  readonly form: 'ofctl' | 'appctl';
  readonly warnings: readonly string[];
}

/** `NXST_FLOW reply (xid=0x4):`, `OFPST_FLOW reply (OF1.3) (xid=0x2): flags=[more]`; several in one dump. */
const HEADER = /^(NXST|OFPST)_FLOW reply (?:\(OF(1\.[0-5])\) )?\(xid=0x[0-9a-f]+\):(?: flags=(\[more\]))?\s*$/;

/** All rules of the text. InputError with file, line and column for a line that is no flow. */
export function parseDump(text: string, options: DumpOptions = {}): ParsedDump {
  const rules: DumpRule[] = [];
  const warnings: string[] = [];
  let of = options.of ?? '1.3';
  let lineOptions: FlowTextOptions = { ...options, of };
  let header = false;
  let more = false;
  let form: 'ofctl' | 'appctl' = 'ofctl';
  for (const line of linesOf(text, options.file ?? '')) {
    const flow = withoutComment(line.text);
    if (flow.trim() === '') continue;
    const head = flow.includes('_FLOW reply') ? HEADER.exec(flow.trimStart()) : null;
    if (head !== null) {
      header = true;
      of = (head[2] as OfVersion | undefined) ?? '1.0';
      lineOptions = { ...options, of };
      more = head[3] !== undefined;
      continue;
    }
    if (isAppctlLine(flow)) form = 'appctl';
    try {
      const { rule, stats, warnings: found } = parseDumpLine(flow, lineOptions);
      rules.push({ rule, stats, line: line.number });
      for (const warning of found) warnings.push(`line ${line.number}: ${warning}`);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const place = options.file === undefined ? {} : { file: options.file };
      error.place = { ...place, line: line.number, column: error.place.column ?? 1 };
      throw error;
    }
  }
  if (more) warnings.push('the last header says flags=[more]: the dump is cut off');
  return { rules, of, header, form, warnings };
}

/** bridge/dump-flows has a comma in front of the actions, dump-flows a space. */
function isAppctlLine(text: string): boolean {
  const at = actionsIndex(text);
  return at > 0 && text[at - 1] === ',';
}

/** Cuts `# …` outside of quoted names (lib/dynamic-string.c:ds_get_preprocessed_line). */
function withoutComment(text: string): string {
  const hash = text.indexOf('#');
  if (hash < 0) return text;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') quoted = !quoted;
    else if (text[at] === '\\' && quoted) at++;
    else if (text[at] === '#' && !quoted) return text.slice(0, at);
  }
  return text;
}

/** One line of a dump, or a flow as add-flow takes it. */
export function parseDumpLine(
  text: string,
  options: FlowTextOptions = {},
): { rule: Rule; stats: RuleStats; warnings: readonly string[] } {
  // What a switch prints without the wire in between is taken as it stands; the rest as if it were added.
  const asPrinted = isAppctlLine(text) ? readPrinted(text, options) : null;
  if (asPrinted !== null) return { ...asPrinted, warnings: [] };
  try {
    const { mod, warnings, draft } = parseFlow('add', text, options);
    // Adding by OpenFlow 1.0 or 1.1 would set reset_counts; a dump shows what is set.
    return { rule: { ...ruleOf(mod), flags: draft.flags }, stats: draft.stats, warnings };
  } catch (error) {
    const printed = error instanceof InputError ? readPrinted(text, options) : null;
    if (printed === null) throw error;
    return { ...printed, warnings: [] };
  }
}

const scratch = new DenseMatch();

/** Where `actions=` stands as a word of its own, -1: nowhere. A port may be named "actions". */
function actionsIndex(text: string): number {
  for (let at = text.indexOf('actions='); at >= 0; at = text.indexOf('actions=', at + 1))
    if (at === 0 || ' ,\t'.includes(text[at - 1]!)) return at;
  return -1;
}

/** The line as printed, no questions asked; null when it is not even that. */
function readPrinted(text: string, options: FlowTextOptions): { rule: Rule; stats: RuleStats } | null {
  const at = actionsIndex(text);
  if (at < 0) return null;
  const context = new ParseContext({ ports: options.ports ?? null, tables: options.tables ?? null }, true);
  const draft = new FlowDraft();
  scratch.clear();
  try {
    parseFlowWords(text.slice(0, at), GRAMMARS.dump, draft, scratch, context, options.tlvMap ?? DEFAULT_TLV_MAP);
    finishMatch(scratch, context);
    const actions = parseActionList(text.slice(at + 8), context, at + 8);
    const rule: Rule = {
      table: draft.table === ALL_TABLES ? 0 : draft.table,
      priority: draft.priority,
      match: scratch.toMatch(),
      actions,
      cookie: draft.newCookie ?? 0n,
      idleTimeout: draft.idleTimeout,
      hardTimeout: draft.hardTimeout,
      importance: draft.importance,
      flags: draft.flags,
    };
    return { rule, stats: draft.stats };
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}
