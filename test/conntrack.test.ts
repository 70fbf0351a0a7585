/** The connection tracker: behaviour that other parts rely on, and answers of Open vSwitch 3.1.0 (golden/conntrack-ovs.jsonl). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compileFilter, deleteEntries } from '../src/conntrack/deletion.js';
import { CtEntry, firstDifference, sameAttribute, stateText } from '../src/conntrack/entry.js';
import { establishedEntry } from '../src/conntrack/midstream.js';
import { CtPacket, fillCtPacket } from '../src/conntrack/packet.js';
import { parseEntries } from '../src/conntrack/parseEntries.js';
import { CtStore, DEFAULT_ZONE } from '../src/conntrack/store.js';
import { formatEntry, statusFlags } from '../src/conntrack/text.js';
import { Tracker } from '../src/conntrack/tracker.js';
import { CtTuple, invertTuple } from '../src/conntrack/tuple.js';
import { KEY_WORDS } from '../src/fields/key.js';
import { extractPacket } from '../src/packet/extract.js';
import { PacketInfo } from '../src/packet/packetInfo.js';
import { InputError, UsageError } from '../src/util/errors.js';
import { tcpFrame, udpFragments, udpFrame, unreachableFrame } from './conntrackFrames.js';
import { runsOf } from './oracle/runs.js';
import { differencesFromOvs, MiniPipeline, type OvsCase, stateNames } from './reference/miniPipeline.js';

const A = '10.0.0.1';
const B = '10.0.0.2';
const S = 1e9;

const COMMIT_NEW = ['table=0,ip actions=ct(zone=5,table=1)', 'table=1,ct_state=+new actions=ct(commit,zone=5)'];

/** States of the first pass after ct(), one for each frame; '' where nothing came out. */
function run(pipeline: MiniPipeline, frames: readonly [atS: number, frame: Uint8Array][]): string[] {
  return frames.map(([atS, frame]) => {
    pipeline.receive(1, frame, atS * S);
    const seen = pipeline.seen[0];
    return seen === undefined ? '' : stateNames(seen.state);
  });
}

const only = (pipeline: MiniPipeline, atS: number): CtEntry => {
  const entries = pipeline.store.entries(atS * S);
  assert.equal(entries.length, 1);
  return entries[0]!;
};

const handshake: [number, Uint8Array][] = [
  [0, tcpFrame(A, 40000, B, 80, 'S', { seq: 100 })],
  [0.1, tcpFrame(B, 80, A, 40000, 'SA', { seq: 500, ack: 101 })],
  [0.2, tcpFrame(A, 40000, B, 80, 'A', { seq: 101, ack: 501 })],
];

function packetOf(frame: Uint8Array): CtPacket {
  const key = new Int32Array(KEY_WORDS);
  const info = new PacketInfo();
  extractPacket(frame, 0, frame.length, frame.length, 1, key, info);
  const packet = new CtPacket();
  fillCtPacket(key, info, packet);
  return packet;
}

test('recorded conversations, translations and odd packets end like in Open vSwitch 3.1.0', () => {
  const cases = readFileSync(new URL('../../test/golden/conntrack-ovs.jsonl', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as OvsCase);
  assert.equal(cases.length, 27);
  const tracker = new Tracker('ovs-userspace', { verifyChecksums: true });
  assert.deepEqual(
    cases.flatMap((each) => differencesFromOvs(each, tracker)),
    [],
  );
});

describe('linux', () => {
  test('a handshake leads to ESTABLISHED, ASSURED and liberal, five days', () => {
    const pipeline = new MiniPipeline(new Tracker('linux'), COMMIT_NEW);
    assert.deepEqual(run(pipeline, handshake), ['new|trk', 'est|rpl|trk', 'est|trk']);
    const entry = only(pipeline, 0.2);
    assert.equal(stateText(entry, true), 'ESTABLISHED');
    assert.deepEqual(statusFlags(entry), ['SEEN_REPLY', 'ASSURED', 'CONFIRMED']);
    assert.equal(entry.expiresNs, 432_000.2 * S);
  });

  test('data that nobody acknowledges lowers the time-out to 300 s, the acknowledgement lifts it again', () => {
    const pipeline = new MiniPipeline(new Tracker('linux'), COMMIT_NEW);
    run(pipeline, handshake);
    run(pipeline, [[1, tcpFrame(A, 40000, B, 80, 'PA', { seq: 101, ack: 501, bytes: 10 })]]);
    assert.equal(only(pipeline, 1).expiresNs, 301 * S);
    run(pipeline, [[2, tcpFrame(B, 80, A, 40000, 'A', { seq: 501, ack: 111 })]]);
    assert.equal(only(pipeline, 2).expiresNs, 432_002 * S);
  });

  test('data far out of the window is accepted once established, OVS calls it invalid', () => {
    const far: [number, Uint8Array] = [1, tcpFrame(A, 40000, B, 80, 'PA', { seq: 3_000_101, ack: 501, bytes: 10 })];
    const states = ['linux', 'ovs-userspace'].map((profile) =>
      run(new MiniPipeline(new Tracker(profile), COMMIT_NEW), [...handshake, far]).at(-1),
    );
    assert.deepEqual(states, ['est|trk', 'inv|trk']);
  });

  test('a full table drops what needs a new entry and lets known connections pass', () => {
    const pipeline = new MiniPipeline(new Tracker('linux', { sysctls: { max: 1 } }), COMMIT_NEW);
    const states = run(pipeline, [
      [0, udpFrame(A, 1, B, 2)],
      [1, udpFrame(A, 3, B, 2)],
      [2, udpFrame(B, 2, A, 1)],
      [33, udpFrame(A, 3, B, 2)],
    ]);
    assert.deepEqual(states, ['new|trk', '', 'est|rpl|trk', 'new|trk']);
  });

  test('a zone limit drops the commit, in OVS the packet passes and no entry is made', () => {
    const zoneLimits = new Map([[DEFAULT_ZONE, 1]]);
    const flows = [COMMIT_NEW[0]!, 'table=1,ct_state=+new actions=ct(commit,zone=5),output:2'];
    const outs = ['linux', 'ovs-userspace'].map((profile) => {
      const pipeline = new MiniPipeline(new Tracker(profile, { zoneLimits }), flows);
      run(pipeline, [[0, udpFrame(A, 1, B, 2)]]);
      run(pipeline, [[1, udpFrame(A, 3, B, 2)]]);
      return [pipeline.out.length, pipeline.store.size];
    });
    assert.deepEqual(outs, [
      [0, 1],
      [1, 1],
    ]);
  });

  test('fragments are held, the last one brings the whole packet with its ports', () => {
    const pipeline = new MiniPipeline(new Tracker('linux', { verifyChecksums: true }), COMMIT_NEW);
    const [first, second, third] = udpFragments(A, 1000, B, 53, 2000, 800);
    assert.deepEqual(
      run(pipeline, [
        [0, third!],
        [0.1, first!],
        [0.2, second!],
      ]),
      ['', '', 'new|trk'],
    );
    assert.equal(only(pipeline, 1).original.sport, 1000);
    assert.deepEqual(
      run(pipeline, [
        [2, first!],
        [40, second!],
        [40.1, third!],
      ]),
      ['', '', ''],
      'too late for the first one',
    );
  });

  test('translation keeps the source port, and a reply and an error about it find their way back', () => {
    const flows = [
      'table=0,ip actions=ct(zone=5,nat,table=1)',
      'table=1,ct_state=+new actions=ct(commit,zone=5,nat(src=10.9.9.9),table=2)',
      'table=1,ct_state=-new actions=output:1',
      'table=2 actions=output:2',
    ];
    const pipeline = new MiniPipeline(new Tracker('linux'), flows);
    pipeline.receive(1, udpFrame(A, 1000, B, 53), 0);
    const translated = pipeline.outFlows();
    pipeline.receive(2, udpFrame(B, 53, '10.9.9.9', 1000), S);
    const reply = pipeline.outFlows();
    pipeline.receive(2, unreachableFrame(B, '10.9.9.9', udpFrame('10.9.9.9', 1000, B, 53)), 2 * S);
    assert.deepEqual(
      [translated, reply, pipeline.outFlows(), stateNames(pipeline.seen[0]!.state)],
      [['10.9.9.9:1000>10.0.0.2:53'], ['10.0.0.2:53>10.0.0.1:1000'], ['10.0.0.2:3>10.0.0.1:3'], 'rel|rpl|trk|dnat'],
    );
  });
});

describe('both profiles', () => {
  for (const profile of ['linux', 'ovs-userspace']) {
    test(`${profile}: a mark is seen by both directions, survives and can be changed in part`, () => {
      const flows = [
        'table=0,ip actions=ct(zone=5,table=1)',
        'table=1,ct_state=+new actions=ct(commit,zone=5,exec(set_field:0xf0->ct_mark))',
        'table=1,ct_state=+rpl,ct_mark=240 actions=ct(commit,zone=5,exec(set_field:0x3/0xf->ct_mark))',
      ];
      const pipeline = new MiniPipeline(new Tracker(profile), flows);
      const marks = handshake.map(([atS, frame]) => {
        pipeline.receive(1, frame, atS * S);
        return pipeline.seen[0]!.mark;
      });
      assert.deepEqual(marks, [0, 0xf0, 0xf3]);
    });

    test(`${profile}: force turns a connection round when the reply comes first in line`, () => {
      const flows = [
        'table=0,ip actions=ct(zone=5,table=1)',
        'table=1,priority=9,in_port=2 actions=ct(commit,force,zone=5)',
        'table=1,priority=1,ct_state=+new actions=ct(commit,zone=5)',
      ];
      const pipeline = new MiniPipeline(new Tracker(profile), flows);
      pipeline.receive(1, udpFrame(A, 1, B, 2), 0);
      pipeline.receive(2, udpFrame(B, 2, A, 1), S);
      assert.equal(only(pipeline, 1).original.sport, 2);
    });

    test(`${profile}: the state machine runs once per packet and zone`, () => {
      const flows = ['table=0,ip actions=ct(commit,zone=5),ct(zone=5,table=1)', 'table=1 actions=output:2'];
      const pipeline = new MiniPipeline(new Tracker(profile), flows);
      assert.deepEqual(run(pipeline, [[0, tcpFrame(A, 1, B, 2, 'A', { seq: 5, ack: 9 })]]), ['new|trk']);
    });

    test(`${profile}: an entry is gone at the very end of its time and found just before`, () => {
      const udpS = profile === 'linux' ? 30 : 60;
      const states = [udpS, udpS - 1e-6].map((atS) =>
        run(new MiniPipeline(new Tracker(profile), COMMIT_NEW), [
          [0, udpFrame(A, 1, B, 2)],
          [atS, udpFrame(B, 2, A, 1)],
        ]).at(-1),
      );
      assert.deepEqual(states, ['new|trk', 'est|rpl|trk']);
    });

    test(`${profile}: a policy of the zone replaces its time-outs`, () => {
      const policies = new Map([[5, { udp_single: 7, udp_first: 7 }]]);
      const pipeline = new MiniPipeline(new Tracker(profile, { policies }), COMMIT_NEW);
      run(pipeline, [[0, udpFrame(A, 1, B, 2)]]);
      assert.equal(only(pipeline, 0).expiresNs, 7 * S);
    });

    test(`${profile}: a connection taken as established accepts both sides wherever their numbers are`, () => {
      const tracker = new Tracker(profile);
      const pipeline = new MiniPipeline(tracker, COMMIT_NEW);
      const first = tcpFrame(B, 80, A, 40000, 'PA', { seq: 4_000_000_000, ack: 77, bytes: 100 });
      pipeline.store.insert(establishedEntry(tracker, 5, packetOf(first), true, 0));
      const states = run(pipeline, [
        [0, first],
        [1, tcpFrame(A, 40000, B, 80, 'A', { seq: 77, ack: 4_000_000_100 })],
        [2, tcpFrame(A, 40000, B, 80, 'PA', { seq: 77, ack: 4_000_000_100, bytes: 50 })],
        [3, tcpFrame(B, 80, A, 40000, 'FA', { seq: 4_000_000_100, ack: 127 })],
      ]);
      assert.deepEqual(states, ['est|rpl|trk', 'est|trk', 'est|trk', 'est|rpl|trk']);
      assert.equal(only(pipeline, 3).original.sport, 40000);
    });
  }

  test('small fragments are invalid at once in OVS', () => {
    const pipeline = new MiniPipeline(new Tracker('ovs-userspace'), COMMIT_NEW);
    const [first] = udpFragments(A, 1000, B, 53, 2000, 800);
    assert.deepEqual(run(pipeline, [[0, first!]]), ['inv|trk']);
  });

  test('unknown profiles, sysctls and time-outs are refused', () => {
    assert.throws(() => new Tracker('bsd'), UsageError);
    assert.throws(() => new Tracker('linux', { sysctls: { tcp_lose: 1 } }), UsageError);
    assert.throws(() => new Tracker('linux', { policies: new Map([[1, { udp: 1 }]]) }), UsageError);
    assert.equal(new Tracker('linux', { sysctls: { 'net.netfilter.nf_conntrack_tcp_loose': 0 } }).tcpLoose, false);
  });
});

describe('store', () => {
  const entryOf = (tracker: Tracker, i: number): CtEntry => {
    const entry = new CtEntry(tracker.timeoutsOf(0));
    entry.proto = 17;
    entry.zone = i % 3;
    entry.expiresNs = 10 * S;
    entry.original.src0 = i;
    entry.original.dst0 = 1000;
    entry.original.sport = i % 7;
    entry.original.dport = 53;
    invertTuple(17, entry.original, entry.reply);
    return entry;
  };

  test('many entries are found, counted and removed like few', (t) => {
    const tracker = new Tracker('linux');
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 60 })), { maxLength: 200 }), (steps) => {
        const store = new CtStore();
        const known = new Map<number, CtEntry>();
        for (const [isInsert, i] of steps) {
          const old = known.get(i);
          if (isInsert && old === undefined) {
            const entry = entryOf(tracker, i);
            known.set(i, entry);
            store.insert(entry);
          } else if (!isInsert && old !== undefined) {
            known.delete(i);
            store.remove(old);
          }
        }
        const probe = new CtTuple();
        for (let i = 1; i <= 60; i++) {
          invertTuple(17, entryOf(tracker, i).original, probe);
          assert.equal(store.find(i % 3, 17, 4, probe, 0), known.get(i) ?? null);
          if (known.has(i)) assert.equal(store.foundReply, true);
        }
        assert.equal(store.count(0), known.size);
        assert.equal(store.count(10 * S), 0);
      }),
      runsOf(t, 100),
    );
  });

  test('a clone goes its own way, and the first difference is named', () => {
    const pipeline = new MiniPipeline(new Tracker('linux'), COMMIT_NEW);
    run(pipeline, handshake);
    const entry = only(pipeline, 1);
    const changes: [string, (copy: CtEntry) => void][] = [
      ['mark', (copy) => (copy.mark = 1)],
      ['orientation', (copy) => (copy.original.sport = 9)],
      ['label', (copy) => (copy.label3 = 1)],
      ['state', (copy) => (copy.state = 4)],
      ['windows', (copy) => (copy.peer1!.maxEnd += 1)],
      ['timeout', (copy) => (copy.expiresNs += 1)],
    ];
    for (const [name, change] of changes) {
      const copy = pipeline.store.clone().entries(S)[0]!;
      assert.equal(firstDifference(entry, copy), null);
      change(copy);
      assert.equal(firstDifference(entry, copy), name);
    }
    assert.equal(firstDifference(entry, null), 'existence');
    assert.equal(sameAttribute('mark', entry, null), true, 'no entry counts as mark 0');
  });
});

describe('text', () => {
  const lines = [
    'tcp,orig=(src=10.92.0.5,dst=10.94.128.196,sport=40002,dport=22),reply=(src=10.94.128.196,dst=10.92.0.5,sport=22,dport=40002),zone=5,protoinfo=(state=SYN_SENT)',
    'udp,orig=(src=10.92.0.5,dst=10.94.128.196,sport=5000,dport=53),reply=(src=10.94.128.196,dst=10.9.9.9,sport=53,dport=1966),zone=5,mark=7',
    'icmp,orig=(src=10.92.0.5,dst=10.94.128.196,id=3,type=8,code=0),reply=(src=10.94.128.196,dst=10.92.0.5,id=3,type=0,code=0),zone=5',
    'tcp,orig=(src=fd00::5,dst=fd00::9,sport=40000,dport=443),reply=(src=fd00::9,dst=fd00::5,sport=443,dport=40000),zone=6,labels=0xe7170000000000000007,protoinfo=(state=ESTABLISHED)',
  ];

  test('a dump of dpctl/dump-conntrack is read and printed unchanged', () => {
    for (const profile of ['linux', 'ovs-userspace']) {
      const { entries } = parseEntries(lines.join('\n'), 'dump', new Tracker(profile), 0);
      assert.deepEqual(
        entries.map((entry) => formatEntry(entry)),
        lines,
      );
    }
  });

  test('conntrack -L: state, remaining time, flags, mark and zone', () => {
    const text = `ipv4     2 tcp      6 431998 ESTABLISHED src=10.94.0.5 dst=10.94.128.196 sport=40000 dport=40001 src=10.94.128.196 dst=10.94.0.5 sport=40001 dport=40000 [ASSURED] mark=1 zone=5 use=1
udp      17 29 src=10.94.0.5 dst=10.94.128.196 sport=5000 dport=53 [UNREPLIED] src=10.94.128.196 dst=10.94.0.5 sport=53 dport=5000 mark=0 zone=6 use=1
icmpv6   58 29 src=fd00::5 dst=fd00::9 type=128 code=0 id=78 [UNREPLIED] src=fd00::9 dst=fd00::5 type=129 code=0 id=78 mark=0 use=1 id=812389327`;
    const { entries } = parseEntries(text, 'list', new Tracker('linux'), S);
    const [tcp, udp, icmp] = entries as [CtEntry, CtEntry, CtEntry];
    assert.deepEqual(
      [stateText(tcp, true), tcp.expiresNs, tcp.mark, tcp.zone, tcp.assured, tcp.seenReply],
      ['ESTABLISHED', 431_999 * S, 1, 5, true, true],
    );
    assert.deepEqual([udp.seenReply, udp.zone, udp.expiresNs], [false, 6, 30 * S]);
    assert.deepEqual([icmp.original.sport, icmp.original.dport >> 8, icmp.zone, icmp.family], [78, 128, 0, 6]);
  });

  test('what is no entry is refused with its line', () => {
    const broken = ['tcp,orig=(src=10.0.0.1,dst=10.0.0.2', 'hello world', `${lines[1]},mark=x`, 'tcp 6 src=1.2.3.4'];
    for (const line of broken) {
      assert.throws(
        () => parseEntries(`\n${line}`, 'dump', new Tracker('linux'), 0),
        (error: unknown) => error instanceof InputError && error.place.line === 2,
      );
    }
  });

  test('a read entry lets the connection go on', () => {
    const text =
      'tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=40000,dport=80),reply=(src=10.0.0.2,dst=10.0.0.1,sport=80,dport=40000),zone=5,mark=1,protoinfo=(state=ESTABLISHED)';
    for (const profile of ['linux', 'ovs-userspace']) {
      const tracker = new Tracker(profile);
      const pipeline = new MiniPipeline(tracker, COMMIT_NEW);
      for (const entry of parseEntries(text, 'dump', tracker, 0).entries) pipeline.store.insert(entry);
      assert.deepEqual(run(pipeline, [[5, tcpFrame(B, 80, A, 40000, 'PA', { seq: 9, ack: 4, bytes: 3 })]]), [
        'est|rpl|trk',
      ]);
      assert.equal(pipeline.seen[0]!.mark, 1);
    }
  });
});

test('a deletion takes what its filter names, in the direction it names', () => {
  const pipeline = new MiniPipeline(new Tracker('linux'), COMMIT_NEW);
  const fill = (): void => {
    pipeline.store.clear();
    run(pipeline, [
      [0, udpFrame(A, 1000, B, 53)],
      [0, udpFrame('10.0.1.7', 1000, B, 80)],
      [0, tcpFrame(A, 5, B, 80, 'S')],
    ]);
  };
  const count = (filter: Parameters<typeof compileFilter>[0]): number => {
    fill();
    return deleteEntries(pipeline.store, compileFilter(filter), S).length;
  };
  assert.equal(count({}), 3);
  assert.equal(count({ zone: 4 }), 0);
  assert.equal(count({ proto: 17, src: A }), 1);
  assert.equal(count({ src: '10.0.0.0/24' }), 2);
  assert.equal(count({ src: B }), 0);
  assert.equal(count({ src: B, dir: 'reply' }), 3);
  assert.equal(count({ dport: 1000, dir: 'any' }), 2);
  assert.equal(count({ mark: 1 }), 0);
  assert.equal(count({ mark: 2, markMask: 1 }), 3);
  assert.throws(() => compileFilter({ src: 'nowhere' }), UsageError);
});
