import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ShardLabels } from '../../series/series-shard.ts';
import { parseExpr } from '../syntax/parser.ts';
import { splitBySeries } from './split-by-series.ts';

const times = { startMs: 0, endMs: 3_600_000, stepMs: 60_000, subqueryStepMs: 60_000 };
const syntax = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };
const splitOf = (text: string) => splitBySeries(parseExpr(text, syntax), times);

const by = (...names: string[]): ShardLabels => ({ names: names.sort(), without: false });
const without = (...names: string[]): ShardLabels => ({
  names: ['__name__', '__type__', '__unit__', ...names].sort(),
  without: true,
});

/** Groups that are evaluated whole, by these labels. */
for (const { query, labels } of [
  { query: 'sum by (a) (x)', labels: by('a') },
  { query: '(sum by (a, b) (rate(x[5m])))', labels: by('a', 'b') },
  { query: 'avg without (a) (x)', labels: without('a') },
  { query: 'sum by (a, __name__) (x)', labels: by('a') },
  { query: 'topk by (a) (3, rate(x[5m]))', labels: by('a') },
  { query: 'limitk by (a) (3, x)', labels: by('a') },
  { query: 'quantile by (a) (0.9, x)', labels: by('a') },
  { query: 'stddev by (a) (x @ end() offset 5m)', labels: by('a') },
  { query: 'count_values by (a, b) ("b", x)', labels: by('a') },
  { query: 'sum by (a) (rate(x[5m]) * 8 > bool 1)', labels: by('a') },
  { query: 'sum by (a) (clamp_max(x, time()))', labels: by('a') },
  { query: 'sum by (a) (max_over_time(rate(x[5m])[1h:1m]))', labels: by('a') },
  { query: 'sum by (a) (max by (a, b) (x))', labels: by('a') },
  { query: 'max without (c) (sum without (a) (x))', labels: without('a', 'c') },
  { query: '-sum by (a) (x) / 2', labels: by('a') },
  { query: 'sum by (a) (x) > 10', labels: by('a') },
  { query: 'histogram_quantile(0.9, sum by (le, a) (rate(x[5m])))', labels: by('a') },
  { query: 'histogram_fraction(0, 1, sum by (a) (rate(x[5m])))', labels: by('a') },
  { query: 'label_replace(sum by (a, b) (x), "b", "$1", "a", "(.*)")', labels: by('a') },
  { query: 'label_join(sum by (a, b) (x), "c", "-", "a", "b")', labels: by('a', 'b') },
  { query: 'sum by (a) (x) / sum by (a) (y)', labels: by('a') },
  { query: 'sum by (a, b) (x) / on (a) group_left () sum by (a) (y)', labels: by('a') },
  { query: 'sum by (a) (x) / on (a) group_right () sum by (a, b) (y)', labels: by('a') },
  { query: 'sum by (a, b) (x) / ignoring (b) group_left (c) sum by (a) (y)', labels: by('a') },
  { query: 'sum by (a) (x) > (sum by (a) (y) > 5)', labels: by('a') },
  { query: 'sum by (a) (x) and sum by (a) (y)', labels: by('a') },
  { query: 'sum by (a, b) (x) unless on (b) count by (b, c) (y)', labels: by('b') },
  { query: 'sum by (a) (x) or sum by (a) (y)', labels: by('a') },
  { query: 'sum by (a) ({b="c"})', labels: by('a') },
] as const) {
  it(`whole groups: ${query}`, () => assert.deepEqual(splitOf(query)?.whole, labels));
}

/** Answers that are added up, whatever the groups. */
for (const { query, join, labels } of [
  { query: 'sum(x)', join: 'sum', labels: without() },
  { query: 'sum by (a) (rate(x[5m]))', join: 'sum', labels: without() },
  { query: 'count(x)', join: 'sum', labels: without() },
  { query: 'group(x)', join: 'group', labels: without() },
  { query: 'min without (a) (x)', join: 'min', labels: without() },
  { query: 'max(abs(x))', join: 'max', labels: without() },
  { query: 'count(sum by (a) (x) > 5)', join: 'sum', labels: by('a') },
  { query: 'sum(histogram_quantile(0.9, sum by (le, a) (x)))', join: 'sum', labels: by('a') },
] as const) {
  it(`added up: ${query}`, () => assert.deepEqual(splitOf(query)?.parts, { join, labels }));
}

for (const { query, why } of [
  { query: 'x', why: 'nothing is aggregated: the answer is the work' },
  { query: 'rate(x[5m])', why: 'the same' },
  { query: 'sum by (a) (x) / on (a) group_right () y', why: 'the same on one side' },
  { query: 'sum(x) / sum(y)', why: 'a quotient of sums is not a sum of quotients' },
  { query: 'sum(x) > 10', why: 'a comparison may hang on the last bit' },
  { query: 'histogram_quantile(0.9, sum by (le) (x))', why: 'buckets are not told apart by anything but le' },
  { query: 'avg(x)', why: 'a mean of means is no mean' },
  { query: 'topk(3, x)', why: 'the best of all is looked for; of equal ones the order decides' },
  { query: 'topk(3, sum by (a) (x))', why: 'the same' },
  { query: 'quantile(0.5, x)', why: 'all points are needed' },
  { query: 'stddev(x)', why: 'not made of those of parts' },
  { query: 'count_values("v", x)', why: 'no join for it' },
  { query: 'limit_ratio(0.5, x)', why: 'not shown' },
  { query: 'absent(sum by (a) (x))', why: 'what is missing in a part is not missing' },
  { query: 'sum(absent(x))', why: 'the same' },
  { query: 'scalar(sum(x))', why: 'a scalar is of everything' },
  { query: 'sum by (a) (x) / scalar(sum(y))', why: 'the same' },
  { query: 'sum by (a) (x * scalar(y))', why: 'the same' },
  { query: 'topk by (a) (scalar(y), x)', why: 'the same' },
  { query: 'sum by (a) (vector(1))', why: 'nothing is selected' },
  { query: 'sum by (a) (x) or vector(0)', why: 'every part would have it' },
  { query: 'sort(sum by (a) (x))', why: 'not shown' },
  { query: 'sum by (__name__) (x) / 2', why: 'names are dropped on the way' },
  { query: 'sum by (le) (histogram_quantile(0.9, x)) * 2', why: 'le is taken away' },
  { query: 'sum by (a) (label_replace(x, "a", "$1", "b", "(.*)")) * 2', why: 'the label is made of others' },
  { query: 'sum by (a) (x) / sum by (b) (y)', why: 'no label in common' },
  { query: 'sum by (a) (x) / sum without (b) (y)', why: 'a match that is ambiguous is an error of the whole' },
  { query: 'sum by (a, b) (x) / on (a) sum by (a, b) (y)', why: 'the same' },
  { query: 'sum by (a) (x) + fill (0) sum by (a) (y)', why: 'not shown' },
  { query: 'sum by (a) (x) and on () sum by (a) (y)', why: 'all match all' },
  { query: 'topk by (a) (3, sum by (a, b) (x) or sum by (a, b) (y)) * 2', why: 'it shows in which order they come' },
  { query: 'sum by (a) (info(x))', why: 'it selects by itself' },
  { query: '1 + 2', why: 'nothing is selected' },
]) {
  it(`not: ${query} (${why})`, () => assert.equal(splitOf(query), undefined));
}

describe('a query of the same text', () => {
  it('may have one way and not the other', () => {
    assert.equal(splitOf('sum(x)')?.whole, undefined);
    assert.equal(splitOf('avg by (a) (x)')?.parts, undefined);
    assert.equal(splitOf('sum by (a) (x) / 2')?.parts, undefined, 'halves of sums that differ are not looked at');
  });
});
