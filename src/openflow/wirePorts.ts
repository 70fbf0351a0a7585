/** Ports and the datapath id, by which a connection tells whose it is (lib/ofp-switch.c, lib/ofp-port.c). */
import { portFrom32 } from '../fields/access.js';
import { WireError, type WireReader } from './wireReader.js';

export interface WirePort {
  /** 16-bit space, LOCAL is 65534. */
  readonly port: number;
  readonly name: string;
}

export interface SwitchFeatures {
  /** 16 hex digits. */
  readonly datapathId: string;
  /** OpenFlow 1.0 to 1.2 only; later versions ask for descriptions. */
  readonly ports: readonly WirePort[];
}

export function decodeFeatures(r: WireReader, version: number): SwitchFeatures {
  const datapathId = r.u64().toString(16).padStart(16, '0');
  r.skip(16);
  return { datapathId, ports: version <= 3 ? decodePorts(r, version) : [] };
}

const NAME_BYTES = 16;

/** Port structures to the end: 48 bytes in 1.0, 64 in 1.1 to 1.3, their own length from 1.4 on. */
export function decodePorts(r: WireReader, version: number): WirePort[] {
  const ports: WirePort[] = [];
  while (r.left > 0) {
    const start = r.pos;
    const number = version === 1 ? r.u16() : portFrom32(r.u32());
    if (number === null) throw new WireError('OFPBAC_BAD_OUT_PORT');
    const bytes = version === 1 ? 48 : version <= 4 ? 64 : r.u16();
    if (bytes < 40 || bytes > r.end - start) throw new WireError('OFPBRC_BAD_LEN');
    // The name follows the Ethernet address and its padding.
    r.pos = start + (version === 1 ? 8 : 16);
    ports.push({ port: number, name: nameOf(r.take8(NAME_BYTES)) });
    r.pos = start + bytes;
  }
  return ports;
}

function nameOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString('utf8');
}
