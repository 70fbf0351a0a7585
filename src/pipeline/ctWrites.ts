/** What the exec part of a ct() writes into ct_mark and ct_label: the bits that its steps name, as the key has them then. */
import { K } from '../fields/key.js';
import type { Step } from './compile.js';
import type { LabelWrite, MarkWrite } from './effects.js';

/** Bits that exec writes into words [first, first + count) of the key. */
function execMask(exec: readonly Step[], first: number, count: number): Int32Array {
  const mask = new Int32Array(count);
  for (const step of exec) {
    if (step.type === 'write') {
      for (const write of step.writes)
        if (write.word >= first && write.word < first + count) mask[write.word - first]! |= write.mask;
    } else if (step.type === 'move' && step.dst.field.words[0] === first) {
      const bits = ((1n << BigInt(step.dst.nBits)) - 1n) << BigInt(step.dst.ofs);
      for (let i = 0; i < count; i++) mask[i]! |= Number((bits >> BigInt(32 * (count - 1 - i))) & 0xffffffffn) | 0;
    }
  }
  return mask;
}

export function markWrite(flow: Int32Array, exec: readonly Step[]): MarkWrite | null {
  const mask = execMask(exec, K.ct_mark, 1)[0]!;
  return mask === 0 ? null : { value: flow[K.ct_mark]! & mask, mask };
}

export function labelWrite(flow: Int32Array, exec: readonly Step[]): LabelWrite | null {
  const mask = execMask(exec, K.ct_label, 4);
  if (mask.every((word) => word === 0)) return null;
  return { value: mask.map((word, i) => flow[K.ct_label + i]! & word), mask };
}
