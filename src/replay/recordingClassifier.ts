/** A classifier that notes every lookup with the key as it was then (registers change on the way). */
import type { Classifier, LookupExplanation, LookupResult } from '../classify/classifier.js';

export class RecordingClassifier implements Classifier {
  readonly lookups: { readonly table: number; readonly key: Int32Array }[] = [];
  private readonly inner: Classifier;

  constructor(inner: Classifier) {
    this.inner = inner;
  }

  lookup(table: number, key: Int32Array, version: number, out: LookupResult): void {
    this.lookups.push({ table, key: Int32Array.from(key) });
    this.inner.lookup(table, key, version, out);
  }

  explain(table: number, key: Int32Array, version: number): LookupExplanation {
    return this.inner.explain(table, key, version);
  }
}
