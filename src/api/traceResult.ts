/** What `trace` finds, as data: what its JSON shows and its text is printed from. */

/** [from, to) of versions; `to` null: to the end. */
export type Versions = readonly [number, number | null];

export interface TraceNode {
  /** `list`: an action set or a bucket. */
  readonly type: 'table' | 'list' | 'action' | 'detail' | 'warning';
  readonly text: string;
  /** Of a table: the rule as ovs-ofctl prints it, null: no match. */
  readonly rule?: string | null;
  /** The conjunction that led to the rule, and its clause flows that the packet met. */
  readonly conjunction?: { readonly id: number; readonly clauses: readonly string[] };
  /** Of a table: versions in which this lookup has this answer. */
  readonly versions?: Versions;
  readonly nodes?: readonly TraceNode[];
  /** What stands in it is printed one level deeper. */
  readonly isIndented?: boolean;
}

/** What a ct() showed to the pass behind it. */
export interface TraceCt {
  readonly zone: number;
  readonly state: string;
  readonly mark: number;
  readonly label: string;
  /** `default`: not said by `--ct-next`, so taken as new. */
  readonly from: 'replay' | 'ct-next' | 'default';
}

export interface TracePass {
  /** The packet as it enters the pass. */
  readonly flow: string;
  /** null: the packet has just entered the bridge. */
  readonly resumed: { readonly table: number; readonly ct: TraceCt | null } | null;
  readonly nodes: readonly TraceNode[];
  /** null: unchanged. */
  readonly finalFlow: string | null;
  readonly actions: string;
  readonly error: string | null;
  /** The pass is the same in these versions. */
  readonly versions: Versions;
}

export interface TraceWorld {
  readonly world: 'actual' | 'before' | 'after';
  readonly version: number;
  readonly passes: readonly TracePass[];
  readonly outcome: string;
  readonly out: readonly number[];
  readonly controller: number;
  /** In these versions all of this is the same, as long as ct() shows the same. */
  readonly versions: Versions;
  readonly unsupported: string | null;
  /** The order of masks is not known: every possible outcome. */
  readonly either: readonly {
    readonly outcome: string;
    readonly out: readonly number[];
    readonly rule: string | null;
  }[];
}

export interface TraceResult {
  readonly schemaVersion: number;
  readonly tool: string;
  readonly bridge: string;
  /** By OpenFlow number. */
  readonly portNames: Readonly<Record<number, string>>;
  /** The packet of the trace; null: a flow was given. */
  readonly packet: {
    readonly n: number;
    readonly file: string;
    readonly frame: number;
    readonly t: string;
    /** Version of `actual` at its time. */
    readonly version: number;
  } | null;
  readonly flow: string;
  /** Times of the steps that lead to the versions, from version 1. */
  readonly steps: readonly string[];
  readonly worlds: readonly TraceWorld[];
  readonly warnings: readonly string[];
}
