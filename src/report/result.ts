/**
 * The replay's result as data: one zod type per object, from which come the TypeScript types, the validation of saved
 * results and the JSON Schemas of `dropwindow schema`. What the words mean: ARCHITECTURE.md, "Windows".
 *
 * Units: times are decimal Unix seconds with nine places (a double cannot hold them), durations integer nanoseconds,
 * 64-bit values hex strings, packets are numbered from 1 in replay order. Readers must tolerate unknown keys.
 */
import * as z from 'zod';
import { KINDS, MODELLED, OUTCOMES, SCHEMA_VERSION } from './names.js';

const count = z.int().nonnegative();
const packetNumber = z.int().positive();
const stepNumber = z.int().positive();
const version = z.int().nonnegative();
const ns = z.int();
const hex = z.string().regex(/^0x[0-9a-f]+$/);
export const time = z
  .string()
  .regex(/^-?[0-9]+\.[0-9]{9}$/)
  .describe('Unix seconds, nine decimal places');

export const kind = z.enum(KINDS);
export type Kind = z.infer<typeof kind>;

export const outcome = z.enum(OUTCOMES);
export type Outcome = z.infer<typeof outcome>;

const kindCounts = z.object({ drop: count, partial: count, leak: count, misdelivery: count, transitional: count });

export const flowName = z
  .object({
    connection: z.int(),
    direction: z.enum(['original', 'reply']),
    proto: z.string().describe('tcp, udp, icmp, icmp6, sctp, arp or the number in hex'),
    src: z.string(),
    sport: count.nullable(),
    dst: z.string(),
    dport: count.nullable(),
    zone: count.nullable(),
    vlan: count.nullable(),
    inPort: z.int().nullable(),
  })
  .describe('One direction of a connection');
export type FlowName = z.infer<typeof flowName>;

const flowMod = z.object({
  n: z.int().positive().describe('number in its step, from 1'),
  op: z.enum(['add', 'modify', 'modify_strict', 'delete', 'delete_strict']),
  flow: z.string(),
  cookieMask: hex.optional(),
});

const conntrackStep = z
  .union([z.object({ delete: z.record(z.string(), z.unknown()) }), z.literal('flush')])
  .describe('deletion of conntrack entries, in the form of the schedule');

const by = z.object({
  packet: packetNumber.optional(),
  step: stepNumber.optional(),
  t: time,
  rule: z.string().nullable(),
  what: z.enum(['mark', 'deleted', 'no-entry', 'extra-entry', 'state']),
});

/** Which keys `detail` has depends on the effect. */
const detail = z.object({
  table: count.optional(),
  id: count.optional().describe('conjunction id'),
  clause: z.string().optional().describe('k/n'),
  how: z.enum(['replaced', 'deleted']).optional(),
  piece: z.string().optional().describe('the rule that changed'),
  all: count.optional(),
  conjunction: z.boolean().optional(),
  old: z.array(z.string()).optional(),
  new: z.array(z.string()).optional(),
});

export const cause = z.object({
  step: stepNumber.describe('always the root of the chain'),
  t: time,
  flowMod: flowMod.nullable().optional(),
  conntrack: conntrackStep.optional(),
  batch: z.int().nullable(),
  effect: z.enum(['id-reused', 'clause-lost', 'rule-lost', 'added-above', 'order', 'entry-deleted', 'late']),
  detail: detail.nullable(),
  then: z.array(stepNumber),
  by: by.nullable().describe('the nearest event, for what is lost through a conntrack entry'),
  candidates: z.boolean(),
});
export type Cause = z.infer<typeof cause>;

export const window = z.object({
  id: packetNumber,
  kind,
  flow: flowName,
  from: time,
  to: time,
  open: z.boolean(),
  packets: count,
  bytes: count,
  firstPacket: packetNumber,
  lastPacket: packetNumber,
  lastGood: packetNumber.nullable(),
  nextGood: packetNumber.nullable(),
  versions: z.tuple([version, version]),
  rule: z.string().nullable(),
  instead: z.string().nullable(),
  path: z.array(z.string()),
  cause: cause.nullable(),
  tableOutage: z
    .object({ fromStep: stepNumber, toStep: stepNumber.nullable(), ns: ns.nullable() })
    .nullable()
    .describe('how long the tables were wrong'),
  healedBy: z.object({ step: stepNumber.optional(), packet: packetNumber.optional(), t: time }).nullable(),
});
export type Window = z.infer<typeof window>;

export const culprit = z.object({
  step: stepNumber,
  flowMods: z.array(flowMod),
  connections: count,
  flows: count,
  packets: count,
  windows: kindCounts,
});
export type Culprit = z.infer<typeof culprit>;

const policy = z.object({
  packets: count,
  lost: count,
  gained: count,
  changed: count,
  since: time.nullable(),
  packet: packetNumber.nullable().optional(),
  rule: z.string().nullable(),
  instead: z.string().nullable(),
  cause: cause.nullable(),
});

export const flow = z.object({
  flow: flowName,
  packets: count.optional(),
  windows: z.array(packetNumber).describe('ids'),
  dead: z.enum(['rules', 'mark', 'no-entry', 'state']).nullable(),
  deadBefore: z.boolean().optional(),
  lingering: z.boolean(),
  exposed: z.boolean(),
  policy: policy.nullable(),
});
export type Flow = z.infer<typeof flow>;

/** The two generations of flows, by which `--judge auto` recognises a restart that never finished. */
const unfinished = z.object({
  tableSteps: count,
  cookies: count.describe('cookies among added flows that were not there before'),
  oldRules: count.describe('flows of version 0 still there at the end'),
  of: count.describe('flows of version 0'),
  newRules: count.describe('added flows there at the end'),
  before: z.boolean().describe('the restart never finished'),
});

export const summary = z.object({
  packets: z.object({
    replayed: count,
    notReplayed: z.record(z.string(), count).describe('by reason'),
    outcomes: z.partialRecord(outcome, count).optional().describe('of packets that are not judged'),
  }),
  connections: count,
  flows: count,
  connectionsHit: count,
  flowsHit: count,
  windows: kindCounts,
  packetsLost: count.describe('packets in drop windows'),
  worstWindow: packetNumber.nullable().describe('id'),
  dead: count,
  deadBefore: count,
  lingering: count,
  exposed: count,
  flooded: count,
  policy: z.object({ flows: count, packets: count, lost: count, gained: count, changed: count }),
  restart: z.object({ from: time, to: time, ns }).nullable(),
  judge: z.enum(['both', 'before']),
  fidelity: z.enum(['wire', 'monitor', 'log', 'dumps', 'model']),
  unfinished: unfinished.optional(),
});
export type Summary = z.infer<typeof summary>;

const stepLine = z.object({
  t: time,
  latest: time.optional().describe('end of the bracket, where the time is one'),
  kind: z.enum(['bundle', 'flow-mod', 'conntrack']),
  mods: count,
  deletes: count.optional().describe('flow-mods that delete'),
  batch: z.int().nullable(),
  entries: count.optional().describe('conntrack entries that the step removed'),
});
export type StepLine = z.infer<typeof stepLine>;

export const steps = z.object({
  count,
  first: time.nullable(),
  last: time.nullable(),
  bundles: count,
  rules: z.object({ before: count, after: count }),
  list: z.array(stepLine).optional().describe('one entry per step, in order'),
});

const histogramSummary = z.object({
  unit: z.enum(['ns', 'packets']),
  count,
  zeros: count,
  min: count.nullable(),
  mean: count.nullable(),
  p50: count.nullable(),
  p90: count.nullable(),
  p99: count.nullable(),
  p99_9: count.nullable(),
  max: count.nullable(),
});
export type HistogramSummary = z.infer<typeof histogramSummary>;

const measuredSummary = histogramSummary.extend({
  batch: count.describe('packets per measurement; the value is their mean'),
  clockNs: z.number().describe('cost of one clock reading, subtracted'),
  note: z.string(),
});
export type MeasuredSummary = z.infer<typeof measuredSummary>;

const histograms = z.object({
  modelled: z.partialRecord(z.enum(MODELLED), histogramSummary),
  measured: z.object({ serviceNs: measuredSummary }).optional(),
});

export const input = z.object({
  name: z.string(),
  bytes: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  packets: count.optional(),
  first: time.nullable().optional(),
  last: time.nullable().optional(),
});
export type Input = z.infer<typeof input>;

/** A packet whose treatment hangs on something that the inputs do not say: every possible answer. */
const ambiguousPacket = z.object({
  packet: packetNumber,
  t: time,
  flow: flowName,
  why: z.string(),
  either: z.array(z.object({ outcome, out: z.array(z.int()), rule: z.string().nullable() })),
});

const unsupportedUse = z.object({ what: z.string(), rule: z.string(), packets: count, firstPacket: packetNumber });
export type UnsupportedUse = z.infer<typeof unsupportedUse>;

export const replayResult = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  tool: z.string().describe('name and version'),
  options: z.record(z.string(), z.unknown()),
  inputs: z.array(input),
  summary,
  steps,
  windows: z.array(window),
  culprits: z.array(culprit).describe('windows by causing step, most connections first'),
  flows: z.array(flow).describe('flows with a window, dead, lingering, exposed or with another policy'),
  histograms: histograms.optional(),
  midstream: z
    .object({
      taken: count.describe('taken as established'),
      guessed: z
        .array(flowName.pick({ proto: true, src: true, sport: true, dst: true, dport: true }))
        .describe('either side may have opened it; the source is taken for the one that did'),
    })
    .optional()
    .describe('connections first seen in their middle'),
  ambiguous: z.array(ambiguousPacket).optional(),
  unsupported: z.array(unsupportedUse).optional(),
  warnings: z.array(z.string()),
  interrupted: z.boolean().optional().describe('stopped before the end: the result covers what was done up to then'),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .optional(),
});
/** What `dropwindow replay --format json` prints. */
export type ReplayResult = z.infer<typeof replayResult>;

const ctView = z.object({ zone: count, state: z.string(), mark: count });
const worldView = z.object({ outcome, out: z.array(z.int()) });

/** One line of `--verdicts` for a packet. */
export const verdictLine = z.object({
  n: packetNumber,
  file: count,
  frame: packetNumber,
  t: time,
  in: z.int().nullable(),
  outcome,
  out: z.array(z.int()).describe('sorted port numbers'),
  ct: z.array(ctView).describe('one per pass after a ct(table=...)'),
  rules: z.array(z.tuple([count, count.nullable()])).describe('[table, rule number]; null: table miss'),
  version,
  before: worldView.optional(),
  after: worldView.optional(),
  either: z.array(worldView).optional().describe('ambiguous: every possible answer'),
  kind: z.enum([...KINDS, 'policy']).optional(),
  window: packetNumber.optional(),
  frames: z.array(z.tuple([z.int(), z.string()])).optional(),
});
export type VerdictLine = z.infer<typeof verdictLine>;

/** One line of `--verdicts` that introduces a rule. */
export const ruleLine = z.object({
  rule: count,
  table: count,
  versions: z.tuple([version, version.nullable()]).describe('[from, to); null: still there at the end'),
  text: z.string(),
});
export type RuleLine = z.infer<typeof ruleLine>;

export const verdicts = z.union([verdictLine, ruleLine]);

/** First line of a schedule file. */
export const scheduleHeader = z.object({
  schedule: z.literal(1),
  source: z.string().optional(),
  clock: z.enum(['unix', 'relative']),
  fidelity: z.enum(['wire', 'monitor', 'log', 'dumps', 'model']).optional(),
  of: z.string().optional(),
});

const scheduleTime = z.union([z.string(), z.number()]);
const scheduleWhen = z.union([scheduleTime, z.tuple([scheduleTime, scheduleTime])]);

/** The other lines of a schedule file: one step each. */
export const scheduleStep = z.union([
  z.object({
    t: scheduleWhen,
    mods: z.array(
      z.object({
        op: flowMod.shape.op,
        flow: z.string(),
        cookieMask: z.string().optional(),
        of: z.string().optional(),
      }),
    ),
    bundle: z.boolean().optional(),
    batch: z.int().optional(),
    note: z.string().optional(),
  }),
  z.object({
    t: scheduleWhen,
    conntrack: conntrackStep,
    worlds: z.enum(['actual', 'all']).optional(),
    note: z.string().optional(),
  }),
]);
export const scheduleLine = z.union([scheduleHeader, scheduleStep]);

/** One line of `dropwindow packets`: where the packet was found, then its header fields by their OVS names. */
export const packetLine = z
  .object({
    n: packetNumber,
    t: time.nullable().describe('null: the file gives no time'),
    bytes: count.describe('on the wire'),
    captured: count,
    interface: z.string().optional().describe('name in a pcapng file'),
    unparsed: z.string().optional().describe('a link type whose headers are not read'),
  })
  .catchall(z.union([z.string(), z.number(), z.null()]));
export type PacketLine = z.infer<typeof packetLine>;

const disagreement = z.object({
  what: z.string(),
  packet: packetNumber.optional(),
  t: time.optional(),
  predicted: z.string(),
  observed: z.string(),
  explained: z.string().optional(),
});

/** What `dropwindow compare --format json` prints. */
export const compareResult = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  tool: z.string(),
  options: z.record(z.string(), z.unknown()),
  inputs: z.array(input),
  evidence: z.enum(['frames', 'conntrack']),
  compared: count,
  agreed: count,
  disagreements: z.array(disagreement),
  warnings: z.array(z.string()),
});
export type CompareResult = z.infer<typeof compareResult>;
