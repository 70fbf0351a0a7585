/** The words of results that code counts over; apart from the zod types, which are slow to load. */

/** Counted up when a key changes its meaning or goes away, never when one is added. */
export const SCHEMA_VERSION = 1;

export const KINDS = ['drop', 'partial', 'leak', 'misdelivery', 'transitional'] as const;

export const OUTCOMES = [
  'delivered',
  'dropped',
  'held',
  'ctDropped',
  'controller',
  'unsupported',
  'unparsed',
  'ambiguous',
] as const;

/** Histograms that are made from the times in the trace. */
export const MODELLED = [
  'outageNs',
  'windowNs',
  'onsetNs',
  'recoveryNs',
  'lostPackets',
  'setupDelayNs',
  'retransmitDelayNs',
  'forwardingNs',
  'commitNs',
  'replyNs',
] as const;
export type ModelledName = (typeof MODELLED)[number];

/** What `dropwindow schema` knows. */
export const SCHEMA_NAMES = ['replay', 'verdict', 'schedule', 'compare', 'packets'] as const;
export type SchemaName = (typeof SCHEMA_NAMES)[number];
