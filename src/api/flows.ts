/** Files of flow text: what `ovs-ofctl add-flows` takes and what `dump-flows` prints. */
import { mergePorts, parsePorts } from '../capture/ports.js';
import { parseDumpLine } from '../openflow/dumpText.js';
import { formatActions, formatFlowMod, formatMatch, formatRule } from '../openflow/flowPrint.js';
import { type FlowTextOptions, parseFlowMod, ruleOf } from '../openflow/flowText.js';
import type { FlowMod, FlowModOp, OfVersion, PortNames, Rule, RuleFlags } from '../openflow/rule.js';
import { InputError } from '../util/errors.js';
import { readInputFile, textOf } from '../util/inputFile.js';
import { linesOf } from '../util/lines.js';

export interface FlowsOptions {
  /** OpenFlow version to read and print; default: what a dump's header says, else 1.3. */
  readonly of?: OfVersion;
  readonly ports?: PortNames;
  /** Name for error messages. */
  readonly file?: string;
}

/** A line of the file as the switch understands it. */
export interface FlowLine {
  /** From 1. */
  readonly line: number;
  readonly op: FlowModOp;
  /** The rule that an add, or a line of a dump, means; else null. */
  readonly rule: Rule | null;
  /** The other operations; else null. */
  readonly mod: FlowMod | null;
  /** Version that `text` is printed for. */
  readonly of: OfVersion;
  /** Canonical text: of a rule as `ovs-ofctl dump-flows --no-stats` prints it, else as `ovs-ofctl snoop` does. */
  readonly text: string;
}

export interface ParsedFlows {
  readonly flows: readonly FlowLine[];
  /** Lines that ovs-ofctl or the switch would refuse, with file, line and column. */
  readonly errors: readonly InputError[];
  readonly warnings: readonly string[];
}

export interface FlowFileOptions {
  readonly of?: OfVersion;
  /** Port lists, for names in the flows. */
  readonly ports?: readonly string[];
}

/** A file, `-` is standard input. InputError where it cannot be read; bad lines are in the result. */
export async function readFlows(path: string, options: FlowFileOptions = {}): Promise<ParsedFlows> {
  const { ports } = mergePorts((options.ports ?? []).map((list) => parsePorts(textOf(readInputFile(list)), list)));
  const names = {
    byName: new Map(ports.map(({ name, ofport }) => [name, ofport])),
    byNumber: new Map(ports.map(({ name, ofport }) => [ofport, name])),
  };
  const file = readInputFile(path);
  return parseFlows(textOf(file), { file: file.name, ports: names, ...(options.of && { of: options.of }) });
}

/** Reads every line; a bad one is an entry of `errors`, the rest is read all the same. */
export function parseFlows(text: string, options: FlowsOptions = {}): ParsedFlows {
  const file = options.file ?? 'flows';
  const flows: FlowLine[] = [];
  const errors: InputError[] = [];
  const warnings: string[] = [];
  let dumped: OfVersion | null = null;
  for (const { number: line, text: content } of linesOf(text, file)) {
    const header = headerVersion(content);
    if (header !== null) {
      dumped = header;
      continue;
    }
    const hash = content.indexOf('#');
    const flow = hash < 0 ? content : content.slice(0, hash);
    if (flow.trim() === '') continue;
    const entered = dumped ?? options.of ?? '1.3';
    try {
      const isDump = dumped !== null || /(^|[ ,])duration=/.test(flow);
      const { found, ...read } = readLine(flow, isDump, { of: entered, ports: options.ports ?? null });
      for (const warning of found) warnings.push(`${file}:${line}: ${warning}`);
      const of = options.of ?? entered;
      const printed = read.rule === null ? formatFlowMod(read.mod) : formatRule(read.rule, { of });
      flows.push({ line, ...read, of, text: printed });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      error.place = { ...error.place, file, line };
      errors.push(error);
    }
  }
  return { flows, errors, warnings };
}

/** `NXST_FLOW reply (xid=0x4):` is what OpenFlow 1.0 gives, `OFPST_FLOW reply (OF1.3) (xid=0x2):` names its version. */
function headerVersion(line: string): OfVersion | null {
  if (line.startsWith('NXST_FLOW reply')) return '1.0';
  const found = /^OFPST_FLOW reply(?: \(OF(1\.[0-5])\))?/.exec(line);
  return found === null ? null : ((found[1] ?? '1.0') as OfVersion);
}

type ReadLine = { op: FlowModOp; found: readonly string[] } & (
  | { rule: Rule; mod: null }
  | { rule: null; mod: FlowMod }
);

/** A dump's line is a rule as it stands; any other one is a flow-mod, an add unless it says otherwise. */
function readLine(flow: string, isDump: boolean, options: FlowTextOptions): ReadLine {
  if (isDump) {
    const { rule, warnings } = parseDumpLine(flow, options);
    return { op: 'add', rule, mod: null, found: warnings };
  }
  const { op, from } = operation(flow);
  const { mod, warnings } = shifted(from, () => parseFlowMod(op, flow.slice(from), options));
  const found = warnings;
  return op === 'add' ? { op, rule: ruleOf(mod), mod: null, found } : { op, rule: null, mod, found };
}

const OPS: readonly FlowModOp[] = ['add', 'modify', 'modify_strict', 'delete', 'delete_strict'];

/** A line may begin with what is to be done (lib/ofp-flow.c:parse_ofp_flow_mod_str). */
function operation(flow: string): { op: FlowModOp; from: number } {
  const start = flow.length - flow.trimStart().length;
  const word = /^[a-z_]+(?=[,\s]|$)/.exec(flow.slice(start))?.[0] ?? '';
  const op = OPS.find((candidate) => candidate === word);
  return op === undefined ? { op: 'add', from: 0 } : { op, from: start + word.length };
}

/** Columns count from the start of the line. */
function shifted<T>(by: number, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof InputError && error.place.column !== undefined) {
      error.place = { ...error.place, column: error.place.column + by };
    }
    throw error;
  }
}

/** A flow as `dropwindow flows --json` prints it. */
export function flowToJson({ line, op, rule, mod, of, text }: FlowLine): Record<string, unknown> {
  const flow = rule ?? mod!;
  const flags = Object.entries(flow.flags).filter(([, set]) => set);
  return {
    line,
    op,
    of,
    table: flow.table,
    priority: flow.priority,
    cookie: hex(flow.cookie),
    ...(mod === null ? {} : { cookieMask: hex(mod.cookieMask) }),
    match: formatMatch(flow.match),
    actions: op.startsWith('delete') ? null : formatActions(flow.actions, flow.match, { of }),
    idleTimeout: flow.idleTimeout,
    hardTimeout: flow.hardTimeout,
    importance: flow.importance,
    flags: flags.map(([name]) => FLAG_WORDS[name as keyof RuleFlags]),
    flow: text,
  };
}

const FLAG_WORDS: Readonly<Record<keyof RuleFlags, string>> = {
  sendFlowRem: 'send_flow_rem',
  checkOverlap: 'check_overlap',
  resetCounts: 'reset_counts',
  noPacketCounts: 'no_packet_counts',
  noByteCounts: 'no_byte_counts',
};

const hex = (value: bigint): string => `0x${value.toString(16)}`;
