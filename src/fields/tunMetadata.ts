/**
 * Tunnel options (Geneve TLVs) as fields: a switch maps (class, type) to tun_metadataN with a length, and only then
 * does the field have bits in the key (lib/tun-metadata.c: tun_metadata_table_mod).
 */
import { InputError } from '../util/errors.js';
import { type Field, field } from './fieldTable.js';
import { K } from './key.js';

export interface TlvOption {
  readonly optionClass: number;
  readonly type: number;
  /** Bytes, a multiple of 4 up to 124. */
  readonly length: number;
  /** N of tun_metadataN, 0..63. */
  readonly index: number;
}

/** Words of the key for options: TUN_METADATA_TOT_OPT_SIZE is 256 bytes. */
const WORDS = 64;

export interface TlvMap {
  readonly options: readonly TlvOption[];
  /** tun_metadataN with its place in the key, by N. */
  readonly fields: ReadonlyMap<number, Field>;
}

/** Gives each option its place, in the order of the list. InputError: length or index out of range, space used up. */
export function makeTlvMap(options: readonly TlvOption[]): TlvMap {
  const fields = new Map<number, Field>();
  let next = 0;
  for (const option of options) {
    const words = option.length / 4;
    const fits = Number.isInteger(words) && words >= 1 && words <= 31 && next + words <= WORDS;
    if (!fits || option.index < 0 || option.index > 63 || fields.has(option.index))
      throw new InputError(`tunnel option ${option.index} of ${option.length} bytes cannot be mapped`);
    const base = next;
    fields.set(option.index, {
      ...field(`tun_metadata${option.index}`),
      nBytes: option.length,
      nBits: option.length * 8,
      words: Array.from({ length: words }, (_, i) => K.tun_metadata + base + i),
      valueMask: (1n << BigInt(option.length * 8)) - 1n,
      keyMask: -1,
    });
    next += words;
  }
  return { options, fields };
}

/** The mapping of a switch that nobody configured otherwise in our cases: one option of 4 and one of 8 bytes. */
export const DEFAULT_TLV_MAP: TlvMap = makeTlvMap([
  { optionClass: 0xffff, type: 0, length: 4, index: 0 },
  { optionClass: 0xffff, type: 1, length: 8, index: 1 },
]);

/** The field with its bits; null for a tun_metadata field without mapping. Other fields are returned as they are. */
export function mappedField(of: Field, map: TlvMap): Field | null {
  return of.presentBit < 0 ? of : (map.fields.get(of.presentBit) ?? null);
}
