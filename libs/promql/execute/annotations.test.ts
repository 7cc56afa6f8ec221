import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Annotations } from './annotations.ts';

const forced = {
  minBucket: 2,
  maxBucket: 4,
  maxDiff: 5,
  minMs: 60_000,
  maxMs: 120_000,
  occurrences: 3n,
};

describe('what is added up', () => {
  const other = { ...forced, minBucket: 1, maxBucket: 3, maxDiff: 7, minMs: 90_000, maxMs: 180_000, occurrences: 4n };
  for (const { name, first, second } of [
    { name: 'in the order of evaluation', first: 1, second: 2 },
    { name: 'the other way round', first: 2, second: 1 },
  ]) {
    it(`has the ranges of all and the place of the one that is evaluated first: ${name}`, () => {
      const annotations = new Annotations();
      annotations.infoForced('mended', { start: first - 1, order: first }, forced);
      annotations.infoForced('mended', { start: second - 1, order: second }, other);
      assert.deepEqual(annotations.texts('a+b').infos, [
        'PromQL info: mended, from buckets 1 to 4, with a max diff of 7, over 7 samples ' +
          'from 1970-01-01T00:01:00Z to 1970-01-01T00:03:00Z (1:1)',
      ]);
    });
  }

  it('overflows as an int64 does', () => {
    const annotations = new Annotations();
    const most = { ...forced, occurrences: 2n ** 63n - 1n };
    annotations.infoForced('mended', { start: 0, order: 1 }, most);
    annotations.infoForced('mended', { start: 0, order: 2 }, forced);
    assert.match(annotations.texts('a').infos[0] ?? '', /over -9223372036854775806 samples/);
  });
});

it('many of them read the query once', (t) => {
  const annotations = new Annotations();
  for (const [i, start] of [0, 1, 2, 3, 4, 5].entries()) annotations.info(`of ${i}`, { start, order: i });
  annotations.warn('before', { start: 1, order: 9 });
  const copies = t.mock.method(Buffer, 'from');
  const { warnings, infos } = annotations.texts('a\n\nb');
  assert.deepEqual(
    infos.map((text) => text.slice(text.indexOf('('))),
    ['(1:1)', '(1:2)', '(2:1)', '(3:1)', '(3:2)', '(invalid position)'],
  );
  assert.deepEqual(warnings, ['PromQL warning: before (1:2)']);
  assert.equal(copies.mock.callCount(), 1);
});
