/** Case files for OpenFlow pipelines, run without a switch. */
import { type CaseFileResult, runCaseFile } from '../cases/runCaseFile.js';
import { readInputFile, textOf } from '../util/inputFile.js';

export type { CaseDifference, CaseFileResult } from '../cases/runCaseFile.js';

/** Runs every case of a file (JSON Lines, `-`: standard input). InputError where the file is none of cases. */
export async function testCases(path: string): Promise<CaseFileResult> {
  const file = readInputFile(path);
  return runCaseFile(textOf(file), file.name);
}
