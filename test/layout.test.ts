/** The house rules of ARCHITECTURE.md that a compiler does not check: who imports whom, who prints, who asks the clock. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

const BELOW_PIPELINE = ['util', 'fields', 'capture', 'packet', 'openflow', 'timeline', 'classify', 'conntrack'];
const BELOW_STUDY = [...BELOW_PIPELINE, 'pipeline', 'replay', 'neutron'];
const BELOW_INDEX = [...BELOW_STUDY, 'study', 'report'];

/** Folder of src/ (or `index`) to the folders it may import from; its own is always allowed. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  util: [],
  fields: ['util'],
  capture: ['util'],
  packet: ['capture', 'fields', 'util'],
  openflow: ['fields', 'util'],
  timeline: ['openflow', 'fields', 'util'],
  classify: ['timeline', 'openflow', 'packet', 'capture', 'fields', 'util'],
  conntrack: ['packet', 'fields', 'util'],
  pipeline: BELOW_PIPELINE,
  replay: [...BELOW_PIPELINE, 'pipeline'],
  neutron: ['timeline', 'openflow', 'packet', 'capture', 'fields', 'util'],
  study: BELOW_STUDY,
  report: ['util'],
  cases: BELOW_INDEX,
  api: [...BELOW_INDEX, 'cases'],
  index: [...BELOW_INDEX, 'cases', 'api'],
  cli: ['index', 'util'],
};
/** `report` knows the results that it prints by type only. */
const MAY_IMPORT_TYPES: Readonly<Record<string, readonly string[]>> = { report: BELOW_STUDY };

interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
}

interface Source {
  readonly name: string;
  readonly folder: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const sources = [...readFolder('src'), ...readFolder('workers')];
/** A benchmark process answers over its standard output. */
const PROCESS_ENTRY = join('src', 'api', 'benchChild.ts');
const core = sources.filter(({ name, folder }) => folder !== 'cli' && name !== PROCESS_ENTRY);

test('imports go up the table of folders, never down', () => {
  const wrong: string[] = [];
  for (const { name, folder, imports } of sources) {
    if (folder === 'workers') continue;
    const allowed = MAY_IMPORT[folder];
    assert.ok(allowed, `src/${folder} is not in the table`);
    for (const { target, typeOnly } of imports) {
      if (!target.startsWith('.')) continue;
      const other = folderOf(resolve(name, target));
      const may =
        other === folder || allowed.includes(other) || (typeOnly && MAY_IMPORT_TYPES[folder]?.includes(other));
      if (!may) wrong.push(`${name} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no file imports itself through others', () => {
  // Imports of types are gone after compilation.
  const isReal = ({ target, typeOnly }: Import) => target.startsWith('.') && !typeOnly;
  const graph = new Map(sources.map(({ name, imports }) => [name, imports.filter(isReal)]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) cycles.push([...path.slice(path.indexOf(name)), name].join(' > '));
    if (path.includes(name) || done.has(name)) return;
    for (const { target } of graph.get(name) ?? []) visit(resolve(name, target), [...path, name]);
    done.add(name);
  };
  for (const name of graph.keys()) visit(name, []);
  assert.deepEqual(cycles, []);
});

test('only the command line prints, reads arguments and sets exit codes', () => {
  assert.deepEqual(filesWith(core, /\bconsole\s*\.|\bprocess\s*\.\s*(?:stdout|stderr|argv|exit|exitCode)\b/), []);
});

test('nothing outside the command line asks the clock for the date or draws without a seed', () => {
  assert.deepEqual(filesWith(core, /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|\bMath\s*\.\s*random\b/), []);
});

test('a thread pool is known to one file, the option parser to the command line', () => {
  const users = (library: string) => sources.filter(({ imports }) => imports.some(({ target }) => target === library));
  assert.ok(
    users('piscina').length <= 1,
    users('piscina')
      .map(({ name }) => name)
      .join(', '),
  );
  for (const { name, folder } of users('commander')) assert.equal(folder, 'cli', name);
});

test('the functions that ARCHITECTURE.md names exist', () => {
  const code = sources.map((source) => source.code).join('\n');
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const named = new Set([...text.matchAll(/`(?:[\w/.]*[/.])?([A-Za-z_]\w*)\(\)`/g)].map((match) => match[1]!));
  const missing = [...named].filter((name) => {
    const declared = new RegExp(
      `\\bfunction\\*?\\s+${name}\\b|\\b(?:const|let)\\s+${name}\\b|^\\s+[\\w\\s*]*\\b${name}(?:<[^>]*>)?\\(`,
      'm',
    );
    return !declared.test(code);
  });
  assert.deepEqual(missing, []);
});

function readFolder(folder: string): Source[] {
  let files: string[];
  try {
    files = readdirSync(join(root, folder), { recursive: true }) as string[];
  } catch {
    return [];
  }
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const name = join(folder, file);
      const code = withoutComments(readFileSync(join(root, name), 'utf8'));
      return { name, folder: folderOf(name), code, imports: importsOf(code) };
    });
}

/** `src/timeline/x.ts` is of `timeline`, `src/index.ts` of `index`, `workers/x.ts` of `workers`. */
function folderOf(name: string): string {
  const parts = name.split(sep);
  if (parts[0] === 'workers') return 'workers';
  return parts.length > 2 ? parts[1]! : parts[1]!.replace(/\.ts$/, '');
}

function resolve(name: string, target: string): string {
  return normalize(join(dirname(name), target)).replace(/\.js$/, '.ts');
}

function importsOf(code: string): Import[] {
  const found: Import[] = [];
  for (const match of code.matchAll(/\b(?:import|export)\s+(type\s)?([^;'"]*?\bfrom\s+)?['"]([^'"]+)['"]/g)) {
    found.push({ target: match[3]!, typeOnly: match[1] !== undefined || onlyTypes(match[2] ?? '') });
  }
  for (const match of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ target: match[1]!, typeOnly: false });
  }
  return found;
}

/** `{ type A, type B } from`: nothing of it is left after compilation. */
function onlyTypes(clause: string): boolean {
  const names = /^\{([^}]*)\}/
    .exec(clause)?.[1]
    ?.split(',')
    .map((name) => name.trim());
  return names?.filter((name) => name !== '').every((name) => name.startsWith('type ')) ?? false;
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function filesWith(files: readonly Source[], pattern: RegExp): string[] {
  return files.filter(({ code }) => pattern.test(code)).map(({ name }) => name);
}
