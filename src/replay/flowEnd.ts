/** What is asked of a flow when the trace is over: dead or lingering (its last packet, sent once more right after it). */
import { type CtEntry, firstDifference, LINUX_TCP, OVS_TCP } from '../conntrack/entry.js';
import { entryOf } from './entryKey.js';
import type { DeadReason, Flow } from './flows.js';
import { hasOutput } from './packetResult.js';
import { ACTUAL, AFTER, BEFORE } from './restart.js';
import type { Scene, Theatre } from './scene.js';

export function endFlow(theatre: Theatre, flow: Flow): void {
  const scene = flow.lastEnd;
  if (scene === null) return;
  if (theatre.restart.lastTableStep !== 0) endByRestart(theatre, flow, scene);
  if (flow.dead !== null || !isDeadBefore(theatre, flow, scene)) return;
  flow.dead = 'mark';
  flow.deadBefore = true;
}

function endByRestart(theatre: Theatre, flow: Flow, scene: Scene): void {
  const { restart } = theatre;
  const right = restart.judgeBefore ? BEFORE : AFTER;
  const rightVersion = restart.judgeBefore ? 0 : restart.lastVersion;
  const delivers = (world: number, version: number): boolean =>
    hasOutput(theatre.play(scene, scene.stores[world]!, version));
  const isDelivered = delivers(ACTUAL, restart.lastVersion);
  const isRight = delivers(right, rightVersion);
  if (isDelivered) {
    flow.lingering = !isRight && !(restart.judgeBefore && delivers(BEFORE, restart.lastVersion));
  } else if (isRight && !isOver(theatre, flow, scene)) {
    flow.dead = delivers(right, restart.lastVersion) ? reasonOf(scene, flow, right) : 'rules';
  }
}

/** Version 0 refuses it for the mark that its entry has without any restart, and accepts it without the mark. */
function isDeadBefore(theatre: Theatre, flow: Flow, scene: Scene): boolean {
  const store = scene.stores[BEFORE]!;
  const unmarked = store.clone();
  let isMarked = false;
  for (const entry of unmarked.entries(scene.tNs)) {
    isMarked ||= entry.mark !== 0;
    entry.mark = 0;
  }
  if (!isMarked || hasOutput(theatre.play(scene, store, 0))) return false;
  return hasOutput(theatre.play(scene, unmarked, 0)) && !isOver(theatre, flow, scene);
}

/** `before` holds the connection closed (FIN from both sides, or RST) or expired, then or when the restart begins. */
function isOver(theatre: Theatre, flow: Flow, scene: Scene): boolean {
  const { entryKey, hadEntry } = flow.connection;
  if (!hadEntry) return false;
  const { stepNs, firstTableStep } = theatre.restart;
  const entry = entryOf(scene.stores[BEFORE]!, entryKey, Math.max(scene.tNs, stepNs[firstTableStep]!));
  return entry === null || isClosed(entry);
}

function isClosed(entry: CtEntry): boolean {
  if (entry.proto !== 6) return false;
  if (entry.last !== null) {
    return entry.state === LINUX_TCP.LAST_ACK || entry.state === LINUX_TCP.TIME_WAIT || entry.state === LINUX_TCP.CLOSE;
  }
  return (entry.peer0?.state ?? 0) >= OVS_TCP.CLOSING && (entry.peer1?.state ?? 0) >= OVS_TCP.CLOSING;
}

function reasonOf(scene: Scene, flow: Flow, right: number): DeadReason {
  const { entryKey, zone } = flow.connection;
  if (zone === null) return 'state';
  const mine = entryOf(scene.stores[ACTUAL]!, entryKey, scene.tNs);
  const theirs = entryOf(scene.stores[right]!, entryKey, scene.tNs);
  const difference = firstDifference(mine, theirs);
  if (difference === 'mark') return 'mark';
  return difference === 'existence' && mine === null ? 'no-entry' : 'state';
}
