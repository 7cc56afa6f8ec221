import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Labels } from '../../../model/labels.ts';
import { withLabel } from '../series-labels.ts';
import { UnitNumbers } from './unit-numbers.ts';

const name = fc.constantFrom('a', 'job', 'le', 'z');
const value = fc.constantFrom('', '1', '2', '1:2', '+Inf');

it('equal labels have one number, with and without the label that does not count', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(fc.tuple(name, value)), fc.boolean()), { maxLength: 200 }), (series) => {
      const numbers = new UnitNumbers();
      const byKey = new Map<string, number>();
      for (const [entries, isBucket] of series) {
        const labels = Labels.from(entries);
        const own = isBucket ? withLabel(labels, 'le', '') : labels;
        const number = numbers.of(labels, isBucket ? 'le' : undefined);
        if (!byKey.has(own.key)) byKey.set(own.key, byKey.size);
        assert.equal(number, byKey.get(own.key));
        assert.deepEqual(numbers.labels[number]?.pairs, own.pairs);
      }
    }),
  );
});

it('as many as there are', () => {
  const numbers = new UnitNumbers();
  for (const le of ['0.1', '1', '+Inf']) {
    for (let i = 0; i < 5000; i++) {
      const labels = Labels.from([
        ['le', le],
        ['pod', `pod-${i}`],
      ]);
      assert.equal(numbers.of(labels, 'le'), i);
    }
  }
});
