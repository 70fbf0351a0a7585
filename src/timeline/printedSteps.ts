/**
 * What printed OpenFlow messages do to the tables, in the order of the text: a flow-mod acts where it stands, a bundle at
 * its commit; an error takes back what it answers. Shared by snoop text and the switch's log.
 */
import { parseFlowMod } from '../openflow/flowText.js';
import { type PrintedMessage, parseHead, parsePrintedFlowMod } from '../openflow/ofpPrint.js';
import type { FlowMod, OfVersion, PortNames } from '../openflow/rule.js';
import { InputError, type Place } from '../util/errors.js';
import type { TableStep } from './schedule.js';

export interface PrintedSteps {
  readonly steps: readonly TableStep[];
  readonly of: OfVersion;
  readonly warnings: readonly string[];
}

interface PendingStep {
  readonly t: bigint;
  readonly mods: readonly FlowMod[];
  readonly bundle: boolean;
  readonly batch: number;
  readonly connection: string;
  refused: boolean;
}

/** What a later error may answer. */
interface Sent {
  readonly xid: number;
  /** The flow-mod as printed, '' for a commit: an error repeats the beginning of what it refuses. */
  readonly text: string;
  refuse(): void;
}

interface Bundle {
  readonly mods: { readonly mod: FlowMod; readonly xid: number; readonly text: string }[];
  failed: boolean;
}

interface Connection {
  /** OpenFlow 1.0: NXT_FLOW_MOD_TABLE_ID was switched on. */
  tableIds: boolean;
  batch: number | null;
  readonly bundles: Map<string, Bundle>;
  /** Since the last barrier reply; the switch has answered everything before. */
  sent: Sent[];
  readonly datapaths: Set<string>;
}

/** Steps of the messages of one file. InputError with the line of a flow-mod that cannot be read. */
export function printedSteps(messages: readonly PrintedMessage[], file: string, ports?: PortNames): PrintedSteps {
  const channel = new PrintedChannel(file, ports);
  for (const message of messages) channel.take(message);
  return channel.finish();
}

class PrintedChannel {
  private readonly file: string;
  private readonly ports: PortNames | undefined;
  private readonly steps: PendingStep[] = [];
  private readonly connections = new Map<string, Connection>();
  private readonly versions = new Map<OfVersion, number>();
  private readonly warnings: string[] = [];
  private batchCount = 0;
  private refusedMods = 0;
  private refusedBundles = 0;
  private otherMods = 0;
  private lastTime: bigint | null = null;

  constructor(file: string, ports: PortNames | undefined) {
    this.file = file;
    this.ports = ports;
  }

  take(message: PrintedMessage): void {
    const connection = this.connection(message.connection);
    const name = message.name.replace(/^(OFPT|NXT|ONFT)_/, '');
    // The switch sends flow-mods too: to `ovs-ofctl snoop`. Only what it received changes its tables.
    if (message.direction !== 'sent') this.request(name, message, connection);
    if (message.direction !== 'received') this.answer(name, message, connection);
  }

  finish(): PrintedSteps {
    for (const [name, { bundles, datapaths }] of this.connections) {
      if (bundles.size > 0) this.warn(`a bundle${on(name)} is never committed: it is not in the schedule`);
      if (datapaths.size > 1) {
        this.warn(
          `${[...datapaths].join(' and ')} share the connection${on(name)}: their flow-mods cannot be told apart`,
        );
      }
    }
    if (this.refusedMods > 0)
      this.warn(`the switch refused ${this.refusedMods} flow-mods: they are not in the schedule`);
    if (this.refusedBundles > 0) this.warn(`${this.refusedBundles} bundles failed: they are not in the schedule`);
    if (this.otherMods > 0) this.warn(`${this.otherMods} changes of groups or meters are not in the schedule`);
    const kept = this.steps.filter((step) => !step.refused);
    const usual = [...this.versions].sort((a, b) => b[1] - a[1])[0];
    return { steps: kept.map(toStep), of: usual?.[0] ?? '1.3', warnings: this.warnings };
  }

  private request(name: string, message: PrintedMessage, connection: Connection): void {
    if (name === 'FLOW_MOD') {
      const mod = this.readMod(message, message.rest, message.restAt, message.line, connection);
      if (mod === null) return;
      const step = this.addStep(message, [mod], false, connection);
      connection.sent.push({ xid: message.xid, text: message.rest, refuse: () => this.refuse(step) });
    } else if (name === 'BUNDLE_CONTROL') this.control(message, connection);
    else if (name === 'BUNDLE_ADD_MESSAGE') this.addToBundle(message, connection);
    else if (name === 'FLOW_MOD_TABLE_ID') connection.tableIds = message.rest.includes('enable');
    else if (name === 'BARRIER_REQUEST') connection.batch = null;
    else if (name === 'HELLO') this.begin(connection);
    else if (name === 'GROUP_MOD' || name === 'METER_MOD') this.otherMods++;
  }

  private answer(name: string, message: PrintedMessage, connection: Connection): void {
    if (name === 'ERROR') this.error(message, connection);
    else if (name === 'BARRIER_REPLY') connection.sent = [];
    else if (name === 'FEATURES_REPLY') {
      const datapath = /dpid:([0-9a-f]{16})/.exec(`${message.rest} ${message.more.join(' ')}`);
      if (datapath !== null) connection.datapaths.add(datapath[1]!);
    }
  }

  /** A new connection under a known name: what the old one had left open is gone. */
  private begin(connection: Connection): void {
    connection.bundles.clear();
    connection.sent = [];
    connection.batch = null;
    connection.tableIds = false;
  }

  private control(message: PrintedMessage, connection: Connection): void {
    const found = /bundle_id=(\S+) +type=(\S+)/.exec(message.more[0] ?? '');
    if (found === null) throw new InputError('bundle_id= and type= are missing', this.place(message.line));
    const [, id, type] = found as unknown as [string, string, string];
    const bundle = connection.bundles.get(id);
    if (type === 'OPEN_REQUEST') connection.bundles.set(id, { mods: [], failed: false });
    else if (type === 'DISCARD_REQUEST') connection.bundles.delete(id);
    else if (type === 'COMMIT_REQUEST' && bundle !== undefined) {
      connection.bundles.delete(id);
      const mods = bundle.mods.map(({ mod }) => mod);
      if (mods.length === 0) return;
      const step = this.addStep(message, mods, true, connection);
      const refuse = () => this.refuse(step);
      // Either error, that of the message or that of the commit, says that nothing of the bundle took effect.
      for (const { xid, text } of bundle.mods) connection.sent.push({ xid, text, refuse });
      connection.sent.push({ xid: message.xid, text: '', refuse });
      if (bundle.failed) refuse();
    }
  }

  private addToBundle(message: PrintedMessage, connection: Connection): void {
    const id = /bundle_id=(\S+)/.exec(message.more[0] ?? '')?.[1];
    const inner = parseHead(message.more[1] ?? '', 0);
    if (id === undefined || inner === null)
      throw new InputError('the message of a bundle is missing', this.place(message.line));
    // A bundle add without open opens it (OVS ofp-bundle.c, ofproto.c:handle_bundle_add).
    const bundle = connection.bundles.get(id) ?? { mods: [], failed: false };
    connection.bundles.set(id, bundle);
    if (!inner.name.endsWith('FLOW_MOD')) {
      this.otherMods++;
      return;
    }
    const mod = this.readMod(message, inner.rest, inner.restAt, message.line + 2, connection);
    if (mod === null) bundle.failed = true;
    else bundle.mods.push({ mod, xid: message.xid, text: inner.rest });
  }

  private error(message: PrintedMessage, connection: Connection): void {
    const same = connection.sent.filter(({ xid }) => xid === message.xid);
    // ovs-ofctl and others use an xid again; then the refused message, printed behind the error, decides.
    const refusedText = message.more.map((line) => parseHead(line, 0)?.rest).find((rest) => rest !== undefined);
    const target = same.find(({ text }) => text !== '' && text === refusedText) ?? same.at(-1);
    if (target !== undefined) {
      target.refuse();
      return;
    }
    for (const bundle of connection.bundles.values()) {
      if (bundle.mods.some(({ xid }) => xid === message.xid)) bundle.failed = true;
    }
  }

  private refuse(step: PendingStep): void {
    if (step.refused) return;
    step.refused = true;
    if (step.bundle) this.refusedBundles++;
    else this.refusedMods++;
  }

  /** Null: the switch could not decode it, so it refused it. */
  private readMod(
    message: PrintedMessage,
    rest: string,
    restAt: number,
    line: number,
    connection: Connection,
  ): FlowMod | null {
    if (rest.includes('***decode error:')) {
      this.refusedMods++;
      return null;
    }
    const place = { ...this.place(line), column: restAt + 2 };
    const printed = parsePrintedFlowMod(rest, message.of, connection.tableIds, place);
    this.versions.set(message.of, (this.versions.get(message.of) ?? 0) + 1);
    try {
      const read = parseFlowMod(printed.op, printed.flow, { of: message.of, ports: this.ports ?? null });
      for (const warning of read.warnings) this.warnings.push(`${this.file}:${line}: ${warning}`);
      return read.mod;
    } catch (error) {
      // The text was rewritten, so a column in it means nothing in the file.
      if (error instanceof InputError)
        throw new InputError(`${error.message} (in "${printed.flow}")`, place, error.hint);
      throw error;
    }
  }

  private addStep(
    message: PrintedMessage,
    mods: readonly FlowMod[],
    bundle: boolean,
    connection: Connection,
  ): PendingStep {
    let t = message.t;
    if (this.lastTime !== null && t < this.lastTime) {
      this.warn(`the times go back at line ${message.line}: taken as the latest time before`);
      t = this.lastTime;
    }
    this.lastTime = t;
    connection.batch ??= this.batchCount++;
    const step = { t, mods, bundle, batch: connection.batch, connection: message.connection, refused: false };
    this.steps.push(step);
    return step;
  }

  private connection(name: string): Connection {
    let connection = this.connections.get(name);
    if (connection === undefined) {
      connection = { tableIds: false, batch: null, bundles: new Map(), sent: [], datapaths: new Set() };
      this.connections.set(name, connection);
    }
    return connection;
  }

  private warn(what: string): void {
    this.warnings.push(`${this.file}: ${what}`);
  }

  private place(line: number): Place {
    return { file: this.file, line };
  }
}

function toStep({ t, mods, bundle, batch }: PendingStep): TableStep {
  return { kind: 'tables', t: { earliest: t, latest: t }, mods, bundle, batch, note: null };
}

function on(connection: string): string {
  return connection === '' ? '' : ` on ${connection}`;
}
