/** Counts the packets of a capture with npm pcap-parser, as its users do. Usage: node pcapParser.js FILE */
import { createReadStream } from 'node:fs';
import { parse } from 'pcap-parser';

let packets = 0;
let bytes = 0;
const parser = parse(createReadStream(process.argv[2] ?? ''));
parser.on('packet', ({ data }) => {
  packets++;
  bytes += data.length;
});
parser.on('error', (error) => {
  throw error;
});
parser.on('end', () => process.stdout.write(`${packets} packets, ${bytes} bytes\n`));
