/** The modelled histograms: from trace times, by the rules of the report (README "Histograms"). */
import type { ReplayEngine } from '../replay/engine.js';
import type { Restart } from '../replay/restart.js';
import type { ModelledHistograms } from '../report/histograms.js';

export function recordHistograms(histograms: ModelledHistograms, engine: ReplayEngine, restart: Restart): void {
  const { stepNs } = restart;
  for (const { flows } of engine.walker.connections) {
    for (const flow of flows) {
      if (flow === null) continue;
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
}
