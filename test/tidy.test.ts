/**
 * The shape of the tree, as a test: imports go one way, rooms do not know rooms, nothing is exported for nobody.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '..');

/** Folders from the bottom up: a file imports from its own layer's folder or from lower layers. Rows of one layer stand side by side. */
const layers: readonly (readonly string[])[] = [
  ['libs/errors'],
  ['libs/std'],
  ['libs/model', 'libs/config', 'libs/telemetry'],
  ['libs/series', 'libs/wire', 'libs/limits', 'libs/lifecycle', 'libs/object-store', 'libs/kv', 'libs/kafka'],
  ['libs/contracts', 'libs/promql', 'libs/http'],
  ['libs/tsdb', 'libs/wire/peer', 'libs/ring', 'libs/query-api'],
  ['libs/blocks', 'libs/rpc'],
  [
    'services/cluster',
    'services/compactor',
    'services/distributor',
    'services/ingester',
    'services/store-gateway',
    'services/querier',
    'services/query-frontend',
  ],
  ['services'],
];

interface Source {
  readonly path: string;
  readonly text: string;
  readonly isTest: boolean;
  /** Paths of this tree that it imports, with the names it takes. */
  readonly imports: readonly { readonly path: string; readonly names: readonly string[] }[];
  readonly exports: readonly string[];
}

const testFile = /\.(test|bench|fuzz|testing|fixtures|cases)\.ts$/;

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const imports: { path: string; names: string[] }[] = [];
  for (const match of text.matchAll(/^(?:import|export)\s+(?:type\s+)?([^;'"]*?)\s*from\s+'(\.[^']+)'/gms)) {
    const names = (match[1] ?? '')
      .replace(/[{}]/g, ',')
      .split(',')
      .map(
        (name) =>
          name
            .trim()
            .replace(/^type\s+/, '')
            .split(/\s+as\s+/)[0]
            ?.trim() ?? '',
      )
      .filter((name) => name !== '');
    imports.push({ path: resolved(path, match[2] ?? ''), names });
  }
  for (const match of text.matchAll(/(?:import\(|new URL\(|import\s+)'(\.[^']+\.ts)'/g)) {
    imports.push({ path: resolved(path, match[1] ?? ''), names: ['*'] });
  }
  const exports = [
    ...text.matchAll(
      /^export\s+(?:async\s+)?(?:abstract\s+)?(?:const|let|function\*?|class|interface|type)\s+([A-Za-z0-9_$]+)/gm,
    ),
  ];
  return {
    path,
    text,
    isTest: testFile.test(path) || path.startsWith('test/') || path.startsWith('libs/std/testing/'),
    imports,
    exports: [...new Set(exports.map((match) => match[1] ?? ''))],
  };
}

const resolved = (from: string, specifier: string): string => relative(root, join(root, dirname(from), specifier));

const sources = globSync('{libs,services,test,load-tests}/**/*.ts', { cwd: root })
  .filter((path) => !path.includes('/generated/'))
  .map(read);

function layerOf(path: string): { layer: number; folder: string } | undefined {
  let best: { layer: number; folder: string } | undefined;
  layers.forEach((folders, layer) => {
    for (const folder of folders) {
      if (path.startsWith(`${folder}/`) && folder.length > (best?.folder.length ?? 0)) best = { layer, folder };
    }
  });
  return best;
}

describe('tidy', () => {
  it('imports go downwards, and never sideways into another room or library', () => {
    const wrong: string[] = [];
    for (const { path, imports, isTest } of sources) {
      const here = layerOf(path);
      if (isTest || here === undefined) continue;
      for (const imported of imports) {
        const there = layerOf(imported.path);
        if (there === undefined) {
          if (imported.path.endsWith('.ts')) wrong.push(`${path} imports ${imported.path}, which is in no layer`);
        } else if (there.folder !== here.folder && there.layer >= here.layer) {
          wrong.push(`${path} imports ${imported.path}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('every file of the product is in a layer', () => {
    const strays = sources.filter(({ path }) => /^(libs|services)\//.test(path) && layerOf(path) === undefined);
    assert.deepEqual(
      strays.map(({ path }) => path),
      [],
    );
  });

  it('nothing is exported that no other file of the product takes', () => {
    const taken = new Set<string>();
    const whole = new Set<string>();
    for (const { path, imports, isTest } of sources) {
      for (const imported of imports) {
        // Test support is there to be taken by tests; everything else needs a user in the product, a bench, or tests elsewhere.
        const target = sources.find((source) => source.path === imported.path);
        if (
          isTest &&
          target?.isTest === false &&
          !path.endsWith('.bench.ts') &&
          dirname(path) === dirname(imported.path)
        )
          continue;
        for (const name of imported.names) {
          if (name.startsWith('*')) whole.add(imported.path);
          else taken.add(`${imported.path} ${name}`);
        }
      }
    }
    const dead = sources.flatMap(({ path, exports, text }) =>
      whole.has(path)
        ? []
        : exports
            .filter((name) => !taken.has(`${path} ${name}`))
            // A type that only another export's signature names is part of that export.
            .filter((name) => !isNamedByAnExport(text, name))
            .map((name) => `${path} exports ${name}`),
    );
    assert.deepEqual(dead, []);
  });

  it('no barrels, no way around the type checker', () => {
    const wrong: string[] = [];
    for (const { path, text, isTest } of sources) {
      if (/(^|\/)(index|util|utils|helpers)\.ts$/.test(path)) wrong.push(`${path}: a name that says nothing`);
      for (const [index, line] of text.split('\n').entries()) {
        if (!isTest && /@ts-ignore|@ts-nocheck|\bas any\b|\bas unknown as\b/.test(line)) {
          wrong.push(`${path}:${index + 1}: ${line.trim()}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('no user pattern becomes a native RegExp', () => {
    const wrong = sources.filter(({ text, isTest }) => !isTest && /new RegExp\(/.test(text)).map(({ path }) => path);
    assert.deepEqual(wrong, []);
  });
});

function isNamedByAnExport(text: string, name: string): boolean {
  if (!new RegExp(`^export (interface|type) ${name}\\b`, 'm').test(text)) return false;
  const mentions = text.match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0;
  return mentions > 1;
}
