/** Which kind of file a record of the restart is, by its content. */
import { InputError, UsageError } from '../util/errors.js';
import { nearMiss } from '../util/text.js';

export type ChangesFormat = 'openflow' | 'monitor' | 'schedule' | 'snoop' | 'log';

const CHANGES_FORMATS: readonly ChangesFormat[] = ['openflow', 'monitor', 'schedule', 'snoop', 'log'];

const CAPTURE_MAGICS = new Set([
  'a1b2c3d4',
  'd4c3b2a1', // pcap, µs
  'a1b23c4d',
  '4d3cb2a1', // pcap, ns
  'a1b2cd34',
  '34cdb2a1', // pcap, modified (Kuznetzov)
  '0a0d0d0a', // pcapng
]);

/** Value of `--changes-format`. UsageError. */
export function parseChangesFormat(text: string): ChangesFormat {
  const format = CHANGES_FORMATS.find((candidate) => candidate === text);
  if (format !== undefined) return format;
  const near = nearMiss(text, CHANGES_FORMATS);
  const hint = near === null ? `formats are ${CHANGES_FORMATS.join(', ')}` : `did you mean "${near}"?`;
  throw new UsageError(`unknown --changes-format "${text}"`, hint);
}

/** How much of a text is looked at: a log may begin with thousands of lines of other modules. */
const LOOK_CHARS = 4 << 20;

/** InputError, with what to do, for what is no record of changes. The content is already unpacked. */
export function recogniseChanges(bytes: Uint8Array, file: string): ChangesFormat {
  if (bytes.length === 0) throw new InputError('the file is empty', { file });
  if (CAPTURE_MAGICS.has(Buffer.from(bytes.subarray(0, 4)).toString('hex'))) return 'openflow';
  const text = Buffer.from(bytes.subarray(0, LOOK_CHARS)).toString('utf8');
  if (/^\s*\{/.test(text)) {
    if (/"conntrackEvents"/.test(text.slice(0, 4096).split('\n', 1)[0]!)) {
      throw new InputError(
        'conntrack events are no changes of the tables',
        { file, line: 1 },
        'give the file with --conntrack-events',
      );
    }
    return 'schedule';
  }
  if (/^\d{4}-\d\d-\d\dT[\d:.]{8,13}Z\|\d+\|vconn[^|]*\|DBG\|/m.test(text)) return 'log';
  if (/_FLOW_MONITOR(?:_PAUSED|_RESUMED| reply)/.test(text)) return 'monitor';
  if (/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?: [A-Z]+_[A-Z_]+[^\n]*\(xid=0x/m.test(text)) return 'snoop';
  throw unknown(text, file);
}

function unknown(text: string, file: string): InputError {
  if (/^\d{4}-\d\d-\d\dT[\d:.]{8,13}Z\|\d+\|/m.test(text)) {
    return new InputError(
      'a log without OpenFlow messages',
      { file },
      'they are logged after ovs-appctl vlog/set vconn:file:dbg',
    );
  }
  if (/ reply (?:\(OF1\.\d\) )?\(xid=|\bactions=/.test(text)) {
    return new InputError('a dump of rules is no record of changes', { file }, 'give it with --after (or --before)');
  }
  return new InputError(
    'not a record of flow changes that is known here',
    { file },
    `known are OpenFlow captures, schedules, and text of ovs-ofctl monitor, of ovs-ofctl snoop and of ovs-vswitchd's log; --changes-format says which`,
  );
}
