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
  'churn-medium': [ALL],
};
