/** Linux 6.1 `nf_conntrack` under `openvswitch.ko`. */

import { UnsupportedError } from '../util/errors.js';
import type { CtAttach, CtOp, CtView } from './action.js';
import type { CtPacket } from './packet.js';
import type { CtStore } from './store.js';
import type { Tracker } from './tracker.js';

export function executeLinux(
  _tracker: Tracker,
  _store: CtStore,
  _attach: CtAttach,
  _op: CtOp,
  _packet: CtPacket,
  _nowNs: number,
  _view: CtView,
): void {
  throw new UnsupportedError('conntrack profile linux');
}
