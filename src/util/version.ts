/** Name and version of this package, as reports and `--version` say it. */
import { readFileSync } from 'node:fs';

export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

export const TOOL = `dropwindow ${VERSION}`;
