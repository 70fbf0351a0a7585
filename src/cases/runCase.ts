/**
 * Runs one case on a virtual clock and gives our answers in the case's own form. Tables act at once, as if each packet were
 * translated anew; conntrack is the userspace tracker, which is what answered the cases.
 */
import { type ConntrackFilterLike, compileFilter, deleteEntries } from '../conntrack/deletion.js';
import { CtStore } from '../conntrack/store.js';
import { formatEntry, PROTO_NAMES } from '../conntrack/text.js';
import { Tracker } from '../conntrack/tracker.js';
import { K } from '../fields/key.js';
import { type PacketInput, packetInput, runPacket } from '../pipeline/packetRun.js';
import type { CtSeen, Output, Verdict } from '../pipeline/verdict.js';
import { InputError } from '../util/errors.js';
import { CaseBridge } from './caseBridge.js';
import type {
  CaseBridge as BridgeText,
  Case,
  CaseAnswer,
  CaseConntrackFilter,
  CaseCt,
  CaseOutput,
  CaseRule,
  CaseStep,
} from './caseFormat.js';
import { CaseTexts } from './caseTexts.js';
import { ctStateNames, parseCtState } from './ctState.js';

const MAIN = 'br0';
const GROUP_COMMANDS: readonly string[] = ['add', 'delete', 'modify', 'add_or_mod', 'insert_bucket', 'remove_bucket'];
const NS_PER_S = 1_000_000_000;
const NS_PER_MS = 1_000_000;

/** Answers of the steps, in order. Throws InputError for a case that cannot be set up. */
export function runCase(given: Case): CaseAnswer[] {
  return new CaseRun(given).run();
}

class CaseRun {
  private readonly given: Case;
  private readonly bridges = new Map<string, CaseBridge>();
  private readonly texts = new Map<string, CaseTexts>();
  private readonly tracker = new Tracker('ovs-userspace', { verifyChecksums: true });
  private readonly store = new CtStore();

  constructor(given: Case) {
    this.given = given;
    const all: BridgeText[] = [{ ...given, name: MAIN }, ...(given.bridges ?? [])];
    for (const text of all) {
      const ports = text.ports ?? [];
      const texts = new CaseTexts(given.of ?? 'OpenFlow15', ports);
      const meters = new Set((text.meters ?? []).map((meter) => texts.meterId(meter)));
      this.bridges.set(text.name, new CaseBridge(text.name, ports, text.other_config ?? {}, meters));
      this.texts.set(text.name, texts);
    }
    for (const text of all) this.fill(text);
    if (given.dump !== undefined) this.installDump(given.dump);
  }

  private fill(text: BridgeText): void {
    const bridge = this.bridges.get(text.name)!;
    const texts = this.texts.get(text.name)!;
    for (const group of text.groups ?? []) bridge.addGroup(texts.group(group));
    const mods = (text.flows ?? []).map((flow) => texts.flowMod({ op: 'add', flow }));
    const error = bridge.tables.install(mods);
    if (error !== null) throw new InputError(`a flow of ${text.name} is refused: ${error}`);
  }

  private installDump(dump: string): void {
    const texts = this.texts.get(MAIN)!;
    const cookieDumps = new Map(
      Object.entries(this.given.cookieDumps ?? {}).map(([cookie, text]) => [
        BigInt(cookie),
        texts.dump(text).map((line) => line.rule),
      ]),
    );
    this.bridges.get(MAIN)!.tables.installDump(texts.dump(dump), { cookieDumps });
  }

  run(): CaseAnswer[] {
    return this.given.steps.map((step) => this.step(step));
  }

  private step(step: CaseStep): CaseAnswer {
    const nowNs = Math.round((step.t ?? 0) * 1000) * NS_PER_MS;
    const nowMs = nowNs / NS_PER_MS;
    for (const bridge of this.bridges.values()) bridge.expire(nowMs);
    const name = step.bridge ?? MAIN;
    const bridge = this.bridges.get(name);
    const texts = this.texts.get(name);
    if (bridge === undefined || texts === undefined) throw new InputError(`no bridge ${name}`);
    let answer = this.packetAnswer(step, nowNs);
    if (step.mods !== undefined) answer = { ...answer, error: this.mods(step, bridge, texts, nowMs) };
    if (step.conntrack === 'flush') this.store.clear();
    else if (step.conntrack !== undefined)
      answer = { ...answer, deleted: this.deleteEntries(step.conntrack.delete, nowNs) };
    if (step.dump)
      answer = {
        ...answer,
        flows: bridge.tables
          .dump()
          .map((rule) => texts.ruleText(rule))
          .sort(),
      };
    if (step.conntrackDump)
      answer = {
        ...answer,
        conntrack: this.store
          .entries(nowNs)
          .map((entry) => formatEntry(entry))
          .sort(),
      };
    if (step.fdb) answer = { ...answer, fdb: this.bridges.get(MAIN)!.macs.list(Math.floor(nowNs / NS_PER_S)) };
    return answer;
  }

  /** A packet's text that is refused, as ofproto/trace would, is an error of this step. */
  private packetAnswer(step: CaseStep, nowNs: number): CaseAnswer {
    try {
      const packet = this.packetOf(step);
      return packet === null ? {} : this.packet(packet, nowNs);
    } catch (error) {
      if (error instanceof InputError) return { error: error.message };
      throw error;
    }
  }

  private deleteEntries(filter: CaseConntrackFilter, nowNs: number): number {
    const { proto, mark, zone, sport, dport, ...rest } = filter;
    const [value, mask] = mark === undefined ? [] : String(mark).split('/');
    const test: ConntrackFilterLike = {
      ...rest,
      ...(zone === undefined ? {} : { zone: Number(zone) }),
      ...(sport === undefined ? {} : { sport: Number(sport) }),
      ...(dport === undefined ? {} : { dport: Number(dport) }),
      ...(proto === undefined ? {} : { proto: protocolNumber(String(proto)) }),
      ...(value === undefined ? {} : { mark: Number(value) | 0 }),
      ...(mask === undefined ? {} : { markMask: Number(mask) | 0 }),
    };
    return deleteEntries(this.store, compileFilter(test), nowNs).length;
  }

  private packetOf(step: CaseStep): PacketInput | null {
    const flow = step.packet?.flow ?? step.flow;
    if (flow !== undefined) {
      const key = this.texts.get(MAIN)!.flowKey(flow);
      if (step.packet?.in_port !== undefined) key[K.in_port] = step.packet.in_port;
      const ctNext = (step.packet?.ctNext ?? step.ctNext ?? []).map(parseCtState);
      return { bridge: MAIN, key, frame: null, originalBytes: 0, ctNext };
    }
    if (step.packet === undefined) return null;
    const { in_port: inPort, hex } = step.packet;
    if (inPort === undefined || hex === undefined) throw new InputError('a packet needs in_port and hex, or flow');
    return packetInput(MAIN, inPort, Uint8Array.from(Buffer.from(hex, 'hex')));
  }

  private packet(packet: PacketInput, nowNs: number): CaseAnswer {
    const verdict = runPacket({ bridges: this.bridges, tracker: this.tracker, store: this.store }, packet, nowNs);
    for (const { bridge, rule } of verdict.lookups)
      if (rule >= 0) this.bridges.get(bridge)!.tables.touch(rule, nowNs / NS_PER_MS);
    const answer: CaseAnswer = {
      out: this.outputs(verdict.outputs, packet.frame),
      ...(verdict.ct.length > 0 ? { ct: verdict.ct.map(ctAnswer) } : {}),
      ...(verdict.controller > 0 ? { controller: verdict.controller } : {}),
      rules: this.rules(verdict),
      ...(verdict.unsupported === null ? {} : { unsupported: verdict.unsupported.what }),
    };
    return answer;
  }

  private outputs(outputs: readonly Output[], sent: Uint8Array | null): CaseOutput[] {
    const shown = outputs
      .filter(({ bridge, port, frame }) => frame === null || this.bridges.get(bridge)!.fits(port, frame))
      .map(({ bridge, port, frame, changed }): CaseOutput => {
        const text = frame === null || sent === null ? (changed ? '~' : '=') : frameText(frame, sent);
        return bridge === MAIN ? [port, text] : [port, text, bridge];
      });
    return shown.sort((a, b) => (a[2] ?? '').localeCompare(b[2] ?? '') || a[0] - b[0] || (a[1] < b[1] ? -1 : 1));
  }

  private rules(verdict: Verdict): CaseRule[] {
    return verdict.lookups.map(({ bridge, table, rule }): CaseRule => {
      const text = rule < 0 ? null : this.texts.get(bridge)!.ruleText(this.bridges.get(bridge)!.env.ruleAt(rule));
      return bridge === MAIN ? [table, text] : [table, text, bridge];
    });
  }

  /** What the switch said, or why the text is refused: `ovs-ofctl` sends nothing of a file with a bad line in it. */
  private mods(step: CaseStep, bridge: CaseBridge, texts: CaseTexts, nowMs: number): string | null {
    const mods = step.mods!;
    try {
      if (mods.some((mod) => mod.op === 'group')) return this.groupBundle(step, bridge, texts, nowMs);
      return bridge.apply(
        mods.map((mod) => texts.flowMod(mod)),
        step.bundle ?? false,
        nowMs,
      );
    } catch (error) {
      if (error instanceof InputError) return /switch refuses it: (\w+)/.exec(error.message)?.[1] ?? error.message;
      throw error;
    }
  }

  /** `add group_id=1,...`; without a command it is an add (lib/ofp-group.c:parse_ofp_group_mod_str__, ofproto.c:add_group_start). */
  private groupMod(line: string, bridge: CaseBridge, texts: CaseTexts, nowMs: number): string | null {
    const [command, rest] = splitWord(line);
    const isCommand = GROUP_COMMANDS.includes(command);
    const op = isCommand ? command : 'add';
    const text = isCommand ? rest : line;
    if (op === 'delete') {
      for (const id of texts.groupIds(text, [...bridge.groups.keys()])) bridge.removeGroup(id, nowMs);
      return null;
    }
    if (op.endsWith('_bucket')) throw new InputError(`group ${op} is not modelled`);
    const group = texts.group(text);
    const exists = bridge.groups.has(group.id);
    if (op === 'add' && exists) return 'OFPGMFC_GROUP_EXISTS';
    if (op === 'modify' && !exists) return 'OFPGMFC_UNKNOWN_GROUP';
    bridge.addGroup(group);
    return null;
  }

  /** A bundle with group mods: in order; an error is not undone here, so it is not to be trusted beyond its first mod. */
  private groupBundle(step: CaseStep, bridge: CaseBridge, texts: CaseTexts, nowMs: number): string | null {
    for (const mod of step.mods!) {
      if (mod.op === 'group') {
        const error = this.groupMod(mod.flow, bridge, texts, nowMs);
        if (error !== null) return error;
      } else {
        const error = bridge.apply([texts.flowMod(mod)], true, nowMs);
        if (error !== null) return error;
      }
    }
    return null;
  }
}

function protocolNumber(text: string): number {
  for (const [number, name] of PROTO_NAMES) if (name === text.toLowerCase()) return number;
  return Number(text);
}

function splitWord(text: string): [string, string] {
  const at = text.search(/\s/);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at).trim()];
}

function frameText(frame: Uint8Array, sent: Uint8Array): string {
  const same = frame.length === sent.length && frame.every((byte, i) => byte === sent[i]);
  return same ? '=' : Buffer.from(frame).toString('hex');
}

function ctAnswer({ state, zone, mark, label }: CtSeen): CaseCt {
  const seen = { state: ctStateNames(state), zone, mark };
  return label === 0n ? seen : { ...seen, label: `0x${label.toString(16)}` };
}
