/** Classic pcap files, read and written: nothing but what tests need. */
import type { CapturedFrame } from '../src/openflow/tcpSegment.js';

export function pcapFrames(file: Uint8Array): CapturedFrame[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = view.getUint32(0, true);
  const unit = magic === 0xa1b23c4d ? 1n : magic === 0xa1b2c3d4 ? 1000n : 0n;
  if (unit === 0n) throw new Error('not a little-endian pcap file');
  const linkType = view.getUint32(20, true) & 0xffff;
  const frames: CapturedFrame[] = [];
  for (let at = 24; at < file.length; ) {
    const captured = view.getUint32(at + 8, true);
    frames.push({
      frame: frames.length + 1,
      t: BigInt(view.getUint32(at, true)) * 1_000_000_000n + BigInt(view.getUint32(at + 4, true)) * unit,
      linkType,
      data: file.subarray(at + 16, at + 16 + captured),
      originalBytes: view.getUint32(at + 12, true),
    });
    at += 16 + captured;
  }
  return frames;
}

/** Classic pcap, one frame a second. */
export function pcapFile(frames: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0xffff, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.flatMap((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_600_000_000 + i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, Buffer.from(frame)];
  });
  return Buffer.concat([header, ...records]);
}
