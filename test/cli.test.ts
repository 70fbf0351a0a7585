import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { progressText } from '../src/cli/progress.js';
import { dropwindow, dropwindowIntoHead, MAIN, scratch } from './cliRun.js';

/** A little-endian microsecond pcap file with so many UDP packets of 42 bytes. */
function pcap(packets: number): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262144, 16);
  header.writeUInt32LE(1, 20);
  const frame = Buffer.from(
    '0242ac1100020242ac11000308004500001c000100004011000009000001' + '0a0000020035303900080000',
    'hex',
  );
  const records = Array.from({ length: packets }, (_, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1619606112 + i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([header, ...records]);
}

test('--version prints the version of the package and exits 0', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.deepEqual(dropwindow(['--version']), { code: 0, out: `${version}\n`, err: '' });
});

test('--help exits 0 and ends with an example, for every command', () => {
  const help = dropwindow(['--help']);
  assert.equal(help.code, 0);
  const names = [
    ...help.out
      .split('Commands:')[1]!
      .split('Example:')[0]!
      .matchAll(/^ {2}([a-z]+) /gm),
  ].map((match) => match[1]!);
  assert.ok(names.includes('packets') && names.includes('schema'), help.out);
  for (const name of names) {
    const ran = dropwindow([name, '--help']);
    assert.equal(ran.code, 0, name);
    assert.match(ran.out, new RegExp(`Example:\\n  dropwindow ${name}`), name);
    assert.equal(ran.err, '', name);
  }
});

for (const [what, args, err] of [
  ['an unknown command', ['packtes', 'x'], "dropwindow: unknown command 'packtes'\ndid you mean packets?\n"],
  [
    'an unknown option',
    ['packets', '--fromat', 'ovs', 'x'],
    "dropwindow: unknown option '--fromat'\ndid you mean --format?\n",
  ],
  ['a missing argument', ['packets'], "dropwindow: missing required argument 'capture'\n"],
  [
    'a missing file',
    ['packets', '/no/such.pcap'],
    'dropwindow: /no/such.pcap: cannot be opened: no such file or directory\n',
  ],
  ['a directory', ['packets', '/'], /^dropwindow: \/: .+\n$/],
  ['too many arguments', ['packets', 'a', 'b'], /^dropwindow: too many arguments.*\n$/],
] as const) {
  test(`${what} is one line that names it, exit code 2, nothing on standard output`, () => {
    const ran = dropwindow(args);
    assert.equal(ran.code, 2);
    assert.equal(ran.out, '');
    if (typeof err === 'string') assert.equal(ran.err, err);
    else assert.match(ran.err, err);
  });
}

test('without a command the help is shown and the exit code is 2', () => {
  const ran = dropwindow([]);
  assert.equal(ran.code, 2);
  assert.match(ran.err, /Usage: dropwindow/);
});

test('packets reads gzip from standard input and names fields as ovs-fields(7) does', () => {
  const ran = dropwindow(['packets', '-'], { input: gzipSync(pcap(2)) });
  assert.equal(ran.code, 0, ran.err);
  const [first] = ran.out.split('\n');
  assert.deepEqual(JSON.parse(first!), {
    n: 1,
    t: '1619606112.000000000',
    bytes: 42,
    captured: 42,
    eth_src: '02:42:ac:11:00:03',
    eth_dst: '02:42:ac:11:00:02',
    eth_type: '0x800',
    ip_src: '9.0.0.1',
    ip_dst: '10.0.0.2',
    nw_proto: 17,
    nw_tos: 0,
    nw_ecn: 0,
    nw_ttl: 64,
    udp_src: 53,
    udp_dst: 12345,
  });
});

test('packets --format ovs prints a flow per packet as ovs-ofctl parse-pcap does', () => {
  const ran = dropwindow(['packets', '--format', 'ovs', '-'], { input: pcap(1) });
  assert.equal(
    ran.out,
    'udp,in_port=ANY,vlan_tci=0x0000,dl_src=02:42:ac:11:00:03,dl_dst=02:42:ac:11:00:02,nw_src=9.0.0.1,nw_dst=10.0.0.2,' +
      'nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=53,tp_dst=12345\n',
  );
});

test('a capture cut at its end is a warning and the result', () => {
  const ran = dropwindow(['packets', '-'], { input: pcap(3).subarray(0, -5) });
  assert.equal(ran.code, 0);
  assert.equal(ran.out.trimEnd().split('\n').length, 2);
  assert.match(ran.err, /^dropwindow: warning: standard input: packet 3 at byte 140: .*\n$/);
});

test('a corrupt capture gives what was read up to there, then an error with packet and offset, exit code 2', () => {
  const bytes = pcap(3);
  bytes.writeUInt32LE(0x7fffffff, 24 + 58 + 8);
  const ran = dropwindow(['packets', '-'], { input: bytes });
  assert.equal(ran.code, 2);
  assert.equal(ran.out.trimEnd().split('\n').length, 1);
  assert.match(ran.err, /^dropwindow: standard input: packet 2 at byte 82: .*\n$/);
});

test('an empty file is an error, not an empty result', () => {
  const ran = dropwindow(['packets', '-'], { input: '' });
  assert.equal(ran.code, 2);
  assert.match(ran.err, /0 bytes/);
});

test('a closed pipe ends quietly', async (t) => {
  const file = join(scratch(t), 'many.pcap');
  writeFileSync(file, pcap(20000));
  const ran = await dropwindowIntoHead(['packets', file]);
  assert.deepEqual({ code: ran.code, err: ran.err }, { code: 0, err: '' });
});

test('Ctrl-C writes what was done so far and exits 130', async (t) => {
  const out = join(scratch(t), 'out');
  const child = spawn(process.execPath, [MAIN, 'packets', '-', '-o', out], { stdio: ['pipe', 'ignore', 'pipe'] });
  let err = '';
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString('utf8');
  });
  // More than one batch, and the input stays open: the command waits for more when the signal comes.
  child.stdin.write(pcap(20000));
  child.stdin.on('error', () => {});
  const code = new Promise((resolve) => child.on('close', resolve));
  await setTimeout(1500);
  child.kill('SIGINT');
  assert.equal(await code, 130, err);
  const lines = readFileSync(out, 'utf8').trimEnd().split('\n');
  assert.ok(lines.length >= 1000, `${lines.length} lines`);
  assert.equal(JSON.parse(lines.at(-1)!).n, lines.length);
  assert.equal(err, '');
});

test('a full disk is one line and exit code 2, behind > and with -o', {
  skip: process.platform !== 'linux' && 'needs /dev/full',
}, (t) => {
  const file = join(scratch(t), 'a.pcap');
  writeFileSync(file, pcap(1));
  const ran = dropwindow(['packets', file, '-o', '/dev/full']);
  assert.deepEqual(ran, { code: 2, out: '', err: 'dropwindow: /dev/full: no space left on device\n' });
});

test('-o writes the whole file or none, keeps a symbolic link, and leaves no temporary file behind', (t) => {
  const folder = scratch(t);
  const [file, out, link] = [join(folder, 'a.pcap'), join(folder, 'out'), join(folder, 'link')];
  writeFileSync(file, pcap(1));
  writeFileSync(out, 'old');
  symlinkSync(out, link);
  assert.equal(dropwindow(['packets', file, '-o', link]).code, 0);
  assert.match(readFileSync(out, 'utf8'), /^\{"n":1,/);
  assert.deepEqual(readdirSync(folder).sort(), ['a.pcap', 'link', 'out']);
});

test('an output never replaces an input, under whatever name', (t) => {
  const folder = scratch(t);
  const [file, link] = [join(folder, 'a.pcap'), join(folder, 'link')];
  writeFileSync(file, pcap(1));
  symlinkSync(file, link);
  const ran = dropwindow(['packets', file, '-o', link]);
  assert.equal(ran.code, 2);
  assert.match(ran.err, /is also an input/);
  assert.deepEqual(readFileSync(file), pcap(1));
});

test('an output that is a directory, or lies in one that does not exist, is one line', (t) => {
  const folder = scratch(t);
  const file = join(folder, 'a.pcap');
  writeFileSync(file, pcap(1));
  mkdirSync(join(folder, 'd'));
  for (const target of [join(folder, 'd'), join(folder, 'no', 'x')]) {
    const ran = dropwindow(['packets', file, '-o', target]);
    assert.equal(ran.code, 2);
    assert.match(ran.err, /^dropwindow: .*\n(give .*\n)?$/);
  }
});

test('control characters in a file name do not reach the terminal', () => {
  const ran = dropwindow(['packets', 'a\x1b[31mb']);
  assert.match(ran.err, /^dropwindow: a\?\[31mb: /);
});

test('a stack trace is shown with DEBUG=dropwindow only', () => {
  assert.doesNotMatch(dropwindow(['packets', '/no/such']).err, /\n\s+at /);
  const ran = dropwindow(['packets', '/no/such'], { env: { ...process.env, DEBUG: 'dropwindow' } });
  assert.match(ran.err, /\n\s+at /);
  assert.equal(ran.code, 2);
});

test('schema prints a JSON Schema and refuses an unknown name', () => {
  const ran = dropwindow(['schema', 'replay']);
  assert.equal(JSON.parse(ran.out).type, 'object');
  assert.equal(dropwindow(['schema', 'repaly']).code, 2);
});

test('progress says how much is done and how long it will take at that speed', () => {
  assert.equal(
    progressText({ what: 'packets', done: 250_000, total: 1_000_000 }, 2000),
    ' 25 %  250,000 of 1,000,000 packets, 6 s left',
  );
  assert.equal(progressText({ what: 'packets', done: 1234, total: null }, 2000), '1,234 packets');
});

test('flows prints each line as the switch would dump it, and each bad line with its column', () => {
  const text =
    'priority=7,tcp,in_port=1,tp_dst=80 actions=output:2 # web\n\nip,tp_dts=80 actions=drop\ndelete table=5,ip\n';
  const ran = dropwindow(['flows', '-'], { input: text });
  assert.equal(ran.code, 2);
  assert.equal(ran.out, 'priority=7,tcp,in_port=1,tp_dst=80 actions=output:2\nDEL table:5 ip actions=drop\n');
  assert.match(ran.err, /^dropwindow: standard input:3:4: .*tp_dts.*\n.*tp_dst.*\n$/);
});

test('flows takes a dump with its version from its header, and a port by name from --ports', (t) => {
  const ports = join(scratch(t), 'ports.json');
  writeFileSync(ports, '{"ports":[{"name":"tap1","ofport":4}]}');
  const dump =
    'OFPST_FLOW reply (OF1.3) (xid=0x2):\n cookie=0x5, duration=1.5s, table=3, n_packets=1, n_bytes=60, reset_counts priority=9,in_port=tap1 actions=drop\n';
  const ran = dropwindow(['flows', '--json', '--ports', ports, '-'], { input: dump });
  assert.equal(ran.code, 0, ran.err);
  const flow = JSON.parse(ran.out);
  assert.equal(flow.flow, 'cookie=0x5, table=3, reset_counts priority=9,in_port=4 actions=drop');
  assert.deepEqual(flow.flags, ['reset_counts']);
  assert.equal(dropwindow(['flows', '--check', '--ports', ports, '-'], { input: dump }).out, '');
});

test('schedule reads back what it wrote, byte for byte', (t) => {
  const [once, twice] = ['once', 'twice'].map((name) => join(scratch(t), name)) as [string, string];
  const first = dropwindow(['schedule', '--changes', 'traces/incident/restart.ndjson', '-o', once]);
  assert.deepEqual(first, { code: 0, out: '', err: '' });
  assert.equal(dropwindow(['schedule', '--changes', once, '-o', twice]).code, 0);
  assert.equal(readFileSync(twice, 'utf8'), readFileSync(once, 'utf8'));
  assert.equal(readFileSync(once, 'utf8').trimEnd().split('\n').length, 6);
});

test('schedule without anything that tells of the restart says what to give', () => {
  const ran = dropwindow(['schedule']);
  assert.equal(ran.code, 2);
  assert.match(ran.err, /^dropwindow: nothing tells of the restart\ngive --changes, or --before and --after\n$/);
});

test('a time of day without a trace asks for the date', () => {
  const dump = 'traces/incident/before.dump';
  const ran = dropwindow(['schedule', '--before', dump, '--after', dump, '--dumped-at', '12:35:12']);
  assert.equal(ran.code, 2);
  assert.match(ran.err, /^dropwindow: '12:35:12' needs a trace to have a date\n/);
});

/** A bridge with one flow, one packet, and what is expected of it. */
const aCase = (id: string, out: number[]) =>
  `${JSON.stringify({
    id,
    ports: [
      { name: 'p1', ofport: 1 },
      { name: 'p2', ofport: 2 },
    ],
    flows: ['in_port=1,actions=output:2'],
    steps: [
      {
        packet: { in_port: 1, hex: `ffffffffffff0242ac1100030806${'00'.repeat(46)}` },
        expect: { out: out.map((port) => [port, '=']) },
      },
    ],
  })}\n`;

test('test counts what passed and failed, shows how they differ, and exits 1 for a difference', () => {
  const ran = dropwindow(['test', '-'], { input: aCase('good', [2]) + aCase('bad', []) });
  assert.equal(ran.code, 1, ran.err);
  assert.match(ran.out, /^bad step 1, out:\n {2}expected .*\n {2}got .*\n1 passed, 1 failed\n$/);
  const good = dropwindow(['test', '-'], { input: aCase('good', [2]) });
  assert.deepEqual(good, { code: 0, out: '1 passed, 0 failed\n', err: '' });
});

test('test --emit prints answers that then pass', () => {
  const emitted = dropwindow(['test', '--emit', '-'], { input: aCase('bad', []) });
  assert.equal(emitted.code, 0);
  assert.equal(dropwindow(['test', '-'], { input: emitted.out }).out, '1 passed, 0 failed\n');
});

test('test names file and line of what is no case', () => {
  const ran = dropwindow(['test', '-'], { input: `${aCase('good', [2])}{"id":\n` });
  assert.equal(ran.code, 2);
  assert.match(ran.err, /^dropwindow: standard input:2: not JSON: .*\n$/);
});
