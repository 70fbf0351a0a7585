/** The modelled histograms: from trace times, by the rules of the report (README "Histograms"). */
import type { ShardResult } from '../replay/records.js';
import type { Restart } from '../replay/restart.js';
import type { ModelledHistograms } from '../report/histograms.js';

export function recordHistograms(
  histograms: ModelledHistograms,
  { told, flowCount }: ShardResult,
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
  // Percentiles of outage count flows without loss too, else the median describes only victims.
  if (quiet > 0) {
    histograms.record('outageNs', 0, quiet);
    histograms.record('lostPackets', 0, quiet);
  }
}
