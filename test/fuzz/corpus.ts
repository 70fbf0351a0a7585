/** Real inputs of each kind: those of the repository, and of the reference data where it is. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Prng } from '../../src/util/prng.js';
import { FakeConnection, flowMod14, HELLO, SWITCH } from '../channelFrames.js';
import { KINDS, randomCase } from '../ovs/randomCase.js';
import { readShared, sharedPath } from '../reference/shared.js';

/** More of a file adds nothing but time. */
const MAX_BYTES = 1 << 15;

export type Corpus = ReadonlyMap<string, readonly Uint8Array[]>;

export function readCorpus(useShared: boolean): Corpus {
  const own = (name: string): Uint8Array => readFileSync(join('traces/incident', name)).subarray(0, MAX_BYTES);
  const cases = Array.from({ length: 20 }, (_, seed) =>
    Buffer.from(JSON.stringify(randomCase(new Prng(seed), KINDS[seed % KINDS.length]!, { packets: 5 }))),
  );
  const corpus = new Map<string, Uint8Array[]>([
    ['captures', [own('capture.pcapng')]],
    ['flows', pieces(own('flows.txt'))],
    ['dumps', pieces(own('before.dump'))],
    ['messages', [HELLO, flowMod14(3, 100), Buffer.concat([HELLO, flowMod14(1, 1), flowMod14(2, 2, 7)])]],
    ['channels', [channelCapture()]],
    ['changes', changes(own('restart.ndjson'))],
    ['entries', [Buffer.from(ENTRIES)]],
    ['ports', [own('ports.json')]],
    ['cases', cases],
  ]);
  if (useShared && existsSync(sharedPath('README.md'))) addShared(corpus);
  return corpus;
}

const ENTRIES = `tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=80),reply=(src=10.0.0.2,dst=10.0.0.1,sport=80,dport=1000),zone=1,mark=1,protoinfo=(state=ESTABLISHED)
tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1000 [ASSURED] mark=0 zone=5 use=1
`;

/** The head of a schedule with one step each. */
function changes(schedule: Uint8Array): Uint8Array[] {
  const [head, ...steps] = Buffer.from(schedule).toString('utf8').trimEnd().split('\n');
  return steps.map((step) => Buffer.from(`${head}\n${step}\n`));
}

/** A few lines each, so that one bad line is not all. */
function pieces(text: Uint8Array): Uint8Array[] {
  const all = Buffer.from(text).toString('utf8').split('\n');
  const found: Uint8Array[] = [];
  for (let at = 0; at < all.length; at += 3) found.push(Buffer.from(all.slice(at, at + 3).join('\n')));
  return found;
}

const lines = (text: Buffer, count: number): Uint8Array[] =>
  text
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '' && line.length < MAX_BYTES)
    .slice(0, count)
    .map((line) => Buffer.from(line));

/** A short channel as a pcap file (draft-ietf-opsawg-pcap). */
function channelCapture(): Uint8Array {
  const frames: FakeConnection['frames'] = [];
  const connection = new FakeConnection(frames).open();
  connection.send(SWITCH, HELLO).send(connection.server, HELLO);
  for (let n = 0; n < 5; n++) connection.send(connection.server, flowMod14(n, 10 + n));
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65535, 16);
  head.writeUInt32LE(1, 20);
  const records = frames.map(({ data }, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(i, 0);
    record.writeUInt32LE(data.length, 8);
    record.writeUInt32LE(data.length, 12);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([head, ...records]);
}

function addShared(corpus: Map<string, Uint8Array[]>): void {
  const add = (kind: string, file: string): void => {
    const bytes = readFileSync(sharedPath(file));
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b && kind !== 'captures';
    corpus.get(kind)!.push((isPacked ? gunzipSync(bytes) : bytes).subarray(0, MAX_BYTES));
  };
  const addAll = (kind: string, folder: string, names: RegExp): void => {
    for (const name of readdirSync(sharedPath(folder))) if (names.test(name)) add(kind, `${folder}/${name}`);
  };
  addAll('captures', 'captures/files', /\.(pcap|pcapng|cap|gz)/);
  addAll('channels', 'ovs/cases/wire_damage', /\.pcap$/);
  addAll('changes', 'ovs/text/restart', /\.(txt|log|ndjson)$/);
  addAll('dumps', 'ovs/text/samples', /^dump-flows/);
  addAll('entries', 'ovs/text/samples', /conntrack/);
  addAll('ports', 'ovs/text/samples', /show/);
  for (const line of readShared('ovs/cases/syntax.jsonl.gz').toString('utf8').split('\n'))
    if (line !== '') corpus.get('flows')!.push(Buffer.from((JSON.parse(line) as { in: string }).in));
  for (const line of readShared('ovs/cases/wire.jsonl.gz').toString('utf8').split('\n'))
    if (line !== '') corpus.get('messages')!.push(Buffer.from((JSON.parse(line) as { hex: string }).hex, 'hex'));
  for (const name of ['conj', 'flowmod', 'normal'])
    corpus.get('cases')!.push(...lines(readShared(`ovs/cases/${name}.jsonl.gz`), 60));
}
