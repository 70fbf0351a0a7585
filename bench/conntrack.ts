/** The connection tracker alone, in both profiles. */
import { type Bench, ofChild } from './harness.js';

export const conntrack: Bench = {
  name: 'conntrack',
  contestants: async (context) => ({
    contestants: (context.tiny ? [20] : [10, 100_000]).flatMap((connections) =>
      ['linux', 'ovs-userspace'].map((profile) => {
        const packets = connections === 10 ? 50_000 : 12;
        return ofChild(context, `${connections} connections`, profile, 'conntrack', { profile, connections, packets });
      }),
    ),
    absent: [],
  }),
};
