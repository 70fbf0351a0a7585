#!/usr/bin/env node
import { INTERRUPTED, run } from './run.js';

process.exitCode = await run(process.argv.slice(2));
// A read that still waits, for standard input say, must not keep an interrupted run alive.
if (process.exitCode === INTERRUPTED) process.exit();
