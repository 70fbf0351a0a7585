/** What a run of the pipeline did, rule by rule and action by action, as a tree per pass: the observer behind `trace`. */
import { formatActionList } from '../openflow/actionPrint.js';
import { formatMatch } from '../openflow/matchText.js';
import type { Rule } from '../openflow/rule.js';
import { actionOf, type Step } from '../pipeline/compile.js';
import type { Pass } from '../pipeline/effects.js';
import type { PassObserver } from '../pipeline/env.js';

/** Priority that a match's text leaves out (OFP_DEFAULT_PRIORITY). */
const DEFAULT_PRIORITY = 32768;

export interface TreeNode {
  readonly type: 'table' | 'list' | 'action' | 'detail' | 'warning';
  readonly text: string;
  /** Of a table: the lookup. `rule`: -1 a table miss. */
  readonly lookup: { readonly table: number; readonly rule: number; readonly key: Int32Array } | null;
  /** Its subordinates stand one level deeper, also where nothing follows (ofproto-dpif-trace.c: terminal nodes). */
  readonly isIndented: boolean;
  readonly nodes: TreeNode[];
}

export interface TreePass {
  /** The packet as it entered the pass. */
  readonly key: Int32Array;
  readonly table: number;
  /** After a recirculation. */
  readonly resumed: boolean;
  readonly nodes: TreeNode[];
  /** The packet at the end of the pass. */
  finalKey: Int32Array;
  pass: Pass | null;
}

export class TreeBuilder implements PassObserver {
  readonly passes: TreePass[] = [];
  private readonly ruleAt: (index: number) => Rule;
  /** Lists that are open, the innermost last. */
  private open: TreeNode[][] = [];

  constructor(ruleAt: (index: number) => Rule) {
    this.ruleAt = ruleAt;
  }

  begin(key: Int32Array, table: number, resumed: boolean): void {
    const copy = key.slice();
    const pass: TreePass = { key: copy, table, resumed, nodes: [], finalKey: copy, pass: null };
    this.passes.push(pass);
    this.open = [pass.nodes];
  }

  enter(table: number, rule: number, key: Int32Array): void {
    const text = `${String(table).padStart(2)}. ${this.ruleText(rule)}`;
    this.descend(this.add('table', text, false, { table, rule, key: key.slice() }));
  }

  enterList(what: string, isIndented: boolean): void {
    this.descend(this.add('list', what, isIndented, null));
  }

  leave(): void {
    this.open.pop();
  }

  action(step: Step): void {
    const action = actionOf(step);
    if (action !== null) this.add('action', formatActionList([action]), true, null);
  }

  actionText(text: string): void {
    this.add('action', text, true, null);
  }

  detail(text: string): void {
    this.add('detail', text, true, null);
  }

  warn(text: string): void {
    this.add('warning', text, true, null);
  }

  end(key: Int32Array, pass: Pass): void {
    const last = this.passes.at(-1)!;
    last.finalKey = key.slice();
    last.pass = pass;
  }

  /** ofproto-dpif-xlate.c:xlate_report_table */
  private ruleText(index: number): string {
    if (index < 0) return 'No match.';
    const { match, priority, cookie } = this.ruleAt(index);
    const text = formatMatch(match, { priority: DEFAULT_PRIORITY });
    const tail = cookie === 0n ? '' : `, cookie 0x${cookie.toString(16)}`;
    return `${text}${text === '' ? '' : ', '}priority ${priority}${tail}`;
  }

  private add(type: TreeNode['type'], text: string, isIndented: boolean, lookup: TreeNode['lookup']): TreeNode {
    const node: TreeNode = { type, text, lookup, isIndented, nodes: [] };
    this.open.at(-1)!.push(node);
    return node;
  }

  private descend(node: TreeNode): void {
    this.open.push(node.nodes);
  }
}
