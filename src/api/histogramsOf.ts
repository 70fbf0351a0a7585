/** The modelled histograms: from trace times; and the measured one. */
import type { ShardResult } from '../replay/records.js';
import type { Restart } from '../replay/restart.js';
import { clockCostNs, SERVICE_BATCH } from '../replay/serviceMeter.js';
import type { DelayList } from '../replay/tcpDelays.js';
import { type ModelledHistograms, ServiceTime } from '../report/histograms.js';
import type { ChannelTimings } from '../timeline/channelTimings.js';

export function recordHistograms(
  histograms: ModelledHistograms,
  { told, flowCount, delays }: ShardResult,
  { stepNs }: Restart,
): void {
  let quiet = flowCount;
  for (const { flows } of told) {
    for (const flow of flows) {
      if (flow === null) continue;
      quiet--;
      let outageNs = 0;
      let lost = 0;
      for (const window of flow.closed) {
        const lengthNs = window.toNs - window.fromNs;
        histograms.record('windowNs', lengthNs);
        if (window.kind === 'drop') {
          outageNs += lengthNs;
          lost += window.packets;
        }
        if (window.fromNs >= stepNs[window.cause.step]!)
          histograms.record('onsetNs', window.fromNs - stepNs[window.cause.step]!);
        if (window.healedBy?.isStep && window.toNs >= window.healedBy.tNs) {
          histograms.record('recoveryNs', window.toNs - window.healedBy.tNs);
        }
      }
      histograms.record('outageNs', outageNs);
      histograms.record('lostPackets', lost);
    }
  }
  for (const [name, { zeros, values }] of Object.entries(delays) as [keyof typeof delays, DelayList][]) {
    if (zeros > 0) histograms.record(name, 0, zeros);
    for (const ns of values) histograms.record(name, ns);
  }
  // Percentiles of outage count flows without loss too, else the median describes only victims.
  if (quiet > 0) {
    histograms.record('outageNs', 0, quiet);
    histograms.record('lostPackets', 0, quiet);
  }
}

/** What the OpenFlow captures tell of bundles and answers. */
export function recordTimings(histograms: ModelledHistograms, { commitNs, replyNs }: ChannelTimings): void {
  for (const ns of commitNs) if (ns >= 0) histograms.record('commitNs', ns);
  for (const ns of replyNs) if (ns >= 0) histograms.record('replyNs', ns);
}

/** Time of the engine per packet; null: nothing was measured. */
export function serviceTime({ service }: ShardResult): ServiceTime | null {
  if (service.length === 0) return null;
  const measured = new ServiceTime(SERVICE_BATCH, clockCostNs());
  for (const [ns, times] of service) measured.recordMean(ns, times);
  return measured;
}
