// Makes the demo incident: `node traces/make.mjs [DIR]` (default traces/incident). Same files every time; see README.md.
// before.dump is not made here: it is what Open vSwitch 3.1.0 dumps after `ovs-ofctl add-flows BRIDGE flows.txt`, because
// a dump's line order is the switch's own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = process.argv[2] ?? fileURLToPath(new URL('incident', import.meta.url));
mkdirSync(folder, { recursive: true });

const OLD_COOKIE = '0x5aaf0c0de0000001';
const NEW_COOKIE = '0x7c0ffee000000002';
/** 2021-04-28 12:35:10 UTC */
const START_NS = 1_619_613_310_000_000_000n;
const ms = (n) => BigInt(Math.round(n * 1000)) * 1000n;

const PORTS = [
  { name: 'tap-web1', ofport: 1, mac: 'fa:16:3e:00:00:01', ip: '10.0.0.1', group: 'web' },
  { name: 'tap-web2', ofport: 2, mac: 'fa:16:3e:00:00:02', ip: '10.0.0.2', group: 'web' },
  { name: 'tap-db', ofport: 3, mac: 'fa:16:3e:00:00:03', ip: '10.0.0.3', group: 'db' },
];
/** Security group rules: members of `group` accept `port` from members of `from`. */
const RULES = [
  { group: 'web', from: 'web', port: 80 },
  { group: 'db', from: 'web', port: 5432 },
  { group: 'web', from: 'db', port: 22 },
];
/** Conjunction ids by "group<from" (the odd one above is for new connections). The agent hands them out in the order in which it meets the groups. */
const OLD_IDS = { 'web<web': 10, 'db<web': 18, 'web<db': 26 };
const NEW_IDS = { 'web<db': 10, 'web<web': 18, 'db<web': 26 };

const STATES = [
  { state: '+est-rel-rpl', offset: 0 },
  { state: '+new-est', offset: 1 },
];

/** Flows that belong to no port. */
const baseFlows = () => [
  'table=71,priority=110,ct_state=+trk actions=ct_clear,resubmit(,71)',
  'table=94,priority=1 actions=NORMAL',
  ...[0, 71, 72, 73, 81, 82, 93].map((table) => `table=${table},priority=0 actions=drop`),
];

/** Flows of one port that do not depend on ids. */
function portFlows({ ofport: p, mac, ip }) {
  const mark = 'ct(commit,zone=NXM_NX_REG6[0..15],exec(set_field:0x1->ct_mark))';
  const filter = (table, reply) => [
    `table=${table},priority=50,ct_state=+inv+trk,reg5=${p} actions=resubmit(,93)`,
    `table=${table},priority=50,ct_mark=0x1,reg5=${p} actions=resubmit(,93)`,
    `table=${table},priority=50,ct_state=+est-rel+rpl,ct_zone=1,ct_mark=0,reg5=${p} actions=${reply}`,
    `table=${table},priority=40,ct_state=-est,reg5=${p} actions=resubmit(,93)`,
    `table=${table},priority=40,ct_state=+est,ip,reg5=${p} actions=${mark}`,
  ];
  return [
    `table=0,priority=100,in_port=${p} actions=set_field:${p}->reg5,set_field:1->reg6,resubmit(,71)`,
    `table=71,priority=95,arp,reg5=${p},in_port=${p},dl_src=${mac},arp_spa=${ip} actions=resubmit(,94)`,
    `table=71,priority=65,ip,reg5=${p},in_port=${p},dl_src=${mac},nw_src=${ip} actions=ct(table=72,zone=NXM_NX_REG6[0..15])`,
    ...STATES.map(({ state }) => `table=72,priority=74,ct_state=${state},ip,reg5=${p} actions=resubmit(,73)`),
    ...filter(72, 'resubmit(,94)'),
    `table=73,priority=100,reg6=1,dl_dst=${mac} actions=set_field:${p}->reg5,resubmit(,81)`,
    `table=81,priority=100,arp,reg5=${p} actions=output:${p}`,
    `table=81,priority=90,ct_state=-trk,ip,reg5=${p} actions=ct(table=82,zone=NXM_NX_REG6[0..15])`,
    `table=81,priority=80,ct_state=+trk,reg5=${p} actions=resubmit(,82)`,
    ...filter(82, `output:${p}`),
  ];
}

/** The address clauses 1/2, shared by all ports of the network: each member with the ids that name its group. */
function addressFlows(ids, pairs) {
  const flows = [];
  for (const { ip, group } of PORTS) {
    const mine = pairs.filter((pair) => pair.endsWith(`<${group}`)).map((pair) => ids[pair]);
    if (mine.length === 0) continue;
    for (const { state, offset } of STATES) {
      const actions = mine.sort((a, b) => a - b).map((id) => `conjunction(${id + offset},1/2)`);
      flows.push(`table=82,priority=73,ct_state=${state},ip,reg6=1,nw_src=${ip} actions=${actions.join(',')}`);
    }
  }
  return flows;
}

/** A port's own side of its group's rules: port clauses 2/2 and what a complete conjunction does. */
function ruleFlows(ids, { ofport: p, group }) {
  const flows = [];
  for (const rule of RULES.filter((rule) => rule.group === group)) {
    const id = ids[`${rule.group}<${rule.from}`];
    for (const { state, offset } of STATES) {
      const accept = offset === 0 ? `output:${p}` : `ct(commit,zone=NXM_NX_REG6[0..15]),output:${p}`;
      flows.push(
        `table=82,priority=73,ct_state=${state},tcp,reg5=${p},tp_dst=${rule.port} actions=conjunction(${id + offset},2/2)`,
        `table=82,priority=73,conj_id=${id + offset},ct_state=${state},ip,reg5=${p} actions=${accept}`,
      );
    }
  }
  return flows;
}

const withCookie = (cookie, flows) => flows.map((flow) => flow.replace(/^(table=\d+),/, `$1,cookie=${cookie},`));

const allOld = [
  ...baseFlows(),
  ...PORTS.flatMap(portFlows),
  ...addressFlows(OLD_IDS, Object.keys(OLD_IDS)),
  ...PORTS.flatMap((port) => ruleFlows(OLD_IDS, port)),
];
writeFileSync(join(folder, 'flows.txt'), `${withCookie(OLD_COOKIE, allOld).join('\n')}\n`);

// The restart: the agent goes from port to port, one bundle each. It writes an address clause with the ids that it knows so far.
const known = [];
const bundles = PORTS.map((port) => {
  for (const rule of RULES.filter((rule) => rule.group === port.group)) {
    const pair = `${rule.group}<${rule.from}`;
    if (!known.includes(pair)) known.push(pair);
  }
  const fresh = known.filter((pair) => pair.startsWith(`${port.group}<`));
  const groups = new Set(fresh.map((pair) => pair.split('<')[1]));
  const addresses = addressFlows(
    NEW_IDS,
    known.filter((pair) => groups.has(pair.split('<')[1])),
  );
  return [...portFlows(port), ...addresses, ...ruleFlows(NEW_IDS, port)];
});
const adds = (flows) => withCookie(NEW_COOKIE, flows).map((flow) => ({ op: 'add', flow }));
const remove = { op: 'delete', flow: `cookie=${OLD_COOKIE}`, cookieMask: '0xffffffffffffffff' };
const at = (millis) => unix(START_NS + ms(millis));

const head = { schedule: 1, source: 'traces/make.mjs', clock: 'unix', fidelity: 'model', of: '1.3' };
const steps = [
  { t: at(2000), mods: adds(baseFlows()), bundle: true, note: 'flows of no port' },
  { t: at(2100), mods: adds(bundles[0]), bundle: true, batch: 1, note: 'tap-web1' },
  { t: at(2380), mods: adds(bundles[1]), bundle: true, batch: 2, note: 'tap-web2' },
  { t: at(2660), mods: adds(bundles[2]), bundle: true, batch: 3, note: 'tap-db' },
  { t: at(3100), mods: [remove], note: 'what carries the old cookie' },
];
writeFileSync(join(folder, 'restart.ndjson'), `${[head, ...steps].map((line) => JSON.stringify(line)).join('\n')}\n`);
const whole = { t: at(2100), mods: steps.flatMap((step) => step.mods), bundle: true, batch: 1 };
writeFileSync(join(folder, 'one-bundle.ndjson'), `${[head, whole].map((line) => JSON.stringify(line)).join('\n')}\n`);
writeFileSync(
  join(folder, 'ports.json'),
  `${JSON.stringify({ ports: PORTS.map(({ name, ofport, mac }) => ({ name, ofport, mac })) }, null, 2)}\n`,
);

// The traffic, as it was recorded while this happened: who lost packets repeats them, who heard nothing acknowledges nothing new.
const packets = [];
const bytesOfIp = (ip) => ip.split('.').map(Number);
const bytesOfMac = (mac) => mac.split(':').map((part) => Number.parseInt(part, 16));
const u16 = (n) => [(n >> 8) & 255, n & 255];
const u32 = (n) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

function checksum(bytes) {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

function arp(millis, from, to) {
  const frame = [
    ...Array(6).fill(255),
    ...bytesOfMac(from.mac),
    8,
    6,
    0,
    1,
    8,
    0,
    6,
    4,
    0,
    1,
    ...bytesOfMac(from.mac),
    ...bytesOfIp(from.ip),
    ...Array(6).fill(0),
    ...bytesOfIp(to.ip),
  ];
  packets.push({ millis, port: from, frame });
}

const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 };
let identification = 1;

function tcp(millis, from, to, sport, dport, seq, ack, flags, payload = 0) {
  const [src, dst] = [bytesOfIp(from.ip), bytesOfIp(to.ip)];
  const segment = [
    ...u16(sport),
    ...u16(dport),
    ...u32(seq),
    ...u32(ack),
    5 << 4,
    flags,
    ...u16(64240),
    0,
    0,
    0,
    0,
    ...Array(payload).fill(0x2e),
  ];
  const sum = checksum([...src, ...dst, 0, 6, ...u16(segment.length), ...segment]);
  [segment[16], segment[17]] = u16(sum);
  const header = [0x45, 0, ...u16(20 + segment.length), ...u16(identification++), 0x40, 0, 64, 6, 0, 0, ...src, ...dst];
  [header[10], header[11]] = u16(checksum(header));
  packets.push({
    millis,
    port: from,
    frame: [...bytesOfMac(to.mac), ...bytesOfMac(from.mac), 8, 0, ...header, ...segment],
  });
}

/**
 * A connection on which both sides send `size` bytes every `every` ms. `lost(millis, reply)`: what the incident did to it.
 * A side that gets no acknowledgement sends the same bytes again.
 */
function talk({ client, server, sport, dport, from, to, every, size, lost = () => false }) {
  const side = (start) => ({ next: start, acked: start, heard: 0 });
  const [c, s] = [side(1000), side(9000)];
  tcp(from, client, server, sport, dport, c.next, 0, FLAG.syn);
  tcp(from + 1, server, client, dport, sport, s.next, c.next + 1, FLAG.syn | FLAG.ack);
  tcp(from + 2, client, server, sport, dport, c.next + 1, s.next + 1, FLAG.ack);
  c.acked = ++c.next;
  s.acked = ++s.next;
  c.heard = s.next;
  s.heard = c.next;
  for (let millis = from + every; millis < to; millis += every) {
    tcp(millis, client, server, sport, dport, c.acked, c.heard, FLAG.psh | FLAG.ack, size);
    if (!lost(millis, false)) {
      s.heard = c.acked + size;
      s.acked = Math.max(s.acked, c.heard);
    }
    tcp(millis + 5, server, client, dport, sport, s.acked, s.heard, FLAG.psh | FLAG.ack, size);
    if (lost(millis + 5, true)) continue;
    c.heard = s.acked + size;
    c.acked = Math.max(c.acked, s.heard);
  }
}

const [web1, web2, db] = PORTS;
for (const [i, port] of PORTS.entries()) arp(20 + i, port, PORTS[(i + 1) % PORTS.length]);
const hit = (millis, reply) => (reply ? millis >= 2100 : millis >= 2100 && millis < 2380);
talk({ client: web1, server: web2, sport: 40001, dport: 80, from: 110, to: 6000, every: 100, size: 20, lost: hit });
talk({ client: db, server: web2, sport: 40003, dport: 22, from: 230, to: 6000, every: 250, size: 36, lost: hit });
talk({ client: web2, server: db, sport: 40002, dport: 5432, from: 170, to: 6000, every: 250, size: 48 });

// tap-db tries tcp 80 of tap-web2, which no rule allows: a SYN every 400 ms, until one comes through.
for (const millis of [800, 1200, 1600, 2000]) tcp(millis, db, web2, 40005, 80, 5000, 0, FLAG.syn);
tcp(2200, db, web2, 40007, 80, 5000, 0, FLAG.syn);
tcp(2201, web2, db, 80, 40007, 7000, 5001, FLAG.syn | FLAG.ack);
tcp(2202, db, web2, 40007, 80, 5001, 7001, FLAG.ack);
tcp(2203, db, web2, 40007, 80, 5001, 7001, FLAG.psh | FLAG.ack, 60);
tcp(2206, web2, db, 80, 40007, 7001, 5061, FLAG.psh | FLAG.ack, 400);
for (const millis of [2700, 3500]) tcp(millis, db, web2, 40007, 80, 5061, 7401, FLAG.psh | FLAG.ack, 60);

/** pcapng (draft-ietf-opsawg-pcapng): one interface per port, nanoseconds, each frame inbound. */
function pcapng() {
  const u32le = (n) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, (n >>> 24) & 255];
  const u16le = (n) => [n & 255, (n >> 8) & 255];
  const pad = (bytes) => [...bytes, ...Array((4 - (bytes.length % 4)) % 4).fill(0)];
  const option = (code, bytes) => [...u16le(code), ...u16le(bytes.length), ...pad(bytes)];
  const block = (type, body) => [...u32le(type), ...u32le(body.length + 12), ...body, ...u32le(body.length + 12)];
  const text = (string) => [...Buffer.from(string)];
  const out = block(0x0a0d0d0a, [...u32le(0x1a2b3c4d), ...u16le(1), ...u16le(0), ...Array(8).fill(255)]);
  for (const { name } of PORTS) {
    out.push(
      ...block(1, [...u16le(1), 0, 0, ...u32le(262144), ...option(2, text(name)), ...option(9, [9]), ...option(0, [])]),
    );
  }
  packets.sort((a, b) => a.millis - b.millis);
  for (const { millis, port, frame } of packets) {
    const t = START_NS + ms(millis);
    const head = [...u32le(PORTS.indexOf(port)), ...u32le(Number(t >> 32n)), ...u32le(Number(t & 0xffffffffn))];
    const sizes = [...u32le(frame.length), ...u32le(frame.length)];
    out.push(...block(6, [...head, ...sizes, ...pad(frame), ...option(2, u32le(1)), ...option(0, [])]));
  }
  return Buffer.from(out);
}
writeFileSync(join(folder, 'capture.pcapng'), pcapng());

function unix(ns) {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}
