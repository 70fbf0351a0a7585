/** Cooked captures: what is known of stations and interfaces before their frames are replayed. */
import { statSync } from 'node:fs';
import { InterfaceFinder } from '../capture/interfaces.js';
import { LINK_SLL2 } from '../capture/links.js';
import { MergedCapture } from '../capture/merge.js';
import { openCapture } from '../capture/open.js';
import { K } from '../fields/key.js';
import type { Match } from '../openflow/match.js';
import { maskOfWord } from '../openflow/match.js';
import { CookedFrames, isCooked } from '../packet/cooked.js';
import { lookForInterfaces, lookForStations } from '../packet/lookAhead.js';
import { placeOf, Stations } from '../packet/stations.js';
import type { Timeline } from '../timeline/timeline.js';
import { frameJudge, type JudgeInputs, type NamedCapture } from './captures.js';
import type { CaptureTally } from './captureTally.js';
import type { ReplayOptions } from './replayOptions.js';

const ETH_IPV6 = 0x86dd;

/** What is known before the first packet. */
export interface Ahead {
  /** As given, with the ports of cooked interfaces. */
  readonly inputs: JudgeInputs;
  readonly cooked: CookedFrames;
}

/**
 * Stations that rules name, and, where captures are cooked and can be read twice, those that their frames name, and which
 * interface is which port. `captures` have been asked for their first records.
 */
export async function readAhead(
  options: Pick<ReplayOptions, 'reader' | 'signal'>,
  captures: readonly NamedCapture<CaptureTally>[],
  given: JudgeInputs,
): Promise<Ahead> {
  const { ports } = given.bridge;
  const stations = new Stations(
    new Map(ports.flatMap(({ ofport, tag }) => (tag === undefined ? [] : [[ofport, tag]]))),
  );
  nameStations(stations, given.timeline);
  const cooked = new CookedFrames(stations);
  const linkTypes = captures.flatMap(({ source }) => source.interfaces.map(({ linkType }) => linkType));
  if (!linkTypes.some(isCooked) || !captures.every(({ source }) => canBeReadTwice(source.path))) {
    return { inputs: given, cooked };
  }
  const { signal } = options;
  let inputs = given;
  const again = (pass: (capture: MergedCapture, files: readonly NamedCapture[]) => Promise<void>) =>
    readAgain(captures, options.reader ?? 'native', pass);
  const isIndexMissing = ports.some(({ ifindex }) => ifindex === undefined);
  if (linkTypes.includes(LINK_SLL2) && given.portOf === null && isIndexMissing) {
    await again(async (capture, files) => {
      const finder = new InterfaceFinder(frameJudge(files, given));
      await lookForInterfaces(capture, finder, signal);
      inputs = { ...given, interfaces: finder.found(ports) };
    });
  }
  await again((capture, files) => lookForStations(capture, frameJudge(files, inputs), cooked, signal));
  return { inputs, cooked };
}

async function readAgain(
  captures: readonly NamedCapture<CaptureTally>[],
  reader: 'native' | 'pcap-parser',
  pass: (capture: MergedCapture, files: readonly NamedCapture[]) => Promise<void>,
): Promise<void> {
  const files: NamedCapture[] = [];
  for (const { portName, source } of captures)
    files.push({ portName, source: await openCapture(source.path, { reader }) });
  const capture = new MergedCapture(files.map(({ source }) => source));
  try {
    await pass(capture, files);
  } finally {
    await capture.close();
  }
}

const canBeReadTwice = (path: string): boolean =>
  path !== '-' && statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** Rules that let one station in by a port, its MAC and its IP address: what keeps forged addresses out. */
function nameStations(stations: Stations, { rules }: Timeline): void {
  for (const { rule } of rules) {
    const { match } = rule;
    if (!isExact(match, K.in_port, 1) || !isExact(match, K.dl_src, 2)) continue;
    const isIpv6 = wordOf(match, K.dl_type) === ETH_IPV6;
    if (isIpv6 ? !isExact(match, K.ipv6_src, 4) : !isExact(match, K.nw_src, 1)) continue;
    const address = isIpv6
      ? [0, 1, 2, 3].map((i) => wordOf(match, K.ipv6_src + i))
      : [wordOf(match, K.nw_src), 0, 0, 0];
    const mac = wordOf(match, K.dl_src) * 0x1_0000_0000 + (wordOf(match, K.dl_src + 1) >>> 0);
    stations.name(placeOf(wordOf(match, K.in_port), 0), address, mac);
  }
}

/** MACs have 16 bits in their first word, ports in their only one. */
function isExact(match: Match, word: number, words: number): boolean {
  const first = word === K.in_port || word === K.dl_src ? 0xffff : -1;
  for (let i = 0; i < words; i++) {
    const wanted = i === 0 ? first : -1;
    if ((maskOfWord(match, word + i) & wanted) !== wanted) return false;
  }
  return true;
}

const wordOf = (match: Match, word: number): number => match.values[match.words.indexOf(word)] ?? 0;

/** What a report says of cooked frames. */
export function cookedWarnings({ inputs, cooked: { told, routed, unknown } }: Ahead): string[] {
  const all = told + routed + unknown;
  if (all === 0) return [];
  const names = new Map(inputs.bridge.ports.map(({ ofport, name }) => [ofport, name]));
  const interfaces = [...(inputs.interfaces ?? [])]
    .sort(([a], [b]) => a - b)
    .map(([index, port]) => `${index} is ${names.get(port)}`);
  const destination = [
    `${all} packets are of Linux cooked captures, which have no destination MAC address: it is inferred from frames the other way, ARP and rules`,
    ...(routed > 0 ? [`${routed} go to the only router that was seen in their network`] : []),
    unknown > 0 ? `of ${unknown} it stays unknown, and they are replayed with 00:00:00:00:00:00` : 'none stays unknown',
  ];
  return [
    destination.join('; '),
    ...(interfaces.length > 0
      ? [`interfaces of the cooked capture, by the stations that send there: ${interfaces.join(', ')}`]
      : []),
  ];
}
