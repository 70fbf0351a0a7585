/** Progress with the time left, on a terminal only; one line that is wiped at the end. */
import type { Progress } from '../index.js';

const INTERVAL_MS = 200;

export interface ProgressLine {
  update(progress: Progress): void;
  clear(): void;
}

export function progressLine(wanted: boolean): ProgressLine {
  if (!wanted || !process.stderr.isTTY) return { update: () => {}, clear: () => {} };
  const started = Date.now();
  let shownAt = 0;
  return {
    update(progress) {
      const now = Date.now();
      if (now - shownAt < INTERVAL_MS) return;
      shownAt = now;
      process.stderr.write(`\r\x1b[K${progressText(progress, now - started)}`);
    },
    clear() {
      if (shownAt > 0) process.stderr.write('\r\x1b[K');
    },
  };
}

/** `45 %  540,000 of 1,200,000 packets, 12 s left`. The time left assumes the speed so far. */
export function progressText({ what, done, total }: Progress, elapsedMs: number): string {
  const count = done.toLocaleString('en-US');
  if (total === null || total <= 0) return `${count} ${what}`;
  const share = Math.min(1, done / total);
  const left = share > 0 ? Math.ceil(((elapsedMs / share) * (1 - share)) / 1000) : null;
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  return `${percent}  ${count} of ${total.toLocaleString('en-US')} ${what}${left === null ? '' : `, ${left} s left`}`;
}
