/** Is a JSON object a case at all? Only shapes that would lead a run astray are looked at; unknown keys may be there. */
import * as z from 'zod';

const texts = z.array(z.string()).optional();
const number = z.number();

const port = z.looseObject({
  name: z.string(),
  ofport: z.int().min(0).max(0xffff),
  tag: z.int().min(0).max(4095).nullish(),
  trunks: z.array(z.int()).nullish(),
  vlan_mode: z.string().nullish(),
  cvlans: z.array(z.int()).optional(),
  port_other_config: z.record(z.string(), z.string()).optional(),
  peer: z.string().nullish(),
  mtu: number.nullish(),
});

const bridge = {
  ports: z.array(port).optional(),
  flows: texts,
  groups: texts,
  meters: texts,
  other_config: z.record(z.string(), z.string()).optional(),
};

const answer = z.looseObject({
  out: z.array(z.array(z.union([number, z.string()])).min(2)).optional(),
  ct: z.array(z.looseObject({})).optional(),
  rules: z.array(z.array(z.union([number, z.string(), z.null()])).min(2)).optional(),
  controller: number.optional(),
  error: z.string().nullish(),
  flows: texts,
  conntrack: texts,
  fdb: z.array(z.array(z.union([number, z.string()]))).optional(),
  deleted: number.optional(),
});

const deletion = z.looseObject({
  src: z.string().optional(),
  dst: z.string().optional(),
  dir: z.enum(['orig', 'reply', 'any']).optional(),
});

const step = z.looseObject({
  t: number.optional(),
  packet: z
    .looseObject({
      in_port: z.int().min(0).max(0xffff).optional(),
      hex: z.string().optional(),
      flow: z.string().optional(),
      ctNext: texts,
    })
    .optional(),
  flow: z.string().optional(),
  ctNext: texts,
  mods: z.array(z.looseObject({ op: z.string(), flow: z.string(), cookieMask: z.string().nullish() })).optional(),
  bundle: z.boolean().optional(),
  conntrack: z.union([z.literal('flush'), z.looseObject({ delete: deletion })]).optional(),
  bridge: z.string().optional(),
  expect: answer.optional(),
  expect_any: z.array(answer).optional(),
});

const ordinary = z.looseObject({
  id: z.string(),
  of: z.string().optional(),
  ...bridge,
  bridges: z.array(z.looseObject({ name: z.string(), ...bridge })).optional(),
  dump: z.string().optional(),
  cookieDumps: z.record(z.string(), z.string()).optional(),
  steps: z.array(step),
});

const kernelAnswer = z.looseObject({ at_s: number, ct_state: z.string().nullable() });

const kernel = z.looseObject({
  id: z.string(),
  zone: number,
  sysctl: z.record(z.string(), number).optional(),
  pipeline: z.array(z.array(z.string()).length(2)),
  packets: z.array(z.looseObject({ at_s: number, in_port: number, hex: z.string() })),
  expect: z.array(kernelAnswer).nullish(),
});

/** What is wrong, as `steps.3.mods.0.flow: ...`; null: nothing. */
export function caseProblem(value: object, isKernel: boolean): string | null {
  const found = (isKernel ? kernel : ordinary).safeParse(value);
  if (found.success) return null;
  const issue = found.error.issues[0]!;
  return `${issue.path.map(String).join('.') || 'a case'}: ${issue.message}`;
}
