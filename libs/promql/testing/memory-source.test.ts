import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ResetHint } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import { isStaleNaN } from '../../model/stale.ts';
import { SeriesDecoder } from '../../series/decode-series.ts';
import { MemorySource } from './memory-source.ts';
import { parseScript } from './parse-script.ts';

function sourceOf(script: string): MemorySource {
  const source = new MemorySource();
  for (const command of parseScript(script)) if (command.kind === 'load') source.load(command);
  return source;
}

interface Row {
  readonly t: number;
  readonly st: number;
  readonly value: string | number;
}

/** Every sample of every matching series, as text where it is no plain number. */
function read(source: MemorySource, matchers: readonly Matcher[] = [], minT = -1e12, maxT = 1e12): Map<string, Row[]> {
  const selection = source.select({ matchers, minT, maxT });
  const { strings, begin, refs } = selection.labels;
  const decoder = new SeriesDecoder(selection, minT, maxT);
  const found = new Map<string, Row[]>();
  for (let series = 0; series < begin.length - 1; series++) {
    const labels = new Labels([...refs.subarray(begin[series], begin[series + 1])].map((ref) => strings[ref]));
    const { length, t, v, vBits, st, h } = decoder.next();
    const rows = Array.from({ length }, (_, i): Row => {
      const histogram = h?.[i] ?? null;
      const stale = histogram === null ? isStaleNaN(vBits[2 * i + 1], vBits[2 * i]) : histogram.stale;
      const value = histogram === null ? v[i] : `hint ${histogram.resetHint} count ${histogram.count}`;
      return {
        t: t[i],
        st: st?.[i] ?? 0,
        value: stale ? `stale ${histogram === null ? 'float' : 'histogram'}` : value,
      };
    });
    found.set(labels.pairs.join(' '), rows);
  }
  return found;
}

const valuesOf = (script: string): (string | number)[] =>
  [...read(sourceOf(script)).values()].flat().map(({ value }) => value);

describe('memory source', () => {
  it('gives back floats with their start times, sorted by labels', () => {
    const source = sourceOf('load 1m\n b 1 _ 3\n a{x="1"}@st _ -10s\n a{x="1"} 5 6\n a 7');
    assert.deepEqual(
      [...read(source)],
      [
        ['__name__ a', [{ t: 0, st: 0, value: 7 }]],
        [
          '__name__ a x 1',
          [
            { t: 0, st: 0, value: 5 },
            { t: 60_000, st: 50_000, value: 6 },
          ],
        ],
        [
          '__name__ b',
          [
            { t: 0, st: 0, value: 1 },
            { t: 120_000, st: 0, value: 3 },
          ],
        ],
      ],
    );
  });

  it('selects by matchers and by time', () => {
    const source = sourceOf('load 1m\n a{x="1"} 1\n a{x="2"} 1 2\n a 3');
    const name = (matchers: readonly Matcher[], minT: number) => [...read(source, matchers, minT).keys()];
    assert.deepEqual(name([{ type: '=~', name: 'x', value: '1|3' }], 0), ['__name__ a x 1']);
    assert.deepEqual(name([{ type: '!=', name: 'x', value: '2' }], 0), ['__name__ a', '__name__ a x 1']);
    assert.deepEqual(name([], 1), ['__name__ a x 2']);
  });

  it('marks staleness in the kind of the sample before', () => {
    assert.deepEqual(valuesOf('load 1m\n a stale 1 stale {{count:1}} stale'), [
      'stale float',
      1,
      'stale float',
      `hint ${ResetHint.unknown} count 1`,
      'stale histogram',
    ]);
  });

  it('knows of no reset only within a chunk, and begins another at a reset', () => {
    const bucket = (count: number, more = '') => `{{count:${count} buckets:[${count}]${more}}}`;
    const { unknown, notReset, gauge } = ResetHint;
    assert.deepEqual(valuesOf(`load 1m\n a ${bucket(1)} ${bucket(2)} ${bucket(1)} ${bucket(1)}`), [
      `hint ${unknown} count 1`,
      `hint ${notReset} count 2`,
      `hint ${unknown} count 1`,
      `hint ${notReset} count 1`,
    ]);
    const asGauge = ' counter_reset_hint:gauge';
    assert.deepEqual(valuesOf(`load 1m\n a ${bucket(2, asGauge)} ${bucket(1, asGauge)}`), [
      `hint ${gauge} count 2`,
      `hint ${gauge} count 1`,
    ]);
  });

  it('begins another chunk each day', () => {
    const hints = valuesOf('load 12h\n a {{count:1}}x3');
    assert.deepEqual(
      hints,
      [0, 2, 0, 2].map((hint) => `hint ${hint} count 1`),
    );
  });

  it('refuses what a head refuses', () => {
    assert.throws(() => sourceOf('load 1m\n a 1\n\nload 1m\n a 2'), { message: 'out of order sample' });
    assert.throws(() => sourceOf('load 1m\n a {{count:1 buckets:[2 -1]}}'), /negative/);
  });

  it('forgets', () => {
    const source = sourceOf('load 1m\n a 1');
    source.clear();
    assert.equal(read(source).size, 0);
  });

  it('gives back whatever floats were loaded', () => {
    const value = fc.oneof(fc.double(), fc.integer(), fc.constant('stale'), fc.constant('_'));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
        const numbers = values.map((one) => (typeof one === 'number' ? String(one).replace('Infinity', 'Inf') : one));
        const rows = [...read(sourceOf(`load 7m\n a ${numbers.join(' ')}`)).values()].flat();
        // String() writes -0 as 0.
        const expected = values.flatMap((one, i): Row[] =>
          one === '_' ? [] : [{ t: i * 420_000, st: 0, value: one === 'stale' ? 'stale float' : Number(one) + 0 }],
        );
        assert.deepEqual(rows, expected);
      }),
      { numRuns: 50 },
    );
  });
});

describe('custom buckets of classic histograms', () => {
  it('are stored beside them', () => {
    const source = sourceOf(
      'load_with_nhcb 1m\n a_bucket{le="1"} 1 2\n a_bucket{le="+Inf"} 4 4\n a_count 4 4\n a_sum 8 9\n b_bucket{le="2",x="y"} 3',
    );
    const [a, b] = ['a', 'b'].map((value) =>
      source.select({ matchers: [{ type: '=', name: '__name__', value }], minT: 0, maxT: 1e9 }),
    );
    const first = new SeriesDecoder(a, 0, 1e9).next().h?.[0];
    assert.ok(first);
    assert.deepEqual(
      [first.schema, first.count, first.sum, [...first.positiveBuckets], [...first.customValues]],
      [-53, 4, 8, [1, 3], [1]],
    );
    assert.deepEqual(b.labels.strings, ['__name__', 'b', 'x', 'y']);
    const alone = new SeriesDecoder(b, 0, 1e9).next().h?.[0];
    assert.ok(alone);
    assert.deepEqual([alone.count, alone.sum, [...alone.positiveBuckets], [...alone.customValues]], [3, 0, [3], [2]]);
  });

  it('are refused where they contradict each other', () => {
    const bad = (lines: string) => () => sourceOf(`load_with_nhcb 1m\n${lines}`);
    assert.throws(bad('a_bucket{le="1"} 2\n a_bucket{le="2"} 1'), { message: 'count is not cumulative' });
    assert.throws(bad('a_bucket{le="1"} 2\n a_bucket{le="+Inf"} 3\n a_count 4'), { message: 'count mismatch' });
  });
});
