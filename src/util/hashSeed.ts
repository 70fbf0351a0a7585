/**
 * Secret start value for hash tables whose keys come from outside, so that nobody can prepare keys that all meet in one
 * slot. Numbers are given by first appearance: nothing visible depends on it.
 */
import { randomBytes } from 'node:crypto';

export const HASH_SEED: number = randomBytes(4).readInt32LE(0);
