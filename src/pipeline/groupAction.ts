/** OpenFlow groups: which buckets a packet takes, and how a bucket runs. */
import { K } from '../fields/key.js';
import { executedActionSet } from './actionSet.js';
import { stepsOf } from './compile.js';
import type { Group, GroupBucket, PipelineEnv } from './env.js';
import { finishFreezing, triggerFreeze } from './freezing.js';
import { TOO_MANY_LABELS, type Translation } from './translation.js';

const MAX_LIVENESS_DEPTH = 128;

/** xlate_group_action. False: no such group, the rest of the list is skipped. */
export function runGroup(pass: Translation, id: number, isLast: boolean): boolean {
  if (!pass.mayDescend()) return true;
  const group = pass.env.groups.get(id);
  if (group === undefined) return false;
  if (group.type === 'select') {
    select(pass, group, isLast);
  } else if (group.type === 'ff') {
    const bucket = group.buckets.find((each) => isLive(pass.env, each, 0));
    if (bucket !== undefined) runBucket(pass, group, bucket, isLast);
  } else {
    const final = group.buckets[group.buckets.length - 1];
    for (const bucket of group.buckets) runBucket(pass, group, bucket, isLast && bucket === final);
  }
  return true;
}

/** pick_select_group. With one bucket that can be chosen the hash does not matter. */
function select(pass: Translation, group: Group, isLast: boolean): void {
  const { packet } = pass;
  if (packet.wasMpls || (group.selection === 'dp_hash' && packet.flow[K.dp_hash] === 0)) {
    triggerFreeze(pass);
    pass.needsHash = !packet.wasMpls;
    return;
  }
  const live = group.buckets.filter((bucket) => bucket.weight > 0 && isLive(pass.env, bucket, 0));
  if (live.length === 1) runBucket(pass, group, live[0]!, isLast);
  else if (live.length > 1) pass.stopUnsupported('group of type select (its bucket hangs on a hash)');
}

/** bucket_is_alive: a port that exists is up; there is no controller to watch. */
function isLive(env: PipelineEnv, bucket: GroupBucket, depth: number): boolean {
  if (depth >= MAX_LIVENESS_DEPTH) return false;
  if (bucket.watchPort === null && bucket.watchGroup === null) return true;
  if (bucket.watchPort !== null && env.ports.has(bucket.watchPort)) return true;
  const watched = bucket.watchGroup === null ? undefined : env.groups.get(bucket.watchGroup);
  return watched?.buckets.some((each) => isLive(env, each, depth + 1)) ?? false;
}

/** xlate_group_bucket: its actions are an action set of their own; the key is as before afterwards. */
function runBucket(pass: Translation, group: Group, bucket: GroupBucket, isLast: boolean): void {
  const kept = pass.packet.copy();
  pass.depth++;
  pass.observer?.enterList(`bucket ${group.buckets.indexOf(bucket)}`, true);
  pass.runSteps(executedActionSet(stepsOf(bucket.actions)), isLast);
  pass.observer?.leave();
  pass.depth--;
  if (pass.freezing) finishFreezing(pass);
  pass.packet.flow = kept.flow;
  pass.packet.wasMpls = kept.wasMpls;
  if (pass.unsupported === null) pass.exit = false;
  if (pass.error === TOO_MANY_LABELS) pass.error = null;
}
