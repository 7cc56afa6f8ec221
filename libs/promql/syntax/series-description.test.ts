import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResetHint } from '../../model/histogram.ts';
import { ParseError } from './parse-error.ts';
import { parseSeriesDescription } from './series-description.ts';

/** Values as short text: a number, `_`, `stale`, or the count and sum of a histogram. */
function valuesOf(text: string): string[] {
  return parseSeriesDescription(text).values.map((value) => {
    if (value.kind === 'omitted') return '_';
    if (value.kind === 'float') return value.stale ? 'stale' : String(value.value);
    return `${value.histogram.count}/${value.histogram.sum}`;
  });
}

describe('values', () => {
  for (const [text, values] of Object.entries({
    m: [],
    'm 1 -2.5 +3 1e3': ['1', '-2.5', '3', '1000'],
    'm _ _x3 stale': ['_', '_', '_', '_', 'stale'],
    'm 5x2': ['5', '5', '5'],
    'm 0+10x3': ['0', '10', '20', '30'],
    'm 3-1.5x2 7': ['3', '1.5', '0', '7'],
    'm 0x3': ['0', '0', '0', '0'],
    'm Inf NaN -Inf': ['Infinity', 'NaN', '-Infinity'],
    'm stale+1x1': ['stale', 'NaN'],
    'm {{}} {{ }} {{count:2 sum:-1 }}x1': ['0/0', '0/0', '2/-1', '2/-1'],
    'm {{count:4 sum:10}}+{{count:1 sum:2}}x2': ['4/10', '5/12', '6/14'],
    'm {{count:4 sum:10}}-{{count:1 sum:2}}x2': ['4/10', '3/8', '2/6'],
  })) {
    it(text, () => assert.deepEqual(valuesOf(text), values));
  }
});

it('labels, by name, in braces, quoted', () => {
  const pairs = (text: string): readonly string[] => parseSeriesDescription(text).labels.pairs;
  assert.deepEqual(pairs('sum{b="2", a=\'1\'} 1'), ['__name__', 'sum', 'a', '1', 'b', '2']);
  assert.deepEqual(pairs('{"my.name", "l.l"="x"} 1'), ['__name__', 'my.name', 'l.l', 'x']);
  assert.deepEqual(pairs('{} 1'), []);
});

it('every key of a histogram', () => {
  const text =
    'm {{schema:-53 sum:1.5 count:7 z_bucket:2 z_bucket_w:0.1 custom_values:[5 10] buckets:[1 -2 inf ] offset:-3 ' +
    'n_buckets:[4] n_offset:2 counter_reset_hint:not_reset}}';
  const [value] = parseSeriesDescription(text).values;
  assert.equal(value?.kind, 'histogram');
  const { histogram, resetHintSet } = value;
  assert.deepEqual(histogram, {
    integer: false,
    resetHint: ResetHint.notReset,
    schema: -53,
    zeroThreshold: 0.1,
    zeroCount: 2,
    count: 7,
    sum: 1.5,
    positiveSpans: Int32Array.of(-3, 3),
    negativeSpans: Int32Array.of(2, 1),
    positiveBuckets: Float64Array.of(1, -2, Infinity),
    negativeBuckets: Float64Array.of(4),
    customValues: Float64Array.of(5, 10),
    stale: false,
  });
  assert.equal(resetHintSet, true);
});

describe('faults', () => {
  const combined = 'error combining histograms: cannot merge from schema 0 to 1';
  for (const [text, message] of Object.entries({
    'm{a="b" 1': "1:9: parse error: unexpected character inside braces: '1'",
    'm{a} 1': '1:4: parse error: unexpected "}" in label set, expected "="',
    'm 1xfoo': '1:5: parse error: unexpected identifier "foo" in series values',
    'm foo': '1:3: parse error: unexpected identifier "foo" in series values, expected number or "stale"',
    'm 1x1.5':
      '1:5: parse error: invalid repetition in series values: strconv.ParseUint: parsing "1.5": invalid syntax',
    'm {{count:1 count:2}}': '1:1: parse error: duplicate key "count" in histogram',
    'm {{foo:1}}': '1:5: parse error: bad histogram descriptor found: "foo"',
    'm {{sum:1 count}}': '1:11: parse error: missing `:` for histogram descriptor',
    'm {{schema:1}}+{{schema:0}}x1': `1:29: parse error: ${combined}`,
    'm 1x10000000': '1:5: parse error: more than 1000000 values',
  })) {
    it(text, () => {
      assert.throws(
        () => parseSeriesDescription(text),
        (error) => error instanceof ParseError && assert.equal(error.message, message) === undefined,
      );
    });
  }
});
