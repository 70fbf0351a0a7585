/** A trace as text, in the manner of `ovs-appctl ofproto/trace`, one world after the other. */
import type { TraceNode, TracePass, TraceResult, TraceWorld, Versions } from './traceResult.js';

const RULER = '='.repeat(79);
const INDENT = '    ';

export function traceText(result: TraceResult): string {
  const { packet, steps, worlds } = result;
  const lines: string[] = [];
  if (packet !== null) {
    const { n, t, file, frame, version } = packet;
    lines.push(`Packet ${n} (frame ${frame} of ${file}) at ${t}, version ${version} of ${steps.length}`, '');
  }
  const told: { name: string; text: string }[] = [];
  for (const world of worlds) {
    const name = `${world.world} (version ${world.version})`;
    const text = passesText(result, world);
    const same = told.find((other) => other.text === text);
    if (worlds.length > 1) lines.push(`### ${name}`);
    if (same === undefined) lines.push(text);
    else lines.push(`as in ${same.name}`);
    lines.push(verdictText(result, world), '');
    told.push({ name, text });
  }
  return lines.join('\n');
}

function passesText({ bridge }: TraceResult, { passes }: TraceWorld): string {
  return passes.map((pass) => `${resumedText(pass)}${passText(bridge, pass)}`).join('\n');
}

function resumedText({ resumed }: TracePass): string {
  if (resumed === null) return '';
  const { table, ct } = resumed;
  return `\n${RULER}\nrecirc(table=${table})${ct === null ? '' : ` - ${ctText(ct)}`}\n${RULER}\n\n`;
}

function ctText({ state, zone, mark, label, from }: NonNullable<NonNullable<TracePass['resumed']>['ct']>): string {
  if (from === 'default') return 'resume conntrack with default ct_state=trk|new (use --ct-next to customize)';
  const entry = `${mark === 0 ? '' : `,ct_mark=0x${mark.toString(16)}`}${label === '0x0' ? '' : `,ct_label=${label}`}`;
  const shown = from === 'replay' ? `ct_state=${state},ct_zone=${zone}${entry} (replayed)` : `ct_state=${state}`;
  return `resume conntrack with ${shown}`;
}

function passText(bridge: string, { flow, resumed, nodes, finalFlow, actions, error }: TracePass): string {
  const title = `bridge("${bridge}")`;
  const lines = [`Flow: ${flow}`, '', title, '-'.repeat(title.length)];
  if (resumed !== null) lines.push(`${INDENT}thaw`, `${INDENT}${INDENT}Resuming from table ${resumed.table}`);
  addNodes(nodes, 0, lines);
  lines.push('', `Final flow: ${finalFlow ?? 'unchanged'}`, `Actions: ${actions}`);
  if (error !== null) lines.push(`Translation failed (${error}), packet is dropped.`);
  return lines.join('\n');
}

/** Indented as ofproto-dpif-trace.c:oftrace_node_print_details does it: a table that comes last in its list stays at its level. */
function addNodes(nodes: readonly TraceNode[], level: number, lines: string[]): void {
  nodes.forEach((node, i) => {
    const deeper = i < nodes.length - 1 || node.isIndented === true ? 1 : 0;
    const indent = INDENT.repeat(level + deeper);
    lines.push(`${indent}${nodeText(node)}`);
    if (node.conjunction !== undefined) {
      const { id, clauses } = node.conjunction;
      lines.push(`${indent}${INDENT} -> by conjunction ${id}`);
      for (const clause of clauses) lines.push(`${indent}${INDENT}     ${clause}`);
    }
    addNodes(node.nodes ?? [], level + 2 * deeper, lines);
  });
}

function nodeText({ type, text }: TraceNode): string {
  if (type === 'detail') return ` -> ${text}`;
  return type === 'warning' ? ` >> ${text}` : text;
}

function verdictText({ steps, portNames }: TraceResult, world: TraceWorld): string {
  const { outcome, out, unsupported, either, versions, controller } = world;
  const portText = (port: number): string =>
    portNames[port] === undefined ? `${port}` : `${port} (${portNames[port]})`;
  const ports = out.length === 0 ? '' : ` to port ${out.map(portText).join(', ')}`;
  const extra = controller > 0 ? ', to the controller' : '';
  const lines = [`Outcome: ${outcome}${ports}${extra}${versionsText(versions, steps)}`];
  if (unsupported !== null) lines.push(`Not executed: ${unsupported}`);
  if (either.length > 1) {
    lines.push('The order of masks is not known, so it may be any of:');
    for (const each of either) {
      const where = each.out.length === 0 ? '' : ` to port ${each.out.join(', ')}`;
      lines.push(`${INDENT}${each.outcome}${where}${each.rule === null ? '' : ` by ${each.rule}`}`);
    }
  }
  return lines.join('\n');
}

function versionsText([from, to]: Versions, steps: readonly string[]): string {
  if (steps.length === 0) return '';
  const since = from === 0 ? '' : ` (step ${from} at ${steps[from - 1]})`;
  if (to === null) return `, the same from version ${from}${since} on as long as ct() shows the same`;
  const range = to === from + 1 ? `version ${from}` : `versions ${from} to ${to - 1}`;
  return `, the same in ${range}${since} until step ${to} at ${steps[to - 1]} as long as ct() shows the same`;
}
