/**
 * What a packet's treatment in `actual` is, held against the other worlds (ARCHITECTURE.md, "Windows").
 * Ports only: the frame matters in one case, a flood, and there only whether it is the one that came in.
 */

/** What leaves, NORMAL resolved. */
export interface Treatment {
  /** Sorted port numbers, repeated when several copies leave. */
  readonly ports: readonly number[];
  /** Text of the outputs with NORMAL written as (vlan, destination, in port): equal text, equal treatment. */
  readonly symbol: string;
  /** NORMAL flooded because the destination was not learned. */
  readonly isFlood: boolean;
  /** The packet was put together from fragments on its way: what leaves is no copy of a single fragment. */
  readonly isWhole: boolean;
  /** none of held, unsupported, unparsed, ambiguous */
  readonly judged: boolean;
}

export type WindowKind = 'drop' | 'partial' | 'leak' | 'misdelivery' | 'transitional';
export type Kind = WindowKind | 'policy';

export const ALIKE_NO = 0;
export const ALIKE = 1;
/** Alike only because one side is a flood that includes the other. */
export const ALIKE_FLOOD = 2;

export function alike(x: Treatment, y: Treatment): number {
  if (x.symbol === y.symbol || samePorts(x.ports, y.ports)) return ALIKE;
  if (floodCovers(x, y) || floodCovers(y, x)) return ALIKE_FLOOD;
  return ALIKE_NO;
}

function floodCovers(flood: Treatment, part: Treatment): boolean {
  if (!flood.isFlood || flood.isWhole !== part.isWhole || part.ports.length === 0) return false;
  return isPart(part.ports, flood.ports);
}

function samePorts(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Both sorted: is every port of `part` (with its repetitions) in `whole`? */
function isPart(part: readonly number[], whole: readonly number[]): boolean {
  let at = 0;
  for (const port of part) {
    while (at < whole.length && whole[at]! < port) at++;
    if (at >= whole.length || whole[at] !== port) return false;
    at++;
  }
  return true;
}

export interface Judgement {
  /** null: treated right. */
  readonly kind: Kind | null;
  /** A pair of worlds was alike only by a flood. */
  readonly flooded: boolean;
}

const RIGHT: Judgement = { kind: null, flooded: false };
const RIGHT_FLOODED: Judgement = { kind: null, flooded: true };

/**
 * `before` and `after` are the treatments that count as such: the caller has put B := A after the last table step, or
 * A := B when the restart is judged by `before` only.
 */
export function judge(actual: Treatment, before: Treatment, after: Treatment): Judgement {
  const beforeAfter = alike(before, after);
  const withBefore = alike(actual, before);
  if (beforeAfter !== ALIKE_NO) {
    if (withBefore !== ALIKE_NO) return withBefore === ALIKE_FLOOD ? RIGHT_FLOODED : RIGHT;
    const flooded = beforeAfter === ALIKE_FLOOD;
    return { kind: kindOf(actual.ports, before.ports), flooded };
  }
  const withAfter = alike(actual, after);
  if (withBefore !== ALIKE_NO || withAfter !== ALIKE_NO) {
    return { kind: 'policy', flooded: withBefore !== ALIKE && withAfter !== ALIKE };
  }
  return { kind: 'transitional', flooded: false };
}

function kindOf(x: readonly number[], b: readonly number[]): WindowKind {
  if (x.length === 0) return 'drop';
  if (b.length === 0) return 'leak';
  return x.every((port) => b.includes(port)) ? 'partial' : 'misdelivery';
}
