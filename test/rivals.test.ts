import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LookupResult } from '../src/classify/classifier.js';
import { LinearClassifier } from '../src/classify/linear.js';
import { parseFilters, parseHeaders } from '../src/classify/rivals/classBench.js';
import {
  ANY_PROTO,
  emptyFilters,
  type FilterClassifier,
  type FilterSet,
  type HeaderTrace,
  prefixMask,
} from '../src/classify/rivals/filters.js';
import { FILTER_KINDS, makeFilters, makeHeaders } from '../src/classify/rivals/generate.js';
import { LinearScan } from '../src/classify/rivals/linearScan.js';
import { FILTER_METHOD_NAMES, isUpdatable, makeFilterClassifier } from '../src/classify/rivals/methods.js';
import { TableSpace } from '../src/classify/rivals/tableSpace.js';
import { splitRange } from '../src/classify/rivals/tupleSpace.js';
import { Prng } from '../src/util/prng.js';
import { randomHistory, shapeArbitrary } from './oracle/randomHistory.js';
import { randomKey } from './oracle/randomTables.js';
import { runsOf } from './oracle/runs.js';

function answers(classifier: FilterClassifier, { count, src, dst, sport, dport, proto }: HeaderTrace): number[] {
  return Array.from({ length: count }, (_, i) => classifier.lookup(src[i]!, dst[i]!, sport[i]!, dport[i]!, proto[i]!));
}

/** Few values, so that filters overlap, nest and repeat, with prefixes of every length and ranges at both ends. */
function crowdedFilters(prng: Prng, count: number): FilterSet {
  const set = emptyFilters(count);
  const addresses = [0, -1, 0x0a000000, 0x0a0000ff, 0x0a00ffff, 0x7fffffff, -0x80000000];
  const ports = [0, 1, 79, 80, 81, 1023, 1024, 32767, 32768, 65534, 65535];
  for (let i = 0; i < count; i++) {
    set.srcBits[i] = prng.below(4) === 0 ? 0 : prng.below(33);
    set.dstBits[i] = prng.below(4) === 0 ? 0 : prng.below(33);
    set.src[i] = (prng.pick(addresses) ^ prng.below(4)) & prefixMask(set.srcBits[i]!);
    set.dst[i] = (prng.pick(addresses) ^ prng.below(4)) & prefixMask(set.dstBits[i]!);
    const range = (): [number, number] => {
      const [a, b] = [prng.pick(ports), prng.pick(ports)];
      const draw = prng.below(4);
      return draw < 2 ? [0, 65535] : draw === 2 ? [a, a] : [Math.min(a, b), Math.max(a, b)];
    };
    [set.sportFrom[i], set.sportTo[i]] = range();
    [set.dportFrom[i], set.dportTo[i]] = range();
    set.proto[i] = prng.pick([ANY_PROTO, 0, 6, 17, 255]);
  }
  return set;
}

for (const method of FILTER_METHOD_NAMES.filter((name) => name !== 'linear')) {
  test(`${method} gives the answers of the linear scan on crowded filter sets`, (t) => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 80 }), (seed, count) => {
        const set = crowdedFilters(new Prng(seed), count);
        const headers = makeHeaders(set, 150, seed + 1);
        assert.deepEqual(answers(makeFilterClassifier(method, set), headers), answers(new LinearScan(set), headers));
      }),
      runsOf(t, method === 'trie' ? 5 : 15),
    );
  });

  test(`${method} gives the answers of the linear scan on generated sets of each kind`, () => {
    for (const kind of FILTER_KINDS) {
      const set = makeFilters(kind, 300, 11);
      const headers = makeHeaders(set, 800, 12);
      const classifier = makeFilterClassifier(method, set);
      const expected = answers(new LinearScan(set), headers);
      assert.deepEqual(answers(classifier, headers), expected, kind);
      assert.deepEqual(answers(classifier, headers), expected, `${kind}, again`);
    }
  });
}

test('filters taken out and put back in any order leave the answers of the linear scan over those that are there', (t) => {
  const updatable = FILTER_METHOD_NAMES.filter((name) => isUpdatable(makeFilterClassifier(name, emptyFilters(0))));
  assert.deepEqual(updatable, ['tuple-space', 'tuple-merge']);
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...updatable), (seed, method) => {
      const prng = new Prng(seed);
      const set = crowdedFilters(prng, 60);
      const headers = makeHeaders(set, 60, seed + 1);
      const classifier = makeFilterClassifier(method, set);
      assert.ok(isUpdatable(classifier));
      const isThere = new Uint8Array(set.count).fill(1);
      for (let change = 0; change < 120; change++) {
        const filter = prng.below(set.count);
        if (isThere[filter] === 1) classifier.remove(filter);
        else classifier.insert(filter);
        isThere[filter]! ^= 1;
        if (change % 30 !== 29) continue;
        const there = [...isThere.keys()].filter((i) => isThere[i] === 1);
        const left = pick(set, there);
        const expected = answers(new LinearScan(left), headers).map((answer) => (answer < 0 ? -1 : there[answer]!));
        assert.deepEqual(answers(classifier, headers), expected);
      }
    }),
    runsOf(t, 10),
  );
});

function pick(set: FilterSet, filters: readonly number[]): FilterSet {
  const picked = emptyFilters(filters.length);
  filters.forEach((filter, i) => {
    for (const column of Object.keys(picked) as (keyof FilterSet)[])
      if (column !== 'count') picked[column][i] = set[column][filter]!;
  });
  return picked;
}

test('a range is split into the fewest aligned blocks', () => {
  assert.deepEqual(splitRange(0, 65535), [[0, 0]]);
  assert.deepEqual(splitRange(80, 80), [[80, 0xffff]]);
  assert.deepEqual(splitRange(1024, 65535).length, 6);
  assert.deepEqual(splitRange(1, 65534).length, 30);
});

test('filters and headers are read as ClassBench writes them', () => {
  const set = parseFilters('@10.1.2.3/24\t0.0.0.0/0\t0 : 65535\t80 : 443\t0x06/0xFF\t0x0000/0x0200\t\n', 'f');
  assert.equal(set.count, 1);
  assert.deepEqual([set.src[0], set.srcBits[0], set.dstBits[0]], [0x0a010200, 24, 0]);
  assert.deepEqual([set.dportFrom[0], set.dportTo[0], set.proto[0]], [80, 443, 6]);
  const { headers, expected } = parseHeaders('167838208\t4294967295\t1\t80\t6\t0\n', 'h');
  assert.deepEqual(expected, Int32Array.of(0));
  assert.deepEqual(answers(new LinearScan(set), headers), [0]);
  assert.throws(() => parseFilters('@10.1.2.3/33\t0.0.0.0/0\t0 : 1\t0 : 1\t0x06/0xFF', 'f'), {
    message: '10.1.2.3/33: expected an IPv4 prefix such as 10.0.0.0/8',
  });
  assert.throws(() => parseHeaders('1 2 3', 'h'), { message: 'expected 5 numbers, found 3' });
  assert.equal(parseHeaders('1 2 3 4 5', 'h').expected, null);
});

test('tuple space search over OpenFlow tables gives the answer, validity and explanation of the linear classifier', (t) => {
  fc.assert(
    fc.property(fc.integer(), shapeArbitrary, (seed, shape) => {
      const prng = new Prng(seed);
      const { timeline } = randomHistory(prng, shape, 40);
      const linear = new LinearClassifier(timeline);
      const space = new TableSpace(timeline);
      const expected = new LookupResult();
      const got = new LookupResult();
      for (let n = 0; n < 60; n++) {
        const key = randomKey(prng);
        const version = prng.below(timeline.lastVersion + 1);
        linear.lookup(0, key, version, expected);
        space.lookup(0, key, version, got);
        assert.deepEqual(got, expected);
        if (n % 10 === 0) assert.deepEqual(space.explain(0, key, version), linear.explain(0, key, version));
      }
    }),
    runsOf(t, 20),
  );
});
