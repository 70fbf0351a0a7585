/**
 * Histograms of a replay: modelled ones (from the times in the trace) and the measured service time of the engine.
 * HdrHistogram with three significant digits and 64-bit buckets: narrower ones wrap in silence. Shards hand over values, not
 * histograms; one place records them all.
 */
import hdr from 'hdr-histogram-js';
import { MODELLED, type ModelledName } from './names.js';
import type { HistogramSummary, MeasuredSummary } from './result.js';

type Hdr = ReturnType<typeof hdr.build>;

/** What each modelled histogram counts; `unit` is also in the file headers. */
const MEANING: Record<ModelledName, { unit: 'ns' | 'packets'; what: string }> = {
  outageNs: { unit: 'ns', what: 'time lost per flow, flows without a window count as 0' },
  windowNs: { unit: 'ns', what: 'length of each window' },
  onsetNs: { unit: 'ns', what: 'from the causing step to the first bad packet' },
  recoveryNs: { unit: 'ns', what: 'from the healing step to the first good packet' },
  lostPackets: { unit: 'packets', what: 'packets lost per flow, flows without loss count as 0' },
  setupDelayNs: { unit: 'ns', what: 'from the first SYN to the first delivered SYN' },
  retransmitDelayNs: { unit: 'ns', what: 'from a lost segment to the first delivered one of that range' },
  forwardingNs: { unit: 'ns', what: 'a frame in to the same frame out' },
  commitNs: { unit: 'ns', what: 'a bundle from open to commit' },
  replyNs: { unit: 'ns', what: 'commit or barrier to reply' },
};

/** V2 encoding in base64, by name. */
export type EncodedHistograms = Partial<Record<ModelledName, string>>;

/** Measured service time, encoded, with what its header says. */
export interface EncodedMeasured {
  readonly serviceNs: string;
  readonly batch: number;
  readonly clockNs: number;
}

const MEASURED_NOTE =
  'means of batches; clock cost subtracted; no correction for coordinated omission: a replay has no arrivals of its own';

export class ModelledHistograms {
  private readonly byName = new Map<ModelledName, Hdr>();

  /** `value`: nanoseconds or packets, an integer from 0; fractions are cut off. RangeError for anything else. */
  record(name: ModelledName, value: number, times = 1): void {
    // The library takes NaN without a word and keeps fractions in its maximum.
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) throw new RangeError(`${name}: ${value} cannot be recorded`);
    this.histogram(name).recordValueWithCount(Math.floor(value), times);
  }

  encode(): EncodedHistograms {
    const encoded: EncodedHistograms = {};
    for (const name of MODELLED) {
      const histogram = this.byName.get(name);
      if (histogram !== undefined) encoded[name] = hdr.encodeIntoCompressedBase64(histogram);
    }
    return encoded;
  }

  /** Those with at least one value, in the fixed order of names. */
  toJson(): Partial<Record<ModelledName, HistogramSummary>> {
    const json: Partial<Record<ModelledName, HistogramSummary>> = {};
    for (const name of MODELLED) {
      const histogram = this.byName.get(name);
      if (histogram !== undefined) json[name] = summarise(histogram, MEANING[name].unit);
    }
    return json;
  }

  private histogram(name: ModelledName): Hdr {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    const made = build();
    this.byName.set(name, made);
    return made;
  }
}

/** Service time of the engine per packet, recorded as means of batches. */
export class ServiceTime {
  private readonly histogram = build();
  readonly batch: number;
  readonly clockNs: number;

  /** `batch`: packets per measurement; `clockNs`: cost of one clock reading, which the caller has subtracted. */
  constructor(batch: number, clockNs: number) {
    this.batch = batch;
    this.clockNs = clockNs;
  }

  recordMean(ns: number, times = 1): void {
    this.histogram.recordValueWithCount(Math.max(0, Math.round(ns)), times);
  }

  encode(): EncodedMeasured {
    return { serviceNs: hdr.encodeIntoCompressedBase64(this.histogram), batch: this.batch, clockNs: this.clockNs };
  }

  toJson(): MeasuredSummary {
    return { ...summarise(this.histogram, 'ns'), batch: this.batch, clockNs: this.clockNs, note: MEASURED_NOTE };
  }
}

export interface HistogramFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Three files per histogram: percentiles (.hgrm, for HdrHistogram's plotter), log (.hlog, for merging), JSON.
 * `from`, `to`: Unix seconds of the trace, the log's interval.
 */
export function histogramFiles(
  modelled: EncodedHistograms,
  measured: EncodedMeasured | undefined,
  from: number,
  to: number,
): HistogramFile[] {
  const files: HistogramFile[] = [];
  for (const name of MODELLED) {
    const text = modelled[name];
    if (text === undefined) continue;
    const { unit, what } = MEANING[name];
    const json = { name, what, ...summarise(decode(text), unit) };
    files.push(...filesOf(name, decode(text), `${name}, ${unit}: ${what}`, json, from, to));
  }
  if (measured !== undefined) {
    const histogram = decode(measured.serviceNs);
    const { batch, clockNs } = measured;
    const what = `serviceNs, ns: engine time per packet, batch ${batch}, clock ${clockNs} ns, ${MEASURED_NOTE}`;
    const json = { name: 'serviceNs', ...summarise(histogram, 'ns'), batch, clockNs, note: MEASURED_NOTE };
    files.push(...filesOf('serviceNs', histogram, what, json, from, to));
  }
  return files;
}

function filesOf(name: string, histogram: Hdr, what: string, json: object, from: number, to: number): HistogramFile[] {
  let log = '';
  const writer = new hdr.HistogramLogWriter((text) => {
    log += text;
  });
  writer.outputComment(`[dropwindow ${what}]`);
  writer.outputLogFormatVersion();
  // Not the library's outputStartTime: it prints the date in the machine's time zone.
  writer.outputComment(`[StartTime: ${from.toFixed(3)} (seconds since epoch), ${new Date(from * 1000).toISOString()}]`);
  writer.outputLegend();
  histogram.tag = name;
  writer.outputIntervalHistogram(histogram, from, Math.max(from, to), 1);
  const percentiles = `#[dropwindow ${what}; count ${histogram.totalCount}]\n${histogram.outputPercentileDistribution(5, 1)}`;
  return [
    { name: `${name}.hgrm`, text: percentiles },
    { name: `${name}.hlog`, text: log },
    { name: `${name}.json`, text: `${JSON.stringify(json, null, 2)}\n` },
  ];
}

function build(): Hdr {
  return hdr.build({
    bitBucketSize: 64,
    // One fixed range (0.4 MB a histogram): a grown one keeps its history in its encoding.
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: Number.MAX_SAFE_INTEGER,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

function decode(base64: string): Hdr {
  return hdr.decodeFromCompressedBase64(base64, 64, false);
}

/** Values are those of the buckets (three digits), so they do not depend on how the recording was split. */
function summarise(histogram: Hdr, unit: 'ns' | 'packets'): HistogramSummary {
  const count = histogram.totalCount;
  const at = (percentile: number) => (count === 0 ? null : histogram.getValueAtPercentile(percentile));
  return {
    unit,
    count,
    zeros: zeros(histogram),
    min: at(0),
    mean: count === 0 ? null : Math.round(histogram.mean),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p99_9: at(99.9),
    max: at(100),
  };
}

/** Count of the first bucket, which holds exactly the value 0. */
function zeros(histogram: Hdr): number {
  return histogram instanceof hdr.JsHistogram ? histogram.getCountAtIndex(0) : 0;
}
