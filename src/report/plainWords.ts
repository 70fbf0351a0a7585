/** The cause of a window told as one would tell it to somebody who has not seen the tables: what changed, and what that did. */
import type { Cause, Window } from './result.js';
import { clean, clock, flowShort, markOf, stepName } from './words.js';

/** Sentences, in the order of what happened. */
export function plainWords(window: Window): string[] {
  const { cause } = window;
  if (cause === null) return ['No step was found that explains it.'];
  const sentences = [`At ${clock(cause.t)} ${stepName(cause.step, cause)} ${rootSentence(cause)}.`];
  const by = cause.by;
  if (by !== null && by.step !== cause.step) sentences.push(bySentence(window, by));
  sentences.push(`So the packets met ${quoted(window.rule)} instead of ${quoted(window.instead)}.`);
  return sentences;
}

function rootSentence({ flowMod, conntrack, effect, detail }: Cause): string {
  const flow = flowMod == null ? 'a flow' : quoted(flowMod.flow);
  const piece = detail?.piece === undefined ? 'the flow that decided' : quoted(detail.piece);
  const conjunction = `conjunction ${detail?.id ?? ''}`.trimEnd();
  const clause = `its clause ${clean(detail?.clause ?? '')}`.trimEnd();
  switch (effect) {
    case 'clause-lost':
      return detail?.how === 'deleted'
        ? `deleted ${piece}: ${conjunction} no longer finds ${clause}`
        : `replaced ${piece} by ${flow}: ${conjunction} no longer finds ${clause}`;
    case 'id-reused':
      return `wrote ${flow}, in which id ${detail?.id ?? ''} means something new, while older flows still use it for something else: together they are complete`;
    case 'rule-lost':
      return detail?.how === 'deleted' ? `deleted ${piece}` : `replaced ${piece} by ${flow}`;
    case 'added-above':
      return `added ${flow}, which comes first`;
    case 'order':
      return `changed which of several equal flows comes first, by ${flow}`;
    case 'entry-deleted':
      return `deleted the conntrack entry (${clean(JSON.stringify(conntrack ?? 'flush'))})`;
    case 'late':
      return 'brought the new policy, too late for this connection';
  }
}

function bySentence(window: Window, by: NonNullable<Cause['by']>): string {
  const event = by.packet === undefined ? `Step ${by.step}` : `Packet ${by.packet}`;
  const through = by.rule === null ? '' : ` through ${quoted(by.rule)}`;
  switch (by.what) {
    case 'mark':
      return `${event} was caught by that and${through} wrote ${markOf([window])} into the connection's entry, where it stays.`;
    case 'deleted':
      return `${event} deleted the connection's entry.`;
    case 'no-entry':
      return `${event} was caught by that and made no entry${through}.`;
    case 'extra-entry':
      return `${event} made an entry${through} that should not be there.`;
    case 'state':
      return `${event} left the connection's entry in another state${through}.`;
  }
}

function quoted(flow: string | null): string {
  return flow === null ? 'no flow at all' : `"${flowShort(flow)}"`;
}
