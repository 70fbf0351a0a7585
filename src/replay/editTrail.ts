/**
 * How frames are rewritten on their way through all passes, for `--verdict-frames`: effects tell only what their own pass has
 * done so far, and what NAT does is in none of them.
 */
import type { Edit, EditOp, NormalEffect, OutputEffect, PatchEffect } from '../pipeline/effects.js';

/** What an effect sends, against the frame that entered the bridge. */
export interface SentEdit {
  readonly ops: readonly EditOp[];
  /** Number of edits after which the length is settled that a truncation counts from. */
  readonly cutAt: number;
  /** The packet was put together from fragments: its bytes are not in one frame. */
  readonly isWhole: boolean;
}

/** Of a result: its outputs and NORMALs, in their order. */
export interface SentEdits {
  readonly outputs: readonly SentEdit[];
  readonly normals: readonly SentEdit[];
}

/** A frame while effects are executed on it. */
export class EditTrail {
  private ops: EditOp[] = [];
  /** Edits of the present pass that are in `ops`. */
  private applied = 0;
  private isWhole = false;

  advance(edit: Edit): void {
    if (edit === null || edit.length <= this.applied) return;
    this.ops.push(...edit.slice(this.applied));
    this.applied = edit.length;
  }

  /** What ct() did to the packet. */
  add(ops: readonly EditOp[]): void {
    this.ops.push(...ops);
  }

  putTogether(): void {
    this.isWhole = true;
  }

  copy(): EditTrail {
    const copy = new EditTrail();
    copy.ops = [...this.ops];
    copy.applied = this.applied;
    copy.isWhole = this.isWhole;
    return copy;
  }

  /** For a pass that starts from here. */
  fork(): EditTrail {
    const fork = this.copy();
    fork.applied = 0;
    return fork;
  }

  sent(effect: OutputEffect | NormalEffect | PatchEffect): SentEdit {
    if (effect.kind === 'output' && effect.cutBefore !== undefined) this.advance(effect.cutBefore);
    const cutAt = this.ops.length;
    this.advance(effect.edit);
    return { ops: [...this.ops], cutAt, isWhole: this.isWhole };
  }
}
