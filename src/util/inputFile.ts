/** Text inputs as a whole: a file or standard input, unpacked when it is gzip. Captures are streamed elsewhere. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { InputError } from './errors.js';

/** An input that has been read; `bytes` are unpacked. */
export interface InputFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The file's own bytes, packed as they may be. */
  readonly raw?: Uint8Array;
}

/** A small gzip file can unpack to anything; dumps, schedules and logs stay far below this. */
export const UNPACKED_MAX = 1 << 30;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

/** Reads a file, `-` is standard input. InputError names the file and says why not. */
export function readInputFile(path: string): InputFile {
  const name = path === '-' ? 'standard input' : path;
  let raw: Uint8Array;
  try {
    raw = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new InputError(REASONS[code ?? ''] ?? message, { file: name });
  }
  return { name, bytes: unpack(raw, name), raw };
}

/** Unpacks gzip, found by content (RFC 1952, 2.3.1). InputError for a damaged one, and for zstd and lz4 by name. */
export function unpack(raw: Uint8Array, name: string): Uint8Array {
  const magic = raw.length < 4 ? 0 : new DataView(raw.buffer, raw.byteOffset).getUint32(0);
  if (magic === 0x28b52ffd || magic === 0x04224d18) {
    const kind = magic === 0x28b52ffd ? 'zstd' : 'lz4';
    throw new InputError(`${kind} is not read`, { file: name }, `unpack it first: ${kind} -d`);
  }
  if (magic >>> 16 !== 0x1f8b) return raw;
  try {
    return gunzipSync(raw, { maxOutputLength: UNPACKED_MAX });
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const what = tooLarge ? `unpacks to more than ${UNPACKED_MAX} bytes` : `damaged gzip: ${(error as Error).message}`;
    throw new InputError(what, { file: name });
  }
}

/** A string of V8 holds a little more. */
const TEXT_MAX = 500 * 2 ** 20;

/** Text of an input: UTF-8, without a byte order mark. InputError for more than 500 MiB. */
export function textOf(file: InputFile): string {
  if (file.bytes.length > TEXT_MAX) throw new InputError('a text of more than 500 MiB', { file: file.name });
  return new TextDecoder().decode(file.bytes);
}
