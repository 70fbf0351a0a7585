/** Where our report and a run's windows.json.gz differ, and why (docs/WINDOWS.md decides): beginnings of field names. */
export const EXPLAINED: Readonly<Record<string, Readonly<Record<string, string>>>> = {};
