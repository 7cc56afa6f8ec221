/** The runner must be able to fail: wrong answers of every kind are given to it here, by hand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Labels } from '../../model/labels.ts';
import type { SeriesReader } from '../../series/series-reader.ts';
import { parseSeriesDescription } from '../syntax/series-description.ts';
import type { AnswerPoint, AnswerSeries, AnswerValue } from './compare-answer.ts';
import { type Answer, type Question, runScript } from './run-script.ts';

/** A series of an answer in the notation of scripts: a value each minute from `firstMs` on. */
function series(text: string, firstMs = 0): AnswerSeries {
  const { labels, values } = parseSeriesDescription(text);
  const points = values.flatMap((value, i): AnswerPoint[] => {
    const t = firstMs + i * 60_000;
    if (value.kind === 'omitted') return [];
    if (value.kind === 'float') return [{ t, value: value.value, histogram: null }];
    return [{ t, value: Number.NaN, histogram: value.histogram }];
  });
  return { labels, points };
}

const vector = (...texts: string[]): AnswerValue => ({ kind: 'vector', series: texts.map((text) => series(text)) });
const matrix = (...texts: string[]): AnswerValue => ({ kind: 'matrix', series: texts.map((text) => series(text)) });

/** The value at every step of the question. */
function spread(value: AnswerValue, { startMs, endMs, stepMs }: Question): AnswerValue {
  if (startMs === endMs) return value;
  const times = Array.from({ length: (endMs - startMs) / stepMs + 1 }, (_, i) => startMs + i * stepMs);
  if ('series' in value) {
    const at = (points: AnswerSeries['points']) => times.map((t) => ({ ...points[0], t }));
    return { kind: 'matrix', series: value.series.map(({ labels, points }) => ({ labels, points: at(points) })) };
  }
  if (value.kind === 'string') return value;
  const scalar = value.value;
  const points = times.map((t) => ({ t, value: scalar, histogram: null }));
  return { kind: 'matrix', series: [{ labels: Labels.empty, points }] };
}

interface Texts {
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

/** The report on an eval command that is answered like this, undefined if it passes. */
function reportOn(script: string, answer: (question: Question, reader: SeriesReader) => Answer): string | undefined {
  const { total, failures } = runScript(script, answer);
  assert.equal(total, 1);
  return failures[0]?.report;
}

function reportOnInstant(lines: string, value: AnswerValue, texts: Texts = {}): string | undefined {
  const { warnings = [], infos = [] } = texts;
  const script = `eval instant at 5m a\n${lines}`;
  return reportOn(script, (question) => ({ value: spread(value, question), warnings, infos }));
}

describe('an instant answer', () => {
  for (const [lines, value] of [
    ['a{x="1"} 1\n a{x="2"} 2', vector('a{x="2"} 2', 'a{x="1"} 1.0000001')],
    ['', vector()],
    ['a NaN', vector('a NaN')],
    ['a {{count:2 sum:3 buckets:[2]}}', vector('a {{count:2 sum:3 buckets:[0 2 0] offset:-1}}')],
    ['a {{count:2}}', vector('a {{count:2 counter_reset_hint:gauge}}')],
    ['4', { kind: 'scalar', value: 4 }],
    ['expect string "x"', { kind: 'string', value: 'x' }],
  ] as const) {
    it(`passes: ${lines}`, () => assert.equal(reportOnInstant(lines, value), undefined));
  }

  for (const [lines, value, words] of [
    ['a 1', vector('a 1.00001'), /a\{\}: expected 1, got 1.00001/],
    ['a 0', vector('a 1e-300'), /expected 0/],
    ['a 1', vector(), /missing a\{\} 1/],
    ['', vector('a 1'), /unexpected a\{\} 1/],
    ['a{x="1"} 1', vector('a{x="2"} 1'), /unexpected a\{x="2"\} 1[\s\S]*missing a\{x="1"\} 1/],
    ['a 1', vector('a 1', 'a 1'), /twice/],
    ['a NaN', vector('a 1'), /expected NaN, got 1/],
    ['a stale', vector('a NaN'), /expected stale/],
    ['a 1', vector('a {{count:1}}'), /expected 1, got \{\{/],
    ['a {{count:1}}', vector('a 1'), /expected \{\{.*, got 1/],
    ['a {{count:1}}', vector('a {{count:2}}'), /expected \{\{/],
    ['a {{sum:1}}', vector('a {{sum:2}}'), /expected \{\{/],
    ['a {{schema:1}}', vector('a {{schema:2}}'), /expected \{\{/],
    ['a {{z_bucket:1}}', vector('a {{z_bucket:2}}'), /expected \{\{/],
    ['a {{z_bucket_w:1}}', vector('a {{z_bucket_w:2}}'), /expected \{\{/],
    ['a {{buckets:[1]}}', vector('a {{buckets:[2]}}'), /expected \{\{/],
    ['a {{buckets:[1]}}', vector('a {{buckets:[1] offset:1}}'), /expected \{\{/],
    ['a {{buckets:[1]}}', vector('a {{n_buckets:[1]}}'), /expected \{\{/],
    ['a {{n_buckets:[1]}}', vector('a {{n_buckets:[1 1]}}'), /expected \{\{/],
    ['a {{schema:-53 custom_values:[1]}}', vector('a {{schema:-53 custom_values:[2]}}'), /expected \{\{/],
    ['a {{counter_reset_hint:gauge}}', vector('a {{}}'), /expected \{\{.*gauge/],
    ['expect ordered\n a{x="1"} 1\n a{x="2"} 2', vector('a{x="2"} 2', 'a{x="1"} 1'), /position/],
    ['a 1', matrix('a 1'), /expected a vector/],
    ['a 1', { kind: 'scalar', value: 1 }, /expected series, got scalar 1/],
    ['1', vector('a 1'), /expected scalar 1, got vector/],
    ['1', { kind: 'scalar', value: 2 }, /expected scalar 1, got scalar 2/],
    ['expect string "x"', { kind: 'string', value: 'y' }, /expected string x, got string y/],
    ['expect string "1"', { kind: 'scalar', value: 1 }, /expected string/],
  ] as const) {
    it(`fails: ${lines}, got ${JSON.stringify(value).slice(0, 60)}`, () => {
      assert.match(reportOnInstant(lines, value) ?? 'passed', words);
    });
  }
});

describe('a range answer', () => {
  const script = 'eval range from 0 to 3m step 1m a\n a{x="1"} 1 _ 3\n a{x="2"} {{count:1}}';
  const right = ['a{x="1"} 1 _ 3', 'a{x="2"} {{count:1}}'] as const;
  const reportOnMatrix = (value: AnswerValue) => reportOn(script, () => ({ value, warnings: [], infos: [] }));

  it('passes', () => assert.equal(reportOnMatrix(matrix(...right)), undefined));

  for (const [name, value, words] of [
    [
      'another value',
      matrix('a{x="1"} 1 _ 4', right[1]),
      /expected 1 @\[0\] 3 @\[120000\]\n\s+got\s+1 @\[0\] 4 @\[120000\]/,
    ],
    ['another time', matrix('a{x="1"} 1 3', right[1]), /expected/],
    ['a point too many', matrix('a{x="1"} 1 _ 3 4', right[1]), /expected/],
    ['a point too few', matrix('a{x="1"} 1', right[1]), /expected/],
    ['a series too many', matrix(...right, 'a{x="3"} 1'), /unexpected a\{x="3"\}/],
    ['a series too few', matrix(right[0]), /missing a\{x="2"\}/],
    ['another order', matrix(right[1], right[0]), /stands behind/],
    ['a vector', vector(...right), /expected/],
  ] as const) {
    it(`fails: ${name}`, () => assert.match(reportOnMatrix(value) ?? 'passed', words));
  }
});

describe('failures', () => {
  const failing = (failure: string) => (): Answer => ({ failure });

  it('pass and fail by their text', () => {
    assert.equal(reportOn('eval instant at 0 a\n expect fail', failing('x')), undefined);
    assert.equal(reportOn('eval instant at 0 a\n expect fail msg: x', failing('x')), undefined);
    assert.match(
      reportOn('eval instant at 0 a\n expect fail msg: x', failing('y')) ?? '',
      /expected failure: x\n.*got: y/,
    );
    assert.match(
      reportOn('eval instant at 0 a\n expect fail', () => ({ value: vector(), warnings: [], infos: [] })) ?? '',
      /got a result/,
    );
    assert.match(reportOn('eval instant at 0 a', failing('y')) ?? '', /failed: y/);
  });

  it('that are thrown never pass', () => {
    const report = reportOn('eval instant at 0 a\n expect fail', () => {
      throw new TypeError('a mistake of ours');
    });
    assert.match(report ?? '', /the evaluation broke.*a mistake of ours/);
  });
});

describe('annotations', () => {
  for (const [lines, texts, words] of [
    ['', { warnings: ['w'], infos: ['i'] }, undefined],
    ['expect warn', { warnings: ['w'] }, undefined],
    ['expect warn msg: w', { warnings: ['w'] }, undefined],
    ['expect warn', {}, /missing warning/],
    ['expect info', { warnings: ['w'] }, /missing info/],
    ['expect warn msg: w', { warnings: ['v'] }, /missing warning: w, got v[\s\S]*unexpected warning: v/],
    ['expect info msg: i', { infos: ['i', 'j'] }, /unexpected info: j/],
    ['expect no_warn', { warnings: ['w'] }, /unexpected warning: w/],
    ['expect no_info', { infos: ['i'] }, /unexpected info: i/],
    ['expect no_info\n expect no_warn', {}, undefined],
  ] as const) {
    it(`${lines.replace('\n', ',')} of ${JSON.stringify(texts)}`, () => {
      const report = reportOnInstant(lines, vector(), texts);
      if (words === undefined) assert.equal(report, undefined);
      else assert.match(report ?? 'passed', words);
    });
  }
});

describe('the further questions of an instant query', () => {
  function questionsOf(script: string): string[] {
    const asked: string[] = [];
    runScript(script, (question) => {
      const { expr, startMs, endMs, stepMs } = question;
      asked.push(startMs === endMs ? `${expr} | ${startMs}` : `${expr} | ${startMs} ${endMs} ${stepMs}`);
      return { value: spread(vector(), question), warnings: [], infos: [] };
    });
    return asked;
  }

  it('fix its time, ask at other times, and ask for ranges', () => {
    assert.deepEqual(questionsOf('eval instant at 5m rate(a[1m]) + b @ 7 + c @ end()'), [
      'rate(a[1m]) + b @ 7 + c @ end() | 300000',
      ...[-3_000_000, 0, 60_000, 300_000, 3_000_000].flatMap((t) => [
        `rate(a[1m] @ 300.000) + b @ 7.000 + c @ 300.000 | ${t}`,
        `rate(a[1m] @ 300.000) + b @ 7.000 + c @ 300.000 | ${t - 60_000} ${t + 60_000} 60000`,
      ]),
    ]);
  });

  it('fix a subquery as a whole', () => {
    const asked = questionsOf('eval instant at 0 sum_over_time((a + time())[1m:10s])');
    assert.deepEqual(
      asked.filter((_, i) => i % 2 === 0),
      [
        'sum_over_time((a + time())[1m:10s]) | 0',
        ...[-1000, 0, 1000].map((t) => `sum_over_time((a + time())[1m:10s] @ 0.000) | ${t}`),
      ],
    );
  });

  it('are not asked where they mean something else', () => {
    assert.deepEqual(questionsOf('eval instant at 5m a + time()'), [
      'a + time() | 300000',
      'a + time() | 240000 360000 60000',
    ]);
    assert.deepEqual(questionsOf('eval range from 0 to 1m step 1m a'), ['a | 0 60000 60000']);
  });

  it('fail the command when they alone are answered wrongly', () => {
    const wrongWhere = (isWrong: (question: Question) => boolean) =>
      reportOn('eval instant at 5m a\n a 1', (question) => ({
        value: spread(isWrong(question) ? vector('a 2') : vector('a 1'), question),
        warnings: [],
        infos: [],
      }));
    assert.equal(
      wrongWhere(() => false),
      undefined,
    );
    assert.match(wrongWhere(({ stepMs }) => stepMs > 0) ?? '', /from 240000ms to 360000ms/);
    assert.match(
      wrongWhere(({ expr, stepMs }) => expr.includes('@') && stepMs === 0) ?? '',
      /at -3000000ms a @ 300.000/,
    );
  });
});

describe('the tolerance', () => {
  it('holds for equal numbers and not for those that differ by more than a millionth of their sum', () => {
    const passes = (expected: number, actual: number): boolean => {
      const script = `eval range from 0 to 0 step 1m a\n a ${String(expected).replace('Infinity', 'Inf')}`;
      const points = [{ t: 0, value: actual, histogram: null }];
      const value: AnswerValue = { kind: 'matrix', series: [{ labels: series('a').labels, points }] };
      return reportOn(script, () => ({ value, warnings: [], infos: [] })) === undefined;
    };
    fc.assert(
      fc.property(fc.double(), (a) => {
        assert.ok(passes(a, a));
        const size = Math.abs(a);
        if (size < 1e-300 || !(size < 1e300)) return;
        assert.ok(!passes(a, a * 1.00001));
        assert.ok(passes(a, a * 1.000001));
        assert.ok(!passes(a, -a));
        assert.ok(!passes(a, 0));
      }),
    );
  });
});
