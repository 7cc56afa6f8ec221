import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareAnswers } from './compare-answers.ts';
import type { Answer, SeriesAnswer } from './query-client.ts';

const matrix = (...result: SeriesAnswer[]): Answer => ({
  httpStatus: 200,
  status: 'success',
  data: { resultType: 'matrix', result },
});
const a = {
  metric: { __name__: 'x', job: 'a' },
  values: [
    [1, '0.1'],
    [2, '0.2'],
  ],
} satisfies SeriesAnswer;
const b = { metric: { job: 'b', __name__: 'x' }, values: [[1, '3']] } satisfies SeriesAnswer;
const h = {
  metric: {},
  histograms: [[1, { count: '2', sum: '3', buckets: [[0, '1', '2', '2']] }]],
} satisfies SeriesAnswer;

describe('compareAnswers', () => {
  it('takes series in any order and labels in any order', () => {
    const swapped = { ...b, metric: { __name__: 'x', job: 'b' } };
    assert.deepEqual(compareAnswers(matrix(a, b), matrix(swapped, a), 'bits'), []);
  });

  for (const { name, expected, actual } of [
    { name: 'a series is absent', expected: matrix(a, b), actual: matrix(a) },
    { name: 'a series is too many', expected: matrix(a), actual: matrix(a, b) },
    { name: 'a point is absent', expected: matrix(a), actual: matrix({ ...a, values: [[1, '0.1']] }) },
    { name: 'a time differs', expected: matrix(b), actual: matrix({ ...b, values: [[2, '3']] }) },
    {
      name: 'the last bit differs',
      expected: matrix(b),
      actual: matrix({ ...b, values: [[1, '3.0000000000000004']] }),
    },
    { name: 'a number is written differently', expected: matrix(b), actual: matrix({ ...b, values: [[1, '3.0']] }) },
    {
      name: 'a bucket differs',
      expected: matrix(h),
      actual: matrix({ ...h, histograms: [[1, { count: '2', sum: '3', buckets: [[0, '1', '2', '1']] }]] }),
    },
    { name: 'a warning is absent', expected: { ...matrix(a), warnings: ['w'] }, actual: matrix(a) },
    {
      name: 'an error is worded differently',
      expected: { httpStatus: 400, status: 'error', errorType: 'bad_data', error: 'x' } satisfies Answer,
      actual: { httpStatus: 400, status: 'error', errorType: 'bad_data', error: 'y' } satisfies Answer,
    },
    {
      name: 'the status differs',
      expected: { httpStatus: 400, status: 'error', errorType: 'bad_data', error: 'x' } satisfies Answer,
      actual: { httpStatus: 422, status: 'error', errorType: 'bad_data', error: 'x' } satisfies Answer,
    },
  ])
    it(`sees that ${name}`, () => assert.equal(compareAnswers(expected, actual, 'bits').length, 1));

  it('leaves room for the order of additions, and no more', () => {
    const off = (text: string) => matrix({ ...b, values: [[1, text]] });
    assert.deepEqual(compareAnswers(matrix(b), off('3.0000000000000004'), 'close'), []);
    assert.equal(compareAnswers(matrix(b), off('3.00000000001'), 'close').length, 1);
    assert.equal(compareAnswers(matrix(b), off('NaN'), 'close').length, 1);
    assert.equal(compareAnswers(off('+Inf'), off('-Inf'), 'close').length, 1);
  });
});
