/** Whatever takes long where an expression is long can be ended, wherever it is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SeriesReader } from '../series/series-reader.ts';
import { createEngine } from './engine.ts';
import { exprToJson } from './syntax/ast-json.ts';
import { parseExpr, parseMetricSelector } from './syntax/parser.ts';
import { prettyExpr } from './syntax/prettier.ts';
import { MemorySource } from './testing/memory-source.ts';
import { parseScript } from './testing/parse-script.ts';
import { lookingEvery, type Worked } from './worked.ts';

const engine = createEngine({
  flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
  lookbackMs: 300_000,
  subqueryStepMs: 60_000,
});
const count = 4_000;

/** As many parts in parentheses, two and two. */
function added(part: (i: number) => string): string {
  let texts = Array.from({ length: count }, (_, i) => part(i));
  while (texts.length > 1) {
    const [left = [], right = []] = [0, 1].map((odd) => texts.filter((_, i) => i % 2 === odd));
    texts = left.map((text, i) => (i < right.length ? `(${text} + ${right[i]})` : text));
  }
  return texts[0] as string;
}

/** Who stands between whoever tells of work and whoever looks. */
const between = ['worked', 'execution-context', 'go-sort', 'top-selection'];

/** Counts a look for the source whose function it was that told of its work. */
function note(looks: Map<string, number>): void {
  const files = Array.from(
    (new Error().stack ?? '').matchAll(/\/([\w-]+)(?:\.test)?\.ts/g),
    ([, name]) => name as string,
  );
  const file = files.find((name) => !between.includes(name));
  if (file !== undefined) looks.set(file, (looks.get(file) ?? 0) + 1);
}

/** The sources among whose functions somebody looked, with how often. */
function lookers(act: (look: () => void) => void): Map<string, number> {
  const found = new Map<string, number>();
  act(() => {
    const files = (new Error().stack ?? '').matchAll(/\/promql\/(?:[\w-]+\/)*([\w-]+)\.ts/g);
    for (const file of new Set(Array.from(files, ([, name]) => name as string))) {
      found.set(file, (found.get(file) ?? 0) + 1);
    }
  });
  return found;
}

const noSeries = { strings: [], begin: new Uint32Array(1), refs: new Uint32Array(0) };
const emptyReader: SeriesReader = {
  select: () => ({ labels: noSeries, warnings: [], next: () => undefined, close: () => undefined }),
};

function evaluate(text: string, look: () => void, reader = emptyReader, endMs = 600_000): void {
  engine.query({
    expr: parseExpr(text, { experimentalFunctions: true }),
    text,
    startMs: 0,
    endMs,
    stepMs: endMs === 0 ? 0 : 60_000,
    limits: { samplesMax: 0, memoryBytesMax: 0 },
    reader,
    checkCancelled: look,
  });
}

/** 4,000 parts of 100 metrics. */
const sums = added((i) => `sum(x${i % 100}{y="${i}"})`);

describe('looks whether to go on', () => {
  const whileParsed = lookers((look) => parseExpr(sums, {}, lookingEvery(look)));
  for (const file of ['token-stream', 'check-types']) {
    it(`while an expression is parsed: ${file}`, () => {
      assert.ok((whileParsed.get(file) ?? 0) > count / 1_000, `${whileParsed.get(file)} looks`);
    });
  }

  const whileEvaluated = lookers((look) => evaluate(sums, look));
  for (const file of [
    'build-plan',
    'skip-buckets',
    'wrap-step-invariant',
    'propagate-matchers',
    'project-labels',
    'share-subexpressions',
    'select-queries',
    'share-reads',
    'build-operators',
    'selection',
    'unique-series',
  ]) {
    it(`while it is planned and its operators are made: ${file}`, () => {
      assert.ok((whileEvaluated.get(file) ?? 0) > count / 1_000, `${whileEvaluated.get(file)} looks`);
    });
  }

  it('while it is judged at what time info() looks', () => {
    const found = lookers((look) =>
      evaluate(
        added((i) => `info(x @ ${i})`),
        look,
      ),
    );
    assert.ok((found.get('info-reference') ?? 0) > 0);
  });

  it('while it is printed', () => {
    const expr = parseExpr(sums);
    let looks = 0;
    prettyExpr(
      expr,
      lookingEvery(() => looks++),
    );
    assert.ok(looks > count / 1_000, `${looks} looks`);
    looks = 0;
    exprToJson(
      expr,
      lookingEvery(() => looks++),
    );
    assert.ok(looks > count / 1_000, `${looks} looks`);
  });

  it('between patterns, which take long to compile', () => {
    const patterns = Array.from({ length: 200 }, (_, i) => `x=~"${'(ab|cd)+e'.repeat(100)}${i}"`);
    const text = `a{${patterns.join(',')}}`;
    for (const parse of [
      (worked: Worked) => parseExpr(text, {}, worked),
      (worked: Worked) => parseMetricSelector(text, worked),
    ]) {
      let looks = 0;
      parse(lookingEvery(() => looks++));
      assert.ok(looks >= patterns.length / 2, `${looks} looks`);
    }
  });

  it('while the best of many series are put in order, and while they are gathered', () => {
    const source = new MemorySource();
    const many = Array.from({ length: count }, (_, i) => `  x{y="${i}"} ${(i * 7) % count}`);
    for (const command of parseScript(`load 30s\n${many.join('\n')}\n`)) {
      if (command.kind === 'load') source.load(command);
    }
    const closest = new Map<string, number>();
    evaluate('topk(4000, x)', () => note(closest), source, 0);
    for (const [file, looksMin] of [
      ['step-heap', 3],
      ['engine', 10],
    ] as const) {
      assert.ok((closest.get(file) ?? 0) >= looksMin, `${closest.get(file)} looks in ${file}`);
    }
  });

  it('and ends where it is told to', () => {
    const stop = new Error('stop');
    for (const act of [
      (look: () => void) => parseExpr(sums, {}, lookingEvery(look)),
      (look: () => void) => evaluate(sums, look),
    ]) {
      for (const after of [1, 10, 20]) {
        let looks = 0;
        const look = (): void => {
          if (++looks === after) throw stop;
        };
        assert.throws(() => act(look), stop);
        assert.equal(looks, after);
      }
    }
  });
});
