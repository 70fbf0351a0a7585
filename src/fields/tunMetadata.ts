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

/**
 * A mapping that holds what some flow text says of tunnel options, for work without a switch: each tun_metadataN that
 * the text names, as wide as its longest number or highest bit. InputError: more than 256 bytes.
 */
export function inferTlvMap(text: string): TlvMap {
  const bytes = new Map<number, number>();
  const need = (index: number, count: number): void => {
    bytes.set(index, Math.max(bytes.get(index) ?? 4, count));
  };
  for (const found of text.matchAll(
    /tun_metadata([0-9]{1,2})(?:\[(?:[0-9]{1,3}\.\.)?([0-9]{1,3})\])?(?:=([0-9a-fx/]+))?/gi,
  )) {
    const index = Number(found[1]);
    if (index > 63) continue;
    need(index, Math.ceil((Number(found[2] ?? 0) + 1) / 8));
    for (const number of found[3]?.split('/') ?? []) need(index, numberBytes(number));
  }
  for (const found of text.matchAll(/set_field:([0-9a-fx/]+)->tun_metadata([0-9]{1,2})/gi))
    for (const number of found[1]!.split('/')) if (Number(found[2]) < 64) need(Number(found[2]), numberBytes(number));
  const options = [...bytes].sort(([a], [b]) => a - b);
  return makeTlvMap(
    options.map(([index, count]) => ({ optionClass: 0xffff, type: index, length: 4 * Math.ceil(count / 4), index })),
  );
}

const numberBytes = (text: string): number =>
  /^0x/i.test(text) ? Math.ceil((text.replace(/^0x0*/i, '').length || 1) / 2) : 8;

/** The field with its bits; null for a tun_metadata field without mapping. Other fields are returned as they are. */
export function mappedField(of: Field, map: TlvMap): Field | null {
  return of.presentBit < 0 ? of : (map.fields.get(of.presentBit) ?? null);
}
