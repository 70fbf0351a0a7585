import assert from 'node:assert/strict';
import test from 'node:test';
import { UsageError } from '../src/util/errors.js';
import { parseDuration, parseTime } from '../src/util/time.js';

const ns = (seconds: number) => BigInt(seconds) * 1_000_000_000n;
/** 2021-04-28 12:35:10 to 12:35:16 UTC */
const span = { first: ns(1_619_613_310), last: ns(1_619_613_316) };

test('times are read in all four forms', () => {
  assert.equal(parseTime('12:35:12', span), ns(1_619_613_312));
  assert.equal(parseTime('12:35:12.25', span), ns(1_619_613_312) + 250_000_000n);
  assert.equal(parseTime('2021-04-28T12:35:12Z', span), ns(1_619_613_312));
  assert.equal(parseTime('2021-04-28T14:35:12.000000001+02:00', span), ns(1_619_613_312) + 1n);
  assert.equal(parseTime('1619613312.25', span), ns(1_619_613_312) + 250_000_000n);
  assert.equal(parseTime('+2.5s', span), ns(1_619_613_312) + 500_000_000n);
  assert.equal(parseTime('-1.5', span), -1_500_000_000n);
});

test('a time of day is on the date of the first packet, on the next one where only that fits', () => {
  const night = { first: ns(1_619_654_390), last: ns(1_619_654_420) }; // 23:59:50 to 00:00:20
  assert.equal(parseTime('23:59:55', night), ns(1_619_654_395));
  assert.equal(parseTime('00:00:05', night), ns(1_619_654_405));
});

test('a time of day that occurs twice in the trace is an error that names both', () => {
  const long = { first: span.first, last: span.first + ns(100_000) };
  assert.throws(
    () => parseTime('12:40:00', long),
    (error) => error instanceof UsageError && /1619613600\.000000000 or 1619700000\.000000000/.test(error.hint ?? ''),
  );
});

test('what is no time or no duration says what forms there are', () => {
  for (const text of ['noon', '25:00:00', '12:60:00', '2021-02-30', '1e9', '']) {
    assert.throws(() => parseTime(text, span), UsageError, text);
  }
  for (const text of ['', '-1s', '3 parsecs', '1e3s', 's']) assert.throws(() => parseDuration(text), UsageError, text);
});

test('durations have units', () => {
  assert.equal(parseDuration('250ms'), 250_000_000n);
  assert.equal(parseDuration('1.5h'), 5_400_000_000_000n);
  assert.equal(parseDuration('2'), 2_000_000_000n);
  assert.equal(parseDuration('7us'), 7_000n);
});
