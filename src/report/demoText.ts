/** The demo told: one incident, and the same changes as one bundle. */
import { plainWords } from './plainWords.js';
import type { ReplayResult, Window } from './result.js';
import { leadLines } from './textLead.js';
import { windowSentence } from './textTables.js';
import { flowText, plural } from './words.js';

const INDENT = '  ';

const IN_PLAIN_WORDS = [
  'IN PLAIN WORDS',
  'An address is one flow for all ports, with the ids of every rule that names its group. The agent rewrites it together',
  'with the first port, with new ids; the flows of the other ports ask for the old ids until their own bundle comes. Until',
  'then what is allowed is refused, and its conntrack entry marked, which never heals for replies. And where an old id has',
  'got a new owner, what nothing allows gets through.',
];

export function demoText(incident: ReplayResult, oneBundle: ReplayResult): string {
  const { windows, flows } = incident;
  const dead = new Set(flows.filter((flow) => flow.dead !== null).flatMap((flow) => flow.windows));
  const chosen: [string, Window | undefined][] = [
    ['A drop', windows.find((window) => window.kind === 'drop' && !dead.has(window.id))],
    ['A reply direction that stays dead', windows.find((window) => dead.has(window.id))],
    ['A leak', windows.find((window) => window.kind === 'leak')],
  ];
  const lines = [
    'Three ports on one network, two security groups. The agent restarts and hands out its conjunction ids in another order.',
    '',
    'AS IT HAPPENED: one bundle per port',
    ...leadLines(incident),
  ];
  for (const [title, window] of chosen) if (window !== undefined) lines.push('', ...story(title, window, incident));
  lines.push('', ...IN_PLAIN_WORDS);
  lines.push(
    '',
    'THE SAME FLOW-MODS AS ONE BUNDLE',
    ...leadLines(oneBundle),
    '',
    `${plural(windows.length, 'window')} against ${plural(oneBundle.windows.length, 'window')}: same packets, same flows, same end.`,
  );
  return `${lines.join('\n')}\n`;
}

function story(title: string, window: Window, { flows, windows }: ReplayResult): string[] {
  return [
    `${title}: ${flowText(window.flow)} (${window.flow.direction})`,
    `${INDENT}${windowSentence(window, flows, windows)}.`,
    ...plainWords(window).map((sentence) => `${INDENT}${sentence}`),
  ];
}
