/**
 * A pipeline just large enough for the conntrack cases: a handful of match fields, ct(), resubmit, output. It is here so that
 * the tracker is judged by itself; the real pipeline runs the same cases through everything.
 */
import {
  CtAttach,
  type CtOp,
  CtView,
  writeReassembled,
  writeRewritten,
  writeView,
} from '../../src/conntrack/action.js';
import { CtPacket, fillCtPacket } from '../../src/conntrack/packet.js';
import { CtStore } from '../../src/conntrack/store.js';
import { formatEntry } from '../../src/conntrack/text.js';
import { executeCt, type Tracker } from '../../src/conntrack/tracker.js';
import { K, KEY_WORDS } from '../../src/fields/key.js';
import { verifyChecksums } from '../../src/packet/checksums.js';
import { extractPacket } from '../../src/packet/extract.js';
import { PacketInfo } from '../../src/packet/packetInfo.js';

export const CT_NAMES = ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'];
export const stateNames = (state: number): string => CT_NAMES.filter((_, i) => (state & (1 << i)) !== 0).join('|');

type Test = (key: Int32Array) => boolean;

interface MiniRule {
  /** Text of its match, as written. */
  match: string;
  table: number;
  priority: number;
  tests: Test[];
  actions: string[];
}

export interface Seen {
  state: number;
  zone: number;
  mark: number;
  label: bigint;
}

interface Pass {
  key: Int32Array;
  info: PacketInfo;
  attach: CtAttach;
  table: number;
}

const PROTO: Record<string, number> = { tcp: 6, udp: 17, icmp: 1, icmp6: 58 };

function compileTest(term: string): Test | null {
  const [name, value = ''] = term.split('=') as [string, string?];
  if (name === 'ip') return (key) => key[K.dl_type] === 0x0800;
  if (name === 'ipv6') return (key) => key[K.dl_type] === 0x86dd;
  if (name in PROTO) return (key) => key[K.nw_proto] === PROTO[name] && (name !== 'icmp6' || key[K.dl_type] === 0x86dd);
  if (name === 'in_port') return (key) => key[K.in_port] === Number(value);
  if (name === 'nw_tos') return (key) => (key[K.nw_tos]! & 0xfc) === Number(value);
  if (name === 'ip_dscp') return (key) => key[K.nw_tos]! >> 2 === Number(value);
  if (name === 'ct_mark') return (key) => key[K.ct_mark] === Number(value);
  if (name === 'ct_zone') return (key) => key[K.ct_zone] === Number(value);
  if (name === 'nw_src' || name === 'nw_dst') {
    const address = value.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0);
    return (key) => key[name === 'nw_src' ? K.nw_src : K.nw_dst] === address;
  }
  if (name === 'ct_state') {
    let bits = 0;
    let mask = 0;
    for (const [, sign, flag] of value.matchAll(/([+-])([a-z]+)/g)) {
      const bit = 1 << CT_NAMES.indexOf(flag!);
      mask |= bit;
      if (sign === '+') bits |= bit;
    }
    return (key) => (key[K.ct_state]! & mask) === bits;
  }
  return null;
}

/** Splits at commas outside parentheses. */
export function splitActions(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const char of text) {
    if (char === '(') depth++;
    if (char === ')') depth--;
    if (char === ',' && depth === 0) {
      parts.push(part);
      part = '';
    } else part += char;
  }
  if (part !== '') parts.push(part);
  return parts;
}

export function parseMiniRule(text: string): MiniRule {
  const [head = '', tail = ''] = text.split(/\s*actions=/) as [string, string?];
  const rule: MiniRule = { match: head, table: 0, priority: 32_768, tests: [], actions: splitActions(tail) };
  for (const term of head.split(/[, ]+/).filter((word) => word !== '')) {
    if (term.startsWith('table=')) rule.table = Number(term.slice(6));
    else if (term.startsWith('priority=')) rule.priority = Number(term.slice(9));
    else {
      const test = compileTest(term);
      if (test === null) throw new Error(`the small pipeline has no match ${term}`);
      rule.tests.push(test);
    }
  }
  return rule;
}

const wordsOf = (value: bigint): Int32Array =>
  Int32Array.from([96n, 64n, 32n, 0n], (shift) => Number(BigInt.asIntN(32, value >> shift)));

export class MiniPipeline {
  readonly store = new CtStore();
  readonly packet = new CtPacket();
  readonly view = new CtView();
  /** What the first table after each ct(table=) saw, in order, of the last packet. */
  seen: Seen[] = [];
  out: [number, Int32Array][] = [];
  notes: string[] = [];
  private readonly tracker: Tracker;
  private rules: MiniRule[];
  private queue: Pass[] = [];

  constructor(tracker: Tracker, flows: readonly string[]) {
    this.tracker = tracker;
    this.rules = flows.map(parseMiniRule);
  }

  addRule(text: string): void {
    this.rules.push(parseMiniRule(text));
  }

  /** Addresses and ports of what came out of the last packet. */
  outFlows(): string[] {
    const ip = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
    return this.out.map(([, key]) => `${ip(key[K.nw_src]!)}:${key[K.tp_src]}>${ip(key[K.nw_dst]!)}:${key[K.tp_dst]}`);
  }

  removeRule(match: string): void {
    this.rules = this.rules.filter((rule) => rule.match !== match);
  }

  receive(inPort: number, frame: Uint8Array, nowNs: number): void {
    this.seen = [];
    this.out = [];
    const key = new Int32Array(KEY_WORDS);
    const info = new PacketInfo();
    extractPacket(frame, 0, frame.length, frame.length, 1, key, info);
    verifyChecksums(info, key);
    key[K.in_port] = inPort;
    this.queue.push({ key, info, attach: new CtAttach(), table: 0 });
    for (let pass = this.queue.shift(); pass !== undefined; pass = this.queue.shift())
      this.run(pass, pass.table, nowNs);
  }

  private run(pass: Pass, table: number, nowNs: number): void {
    const fits = this.rules
      .filter((rule) => rule.table === table && rule.tests.every((test) => test(pass.key)))
      .sort((a, b) => b.priority - a.priority);
    const rule = fits[0];
    if (rule === undefined) return;
    this.act(rule.actions, pass, nowNs);
  }

  private act(actions: readonly string[], pass: Pass, nowNs: number): void {
    const [action, ...rest] = actions;
    if (action === undefined) return;
    const [, name = '', body = ''] = /^([a-z_]+)[:(]?(.*?)\)?$/.exec(action) ?? [];
    if (name === 'ct') {
      for (const each of this.ct(pass, body, nowNs)) this.act(rest, each, nowNs);
      return;
    }
    if (name === 'output') this.out.push([Number(body), pass.key.slice()]);
    else if (name === 'resubmit') this.run(pass, Number(body.replace(',', '')), nowNs);
    else if (name === 'ct_clear') {
      // Translation drops it where the pass shows no ct fields, as after another ct() (NORMAL_AND_ACTIONS section 4).
      if (pass.key[K.ct_state] !== 0) pass.attach.clear();
      pass.key.fill(0, K.ct_state, K.reg0);
    } else if (name === 'set_field') setField(pass, body);
    else if (name !== 'drop') throw new Error(`the small pipeline has no action ${action}`);
    this.act(rest, pass, nowNs);
  }

  /** Those that go on in the list: this packet, none, or the fragments that it has set free. */
  private ct(pass: Pass, body: string, nowNs: number): readonly Pass[] {
    const { packet, view } = this;
    const { op, table } = parseCt(body, pass.key);
    fillCtPacket(pass.key, pass.info, packet);
    packet.token = pass;
    executeCt(this.tracker, this.store, pass.attach, op, packet, nowNs, view);
    if (view.notExecuted !== '') this.notes.push(view.notExecuted);
    if (view.dropped || view.held) return [];
    const going = view.released !== null && !view.isWhole ? (view.released as Pass[]) : [pass];
    for (const each of going) {
      if (view.isWhole) writeReassembled(packet, each.key);
      writeRewritten(packet, view.rewritten, each.key);
      if (table === null) continue;
      const key = each.key.slice();
      const attach = new CtAttach();
      attach.copyFrom(each.attach);
      writeView(view, packet.family, key);
      this.queue.push({ key, info: each.info, attach, table });
      const label = [view.label0, view.label1, view.label2, view.label3].reduce(
        (sum, word) => (sum << 32n) | BigInt(word >>> 0),
        0n,
      );
      this.seen.push({ state: view.state, zone: view.zone, mark: view.mark >>> 0, label });
    }
    for (const each of going) each.key.fill(0, K.ct_state, K.reg0);
    return going;
  }
}

function setField(pass: Pass, body: string): void {
  const [value = '', field = ''] = body.split('->') as [string, string?];
  if (field.startsWith('reg')) pass.key[K.reg0 + Number(field.slice(3))] = Number(value);
  else if (field === 'tp_dst' || field === 'udp_dst' || field === 'tcp_dst') {
    pass.key[K.tp_dst] = Number(value);
    pass.attach.rewritten();
  } else if (field === 'ip_dst' || field === 'ip_src') {
    pass.key[field === 'ip_dst' ? K.nw_dst : K.nw_src] = value
      .split('.')
      .reduce((sum, part) => (sum << 8) | Number(part), 0);
    pass.attach.rewritten();
  } else throw new Error(`the small pipeline does not set ${field}`);
}

function parseCt(body: string, key: Int32Array): { op: CtOp; table: number | null } {
  const op = {
    zone: 0,
    commit: false,
    force: false,
    recirc: false,
    markValue: 0,
    markMask: 0,
    labelValue: new Int32Array(4) as Int32Array,
    labelMask: new Int32Array(4) as Int32Array,
    nat: null as CtOp['nat'],
    alg: 0,
  };
  let table: number | null = null;
  for (const part of splitActions(body)) {
    const [name, value = ''] = part.split('=') as [string, string?];
    if (name === 'commit') op.commit = true;
    else if (name === 'force') op.force = true;
    else if (name === 'table') table = Number(value);
    else if (name === 'alg') op.alg = value === 'ftp' ? 21 : 69;
    else if (name === 'zone') {
      const register = /REG([0-9]+)/.exec(value);
      op.zone = register === null ? Number(value) : key[K.reg0 + Number(register[1])]!;
    } else if (name.startsWith('nat')) op.nat = parseNat(part);
    else if (name.startsWith('exec(')) {
      for (const exec of splitActions(part.slice(5, -1))) {
        const match = /^(?:set_field|load):([^/-]+)(?:\/([^-]+))?->(.*)$/.exec(exec);
        if (match === null) throw new Error(`the small pipeline does not run ${exec}`);
        const isMark = /mark/i.test(match[3]!);
        const value = BigInt(match[1]!);
        const mask = match[2] === undefined ? (1n << (isMark ? 32n : 128n)) - 1n : BigInt(match[2]);
        if (isMark) {
          op.markValue = Number(BigInt.asIntN(32, value));
          op.markMask = Number(BigInt.asIntN(32, mask));
        } else {
          op.labelValue = wordsOf(value);
          op.labelMask = wordsOf(mask);
        }
      }
    } else throw new Error(`the small pipeline has no ct(${part})`);
  }
  return { op: { ...op, recirc: table !== null }, table };
}

/** `nat`, `nat(src=A-B:P-Q)`; IPv4 only. */
function parseNat(text: string): CtOp['nat'] {
  const match = /^nat(?:\((src|dst)=([0-9.]+)(?:-([0-9.]+))?(?::([0-9]+)(?:-([0-9]+))?)?\))?$/.exec(text);
  if (match === null) throw new Error(`the small pipeline has no ${text}`);
  const [, kind, min, max, portMin, portMax] = match;
  const words = (address: string | undefined): Int32Array =>
    Int32Array.from([(address ?? '0').split('.').reduce((sum, part) => (sum << 8) | Number(part), 0), 0, 0, 0]);
  return {
    kind: kind === 'src' ? 1 : kind === 'dst' ? 2 : 0,
    family: min === undefined ? 0 : 4,
    addrMin: words(min),
    addrMax: words(max ?? min),
    portMin: Number(portMin ?? 0),
    portMax: Number(portMax ?? portMin ?? 0),
    persistent: false,
    selection: null,
  };
}

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

interface OvsStep {
  t: number;
  packet?: { in_port: number; hex: string };
  conntrackDump?: true;
  mods?: { op: string; flow: string }[];
  expect: {
    out?: [number, string][];
    ct?: { state: string; zone: number; mark: number; label?: string }[];
    ctAmbiguous?: boolean;
    conntrack?: string[];
  };
}

export interface OvsCase {
  id: string;
  flows: string[];
  steps: OvsStep[];
}

/** What differs from the recorded answers, in words. */
export function differencesFromOvs(each: OvsCase, tracker: Tracker): string[] {
  const pipeline = new MiniPipeline(tracker, each.flows);
  const differences: string[] = [];
  each.steps.forEach((step, i) => {
    const place = `${each.id}[${i}]`;
    const nowNs = Math.round(step.t * 1e9);
    for (const mod of step.mods ?? []) {
      if (mod.op === 'add') pipeline.addRule(mod.flow);
      else pipeline.removeRule(mod.flow);
    }
    if (step.packet !== undefined) {
      pipeline.receive(step.packet.in_port, bytesOf(step.packet.hex), nowNs);
      const out = pipeline.out.map(([port]) => port).sort();
      const recorded = step.expect.out!.map(([port]) => port).sort();
      if (String(out) !== String(recorded)) differences.push(`${place}: out ${out}, recorded ${recorded}`);
      if (step.expect.ctAmbiguous) return;
      const seen = pipeline.seen.map((ct) => `${stateNames(ct.state)} ${ct.zone} ${ct.mark} ${ct.label}`);
      const wanted = (step.expect.ct ?? []).map((ct) => `${ct.state} ${ct.zone} ${ct.mark} ${BigInt(ct.label ?? 0)}`);
      if (String(seen) !== String(wanted)) differences.push(`${place}: ct ${seen}, recorded ${wanted}`);
    }
    if (step.conntrackDump) {
      const lines = pipeline.store
        .entries(nowNs)
        .map((entry) => formatEntry(entry))
        .sort();
      const wanted = step.expect.conntrack!;
      if (String(lines) !== String(wanted)) differences.push(`${place}: entries ${lines}\n  recorded ${wanted}`);
    }
  });
  return differences;
}
