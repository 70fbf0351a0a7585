import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ChannelReader } from '../../src/openflow/channel.js';
import { formatUnixNs } from '../../src/util/units.js';
import { pcapFrames } from '../pcapFrames.js';
import { readShared, sharedPath, skipWithoutShared } from './shared.js';

interface Expected {
  messages: { conn: number; from: string; frame: number; t: string; hex: string }[];
  errors: {
    conn: number;
    from: string;
    frame: number;
    kind: string;
    missingBytes?: number;
    leftBytes?: number;
    length?: number;
  }[];
  mayAlsoYield?: { from: string; hex: string }[];
}

const folder = 'ovs/cases/wire_damage/';
const files = skipWithoutShared ? [] : readdirSync(sharedPath(folder)).filter((name) => name.endsWith('.pcap'));

test('every damaged channel yields the whole messages with frame and time, and names the damage', {
  skip: skipWithoutShared,
}, () => {
  assert.equal(files.length, 12);
  for (const file of files) {
    const expected = JSON.parse(readShared(folder + file.replace('.pcap', '.expected.json')).toString()) as Expected;
    const reader = new ChannelReader();
    for (const frame of pcapFrames(readShared(folder + file))) reader.push(frame);
    const channel = reader.finish();
    // The connections' numbers are names: map them by the order in which they appear.
    const optional = [...(expected.mayAlsoYield ?? [])];
    const numbers = new Map<number, number>();
    const messages = channel.messages
      .map((message) => ({
        conn: message.connection,
        from: message.from,
        frame: message.frame,
        t: formatUnixNs(message.t).slice(0, -3),
        hex: Buffer.from(message.bytes).toString('hex'),
      }))
      .filter((message) => {
        if (expected.messages.some((other) => other.hex === message.hex && other.frame === message.frame)) return true;
        const at = optional.findIndex((other) => other.hex === message.hex && other.from === message.from);
        assert.notEqual(at, -1, `${file}: a message that is not there: ${message.hex}`);
        optional.splice(0, at + 1);
        return false;
      });
    for (const [i, message] of messages.entries()) numbers.set(message.conn, expected.messages[i]?.conn ?? -1);
    for (const error of channel.errors)
      if (!numbers.has(error.connection)) numbers.set(error.connection, error.connection);
    assert.deepEqual(
      messages.map((message) => ({ ...message, conn: numbers.get(message.conn) })),
      expected.messages.map(({ conn, from, frame, t, hex }) => ({ conn, from, frame, t, hex })),
      file,
    );
    assert.deepEqual(
      channel.errors.map(({ connection, from, frame, kind, bytes }) => ({
        conn: numbers.get(connection),
        from,
        frame,
        kind,
        bytes,
      })),
      expected.errors.map(({ conn, from, frame, kind, missingBytes, leftBytes, length }) => ({
        conn,
        from,
        frame,
        kind,
        bytes: missingBytes ?? leftBytes ?? length ?? 0,
      })),
      file,
    );
  }
});
