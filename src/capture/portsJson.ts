/** Port lists in JSON: our own form, and the tables that `ovs-vsctl -f json list` prints (RFC 7047 5.1 values). */
import { InputError } from '../util/errors.js';

/** What one input says of one port. */
export interface PortFacts {
  name: string;
  ofport?: number;
  tag?: number;
  trunks?: readonly number[];
  vlanMode?: string;
  mac?: string;
  peer?: string;
  ifindex?: number;
  type?: string;
  /** The device's own address, which is not always that of the station behind it. */
  deviceMac?: string;
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** `{"ports":[{"name","ofport","tag"?,"trunks"?,"vlan_mode"?,"mac"?,"peer"?,"ifindex"?,"type"?}]}` */
export function parsePortJson(value: Record<string, unknown>, file: string): PortFacts[] {
  const list = value['ports'];
  if (!Array.isArray(list)) throw new InputError('no "ports" array in the JSON', { file });
  return list.map((entry: unknown, i) => {
    if (typeof entry !== 'object' || entry === null) throw new InputError(`ports[${i}] is no object`, { file });
    const read = new Fields(entry as Record<string, unknown>, `ports[${i}]`, file);
    return read.facts('vlan_mode');
  });
}

/** Interface has name, ofport, mac_in_use, ifindex, options, external_ids; Port has name, tag, trunks, vlan_mode. */
export function parseOvsdbTable(value: Record<string, unknown>, file: string): PortFacts[] {
  const { headings, data } = value;
  if (!Array.isArray(headings) || !Array.isArray(data)) {
    throw new InputError('no "headings" and "data" arrays in the JSON', { file });
  }
  return data.map((cells: unknown, i) => {
    if (!Array.isArray(cells) || cells.length !== headings.length) {
      throw new InputError(`data[${i}] has not as many columns as there are headings`, { file });
    }
    const row: Record<string, unknown> = {};
    headings.forEach((heading, column) => {
      const cell = plain(cells[column]);
      if (cell !== null && cell !== '') row[String(heading)] = cell;
    });
    return tableFacts(row, `data[${i}]`, file);
  });
}

function tableFacts(row: Record<string, unknown>, where: string, file: string): PortFacts {
  const options = (row['options'] ?? {}) as Record<string, string>;
  const ids = (row['external_ids'] ?? {}) as Record<string, string>;
  const trunks = row['trunks'];
  const flat: Record<string, unknown> = {
    name: row['name'],
    ofport: typeof row['ofport'] === 'number' && row['ofport'] > 0 ? row['ofport'] : undefined,
    tag: row['tag'],
    trunks: trunks === undefined || Array.isArray(trunks) ? trunks : [trunks],
    vlan_mode: row['vlan_mode'],
    // What Neutron, Nova and libvirt note there is the guest's address.
    mac: ids['attached-mac'],
    peer: options['peer'],
    ifindex: row['ifindex'],
    type: row['type'],
  };
  const facts = new Fields(flat, where, file).facts('vlan_mode');
  const device = row['mac_in_use'];
  if (typeof device === 'string' && MAC.test(device)) facts.deviceMac = device.toLowerCase();
  return facts;
}

/** RFC 7047 5.1: `["set",[…]]`, `["map",[[k,v],…]]`, `["uuid","…"]`; an empty set is "no value". */
function plain(cell: unknown): unknown {
  if (!Array.isArray(cell)) return cell;
  const [kind, items] = cell as [unknown, unknown];
  if (kind === 'set' && Array.isArray(items)) return items.length === 0 ? null : items.map(plain);
  if (kind === 'map' && Array.isArray(items)) return Object.fromEntries(items as [string, unknown][]);
  return items ?? null;
}

class Fields {
  private readonly object: Record<string, unknown>;
  private readonly where: string;
  private readonly file: string;

  constructor(object: Record<string, unknown>, where: string, file: string) {
    this.object = object;
    this.where = where;
    this.file = file;
  }

  facts(modeKey: string): PortFacts {
    const name = this.text('name');
    if (name === undefined || name === '') throw this.error('name', 'is missing');
    const facts: PortFacts = { name };
    const ofport = this.integer('ofport', 1, 65_534);
    const tag = this.integer('tag', 0, 4095);
    const ifindex = this.integer('ifindex', 0, 0x7fffffff);
    const mac = this.text('mac');
    const trunks = this.object['trunks'] ?? undefined;
    const mode = this.text(modeKey);
    const peer = this.text('peer');
    const type = this.text('type');
    if (mac !== undefined && !MAC.test(mac)) throw this.error('mac', `"${mac}" is no MAC address`);
    if (trunks !== undefined) facts.trunks = this.vlans(trunks);
    if (ofport !== undefined) facts.ofport = ofport;
    if (tag !== undefined) facts.tag = tag;
    if (ifindex !== undefined) facts.ifindex = ifindex;
    if (mac !== undefined) facts.mac = mac.toLowerCase();
    if (mode !== undefined) facts.vlanMode = mode;
    if (peer !== undefined) facts.peer = peer;
    if (type !== undefined) facts.type = type;
    return facts;
  }

  private vlans(value: unknown): number[] {
    const isVlan = (item: unknown) => Number.isInteger(item) && (item as number) >= 0 && (item as number) <= 4095;
    if (!Array.isArray(value) || !value.every(isVlan)) throw this.error('trunks', 'is no list of VLANs');
    return value as number[];
  }

  private text(key: string): string | undefined {
    const value = this.object[key] ?? undefined;
    if (value !== undefined && typeof value !== 'string') throw this.error(key, 'is no text');
    return value;
  }

  private integer(key: string, least: number, most: number): number | undefined {
    const value = this.object[key] ?? undefined;
    if (value === undefined) return undefined;
    if (key === 'ofport' && value === 'LOCAL') return 65_534;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw this.error(key, `is no number from ${least} to ${most}`);
    }
    return value;
  }

  private error(key: string, what: string): InputError {
    return new InputError(`${this.where}: "${key}" ${what}`, { file: this.file });
  }
}
