/** Conntrack entries at the end of a replay, held against a dump of the real ones. */
import { parseEntries } from '../conntrack/parseEntries.js';
import { formatEntry } from '../conntrack/text.js';
import { Tracker } from '../conntrack/tracker.js';
import type { CompareResult } from '../report/result.js';
import { type InputFile, textOf } from '../util/inputFile.js';

type Compared = Pick<CompareResult, 'evidence' | 'compared' | 'agreed' | 'disagreements' | 'warnings'>;

/** Entries are the same connection by tuples and zone; mark and label must then be equal. Times and states may differ. */
export function compareEntries(entries: readonly string[], dump: InputFile, profile = 'linux'): Compared {
  const tracker = new Tracker(profile, {});
  const predicted = byConnection(parseEntries(entries.join('\n'), 'the replay', tracker, 0));
  const parsed = parseEntries(textOf(dump), dump.name, tracker, 0);
  const observed = byConnection(parsed);
  const names = [...new Set([...predicted.keys(), ...observed.keys()])].sort();
  const disagreements: CompareResult['disagreements'] = [];
  for (const name of names) {
    const [mine, theirs] = [predicted.get(name), observed.get(name)];
    if (mine === theirs) continue;
    disagreements.push({
      what: `conntrack entry ${name}`,
      predicted: mine ?? 'no entry',
      observed: theirs ?? 'no entry',
    });
  }
  return {
    evidence: 'conntrack',
    compared: names.length,
    agreed: names.length - disagreements.length,
    disagreements,
    warnings: parsed.warnings,
  };
}

/** Name of the connection to what must be equal: `mark=1` or `mark=0,labels=0x5`. */
function byConnection({ entries }: ReturnType<typeof parseEntries>): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of entries) {
    const text = formatEntry(entry);
    const tuples = /^[^,]*,orig=\([^)]*\),reply=\([^)]*\)/.exec(text)?.[0] ?? text;
    const field = (name: string) => new RegExp(`,${name}=([^,]+)`).exec(text.slice(tuples.length))?.[1];
    const labels = field('labels');
    found.set(
      `${tuples},zone=${field('zone') ?? 0}`,
      `mark=${field('mark') ?? 0}${labels === undefined ? '' : `,labels=${labels}`}`,
    );
  }
  return found;
}
