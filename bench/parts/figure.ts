/** What one round of one contestant gives. */
export interface Figure {
  readonly unit: string;
  readonly value: number;
  readonly checksum: string;
  readonly mismatches?: number;
  readonly note?: string;
}
