import assert from 'node:assert/strict';
import test from 'node:test';
import hdr from 'hdr-histogram-js';
import { histogramFiles, ModelledHistograms, ServiceTime } from '../src/report/histograms.js';

test('percentiles lie within a thousandth of the exact value, zeros counted', () => {
  const histograms = new ModelledHistograms();
  histograms.record('outageNs', 0, 900);
  for (let i = 1; i <= 100; i++) histograms.record('outageNs', i * 123_456_789);
  const summary = histograms.toJson().outageNs!;
  assert.equal(summary.count, 1000);
  assert.equal(summary.zeros, 900);
  assert.equal(summary.min, 0);
  assert.equal(summary.p90, 0);
  const exact = 90 * 123_456_789;
  assert.ok(Math.abs(summary.p99! - exact) / exact < 0.001, `${summary.p99} against ${exact}`);
});

test('counts beyond 2^32 do not wrap', () => {
  const histograms = new ModelledHistograms();
  histograms.record('lostPackets', 7, 2 ** 32 + 4);
  assert.equal(histograms.toJson().lostPackets!.p50, 7);
  assert.equal(histograms.toJson().lostPackets!.count, 2 ** 32 + 4);
});

test('what is no number of nanoseconds is refused', () => {
  const histograms = new ModelledHistograms();
  for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    assert.throws(() => histograms.record('windowNs', value), RangeError);
  }
});

test('the files are those of other HdrHistogram tools: .hlog reads back, .hgrm holds percentiles', () => {
  const histograms = new ModelledHistograms();
  for (let i = 0; i < 500; i++) histograms.record('windowNs', i * 1_000_003);
  const files = histogramFiles(histograms.encode(), undefined, 1619606110.5, 1619606120);
  assert.deepEqual(
    files.map((file) => file.name),
    ['windowNs.hgrm', 'windowNs.hlog', 'windowNs.json'],
  );
  const reader = new hdr.HistogramLogReader(files[1]!.text);
  const read = reader.nextIntervalHistogram();
  assert.equal(read!.totalCount, 500);
  assert.equal(read!.tag, 'windowNs');
  assert.match(files[1]!.text, /StartTime: 1619606110\.500 \(seconds since epoch\), 2021-04-28T10:35:10\.500Z/);
  assert.match(files[0]!.text, /^#\[dropwindow windowNs, ns: .*count 500\]\n +Value +Percentile/);
  assert.equal(JSON.parse(files[2]!.text).p50, histograms.toJson().windowNs!.p50);
});

test('measured service time says its batch, the cost of the clock, and that nothing was corrected', () => {
  const service = new ServiceTime(64, 25);
  service.recordMean(812.4, 2);
  const json = service.toJson();
  assert.equal(json.count, 2);
  assert.equal(json.batch, 64);
  assert.match(json.note, /no correction for coordinated omission/);
  const [hgrm] = histogramFiles({}, service.encode(), 0, 1);
  assert.match(hgrm!.text, /batch 64, clock 25 ns/);
});
