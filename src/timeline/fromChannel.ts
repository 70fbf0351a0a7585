/**
 * A schedule from the OpenFlow channel: what the controllers told the switch, when, and what of it took effect.
 *
 * A flow-mod outside a bundle is a step at the time of the frame with its last byte, also between a bundle's open and commit;
 * a bundle is one step at the time of its commit (ofproto/ofproto.c:do_bundle_commit). What the switch refused changes
 * nothing. The time is that of the capture: the switch acts a little later.
 */
import type { TlvMap } from '../fields/tunMetadata.js';
import type { Channel, ChannelMessage } from '../openflow/channel.js';
import type { FlowMod, OfVersion } from '../openflow/rule.js';
import { decodeMessage, type WireMessage } from '../openflow/wire.js';
import { messageHeader } from '../openflow/wireHeader.js';
import { InputError, type Place } from '../util/errors.js';
import { chooseBridge, findBridges } from './channelBridges.js';
import { findRefusals } from './channelRefusals.js';
import type { Schedule, Step, TimeBracket } from './schedule.js';

export interface ChannelOptions {
  /** Name of the capture, for the schedule and for errors. */
  readonly source: string;
  /** Name or datapath id; needed where the capture holds several bridges that the port names do not tell apart. */
  readonly bridge?: string | null;
  /** Ports that the bridge is known to have. */
  readonly portNames?: readonly string[];
  readonly tlvMap?: TlvMap;
}

/** For `ChannelReader`: the bodies that a schedule needs. */
export function isBodyOfSchedule(message: Uint8Array): boolean {
  const header = messageHeader(message);
  return header !== null && (BODIES.has(header.what) || header.stats === 'port_desc');
}

/**
 * The steps of one bridge. Throws InputError where bytes towards the switch are missing that could have changed it, UsageError
 * where the bridge must be chosen. What is left out is counted in `warnings`.
 */
export function channelToSchedule(channel: Channel, options: ChannelOptions): Schedule {
  if (channel.messages.length === 0) throw noOpenflow(channel, options.source);
  const found = findBridges(channel);
  const bridge = chooseBridge(found, options.bridge ?? null, options.portNames ?? []);
  const reader = new ScheduleReader(channel, options, (connection) => {
    const of = found.ofConnection[connection] ?? null;
    return of === null && found.bridges.length > 1 ? 'unknown' : of === bridge ? 'ours' : 'other';
  });
  return reader.read();
}

function noOpenflow(channel: Channel, file: string): InputError {
  return channel.errors.some(({ kind }) => kind === 'encrypted')
    ? new InputError(
        'the OpenFlow channel in this capture is encrypted (TLS)',
        { file },
        'use ovs-ofctl monitor or snoop text instead',
      )
    : new InputError('no OpenFlow messages in this capture', { file });
}

type Belongs = 'ours' | 'other' | 'unknown';

interface Bundle {
  readonly flags: number;
  closed: boolean;
  readonly mods: FlowMod[];
}

/** What a connection knows by now. */
interface ConnectionState {
  /** OpenFlow 1.0: tables in the commands count. Null: that was settled before the capture began. */
  tableIds: boolean | null;
  readonly bundles: Map<number, Bundle>;
  /** Number of changes since the switch last said anything. */
  unanswered: number;
}

class ScheduleReader {
  private readonly channel: Channel;
  private readonly options: ChannelOptions;
  private readonly belongs: (connection: number) => Belongs;
  private readonly refusals: ReadonlyMap<number, string>;
  private readonly states = new Map<number, ConnectionState>();
  private readonly steps: Step[] = [];
  private readonly counts = new Map<string, number>();
  private readonly versions = new Map<OfVersion, number>();
  private readonly notes: string[] = [];
  private batch = 0;

  constructor(channel: Channel, options: ChannelOptions, belongs: (connection: number) => Belongs) {
    this.channel = channel;
    this.options = options;
    this.belongs = belongs;
    this.refusals = findRefusals(channel);
  }

  read(): Schedule {
    this.checkHoles();
    for (const [index, message] of this.channel.messages.entries()) {
      const belongs = this.belongs(message.connection);
      if (belongs === 'other') continue;
      if (message.from === 'switch') this.stateOf(message.connection).unanswered = 0;
      else this.controllerMessage(index, message, belongs);
    }
    const open = [...this.states.values()].reduce((sum, state) => sum + state.bundles.size, 0);
    if (open > 0) this.notes.push(`${open} bundles are not committed when the capture ends`);
    const unanswered = [...this.states.values()].reduce((sum, state) => sum + state.unanswered, 0);
    if (unanswered > 0)
      this.notes.push(`${unanswered} changes have no answer of the switch behind them: a refusal would not show`);
    const counted = [...this.counts].map(([what, count]) => `${count} ${what}`);
    return {
      source: this.options.source,
      clock: 'unix',
      fidelity: 'wire',
      of: [...this.versions].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '1.3',
      steps: this.steps,
      warnings: [...this.notes, ...counted],
    };
  }

  /** Missing bytes: an error towards the switch, a warning from it. */
  private checkHoles(): void {
    for (const error of this.channel.errors) {
      if (this.belongs(error.connection) === 'other') continue;
      const { client, server } = this.channel.connections[error.connection]!;
      const place = { packet: error.frame, connection: `${client} > ${server}` };
      const what = HOLES[error.kind].replace('N', String(error.bytes));
      if (error.from === 'controller' && !HARMLESS.has(error.kind))
        throw this.fault(`towards the switch ${what}`, place, WHOLE_CAPTURE);
      const direction = error.from === 'controller' ? 'towards' : 'from';
      this.notes.push(`packet ${place.packet}, connection ${place.connection}: ${direction} the switch ${what}`);
    }
  }

  private controllerMessage(index: number, message: ChannelMessage, belongs: Belongs): void {
    const state = this.stateOf(message.connection);
    const { tlvMap } = this.options;
    const decoded = decodeMessage(message.bytes, {
      tableIds: state.tableIds ?? true,
      ...(tlvMap === undefined ? {} : { tlvMap }),
    });
    const changes = CHANGES.has(decoded.what);
    if (!changes) {
      if (decoded.body.kind === 'tableIds' && !this.refusals.has(index)) state.tableIds = decoded.body.on;
      if (decoded.body.kind === 'ctFlushZone' && !this.refusals.has(index)) {
        const t = this.timeOf(message);
        this.steps.push({ kind: 'conntrack', t, filter: { zone: decoded.body.zone }, worlds: 'actual', note: null });
      }
      const ignored = IGNORED[decoded.what];
      if (ignored !== undefined && belongs === 'ours') this.count(ignored);
      return;
    }
    if (belongs === 'unknown')
      throw this.fault(
        'this connection changes flows and does not tell of which bridge',
        this.placeOf(message, decoded),
      );
    state.unanswered++;
    const refusal = this.refusals.get(index) ?? null;
    if (decoded.body.kind === 'flowMod') this.flowMod(message, decoded.body.mod, refusal);
    else if (decoded.body.kind === 'bundleAdd') this.bundleAdd(state, message, decoded, decoded.body, refusal);
    else if (decoded.body.kind === 'bundleControl') this.bundleControl(state, message, decoded, decoded.body, refusal);
    else this.undecodable(message, decoded, decoded.error, refusal);
  }

  private flowMod(message: ChannelMessage, mod: FlowMod, refusal: string | null): void {
    if (refusal !== null) {
      this.count(`flow-mods were refused by the switch (${refusal}) and change nothing`);
      return;
    }
    if (mod.of === '1.0' && mod.table === 0 && mod.op !== 'add' && this.stateOf(message.connection).tableIds === null)
      this.count('flow-mods of OpenFlow 1.0 may mean all tables instead of table 0 (settled before the capture began)');
    this.addStep(message, [mod], false);
  }

  /** ofproto/bundles.c:ofp_bundle_add_message: without an open one the bundle begins here. */
  private bundleAdd(
    state: ConnectionState,
    message: ChannelMessage,
    decoded: WireMessage,
    { bundleId, flags, inner }: Extract<WireMessage['body'], { kind: 'bundleAdd' }>,
    refusal: string | null,
  ): void {
    let bundle = state.bundles.get(bundleId);
    if (bundle !== undefined && (bundle.closed || bundle.flags !== flags)) {
      state.bundles.delete(bundleId);
      return;
    }
    if (inner.error !== null) {
      this.undecodable(message, decoded, inner.error, refusal);
      return;
    }
    // A fault found only at the commit is answered with this message too; then the commit fails.
    if (bundle === undefined) {
      if (!this.channel.connections[message.connection]!.sawStart)
        throw this.fault('the capture begins inside this bundle', this.placeOf(message, decoded));
      bundle = { flags, closed: false, mods: [] };
      state.bundles.set(bundleId, bundle);
    }
    if (inner.body.kind === 'flowMod') bundle.mods.push(inner.body.mod);
    else if (IGNORED[inner.what] !== undefined) this.count(IGNORED[inner.what]!);
  }

  private bundleControl(
    state: ConnectionState,
    message: ChannelMessage,
    decoded: WireMessage,
    { bundleId, control, flags }: Extract<WireMessage['body'], { kind: 'bundleControl' }>,
    refusal: string | null,
  ): void {
    const bundle = state.bundles.get(bundleId);
    if (control === 'OPEN_REQUEST') {
      // Opening what is open closes it for good (ofp_bundle_open).
      if (bundle !== undefined) state.bundles.delete(bundleId);
      else if (refusal === null) state.bundles.set(bundleId, { flags, closed: false, mods: [] });
    } else if (control === 'CLOSE_REQUEST') {
      if (bundle !== undefined && !bundle.closed && bundle.flags === flags) bundle.closed = true;
      else state.bundles.delete(bundleId);
    } else if (control === 'DISCARD_REQUEST') {
      if (bundle !== undefined) this.count('bundles were discarded');
      state.bundles.delete(bundleId);
    } else if (control === 'COMMIT_REQUEST') {
      state.bundles.delete(bundleId);
      this.commit(message, decoded, bundle, refusal);
    }
  }

  private commit(
    message: ChannelMessage,
    decoded: WireMessage,
    bundle: Bundle | undefined,
    refusal: string | null,
  ): void {
    if (refusal !== null) {
      this.count(`bundles failed (${refusal}) and change nothing`);
      return;
    }
    if (bundle === undefined) {
      if (!this.channel.connections[message.connection]!.sawStart)
        throw this.fault('the messages of this bundle are not in the capture', this.placeOf(message, decoded));
      this.count('commits of bundles that do not exist');
      return;
    }
    if (bundle.mods.length > 0) this.addStep(message, bundle.mods, true);
  }

  /** Open vSwitch refuses such a message. Another switch, or another version, may not have. */
  private undecodable(
    message: ChannelMessage,
    decoded: WireMessage,
    error: string | null,
    refusal: string | null,
  ): void {
    if (refusal !== null) {
      this.count(`flow-mods were refused by the switch (${refusal}) and change nothing`);
      return;
    }
    const { packet, connection, xid } = this.placeOf(message, decoded);
    this.notes.push(
      `packet ${packet}, connection ${connection}, xid 0x${xid!.toString(16)}: ${decoded.what} left out, Open vSwitch answers ${error} (no answer in the capture)`,
    );
  }

  private addStep(message: ChannelMessage, mods: readonly FlowMod[], bundle: boolean): void {
    for (const mod of mods) this.versions.set(mod.of, (this.versions.get(mod.of) ?? 0) + 1);
    const t = this.timeOf(message);
    this.steps.push({ kind: 'tables', t, mods, bundle, batch: bundle ? ++this.batch : null, note: null });
  }

  /** Steps are in the order of the capture; a clock that was set back does not change that. */
  private timeOf(message: ChannelMessage): TimeBracket {
    let at = message.t;
    const before = this.steps.at(-1)?.t.latest ?? at;
    if (at < before) {
      this.count('steps have an earlier time than the step before them, whose time they take');
      at = before;
    }
    return { earliest: at, latest: at };
  }

  private stateOf(connection: number): ConnectionState {
    let state = this.states.get(connection);
    if (state === undefined) {
      state = {
        tableIds: this.channel.connections[connection]!.sawStart ? false : null,
        bundles: new Map(),
        unanswered: 0,
      };
      this.states.set(connection, state);
    }
    return state;
  }

  private count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  private placeOf(message: ChannelMessage, decoded: WireMessage): Place {
    const { client, server } = this.channel.connections[message.connection]!;
    return { packet: message.frame, connection: `${client} > ${server}`, xid: decoded.xid };
  }

  private fault(what: string, place: Place, hint?: string): InputError {
    return new InputError(what, { file: this.options.source, ...place }, hint);
  }
}

const CHANGES = new Set(['flow_mod', 'bundle_add', 'bundle_ctrl']);
/** Errors point at any message by its bytes, so what controllers send is whole. */
const BODIES = new Set([...CHANGES, 'error', 'features_reply', 'nx_flow_mod_table_id', 'nx_ct_flush_zone']);

/** Changes of other kinds, which no step can hold. */
const IGNORED: Readonly<Record<string, string>> = {
  group_mod: 'group-mods are not executed',
  meter_mod: 'meter-mods are not executed',
  table_mod: 'table-mods are not executed',
  port_mod: 'port-mods are not executed',
  tlv_table_mod: 'changes of the tunnel option table are not executed',
  nx_ct_flush: 'conntrack flushes by tuple (NXT_CT_FLUSH) are not executed',
};

const WHOLE_CAPTURE =
  'capture with tcpdump -s 0 and a larger buffer (-B 65536), and see that it reports no dropped packets';

/** Before the first byte, behind the last whole message, and in what is no OpenFlow, nothing is in doubt. */
const HARMLESS = new Set(['no-message-start', 'incomplete', 'not-openflow', 'encrypted']);

const HOLES = {
  gap: 'N bytes are not in the capture before this packet',
  'captured-short': 'N bytes of this packet were not captured',
  incomplete: 'the stream ends inside a message, N bytes are left over',
  'not-openflow': 'something else than OpenFlow is spoken',
  encrypted: 'TLS is spoken, which cannot be read',
  'bad-length': 'a message claims a length of N, nothing behind it can be read',
  'no-message-start': 'the capture begins inside a message',
} as const;
