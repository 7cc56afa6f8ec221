import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Histogram } from '../model/histogram.ts';
import { JsonBytes, quoteJson } from './json-bytes.ts';
import { writeHistogram } from './write-histogram.ts';

function written(write: (json: JsonBytes) => void): string {
  const chunks: Uint8Array[] = [];
  let ended = 0;
  const json = new JsonBytes((chunk, last) => {
    chunks.push(chunk);
    if (last) ended++;
  });
  write(json);
  json.finish();
  assert.equal(ended, 1);
  return Buffer.concat(chunks).toString();
}

describe('numbers in JSON', () => {
  for (const [ms, text] of [
    [0, '0'],
    [1, '0.001'],
    [-1, '-0.001'],
    [1500, '1.500'],
    [1_435_781_451_781, '1435781451.781'],
    [1_435_781_451_090, '1435781451.090'],
    [-62_135_596_800_000, '-62135596800'],
    [Number.MAX_SAFE_INTEGER, '9007199254740.991'],
  ] as const) {
    it(`${ms} ms are ${text}`, () =>
      assert.equal(
        written((json) => json.timestamp(ms)),
        text,
      ));
  }

  it('short decimals are as JavaScript writes them', () =>
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.constantFrom(10, 100, 1000, 10_000), (n, scale) => {
        const value = n / scale;
        assert.equal(
          written((json) => json.float(value)),
          `"${String(value)}"`,
        );
      }),
    ));

  for (const [value, text] of [
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-10, '-10'],
    [0.1, '0.1'],
    [1e-6, '0.000001'],
    [1e-7, '1e-07'],
    [-1.5e-10, '-1.5e-10'],
    [1e15, '1000000000000000'],
    [1e20, '100000000000000000000'],
    [1e21, '1e+21'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
    [5e-324, '5e-324'],
    [Infinity, '+Inf'],
    [-Infinity, '-Inf'],
    [NaN, 'NaN'],
  ] as const) {
    it(`the value ${value} is ${text}`, () =>
      assert.equal(
        written((json) => json.float(value)),
        `"${text}"`,
      ));
  }

  it('values that come again are written again, over the ends of chunks too', () => {
    const several = fc.array(fc.constantFrom(0, -0, NaN, 1 / 3, 2 / 3, -1 / 3, 7, 1e-7, Infinity), { minLength: 1 });
    fc.assert(
      fc.property(several, (values) => {
        const all = Array.from({ length: 20_000 }, (_, i) => values[i % values.length] as number);
        const alone = values.map((value) => written((json) => json.float(value)));
        const together = written((json) => {
          for (const value of all) json.float(value);
        });
        assert.ok(together === all.map((_, i) => alone[i % alone.length]).join(''));
      }),
      { numRuns: 20 },
    );
  });

  it('every value reads back as itself', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.ok(Object.is(Number(JSON.parse(written((json) => json.float(value)))), value));
      }),
    );
  });
});

describe('texts in JSON', () => {
  it('are escaped as Go does', () => {
    const text = '<&>"\\\n\r\t\b\u0001\u007f\u2028é🌊';
    assert.equal(quoteJson(text), '"\\u003c\\u0026\\u003e\\"\\\\\\n\\r\\t\\u0008\\u0001\u007f\\u2028é🌊"');
    assert.equal(
      written((json) => json.labelText(text)),
      '"<&>\\"\\\\\\n\\r\\t\\u0008\\u0001\u007f\u2028é🌊"',
    );
  });

  it('read back as themselves, however long and wherever a chunk ends', () => {
    const text = fc.string({ unit: 'binary', maxLength: 5000 });
    fc.assert(
      fc.property(fc.array(text, { maxLength: 100 }), (texts) => {
        const json = written((bytes) => {
          bytes.raw('[');
          for (const [i, one] of texts.entries()) {
            if (i > 0) bytes.raw(',');
            bytes.labelText(one);
          }
          bytes.raw(']');
        });
        assert.deepEqual(JSON.parse(json), texts);
      }),
      { numRuns: 20 },
    );
  });

  it('of more than one chunk arrive whole', () => {
    const text = '🌊a'.repeat(200_000);
    assert.equal(
      written((json) => json.labelText(text)),
      `"${text}"`,
    );
  });
});

describe('histograms in JSON', () => {
  const base: Histogram = {
    integer: true,
    resetHint: 0,
    schema: 0,
    zeroThreshold: 0.001,
    zeroCount: 0,
    count: 3,
    sum: 1e-7,
    positiveSpans: new Int32Array(),
    negativeSpans: new Int32Array(),
    positiveBuckets: new Float64Array(),
    negativeBuckets: new Float64Array(),
    customValues: new Float64Array(),
    stale: false,
  };
  for (const { name, given, buckets } of [
    { name: 'no buckets', given: {}, buckets: '' },
    {
      name: 'from the lowest negative to the highest positive, empty ones left out',
      given: {
        zeroCount: 2,
        positiveSpans: Int32Array.of(0, 2, 1, 1),
        positiveBuckets: Float64Array.of(1, 0, 3),
        negativeSpans: Int32Array.of(1, 2),
        negativeBuckets: Float64Array.of(4, 5.5),
      },
      buckets:
        ',"buckets":[[1,"-4","-2","5.5"],[1,"-2","-1","4"],[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"4","8","3"]]',
    },
    {
      name: 'a zero bucket that reaches into others',
      given: {
        zeroThreshold: 0.75,
        zeroCount: 1,
        positiveSpans: Int32Array.of(0, 1),
        positiveBuckets: Float64Array.of(1),
        negativeSpans: Int32Array.of(0, 1),
        negativeBuckets: Float64Array.of(1),
      },
      buckets: ',"buckets":[[1,"-1","-0.75","1"],[3,"-0.75","0.75","1"],[0,"0.75","1","1"]]',
    },
    {
      name: 'custom bounds',
      given: {
        schema: -53,
        customValues: Float64Array.of(1, 2.5),
        positiveSpans: Int32Array.of(0, 3),
        positiveBuckets: Float64Array.of(1, 2, 3),
      },
      buckets: ',"buckets":[[3,"-Inf","1","1"],[0,"1","2.5","2"],[0,"2.5","+Inf","3"]]',
    },
  ]) {
    it(name, () => {
      const text = written((json) => writeHistogram(json, { ...base, ...given }));
      assert.equal(text, `{"count":"3","sum":"1e-07"${buckets}}`);
    });
  }
});

describe('bytes that are not JSON', () => {
  it('come out as they went in, whatever a chunk holds', () => {
    for (const length of [0, 1, 12_287, 12_288, 12_289, 16_384, 140_000, 500_000]) {
      const chunks: Uint8Array[] = [];
      const json = new JsonBytes((chunk) => chunks.push(chunk));
      const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
      json.block(bytes);
      json.block(bytes.subarray(0, 100));
      json.finish();
      assert.deepEqual(Buffer.concat(chunks), Buffer.concat([bytes, bytes.subarray(0, 100)]));
    }
  });
});

describe('label sets in JSON', () => {
  const text = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('', 'a', 'b', 'le', 'é', '<"\\>', 'x'.repeat(300), 'y'.repeat(1100)) },
    fc.string({ unit: 'grapheme' }),
  );
  const pairs = fc.array(fc.tuple(text, text), { maxLength: 6 }).map((list) => list.flat());

  it('are the same whatever was written before them, over the ends of chunks too', () =>
    fc.assert(
      fc.property(fc.array(pairs, { maxLength: 12 }), fc.integer({ min: 1, max: 30 }), (sets, times) => {
        const all = Array.from({ length: times }, () => sets).flat();
        const one = (set: readonly string[]) =>
          written((json) => {
            json.byte(0x7b);
            for (let i = 0; i < set.length; i += 2) {
              if (i > 0) json.byte(0x2c);
              json.labelText(set[i] as string);
              json.byte(0x3a);
              json.labelText(set[i + 1] as string);
            }
            json.byte(0x7d);
          });
        assert.equal(
          written((json) => {
            for (const set of all) json.labelSet(set);
          }),
          all.map(one).join(''),
        );
      }),
      { numRuns: 300 },
    ));
});

it('memory that was lent has the first piece alone, and serves the next answer', () => {
  const lent = new ArrayBuffer(16 << 10);
  for (const count of [10, 20_000, 10]) {
    const pieces: string[] = [];
    const isLent: boolean[] = [];
    const json = new JsonBytes((piece) => {
      pieces.push(Buffer.from(piece).toString());
      isLent.push(piece.buffer === lent);
    }, lent);
    for (let i = 0; i < count; i++) json.float(i);
    json.finish();
    assert.equal(pieces.join(''), Array.from({ length: count }, (_, i) => `"${i}"`).join(''));
    assert.deepEqual(isLent, [true, ...isLent.slice(1).fill(false)]);
    assert.equal(isLent.length > 1, count > 10);
  }
});
