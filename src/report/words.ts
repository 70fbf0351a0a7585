/** Numbers, times, flows and causes in words. Everything that came from an input passes `clean` on its way out. */
import { stripControls } from '../util/text.js';
import { formatUnixNs } from '../util/units.js';
import type { Cause, FlowName, Window } from './result.js';

export const clean = stripControls;

/** 12203 as 12,203. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 window`, `2 windows`, `0 leaks`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : nouns}`;
}

/** Nanoseconds for people: three significant digits below a minute, then minutes and hours. */
export function duration(ns: number): string {
  const abs = Math.abs(ns);
  if (abs < 1000) return `${ns} ns`;
  if (abs < 1e6) return `${digits(ns / 1e3)} µs`;
  if (abs < 1e9) return `${digits(ns / 1e6)} ms`;
  if (abs < 60e9) return `${digits(ns / 1e9)} s`;
  const seconds = Math.round(ns / 1e9);
  const [hours, minutes] = [Math.trunc(seconds / 3600), Math.trunc((seconds % 3600) / 60)];
  return hours === 0 ? `${minutes} min ${seconds % 60} s` : `${hours} h ${minutes} min`;
}

function digits(value: number): string {
  const abs = Math.abs(value);
  return value.toFixed(abs < 10 ? 2 : abs < 100 ? 1 : 0);
}

/** Decimal Unix seconds as ns since 1970. */
export function unixNs(time: string): bigint {
  const negative = time.startsWith('-');
  const [whole, decimals] = (negative ? time.slice(1) : time).split('.') as [string, string];
  const ns = BigInt(whole) * 1_000_000_000n + BigInt(decimals);
  return negative ? -ns : ns;
}

/** Time between two decimal Unix times, ns. */
export function between(from: string, to: string): number {
  return Number(unixNs(to) - unixNs(from));
}

/** A decimal Unix time so many ns later. */
export function later(time: string, ns: number): string {
  return formatUnixNs(unixNs(time) + BigInt(Math.round(ns)));
}

/** `2026-11-24 02:14:28.520` (UTC), from decimal Unix seconds. */
export function dateTime(time: string): string {
  const ms = Number(unixNs(time) / 1_000_000n);
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? time : date.toISOString().replace('T', ' ').replace('Z', '');
}

export function clock(time: string): string {
  return dateTime(time).slice(11);
}

/** `tcp 10.0.0.1:80 > 10.0.0.2:51222`; ICMP has its id instead of ports. */
export function flowText(flow: FlowName): string {
  const proto = clean(flow.proto);
  const [src, dst] = [clean(flow.src), clean(flow.dst)];
  if (proto === 'icmp' || proto === 'icmp6') return `${proto} ${src} > ${dst} id ${flow.sport}`;
  const end = (address: string, port: number | null) =>
    port === null ? address : address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  return `${proto} ${end(src, flow.sport)} > ${end(dst, flow.dport)}`;
}

/** `bundle 7`, `step 224`: how a step is called. */
export function stepName(step: number, cause: Cause | null): string {
  if (cause?.batch != null) return `bundle ${cause.batch}`;
  return `step ${step}`;
}

/** What the causing step did, without its name: `took the address clause 1/2 of conjunction 174`. */
export function causeVerb(causes: readonly Cause[]): string {
  const first = causes[0]!;
  const ids = [...new Set(causes.map((cause) => cause.detail?.id).filter((id) => id !== undefined))];
  const conjunctions = `conjunction${ids.length === 1 ? '' : 's'} ${some(ids.map(String))}`;
  switch (first.effect) {
    case 'clause-lost': {
      const verb = first.detail?.how === 'deleted' ? 'deleted' : 'took';
      return `${verb} ${clauseName(first)} of ${conjunctions}`;
    }
    case 'id-reused':
      return `gave a second meaning to ${conjunctions}`;
    case 'rule-lost':
      return first.detail?.how === 'deleted' ? 'deleted the rule that decided' : 'replaced the rule that decided';
    case 'added-above':
      return first.detail?.conjunction === true ? 'completed a conjunction above' : 'put a rule above';
    case 'order':
      return 'changed which of several equal rules comes first';
    case 'entry-deleted':
      return `deleted conntrack entries${conntrackFilter(first)}`;
    case 'late':
      return 'brought the new policy, too late for it';
  }
}

/** `the address clause 1/2`: named by what the clause's rule matches. */
function clauseName(cause: Cause): string {
  const match = (cause.detail?.piece ?? '').split(' actions=')[0]!;
  const words = match.split(',').map((part) => part.split('=')[0]!);
  const what = words.some((word) => /^(nw|ipv6|arp)_(src|dst|spa|tpa)$/.test(word))
    ? 'address '
    : words.some((word) => /^(tp|tcp|udp|sctp)_(src|dst)$|^icmp/.test(word))
      ? 'port '
      : '';
  return `the ${what}clause ${clean(cause.detail?.clause ?? '')}`.trimEnd();
}

function conntrackFilter(cause: Cause): string {
  const step = cause.conntrack;
  if (step === undefined) return '';
  if (step === 'flush') return ' (all)';
  const parts = Object.entries(step.delete).map(([key, value]) => `${key} ${String(value)}`);
  return parts.length === 0 ? ' (all)' : ` (${clean(parts.join(', '))})`;
}

/** A flow without its cookie, which people do not read; one that selects by cookie alone keeps it. */
export function flowShort(flow: string): string {
  const short = flow.replace(/\bcookie=0x[0-9a-f]+(?:\/(?:0x[0-9a-f]+|-1))?, ?/, '').replace(/^(table=\w+), /, '$1,');
  return clean(short);
}

/** A few of a list: `a, b, c and 4 more`. */
export function some(items: readonly string[], limit = 3): string {
  if (items.length <= limit + 1) return joined(items);
  return `${items.slice(0, limit).join(', ')} and ${items.length - limit} more`;
}

/** `a, b and c`. */
export function joined(items: readonly string[]): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** `ct_mark=1`, from the rule that wrote the mark; `ct_mark` where it does not say which. */
export function markOf(windows: Iterable<Window>): string {
  const marks = new Set<string>();
  for (const { cause } of windows) {
    if (cause?.by?.what !== 'mark') continue;
    const found = /(?:set_field|load):(0x[0-9a-f]+|\d+)(?:\/[^-]*)?->(?:ct_mark|NXM_NX_CT_MARK\[\])/.exec(
      cause.by.rule ?? '',
    );
    if (found !== null) marks.add(String(Number(found[1])));
  }
  return marks.size === 1 ? `ct_mark=${[...marks][0]}` : 'ct_mark';
}

/** Why a dead flow is dead. */
export function deadReason(reason: string, mark: string): string {
  switch (reason) {
    case 'mark':
      return `by ${mark}`;
    case 'rules':
      return 'refused by the last tables';
    case 'no-entry':
      return 'by a conntrack entry that is missing';
    default:
      return 'by the state of the conntrack entry';
  }
}
