/**
 * The action codes that Open vSwitch 3.1.0 accepts, by OpenFlow version, with the lengths it demands
 * (enum ofp_raw_action_type in lib/ofp-actions.c; build-aux/extract-ofp-actions for the lengths).
 */
import { NX_VENDOR_ID, ONF_VENDOR_ID } from './wireTypes.js';

export type RawAction = (typeof ROWS)[number][0];

/** [name, places `vendor first-last:type`, bytes, more may follow]. Vendor OF is none. Versions are wire numbers, 1 is 1.0. */
// biome-ignore format: one action a line
const ROWS = [
  ['output10', 'OF1-1:0', 8, false],
  ['output11', 'OF2-6:0', 16, false],
  ['setVlanVid10', 'OF1-1:1', 8, false],
  ['setVlanVid11', 'OF2-6:1', 8, false],
  ['setVlanPcp10', 'OF1-1:2', 8, false],
  ['setVlanPcp11', 'OF2-6:2', 8, false],
  ['pushVlan', 'OF2-6:17', 8, false],
  ['stripVlan', 'OF1-1:3 OF2-6:18', 8, false],
  ['setEthSrc', 'OF1-1:4 OF2-6:3', 16, false],
  ['setEthDst', 'OF1-1:5 OF2-6:4', 16, false],
  ['setIpv4Src', 'OF1-1:6 OF2-6:5', 8, false],
  ['setIpv4Dst', 'OF1-1:7 OF2-6:6', 8, false],
  ['setIpDscp', 'OF1-1:8 OF2-6:7', 8, false],
  ['setIpEcn', 'OF2-6:8', 8, false],
  ['setL4Src', 'OF1-6:9', 8, false],
  ['setL4Dst', 'OF1-6:10', 8, false],
  ['enqueue', 'OF1-1:11', 16, false],
  ['setMplsLabel', 'NX1-1:30 OF2-6:13', 8, false],
  ['setMplsTc', 'NX1-1:31 OF2-6:14', 8, false],
  ['setMplsTtl', 'NX1-1:25 OF2-6:15', 8, false],
  ['decMplsTtl', 'NX1-1:26 OF2-6:16', 8, false],
  ['pushMpls', 'NX1-1:23 OF2-6:19', 8, false],
  ['popMpls', 'NX1-1:24 OF2-6:20', 8, false],
  ['setQueue', 'NX1-1:4 OF2-6:21', 8, false],
  ['group', 'NX1-1:40 OF2-6:22', 8, false],
  ['setIpTtl', 'OF2-6:23', 8, false],
  ['decTtl', 'NX1-1:18 OF2-6:24', 8, false],
  ['decTtlIds', 'NX1-6:21', 16, true],
  ['setField12', 'OF3-5:25', 8, true],
  ['setField15', 'OF6-6:25', 8, true],
  ['regLoad', 'NX1-5:7', 24, false],
  ['regLoad2', 'NX1-5:33', 16, true],
  ['copyField15', 'OF6-6:28', 16, true],
  ['copyField13', 'ONF4-5:3200', 24, true],
  ['regMove', 'NX1-5:6', 16, true],
  ['meter', 'OF6-6:29', 8, false],
  ['resubmit', 'NX1-6:1', 16, false],
  ['resubmitTable', 'NX1-6:14', 16, false],
  ['resubmitTableCt', 'NX1-6:44', 16, false],
  ['setTunnel', 'NX1-6:2', 16, false],
  ['setTunnel64', 'NX1-6:9', 24, false],
  ['popQueue', 'NX1-6:5', 16, false],
  ['note', 'NX1-6:8', 16, true],
  ['multipath', 'NX1-6:10', 32, false],
  ['bundle', 'NX1-6:12', 32, true],
  ['bundleLoad', 'NX1-6:13', 32, true],
  ['outputReg', 'NX1-6:15', 24, false],
  ['outputReg2', 'NX1-6:32', 24, false],
  ['learn', 'NX1-6:16', 32, true],
  ['learn2', 'NX1-6:45', 40, true],
  ['exit', 'NX1-6:17', 16, false],
  ['finTimeout', 'NX1-6:19', 16, false],
  ['controller', 'NX1-6:20', 16, false],
  ['controller2', 'NX1-6:37', 16, true],
  ['writeMetadata', 'NX1-6:22', 32, false],
  ['stackPush', 'NX1-6:27', 24, false],
  ['stackPop', 'NX1-6:28', 24, false],
  ['sample', 'NX1-6:29', 24, false],
  ['sample2', 'NX1-6:38', 32, false],
  ['sample3', 'NX1-6:41', 32, false],
  ['conjunction', 'NX1-6:34', 16, false],
  ['ct', 'NX1-6:35', 24, true],
  ['nat', 'NX1-6:36', 16, true],
  ['outputTrunc', 'NX1-6:39', 16, false],
  ['clone', 'NX1-6:42', 16, true],
  ['ctClear', 'NX1-6:43', 16, false],
  ['encap', 'NX4-6:46', 16, true],
  ['decap', 'NX4-6:47', 16, true],
  ['decNshTtl', 'NX4-6:48', 16, false],
  ['checkPktLarger', 'NX1-6:49', 24, true],
  ['deleteField', 'NX1-6:50', 24, false],
  // NXAST_RAW_DEBUG_SLOW (254) and _RECIRC (255) exist in OVS's own tests only: unknown, as in a switch that runs.
] as const;

export interface RawActionType {
  readonly raw: RawAction;
  readonly bytesMin: number;
  readonly bytesMax: number;
}

const VENDORS: Readonly<Record<string, number>> = { OF: 0, NX: NX_VENDOR_ID, ONF: ONF_VENDOR_ID };
const BYTES_MAX = 0xfff8;
const TYPES = new Map<string, RawActionType>();
for (const [raw, places, bytes, open] of ROWS) {
  for (const place of places.split(' ')) {
    const [, vendor, first, last, type] = /^(OF|NX|ONF)(\d)-(\d):(\d+)$/.exec(place)!;
    for (let version = Number(first); version <= Number(last); version++) {
      // The structure of a vendor action is padded to 16 bytes at least.
      const bytesMin = vendor === 'NX' && bytes < 16 ? 16 : bytes;
      TYPES.set(`${VENDORS[vendor!]} ${version} ${type}`, { raw, bytesMin, bytesMax: open ? BYTES_MAX : bytesMin });
    }
  }
}

/** The action of this code in this version, undefined if OVS knows none. `vendor` 0: a standard action. */
export const findActionType = (vendor: number, version: number, type: number): RawActionType | undefined =>
  TYPES.get(`${vendor} ${version} ${type}`);
