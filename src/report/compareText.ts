/** A comparison as text: the count, then each disagreement by name. */
import type { CompareResult } from './result.js';
import { clean, clock, grouped, plural } from './words.js';

const EVIDENCE: Record<CompareResult['evidence'], string> = {
  frames: 'packets compared with frames that left',
  conntrack: 'conntrack entries compared',
};

export function compareText(result: CompareResult): string {
  const { compared, agreed, disagreements, warnings } = result;
  const unexplained = disagreements.filter(({ explained }) => explained === undefined).length;
  const open =
    result.evidence === 'frames' && disagreements.length > 0
      ? `, ${grouped(unexplained)} of them not near a step of the restart`
      : '';
  const lines = [
    `${grouped(compared)} ${EVIDENCE[result.evidence]}: ${grouped(agreed)} agree, ${plural(disagreements.length, 'disagreement')}${open}`,
  ];
  for (const { what, packet, t, predicted, observed, explained } of disagreements) {
    const name = packet === undefined ? what : `packet ${packet}`;
    const when = t === undefined ? '' : ` at ${clock(t)}`;
    lines.push(
      `  ${clean(`${name}${when}: predicted ${predicted}, ${observed}${explained === undefined ? '' : ` (${explained})`}`)}`,
    );
  }
  for (const warning of warnings) lines.push(`warning: ${clean(warning)}`);
  return `${lines.join('\n')}\n`;
}
