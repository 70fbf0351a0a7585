import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConntrackEvents } from '../src/timeline/conntrackEvents.js';
import { InputError } from '../src/util/errors.js';

test('deletions of a conntrackEvents file are steps of the restart unless they say otherwise', () => {
  const text = [
    '{"conntrackEvents":1,"clock":"unix"}',
    '{"t":"7.25","conntrack":{"delete":{"zone":1,"mark":"0x1/0xff","dst":"10.91.0.15"}}}',
    '{"t":"8","conntrack":"flush","worlds":"all"}',
  ].join('\n');
  const t = { earliest: 7_250_000_000n, latest: 7_250_000_000n };
  const filter = { zone: 1, mark: 1, markMask: 255, dst: '10.91.0.15' };
  const { steps } = readConntrackEvents(text, 'e');
  assert.deepEqual(steps[0], { kind: 'conntrack', t, filter, worlds: 'actual', note: null });
  assert.equal(steps[1]?.kind === 'conntrack' && steps[1].worlds, 'all');
});

test('a DESTROY of conntrack -E removes the entry with this original tuple', () => {
  const text = [
    '[1619606112.250000]\t    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=5 dport=80 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=80 dport=5',
    '[1619606113.000001]\t[DESTROY] tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=80 src=10.0.0.9 dst=10.0.0.1 sport=80 dport=6 [ASSURED] mark=1 zone=5',
    '[1619606114.000000]\t[DESTROY] ipv6     10 icmpv6   58 src=fd00::1 dst=fd00::2 type=128 code=0 id=77 src=fd00::2 dst=fd00::1 type=129 code=0 id=77 id=123456',
  ].join('\n');
  const { steps } = readConntrackEvents(text, 'e');
  assert.deepEqual(
    steps.map((step) => step.kind === 'conntrack' && step.filter),
    [
      { zone: 5, proto: 6, src: '10.0.0.1', dst: '10.0.0.2', sport: 5, dport: 80 },
      { zone: 0, proto: 58, src: 'fd00::1', dst: 'fd00::2', sport: 77, dport: 77 },
    ],
  );
  assert.equal(steps[0]?.t.earliest, 1619606113000001000n);
});

test('events without time, or of another kind, are refused with their line', () => {
  const failure = (text: string) => {
    try {
      readConntrackEvents(text, 'e');
    } catch (error) {
      assert.ok(error instanceof InputError);
      return error.format();
    }
    return 'read';
  };
  assert.equal(failure('[DESTROY] tcp 6 src=1.1.1.1 dst=2.2.2.2'), 'e:1:1: a conntrack event without time');
  assert.equal(failure('hello'), 'e:1:1: neither a conntrack event nor {"conntrackEvents":1,…}');
  assert.equal(failure('{"conntrackEvents":1,"clock":"unix"}\n{"t":"1","mods":[]}'), 'e:2:1: "conntrack" is missing');
});
