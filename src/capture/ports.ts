/** The bridge's ports, out of whatever the user has: JSON, `ovs-ofctl show`, `ovs-vsctl show`, `ovs-vsctl -f json list`. */
import { InputError } from '../util/errors.js';
import { linesOf } from '../util/lines.js';
import { type PortFacts, parseOvsdbTable, parsePortJson } from './portsJson.js';

export type { PortFacts } from './portsJson.js';

export interface BridgePort {
  readonly name: string;
  /** OpenFlow port number, 16-bit space: LOCAL is 65534. */
  readonly ofport: number;
  readonly tag?: number;
  readonly trunks?: readonly number[];
  readonly vlanMode?: string;
  /** Source address of the station behind the port, where it is known to have one. */
  readonly mac?: string;
  /** Name of the patch port at the other end. */
  readonly peer?: string;
  /** Linux interface index, as Linux cooked v2 captures name it. */
  readonly ifindex?: number;
  /** OVSDB type: "internal", "patch" …; "" for a device. */
  readonly type?: string;
}

export interface PortList {
  /** By number. */
  readonly ports: readonly BridgePort[];
  /** Names that no input gave an OpenFlow number. */
  readonly unnumbered: readonly string[];
}

const LOCAL = 65_534;
const HINT =
  'accepted are JSON {"ports":[…]}, the text of `ovs-ofctl show BRIDGE` or `ovs-vsctl show`, and `ovs-vsctl -f json list Interface` or `list Port`';

/** Recognises the kind by content. `bridge`: only this bridge of `ovs-vsctl show`. */
export function parsePorts(text: string, file: string, bridge?: string): PortFacts[] {
  const first = text.trimStart();
  if (first.startsWith('{')) {
    const value = parseJson(text, file);
    return 'headings' in value ? parseOvsdbTable(value, file) : parsePortJson(value, file);
  }
  const isShow = text.includes('): addr:') || /^OFPST_PORT_DESC|^OFPT_FEATURES_REPLY/m.test(text);
  const facts = isShow ? parseOfctlShow(text, file) : parseVsctlShow(text, file, bridge);
  if (facts.length === 0) throw new InputError('no ports found', { file }, HINT);
  return facts;
}

/** Facts about the same name come together; later ones win. */
export function mergePorts(lists: readonly (readonly PortFacts[])[]): PortList {
  const byName = new Map<string, PortFacts>();
  for (const facts of lists.flat()) byName.set(facts.name, { ...byName.get(facts.name), ...facts });
  const ports: BridgePort[] = [];
  const unnumbered: string[] = [];
  for (const { deviceMac, ofport, ...facts } of byName.values()) {
    if (ofport === undefined) {
      unnumbered.push(facts.name);
      continue;
    }
    // The host's own stack sends with the address of an internal device; that of a tap or a card belongs to the host,
    // while the frames that come in there have the guest's or somebody else's.
    const isOwn = facts.type === 'internal' || ofport === LOCAL;
    const mac = facts.mac ?? (isOwn ? deviceMac : undefined);
    ports.push({ ...facts, ofport, ...(mac === undefined ? {} : { mac }) });
  }
  ports.sort((a, b) => a.ofport - b.ofport);
  for (let i = 1; i < ports.length; i++) {
    const [one, other] = [ports[i - 1]!, ports[i]!];
    if (one.ofport === other.ofport) {
      throw new InputError(`ports "${one.name}" and "${other.name}" have the same number ${one.ofport}`, {}, HINT);
    }
  }
  return { ports, unnumbered };
}

function parseJson(text: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new InputError(`not JSON: ${(error as Error).message}`, { file }, HINT);
  }
}

/** ` 1(eth0): addr:00:11:22:33:44:55`, and `LOCAL(br0): addr:…` (lib/ofp-port.c:ofputil_format_phy_port). */
function parseOfctlShow(text: string, file: string): PortFacts[] {
  const facts: PortFacts[] = [];
  for (const line of linesOf(text, file)) {
    const open = line.text.indexOf('(');
    const close = line.text.lastIndexOf('): addr:');
    if (open < 0 || close < open) continue;
    const number = line.text.slice(0, open).trim();
    if (number !== 'LOCAL' && !/^\d{1,5}$/.test(number)) continue;
    const address = line.text.slice(close + 8, close + 25).toLowerCase();
    facts.push({
      name: line.text.slice(open + 1, close),
      ofport: number === 'LOCAL' ? LOCAL : Number(number),
      ...(isMac(address) ? { deviceMac: address } : {}),
    });
  }
  return facts;
}

/** Blocks `Bridge`, `Port`, `Interface` with their properties; a port's tag and trunks hold for all of its interfaces. */
function parseVsctlShow(text: string, file: string, bridge: string | undefined): PortFacts[] {
  const facts: PortFacts[] = [];
  let inBridge = bridge === undefined;
  let port: Partial<PortFacts> = {};
  let current: PortFacts | null = null;
  for (const line of linesOf(text, file)) {
    const words = line.text.trim();
    const [kind, rest] = splitOnce(words, ' ');
    if (kind === 'Bridge') {
      inBridge = bridge === undefined || unquote(rest) === bridge;
      current = null;
    } else if (!inBridge) continue;
    else if (kind === 'Port') {
      port = {};
      current = null;
    } else if (kind === 'Interface') {
      current = { ...port, name: unquote(rest) };
      facts.push(current);
    } else if (kind === 'tag:') port = { ...port, tag: vlan(rest, file, line.number) };
    else if (kind === 'trunks:') {
      const items = rest.replace(/[[\]]/g, '').split(',');
      port = { ...port, trunks: items.filter((t) => t.trim() !== '').map((t) => vlan(t, file, line.number)) };
    } else if (current !== null && kind === 'type:') current.type = unquote(rest);
    else if (current !== null && kind === 'options:') {
      const peer = /\bpeer="?([^",}]+)/.exec(rest)?.[1];
      if (peer !== undefined) current.peer = peer;
    }
  }
  return facts;
}

function vlan(text: string, file: string, line: number): number {
  const value = Number(text.trim());
  if (!Number.isInteger(value) || value < 0 || value > 4095) {
    throw new InputError(`"${text.trim()}" is no VLAN`, { file, line });
  }
  return value;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1).trim()];
}

function unquote(text: string): string {
  return text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}

export function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);
}
