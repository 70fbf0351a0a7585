/** Where our report and a run's windows.json.gz differ, and why; docs/WINDOWS.md of ../shared decides. */
export interface Explained {
  /** Names of fields, as compareWithReference gives them. */
  readonly fields: RegExp;
  readonly reason: string;
}

const ALL: Explained = {
  fields: /policy cause detail all$/,
  reason: 'the reference counts the conj_id rule itself among the lost clause flows where the step deleted it too',
};

export const EXPLAINED: Readonly<Record<string, readonly Explained[]>> = {
  'churn-small': [ALL],
  'churn-medium': [
    ALL,
    {
      fields: /^window 3481 cause by/,
      reason:
        'the last event that changed the TCP windows of one entry and not of the other is packet 2195; the deletion before ' +
        'it (step 112) is the root, which both name',
    },
    {
      fields: /^flow icmp .* exposed$|^summary exposed$/,
      reason:
        'only the last version treats these three replies otherwise, which is the new policy (their requests are policy ' +
        'flows); we count as exposed what neither the first nor the last tables do',
    },
  ],
  'churn-die': [
    {
      fields: /^window (2563|2636|2760|2829|3959|4128) tableOutage (toStep|ns)$/,
      reason:
        'by the letter the outage ends with the first later version that treats the packet right with the state of the ' +
        'right world; with the entry that `before` has, the version after the cause does so already',
    },
  ],
};

/** Flows that the lab's recording and the replay tell otherwise; the test works out and prints why. */
export const RECEIVED_OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  'medium-collide': [
    'loss 32 rev, only recorded',
    'loss 151 rev, only recorded',
    'loss 159 fwd, only replayed',
    'loss 159 rev, only replayed',
    'dead 159 rev, only replayed',
  ],
  'medium-die': [
    'loss 20 rev, only recorded',
    'loss 71 rev, only recorded',
    'loss 106 fwd, only recorded',
    'loss 106 rev, only recorded',
    'loss 36 fwd, only replayed',
    'loss 36 rev, only replayed',
    'loss 112 fwd, only replayed',
    'loss 112 rev, only replayed',
    'dead 37 fwd, only recorded',
    'dead 37 rev, only recorded',
    'dead 106 fwd, only recorded',
    'dead 106 rev, only recorded',
    'dead 214 rev, only recorded',
    'dead 36 rev, only replayed',
    'dead 112 rev, only replayed',
  ],
  'medium-fixed': ['dead 16 rev, only recorded'],
  'medium-perport': [
    'loss 38 rev, only recorded',
    'loss 86 rev, only recorded',
    'loss 118 rev, only recorded',
    'loss 65 rev, only replayed',
    'loss 146 fwd, only replayed',
    'loss 146 rev, only replayed',
    'dead 38 rev, only recorded',
    'dead 98 rev, only recorded',
    'dead 144 rev, only recorded',
    'dead 156 rev, only recorded',
    'dead 205 rev, only recorded',
    'dead 146 rev, only replayed',
  ],
};
