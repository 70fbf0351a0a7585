/**
 * What one pass of a packet through the tables yields, as values: a list of effects in the order of execution,
 * the counterpart of the datapath actions that OVS's translation composes (ofproto-dpif-xlate.c). A pass never touches
 * conntrack, the MAC table or the tables: whoever executes it does, in time order (packetRun.ts, the replay).
 */
import type { ActionOf } from '../openflow/actions.js';
import type { Step } from './compile.js';

/**
 * One change to the frame. `set` puts `value` into key word `word` (packet words of fields/key.ts only), as
 * odp-util.c:commit_odp_actions emits for each field that differs from the packet as it is.
 */
export type EditOp =
  | { readonly op: 'set'; readonly word: number; readonly value: number }
  | { readonly op: 'popVlan' }
  | { readonly op: 'pushVlan'; readonly tpid: number; readonly tci: number }
  /** `lse`: the new label stack entry; `ethertype`: 0x8847 or 0x8848. */
  | { readonly op: 'pushMpls'; readonly ethertype: number; readonly lse: number }
  /** `ethertype`: what follows the popped entry. */
  | { readonly op: 'popMpls'; readonly ethertype: number }
  | { readonly op: 'setMpls'; readonly lse: number }
  /** An IP address, without the checksums above: NAT of later fragments. */
  | { readonly op: 'setAddress'; readonly word: number; readonly value: number }
  /** `set` in the packet that an ICMP error quotes; NAT only. */
  | { readonly op: 'setInner'; readonly word: number; readonly value: number };

/**
 * How the frame differs from the one that the pass started with, to be done in order (rewrite.ts:rewriteFrame); null: not at all.
 * Later effects of a list repeat the beginning, so `edit.slice(n)` is what came between two of them.
 */
export type Edit = readonly EditOp[] | null;

export interface OutputEffect {
  readonly kind: 'output';
  /** An existing port of this bridge that is not a patch port. */
  readonly port: number;
  readonly edit: Edit;
  /** output(port=..,max_len=..): longer frames lose their end; null: whole. */
  readonly maxLen: number | null;
  /**
   * With `maxLen`: how much is cut off is settled by the length that the frame has after these edits, ahead of those that this
   * very output brings along (ofproto-dpif-xlate.c:xlate_output_trunc_action).
   */
  readonly cutBefore?: Edit;
}

/**
 * NORMAL, to be resolved with a MAC table (mac.ts): the fields that it reads, as changed so far.
 * The outputs differ from the frame (with `edit`) at most in the outer VLAN tag.
 */
export interface NormalEffect {
  readonly kind: 'normal';
  readonly inPort: number;
  /** OVS form: CFI bit = tag present. */
  readonly vlanTci: number;
  readonly vlanTpid: number;
  /** The tag below it, after two pushes in this pass. */
  readonly vlanTci1: number;
  readonly vlanTpid1: number;
  readonly gratuitousArp: boolean;
  /** MACs as [high 16 bits, low 32 bits]. */
  readonly srcHigh: number;
  readonly srcLow: number;
  readonly dstHigh: number;
  readonly dstLow: number;
  readonly edit: Edit;
  /** For patch ports that NORMAL reaches. */
  readonly nested: NestedStart;
}

/** Where a pass in another bridge, within this one, starts from. */
export interface NestedStart {
  /** Flow key at this point; read-only. Empty on a bridge without patch ports. */
  readonly key: Int32Array;
  /** Number of lookups of the pass before this effect. */
  readonly lookups: number;
  /** Nested resubmits and resubmits so far: the limits count on in the other bridge. */
  readonly depth: number;
  readonly resubmits: number;
  /** The last label was popped: the headers below are not known yet. */
  readonly wasMpls: boolean;
}

/** Output to a patch port: the peer bridge runs its table 0 at once (xlate:patch_port_output). */
export interface PatchEffect {
  readonly kind: 'patch';
  readonly port: number;
  readonly edit: Edit;
  readonly nested: NestedStart;
}

export interface ControllerEffect {
  readonly kind: 'controller';
  readonly reason: string;
  readonly edit: Edit;
}

/** Bits to write into ct_mark; null: none. */
export interface MarkWrite {
  readonly value: number;
  readonly mask: number;
}

/** ct_label as four words, most significant first. */
export interface LabelWrite {
  readonly value: Int32Array;
  readonly mask: Int32Array;
}

export interface CtEffect {
  readonly kind: 'ct';
  /** Index of the rule that it stands in; -1: none. */
  readonly rule: number;
  readonly zone: number;
  readonly commit: boolean;
  readonly force: boolean;
  readonly mark: MarkWrite | null;
  readonly label: LabelWrite | null;
  readonly nat: ActionOf<'ct'>['nat'];
  readonly alg: number;
  /** Table in which a copy goes on as a pass of its own; null: none. */
  readonly table: number | null;
  /** Flow key at this point with the ct fields as they were; the fork starts from it with its own ct fields. Read-only. */
  readonly key: Int32Array;
  readonly edit: Edit;
  /** The edit uncovers headers that the key does not show (a second tag, what lies under MPLS): the fork has to be parsed anew. */
  readonly reparse: boolean;
  /** What the fork inherits beside the key. */
  readonly frozen: Frozen;
}

/** ct_clear while the packet shows ct fields: the connection cached on the packet is forgotten. */
export interface CtClearEffect {
  readonly kind: 'ctClear';
  readonly edit: Edit;
}

/**
 * A datapath clone (clone with ct() in it): another copy of the packet is worked on, so what `effects` do to the frame (NAT),
 * to its ct fields and to the connection cached on it is gone afterwards.
 */
export interface CloneEffect {
  readonly kind: 'clone';
  readonly effects: readonly Effect[];
  readonly edit: Edit;
}

/** check_pkt_larger: both branches are translated, the frame's length decides between them (odp-execute.c). */
export interface LengthEffect {
  readonly kind: 'length';
  /** Frame bytes, whole frame: `larger` if it has more. */
  readonly bytes: number;
  readonly larger: readonly Effect[];
  readonly notLarger: readonly Effect[];
  readonly edit: Edit;
}

/** The whole packet recirculates (after popping MPLS, `debug_recirc`) and goes on with the frozen actions. */
export interface RecircEffect {
  readonly kind: 'recirc';
  readonly key: Int32Array;
  readonly edit: Edit;
  /** As in CtEffect. */
  readonly reparse: boolean;
  readonly frozen: Frozen;
}

/** learn: the flow-mod is made from the key at this point. It acts after the pass (the pass reads one version). */
export interface LearnEffect {
  readonly kind: 'learn';
  /** Index of the rule that it stands in; -1: none. */
  readonly rule: number;
  readonly action: ActionOf<'learn'>;
  readonly key: Int32Array;
  readonly edit: Edit;
}

/** fin_timeout of rule `rule`: the rule's time-outs shrink after a TCP packet with FIN or RST. */
export interface FinTimeoutEffect {
  readonly kind: 'finTimeout';
  readonly rule: number;
  readonly idle: number;
  readonly hard: number;
  readonly edit: Edit;
}

export type Effect =
  | OutputEffect
  | NormalEffect
  | PatchEffect
  | ControllerEffect
  | CtEffect
  | CtClearEffect
  | CloneEffect
  | LengthEffect
  | RecircEffect
  | LearnEffect
  | FinTimeoutEffect;

/** A value on the stack, with the bytes it takes there (nx-match.c:nx_stack_push). */
export interface StackItem {
  readonly value: bigint;
  readonly bytes: number;
}

/** What a recirculated packet keeps beside its key (ofproto-dpif-rid.h:struct frozen_state). */
export interface Frozen {
  /** Values pushed and not popped, oldest first. */
  readonly stack: readonly StackItem[];
  /** Actions to run before anything else, for `recirc`; empty for ct(), whose fork starts with a table lookup. */
  readonly steps: readonly Step[];
  readonly actionSet: readonly Step[];
  readonly conntracked: boolean;
  /** Table in which `steps` stand, for resubmit without a table. */
  readonly table: number;
}

/** Something that OVS does and this engine does not, met by the packet. `rule`: index, -1 in an action set of no rule. */
export interface UnsupportedAction {
  readonly rule: number;
  readonly what: string;
}

/** One lookup: `rule` is an index into the rules of all versions, -1 a table miss. */
export interface LookupRecord {
  readonly table: number;
  readonly rule: number;
  readonly conjId: number | null;
}

/** The result of one pass: a pure function of key, version and start. */
export interface Pass {
  /**
   * In order. If `error` is set, the packet's own pass has only learned (`normal`, `learn`): nothing is sent. A pass nested in
   * it (patch port) keeps what came before the error (xlate:patch_port_output).
   */
  readonly effects: readonly Effect[];
  /** In the order that ofproto/trace shows them. */
  readonly lookups: readonly LookupRecord[];
  /** The same result holds for all versions in [from, to): the intersection of all lookups. */
  readonly from: number;
  readonly to: number;
  /** First action that is not executed; the effects before it are there, what follows is not judged. */
  readonly unsupported: UnsupportedAction | null;
  /** A limit of OVS that empties the pass, in OVS's words. */
  readonly error: string | null;
  /** A lookup hung on an unknown mask order; its position in `lookups` and the other possible rules. */
  readonly ambiguous: { readonly lookup: number; readonly otherRules: readonly number[] } | null;
}
