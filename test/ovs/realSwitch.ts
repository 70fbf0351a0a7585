/**
 * Cases answered by a real switch, in the form of src/cases.
 *
 * Why the answers are exact: before each packet the datapath's flows are purged, so each is translated by the tables as they
 * are; megaflows are off, so the datapath flows that a packet leaves behind are its passes; the main thread that takes a
 * packet from a dummy port runs it to its end, recirculations included, before it answers the next control command; the
 * clock stands still but for time/warp.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type {
  Case,
  CaseAnswer,
  CaseConntrackFilter,
  CaseCt,
  CaseMod,
  CaseOutput,
  CasePort,
  CaseRule,
  CaseStep,
} from '../../src/cases/caseFormat.js';
import { conntrackKey, isChosen, parseConntrackEntry } from './conntrackLines.js';
import { type Daemons, ToolError } from './daemons.js';
import { orderPasses, type PassFlow, parseDatapathFlow, ruleKeyOfDumpLine, traceLookups } from './ovsTexts.js';

const BRIDGE = 'br0';
const LOCAL = 65534;
/** Cases whose packets leave nothing behind. */
export const TRACED_FAMILY = 'lookup';
/** ovs-vswitchd serves at most ten requests of a connection in each round of its main loop (unixctl.c:unixctl_server_run). */
const ROUND_REQUESTS = 10;

interface Port {
  readonly ofport: number;
  readonly capture: string;
  /** Bytes of the capture that were read already. */
  read: number;
}

/** The packet met a datapath flow of an earlier one, or the daemon was late: the case has to be run again. */
export class StaleError extends Error {}

export class RealSwitch {
  private readonly daemons: Daemons;
  private readonly ports = new Map<string, Port>();
  private nowMs = 0;
  private of = 'OpenFlow15';
  private texts: Map<string, string> | null = null;
  private readonly pending: Promise<void>[] = [];
  /** What `ofproto/trace` said of each pass of the last packet. */
  lastTraces: string[] = [];
  /** Rules as the switch dumps them. Without, which is faster, they are given as ruleKeyOfDumpLine() gives them. */
  fullTexts = false;

  constructor(daemons: Daemons) {
    this.daemons = daemons;
  }

  /** Answers of the steps, in order. Throws ToolError for a case that cannot be set up. */
  async run(given: Case): Promise<CaseAnswer[]> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.runOnce(given);
      } catch (error) {
        if (!(error instanceof StaleError) || attempt === 4) throw error;
      }
    }
  }

  private async runOnce(given: Case): Promise<CaseAnswer[]> {
    this.pending.length = 0;
    await this.fresh(given);
    const start = this.nowMs;
    const answers: CaseAnswer[] = [];
    for (let n = 0; n < given.steps.length; n++) {
      const step = given.steps[n]!;
      const warped = this.warpTo(start + Math.round((step.t ?? 0) * 1000));
      answers.push(await this.step(given, step));
      await warped;
      // What packets do not change can be asked for many at once; one of each stretch is sent.
      if (given.family !== TRACED_FAMILY || step.packet === undefined) continue;
      let end = n + 1;
      while (given.steps[end]?.packet !== undefined) end++;
      answers.push(...(await this.traced(given.steps.slice(n + 1, end).map(({ packet }) => packet!))));
      n = end - 1;
    }
    await this.complete();
    return answers;
  }

  private async step(given: Case, step: CaseStep): Promise<CaseAnswer> {
    if (step.packet !== undefined) return this.packet(step.packet.in_port!, step.packet.hex!, given.rules !== false);
    await this.complete();
    if (step.mods !== undefined) return { error: await this.mods(step.mods, step.bundle ?? false) };
    if (step.conntrack === 'flush') {
      await this.daemons.ctl.call('dpctl/flush-conntrack');
      return {};
    }
    if (step.conntrack !== undefined) return { deleted: await this.deleteConntrack(step.conntrack.delete) };
    if (step.dump) return { flows: this.dump().sort() };
    if (step.conntrackDump) return { conntrack: await this.conntrack() };
    if (step.fdb) return { fdb: await this.fdb() };
    return {};
  }

  // --- the bridge

  private async fresh(given: Case): Promise<void> {
    const ports: CasePort[] = [{ name: BRIDGE, ofport: LOCAL }, ...(given.ports ?? [])];
    const args = ['--if-exists', 'del-br', BRIDGE];
    this.daemons.vsctl(args);
    for (const { capture } of this.ports.values()) rmSync(capture, { force: true });
    this.ports.clear();
    const add = ['add-br', BRIDGE, '--', 'set', 'bridge', BRIDGE, 'datapath_type=dummy', 'fail-mode=secure'];
    add.push('protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15');
    for (const port of ports) {
      const capture = join(this.daemons.folder, `${port.name}.pcap`);
      rmSync(capture, { force: true });
      this.ports.set(port.name, { ofport: port.ofport, capture, read: 24 });
      if (port.ofport !== LOCAL) add.push(...addPort(port));
      add.push('--', 'set', 'interface', port.name, `options:tx_pcap=${capture}`);
    }
    this.daemons.vsctl(add);
    this.of = given.of ?? 'OpenFlow15';
    this.texts = null;
    for (const group of given.groups ?? []) this.ofctl(['add-group', this.target, group]);
    if (given.flows !== undefined) this.ofctl(['add-flows', this.target, '-'], `${given.flows.join('\n')}\n`);
    await this.daemons.ctl.call('dpctl/flush-conntrack');
    await this.settle();
  }

  private get target(): string {
    return `unix:${join(this.daemons.folder, `${BRIDGE}.mgmt`)}`;
  }

  private ofctl(args: readonly string[], input = ''): string {
    return this.daemons.tool('ovs-ofctl', ['-O', this.of, ...args], input);
  }

  /** Returns when the main thread has gone round its loop at least twice. */
  private async settle(): Promise<void> {
    await Promise.all(Array.from({ length: 2 * ROUND_REQUESTS + 1 }, () => this.daemons.ctl.call('version')));
  }

  /** The calls are made before this returns, so whatever is asked next comes after them. */
  private async warpTo(ms: number): Promise<void> {
    if (ms <= this.nowMs) return;
    const warped = this.daemons.ctl.call('time/warp', String(ms - this.nowMs));
    this.nowMs = ms;
    await Promise.all([warped, this.settle()]);
  }

  private async mods(mods: readonly CaseMod[], bundle: boolean): Promise<string | null> {
    this.texts = null;
    const lines = mods.map(({ op, flow, cookieMask }) => {
      const masked = cookieMask === undefined ? flow : flow.replace(/cookie=([^,/\s]+)/, `cookie=$1/${cookieMask}`);
      return `${op} ${masked}`;
    });
    try {
      this.ofctl([...(bundle ? ['--bundle'] : []), 'add-flows', this.target, '-'], `${lines.join('\n')}\n`);
      if (mods.some(({ op }) => op.startsWith('delete'))) await this.rulesAreGone();
      return null;
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      return /(?:OFPT_ERROR[^:]*: |Error )(OFP\w+)/.exec(error.message)?.[1] ?? error.message.trim();
    }
  }

  /** Deleted rules leave the classifier in another thread, after a grace period (ofproto.c:remove_rules_postponed). */
  private async rulesAreGone(): Promise<void> {
    await this.settle();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  private dump(): string[] {
    const text = this.ofctl(['--no-stats', '--no-names', 'dump-flows', this.target]);
    return text
      .split('\n')
      .filter((line) => line.startsWith(' '))
      .map((line) => line.trim());
  }

  private async fdb(): Promise<[number, number, string][]> {
    const lines = (await this.daemons.ctl.call('fdb/show', BRIDGE)).trim().split('\n').slice(1);
    return lines
      .map((line): [number, number, string] => {
        const [port, vlan, mac] = line.trim().split(/\s+/) as [string, string, string];
        return [port === 'LOCAL' ? LOCAL : Number(port), Number(vlan), mac];
      })
      .sort((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1));
  }

  // --- packets

  private portName(inPort: number): string {
    return [...this.ports].find(([, port]) => port.ofport === inPort)![0];
  }

  private async packet(inPort: number, hex: string, withRules: boolean): Promise<CaseAnswer> {
    const { ctl } = this.daemons;
    const calls = [
      ctl.call('revalidator/purge'),
      ctl.call('dpctl/dump-flows'),
      ctl.call('dpif-netdev/pmd-stats-show'),
      ctl.call('netdev-dummy/receive', this.portName(inPort), hex),
      ...Array.from({ length: ROUND_REQUESTS + 1 }, () => ctl.call('version')),
      ctl.call('dpif-netdev/pmd-stats-show'),
      ctl.call('dpctl/dump-flows', '-m'),
    ];
    const texts = await Promise.all(calls);
    const [received, recirculated, missed] = difference(texts[2]!, texts.at(-2)!);
    if (texts[1]!.includes('actions:') || received !== 1)
      throw new StaleError(`${received} packets, or old datapath flows`);
    const sent = Buffer.from(hex, 'hex').toString('hex');
    const out = this.frames().map(([port, frame]): CaseOutput => [port, frame === sent ? '=' : frame]);
    out.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1));
    const flows = texts
      .at(-1)!
      .split('\n')
      .filter((line) => line.includes(', actions:'));
    const passes = orderPasses(flows.map(parseDatapathFlow), received + recirculated);
    // A pass may have met the flow of an earlier pass of the same packet: nobody knows which of them came when.
    if (passes === null || missed !== received + recirculated) return { out, ctAmbiguous: true };
    const ct = passes.filter((pass) => pass.isAfterCt).map((pass): CaseCt => pass.ct);
    const controller = flows.reduce((sum, line) => sum + line.split('controller(').length - 1, 0);
    const answer: CaseAnswer = {
      out,
      ...(ct.length > 0 ? { ct } : {}),
      ...(controller > 0 ? { controller } : {}),
    };
    // Asked at once, before the next packet purges the passes; not waited for.
    if (withRules) {
      const added = this.addRules(answer, passes);
      // Whoever completes the answers sees the failure; until then it is nobody's.
      added.catch(() => {});
      this.pending.push(added);
    }
    return answer;
  }

  private async addRules(answer: { rules?: readonly CaseRule[] }, passes: readonly PassFlow[]): Promise<void> {
    const rules = await this.rules(passes);
    if (rules !== null) answer.rules = rules;
  }

  /** Answers that are still being completed. Before anything changes the tables, they have to be whole. */
  private async complete(): Promise<void> {
    await Promise.all(this.pending);
    this.pending.length = 0;
  }

  /** Rules that packets meet, without sending them: many at once. For tables that no packet changes. */
  async traced(packets: readonly { readonly in_port?: number; readonly hex?: string }[]): Promise<CaseAnswer[]> {
    const { ctl } = this.daemons;
    this.lastTraces = await Promise.all(
      packets.map((packet) => ctl.call('ofproto/trace', BRIDGE, `in_port=${packet.in_port}`, packet.hex!)),
    );
    return this.lastTraces.map((trace) => {
      const rules = this.rulesOfTrace(trace);
      return rules === null ? {} : { rules };
    });
  }

  /** Frames that came out since the last call. */
  private frames(): [number, string][] {
    return [...this.ports.values()].flatMap((port) => {
      let bytes: Buffer;
      try {
        bytes = readFileSync(port.capture);
      } catch {
        return [];
      }
      const found: [number, string][] = [];
      for (; port.read < bytes.length; ) {
        const size = bytes.readUInt32LE(port.read + 8);
        found.push([port.ofport, bytes.toString('hex', port.read + 16, port.read + 16 + size)]);
        port.read += 16 + size;
      }
      return found;
    });
  }

  /**
   * Rules that the passes met, by tracing their keys. null: not known. `ofproto/trace` does not read ct_tuple6(), so it is
   * taken out of the key; no rule here matches on it.
   */
  private async rules(passes: readonly PassFlow[]): Promise<CaseRule[] | null> {
    const keys = passes.map(({ key }) => key.replace(/ct_tuple6\([^)]*\),?/, ''));
    const traces = await Promise.all(keys.map((key) => this.daemons.ctl.call('ofproto/trace', 'ovs-dummy', key)));
    this.lastTraces = traces;
    const rules: CaseRule[] = [];
    for (const trace of traces) {
      const own = this.rulesOfTrace(trace);
      if (own === null) return null;
      rules.push(...own);
    }
    return rules;
  }

  private rulesOfTrace(trace: string): CaseRule[] | null {
    if (this.fullTexts) this.texts ??= new Map(this.dump().map((line) => [ruleKeyOfDumpLine(line), line]));
    const rules: CaseRule[] = [];
    for (const { table, rule } of traceLookups(trace)) {
      const text = rule === null || this.texts === null ? rule : this.texts.get(rule);
      if (text === undefined) return null;
      rules.push([table, text]);
    }
    return rules;
  }

  // --- connection tracking

  private async conntrack(): Promise<string[]> {
    const lines = (await this.daemons.ctl.call('dpctl/dump-conntrack')).split('\n');
    return lines
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .sort();
  }

  private async deleteConntrack(filter: CaseConntrackFilter): Promise<number> {
    const chosen = (await this.conntrack()).map(parseConntrackEntry).filter((entry) => isChosen(entry, filter));
    for (const entry of chosen) await this.daemons.ctl.call('dpctl/flush-conntrack', ...conntrackKey(entry));
    return chosen.length;
  }
}

function addPort(port: CasePort): string[] {
  const args = ['--', 'add-port', BRIDGE, port.name];
  if (port.tag !== undefined) args.push(`tag=${port.tag}`);
  if (port.vlan_mode !== undefined) args.push(`vlan_mode=${port.vlan_mode}`);
  if (port.trunks !== undefined) args.push(`trunks=${port.trunks.join(',')}`);
  args.push('--', 'set', 'interface', port.name, 'type=dummy', `ofport_request=${port.ofport}`);
  return args;
}

/** Packets, recirculations and misses between two answers of pmd-stats-show. */
function difference(before: string, after: string): [number, number, number] {
  const count = (text: string, name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1] ?? 0);
  const grown = (name: string): number => count(after, name) - count(before, name);
  return [
    grown('packets received'),
    grown('packet recirculations'),
    grown('miss with success upcall') + grown('miss with failed upcall'),
  ];
}
