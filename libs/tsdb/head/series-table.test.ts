/** The series table against a map from canonical bytes to numbers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalizeLabels } from '../../model/canonical-labels.ts';
import { Labels } from '../../model/labels.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { SeriesTable } from './series-table.ts';

const labels = fc
  .array(
    fc.tuple(
      fc.constantFrom('__name__', 'a', 'b', 'c', 'n'.repeat(130)),
      fc.oneof(
        fc.nat(9).map(String),
        fc.constantFrom('x'.repeat(127), 'x'.repeat(128), 'x'.repeat(20_000), '\u{1f30a}'),
      ),
    ),
    { maxLength: 5 },
  )
  .map((entries) => Labels.from(entries));

describe('the series of a tenant', () => {
  it('have one number for one label set', () => {
    fc.assert(
      fc.property(fc.array(labels, { maxLength: 120 }), (all) => {
        const table = new SeriesTable();
        const known = new Map<string, number>();
        const sink = new ByteSink();
        const again = new ByteSink();
        for (const one of all) {
          sink.reset();
          sink.writeUint8(9);
          canonicalizeLabels(one, sink);
          const expected = known.get(one.key);
          assert.equal(table.find(sink.bytes, 1, sink.length), expected ?? 0);
          const id = table.idOf(sink.bytes, 1, sink.length);
          assert.equal(id, expected ?? known.size + 1);
          known.set(one.key, id);
          assert.equal(table.count, known.size);
          again.reset();
          table.writeLabels(id, again);
          assert.deepEqual(again.written(), sink.written().subarray(1));
          for (let i = 0; i < one.pairs.length; i += 2) {
            const pair = table.findPair(one.pairs[i] as string, one.pairs[i + 1] as string);
            assert.equal(table.pairAt(id, i / 2), pair);
            assert.equal(table.pairName(pair), one.pairs[i]);
            assert.equal(table.pairValue(pair), one.pairs[i + 1]);
            assert.equal(table.pairOfName(id, table.findName(one.pairs[i] as string)), pair);
            assert.ok(table.seriesOfPair(pair).includes(id));
            assert.ok(table.pairsOfName(table.nameOfPair(pair)).includes(pair));
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('may have more labels than a page of lists has room for', () => {
    const many = new Labels(Array.from({ length: 70_000 }, (_, i) => [`n${String(i).padStart(6, '0')}`, 'v']).flat());
    const table = new SeriesTable();
    const sink = new ByteSink();
    canonicalizeLabels(many, sink);
    assert.equal(table.idOf(sink.bytes, 0, sink.length), 1);
    assert.equal(table.idOf(sink.bytes, 0, sink.length), 1);
    assert.equal(table.labelCount(1), 70_000);
  });
});
