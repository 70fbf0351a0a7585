import { parseFlowMod } from '../openflow/flowText.js';
import type { FlowMod, FlowModOp, OfVersion, PortNames } from '../openflow/rule.js';
import { InputError, type Place } from '../util/errors.js';

export interface ReadFlowModOptions {
  readonly of: OfVersion;
  readonly ports?: PortNames;
  /** Where the text stands; its column is that of the text's first character. */
  readonly place: Place;
}

/** parseFlowMod() of a text inside a file: errors and warnings name the file, the line and the column in it. */
export function readFlowMod(
  op: FlowModOp,
  text: string,
  { of, ports, place }: ReadFlowModOptions,
): { mod: FlowMod; warnings: string[] } {
  try {
    const { mod, warnings } = parseFlowMod(op, text, { of, ...(ports && { ports }) });
    return { mod, warnings: warnings.map((warning) => `${place.file}:${place.line}: ${warning}`) };
  } catch (error) {
    if (error instanceof InputError) {
      error.place = { ...place, column: (place.column ?? 1) + (error.place.column ?? 1) - 1 };
    }
    throw error;
  }
}
